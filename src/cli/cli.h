/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "util/cleanup.h"

/*
 * What the commands of `sluice` share. A command is one file that defines one
 * `const struct sl_command sl_cmd_NAME`; main.c's table lists it. A command parses its own
 * arguments with getopt_long (argv[0] is the command's name), understands --help and --json, and
 * returns an exit status.
 */
struct sl_command {
	const char *name;
	const char *summary; /* one line for `sluice --help` */
	int (*run)(int argc, char **argv);
};

/*
 * Exit statuses, documented in sluice(1). `run` and `record` hand on the status of their command,
 * so their own failures use 125 to 127, as env(1) and docker do.
 */
enum sl_exit {
	SL_EXIT_OK = 0,
	SL_EXIT_FAILURE = 1,       /* what was asked for could not be done */
	SL_EXIT_USAGE = 2,         /* unknown option, missing argument, bad value */
	SL_EXIT_NO_BROKER = 69,    /* no broker answers (EX_UNAVAILABLE) */
	SL_EXIT_RUN_FAILED = 125,  /* run: sluice itself failed before the command ran */
	SL_EXIT_CANNOT_EXEC = 126, /* run: the command is there but cannot be run */
	SL_EXIT_NOT_FOUND = 127,   /* run: the command is not there */
};

/*
 * One line on stderr, "sluice: " and the text, which is "OBJECT: CAUSE: REMEDY":
 *
 *	sl_cli_error("%s: no such directory: give --rootfs an existing image root", path);
 *
 * Control characters are replaced. Colour on a terminal only (NO_COLOR is obeyed).
 */
void sl_cli_error(const char *fmt, ...) _printf_(1, 2);
void sl_cli_warn(const char *fmt, ...) _printf_(1, 2);

/* As sl_cli_error(), with ": see sluice COMMAND --help" behind it. Returns SL_EXIT_USAGE. */
int sl_cli_usage(const char *command, const char *fmt, ...) _printf_(2, 3);

/*
 * For getopt_long's '?' and ':' (with opterr = 0 and a leading ':' in the short options): names
 * the option, returns SL_EXIT_USAGE.
 */
int sl_cli_bad_option(const char *command, int argc, char **argv, int opt);

/* Print a help text and return SL_EXIT_OK, or SL_EXIT_FAILURE when stdout cannot be written. */
int sl_cli_help(const char *text);

/* The directory given before the command (`sluice --directory DIR ls`), or NULL. */
const char *sl_cli_directory(void);

/* Is @fd a terminal on which colour is welcome? */
bool sl_cli_colour(int fd);
/* Columns of the terminal, or 0 if @fd is none (then nothing is cut). */
unsigned int sl_cli_width(int fd);

enum sl_format {
	SL_FORMAT_TEXT,        /* a string or an integer; null is "-" */
	SL_FORMAT_BYTES,       /* 12.5M */
	SL_FORMAT_COUNT,       /* an integer, right-aligned */
	SL_FORMAT_DURATION_NS, /* 42s, 3m10s, 2h05m */
	SL_FORMAT_YES_NO,
};

struct sl_column {
	const char *title;
	const char *key; /* of the row's JSON object */
	enum sl_format format;
};

/*
 * Print an array of JSON objects as a table on stdout; the twin of --json, which prints the same
 * rows. On a terminal the last column is cut to its width. No row prints nothing but the titles.
 */
int sl_cli_print_table(const struct sl_column *columns, size_t n_columns, const json_t *rows);

/* Print @value, indented, with a line feed. Borrowed. SL_EXIT_OK or SL_EXIT_FAILURE. */
int sl_cli_print_json(const json_t *value);

/* "12.5M", "980K", "17": for people. */
void sl_cli_format_bytes(uint64_t bytes, char *buf, size_t size);
void sl_cli_format_duration(uint64_t ns, char *buf, size_t size);

/* "512M", "1.5G", "65536": powers of 1024, an optional B or iB behind. 0 or -EINVAL/-ERANGE. */
int sl_cli_parse_size(const char *s, uint64_t *ret_bytes);
/* A decimal number of at most @max, nothing else. 0, -EINVAL or -ERANGE. */
int sl_cli_parse_uint(const char *s, uint64_t max, uint64_t *ret);

/*
 * --limit's argument, "mem=512M,sessions=4", as the control protocol's limits object, added to
 * *limits (which may be NULL at first). Keys: mem, cmd (sizes), resources, contexts, syncs,
 * sessions (counts), message (milliseconds). 0, or -EINVAL with *ret_error (the caller's).
 */
int sl_cli_parse_limits(const char *s, json_t **limits, char **ret_error);

static inline void sl_json_decrefp(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(sl_json_decrefp)
