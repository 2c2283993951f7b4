/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/bench-servers.h"

struct sl_bench_options {
	unsigned int rounds;
	double duration_s;
	unsigned int sessions; /* of the memory row; 0: leave it out */
	const char *scenes;    /* comma-separated rows, or NULL for all */
	bool quick, json, verbose;
};

/* One thing that is drawn, by glmark2 or by the bundled client. */
struct sl_bench_case {
	const char *name;
	bool glmark2, quick;
	const char *args[4];
};

/* What one run of a case said; NAN where it said nothing. */
struct sl_bench_sample {
	double rate;             /* frames a second */
	double cpu_ms;           /* per frame, of the client and the column's server */
	double first_frame_ms;   /* since the program began */
	double connect_frame_ms; /* since it connected to its server */
};

/* bench-measure.c: run the case once in this column. */
struct sl_bench_sample sl_bench_measure(const struct sl_bench_servers *s,
	enum sl_bench_column column, const struct sl_bench_case *c, const char *client,
	double duration_s);

/* The MiB of the column's whole server, divided by the sessions that are open at the time. */
double sl_bench_measure_pss(const struct sl_bench_servers *s, enum sl_bench_column column,
	const char *client, unsigned int sessions);

/* bench-vtest.c: all of it; an exit status. */
int sl_bench_vtest(const struct sl_bench_options *o);
