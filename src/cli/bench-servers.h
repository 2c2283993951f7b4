/* SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>

#include "cli/bench.h"

/*
 * The servers that the columns of `sluice bench vtest` go through, started by the benchmark
 * itself in a private directory, so that nothing needs to run and nothing else is measured.
 */
struct sl_bench_servers {
	char directory[64];
	struct sl_bench_process process[SL_BENCH_N_COLUMNS];
	char socket[SL_BENCH_N_COLUMNS][108];
	struct sl_bench_process xvfb;
	char display[32]; /* ":7", or "" without an X server */
	bool verbose;
};

/*
 * Start them all. A column whose server is not there is left empty, with the reason in @absent.
 * 0, or -errno after a message when not even the directory can be made.
 */
int sl_bench_servers_start(struct sl_bench_servers *s, const char *absent[SL_BENCH_N_COLUMNS]);
void sl_bench_servers_stop(struct sl_bench_servers *s);

/* Is this column there? The native one always is. */
bool sl_bench_servers_has(const struct sl_bench_servers *s, enum sl_bench_column column);

#define SL_BENCH_MAX_ARGS 64

/*
 * The command line that runs @command (NULL-terminated) in the container of @column: the same
 * kind for all, with the column's socket where Mesa looks for it. Strings are borrowed from @s
 * and @command.
 */
struct sl_bench_argv {
	const char *argv[SL_BENCH_MAX_ARGS];
	size_t n;
};
void sl_bench_container(const struct sl_bench_servers *s, enum sl_bench_column column,
	const char *const *command, struct sl_bench_argv *ret);

/* Is @name on the PATH? */
bool sl_bench_on_path(const char *name);
/* A program of ours: beside this one, in the build tree or where it is installed. */
bool sl_bench_find_own(const char *name, const char *in_build_tree, char ret[PATH_MAX]);
