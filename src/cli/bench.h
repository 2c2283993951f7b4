/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

/*
 * What the benchmarks share. Each compares the same columns, in one run, in turns: the client on
 * its own renderer, through the reference peer as its package ships it, through the peer with our
 * renderer's tunables, and through Sluice. A value that could not be measured is NAN.
 */
enum sl_bench_column {
	SL_BENCH_NATIVE,
	SL_BENCH_PEER,
	SL_BENCH_PEER_TUNED,
	SL_BENCH_SLUICE,
	SL_BENCH_N_COLUMNS,
};

/* "native", "peer", "peer_tuned", "sluice". */
const char *sl_bench_column_name(enum sl_bench_column column);

#define SL_BENCH_MAX_ROUNDS 64
#define SL_BENCH_MAX_ROWS 64

enum sl_bench_kind {
	SL_BENCH_RATE,
	SL_BENCH_CPU,
	SL_BENCH_START,
	SL_BENCH_CONNECT,
	SL_BENCH_MEMORY
};

/* A line of the result: one value per column and round. */
struct sl_bench_row {
	char name[64];
	const char *unit;
	enum sl_bench_kind kind;
	bool higher_is_better;
	unsigned int n_rounds;
	double values[SL_BENCH_N_COLUMNS][SL_BENCH_MAX_ROUNDS];
};

struct sl_bench_result {
	const char *name;
	unsigned int rounds;
	double duration_s;
	struct sl_bench_row rows[SL_BENCH_MAX_ROWS];
	size_t n_rows;
	/* Why a column is empty, or NULL; constants or owned by whoever filled them. */
	const char *absent[SL_BENCH_N_COLUMNS];
	unsigned int sessions; /* of the memory row */
};

/* The row of that name, added if there is none yet; NULL when the table is full. */
struct sl_bench_row *sl_bench_row(
	struct sl_bench_result *r, enum sl_bench_kind kind, const char *name);

/* bench-stats.c: all of them leave NAN values out and return NAN when none is left. */
double sl_bench_median(const double *values, size_t n);
/* (largest - smallest) / median. */
double sl_bench_spread(const double *values, size_t n);

struct sl_bench_ratio {
	double mean;      /* geometric, of the paired values */
	double low, high; /* 95 % interval of it; NAN with fewer than two pairs */
	size_t pairs;
};
/* a[i] / b[i] of every round that has both. */
struct sl_bench_ratio sl_bench_ratio(const double *a, const double *b, size_t n);

/* The geometric mean of sluice / @column over the rows of this kind. */
double sl_bench_geomean(
	const struct sl_bench_result *r, enum sl_bench_kind kind, enum sl_bench_column column);

/* bench-report.c */
int sl_bench_print_text(const struct sl_bench_result *r);
int sl_bench_print_json(const struct sl_bench_result *r);

/* bench-process.c: a program with its stdin and stdout on pipes, in a process group of its own. */
struct sl_bench_process {
	pid_t pid;
	int in, out; /* -1 when not piped */
	char line[512];
	size_t n_line; /* bytes of a line that has not ended yet */
};

struct sl_bench_variable {
	const char *name, *value; /* a NULL value removes it */
};

/*
 * Start @argv with @variables (ended by a NULL name) set. Its stderr is dropped unless @verbose.
 * It gets SIGTERM when this process dies. 0 or -errno.
 */
int sl_bench_spawn(struct sl_bench_process *p, const char *const *argv,
	const struct sl_bench_variable *variables, bool verbose);

/* The next line of its stdout, without the line feed; NULL when it ended, or at @deadline_ns. */
const char *sl_bench_read_line(struct sl_bench_process *p, uint64_t deadline_ns);

/* Has it ended by itself? It is reaped then. */
bool sl_bench_ended(struct sl_bench_process *p);
/* End its stdin, wait until @deadline_ns, then kill its group. Its exit status, or -1. */
int sl_bench_finish(struct sl_bench_process *p, uint64_t deadline_ns);
/* SIGTERM, up to five seconds of patience, SIGKILL to its group. */
void sl_bench_stop(struct sl_bench_process *p);

/* Has the user asked us to end (SIGINT, SIGTERM)? Every wait here ends then. */
bool sl_bench_interrupted(void);
void sl_bench_catch_signals(void);
/* Sleep until @deadline_ns, or an interruption. */
void sl_bench_sleep_until(uint64_t deadline_ns);

/*
 * bench-proc.c: what the process trees below these roots have used and hold. @n_roots of them, 0
 * is no process.
 */
double sl_bench_tree_cpu_s(const pid_t *roots, size_t n_roots);
/* Proportional set size in MiB; NAN when a process may not be read. */
double sl_bench_tree_pss_mib(pid_t root);
/* MemAvailable in MiB. */
double sl_bench_memory_available_mib(void);
