/* SPDX-License-Identifier: MIT */
/*
 * `sluice bench vtest`: what a GL client costs through Sluice, beside the same client on its own
 * renderer and through virgl_test_server. Columns take turns within a round, and each round
 * begins with another column, so that drift and warm caches favour none.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench-vtest.h"
#include "cli/cli.h"
#include "util/fds.h"

static const struct sl_bench_case cases[] = {
	{ "glmark2 build", true, true, { "build" } },
	{ "glmark2 texture", true, true, { "texture" } },
	{ "glmark2 shading", true, false, { "shading" } },
	{ "glmark2 bump", true, false, { "bump" } },
	{ "glmark2 effect2d", true, false, { "effect2d" } },
	{ "glmark2 buffer", true, false, { "buffer" } },
	{ "1 draw", false, false, { "draws", "--draws=1" } },
	{ "10 draws", false, true, { "draws", "--draws=10" } },
	{ "100 draws", false, false, { "draws", "--draws=100" } },
	{ "500 draws", false, false, { "draws", "--draws=500" } },
	{ "read-back", false, true, { "readback", "--draws=10" } },
	{ "upload 1 MiB", false, false, { "upload", "--draws=10" } },
};

static const struct sl_bench_case first_frame = { "first frame", false, true,
	{ "first-frame", "--draws=10" } };

static const char memory_row[] = "pss";

/* What a session is taken to need at most, client included, when memory is looked at. */
#define SESSION_MIB 200.0
#define FEW_SESSIONS 10

struct bench {
	const struct sl_bench_options *o;
	struct sl_bench_servers servers;
	struct sl_bench_result *result;
	char client[PATH_MAX];
	const char *no_client, *no_glmark2;
	size_t n_done, n_all;
};

/* "glmark2 build" is chosen by that, by "build" and by "glmark2"; "10 draws" by "draws". */
static bool names(const char *item, size_t length, const char *name)
{
	const char *space = strchr(name, ' ');

	return (strlen(name) == length && strncmp(item, name, length) == 0) ||
	       (space && strlen(space + 1) == length && strncmp(item, space + 1, length) == 0) ||
	       (space && (size_t)(space - name) == length && strncmp(item, name, length) == 0);
}

static bool wanted(const struct sl_bench_options *o, const char *name)
{
	for (const char *at = o->scenes ? o->scenes : name; *at;) {
		size_t length = strcspn(at, ",");

		if (names(at, length, name)) {
			return true;
		}
		at += length + (at[length] == ',');
	}
	return false;
}

/* Does every item of --scenes name a row? Before anything is started. */
static int check_scenes(const struct sl_bench_options *o)
{
	if (o->scenes && !*o->scenes) {
		return sl_cli_usage("bench", "--scenes: empty");
	}
	for (const char *at = o->scenes ? o->scenes : ""; *at;) {
		size_t length = strcspn(at, ",");
		bool known = names(at, length, first_frame.name) || names(at, length, memory_row);

		for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
			known |= names(at, length, cases[i].name);
		}
		if (!known) {
			return sl_cli_usage("bench", "%.*s: no such row", (int)length, at);
		}
		at += length + (at[length] == ',');
	}
	return SL_EXIT_OK;
}

static bool is_run(const struct bench *b, const struct sl_bench_case *c)
{
	if (c->glmark2 ? b->no_glmark2 != NULL : b->no_client != NULL) {
		return false;
	}
	return b->o->scenes ? wanted(b->o, c->name) : c->quick || !b->o->quick;
}

static void progress(struct bench *b, const char *what, enum sl_bench_column column)
{
	const char *end = isatty(STDERR_FILENO) ? "\r" : "\n";

	b->n_done++;
	fprintf(stderr, "%3zu of %zu: %-24s %-12s%s", b->n_done, b->n_all, what,
		sl_bench_column_name(column), end);
}

static void store(
	struct sl_bench_row *row, enum sl_bench_column column, unsigned int round, double value)
{
	if (row) {
		row->values[column][round] = value;
		row->n_rounds = round + 1;
	}
}

static void run_case(struct bench *b, const struct sl_bench_case *c, unsigned int round)
{
	struct sl_bench_row *rate = sl_bench_row(b->result, SL_BENCH_RATE, c->name);
	char name[64];

	for (unsigned int k = 0; k < SL_BENCH_N_COLUMNS && !sl_bench_interrupted(); k++) {
		enum sl_bench_column column = (round + k) % SL_BENCH_N_COLUMNS;
		struct sl_bench_sample sample = { NAN, NAN, NAN, NAN };

		progress(b, c->name, column);
		if (sl_bench_servers_has(&b->servers, column)) {
			sample = sl_bench_measure(
				&b->servers, column, c, b->client, b->o->duration_s);
		}
		store(rate, column, round, sample.rate);
		snprintf(name, sizeof(name), "%s, CPU", c->name);
		store(sl_bench_row(b->result, SL_BENCH_CPU, name), column, round, sample.cpu_ms);
	}
}

/* Once for each column uncounted: page cache and shader caches fill, warm workers appear. */
static void run_first_frame(struct bench *b, unsigned int rounds)
{
	struct sl_bench_row *row = sl_bench_row(b->result, SL_BENCH_START, first_frame.name);
	struct sl_bench_row *connected =
		sl_bench_row(b->result, SL_BENCH_CONNECT, "connect to first frame");

	for (unsigned int round = 0; round <= rounds; round++) {
		for (unsigned int k = 0; k < SL_BENCH_N_COLUMNS && !sl_bench_interrupted(); k++) {
			enum sl_bench_column column = (round + k) % SL_BENCH_N_COLUMNS;
			struct sl_bench_sample sample = { NAN, NAN, NAN, NAN };

			progress(b, first_frame.name, column);
			if (sl_bench_servers_has(&b->servers, column)) {
				sample = sl_bench_measure(
					&b->servers, column, &first_frame, b->client, 1);
			}
			if (round > 0) {
				store(row, column, round - 1, sample.first_frame_ms);
				store(connected, column, round - 1, sample.connect_frame_ms);
			}
		}
	}
}

static void run_pss(struct bench *b)
{
	unsigned int sessions = b->o->sessions;
	struct sl_bench_row *row;
	char name[64];

	if (sl_bench_memory_available_mib() < SESSION_MIB * sessions) {
		sessions = SL_MIN(sessions, (unsigned int)FEW_SESSIONS);
	}
	b->result->sessions = sessions;
	snprintf(name, sizeof(name), "PSS a session, %u of them", sessions);
	row = sl_bench_row(b->result, SL_BENCH_MEMORY, name);
	for (enum sl_bench_column c = SL_BENCH_PEER; c < SL_BENCH_N_COLUMNS; c++) {
		progress(b, name, c);
		if (sl_bench_servers_has(&b->servers, c) && !sl_bench_interrupted()) {
			store(row, c, 0, sl_bench_measure_pss(&b->servers, c, b->client, sessions));
		}
	}
}

/* First frames are short: more of them cost little. */
static unsigned int first_frame_rounds(const struct sl_bench_options *o)
{
	return SL_MIN(o->rounds * 3, (unsigned int)SL_BENCH_MAX_ROUNDS);
}

static bool wants_first_frame(const struct bench *b)
{
	return !b->no_client && wanted(b->o, first_frame.name);
}

static bool wants_pss(const struct bench *b)
{
	return !b->no_client && b->o->sessions && wanted(b->o, memory_row);
}

static void run_all(struct bench *b)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		b->n_all += is_run(b, &cases[i]) ? b->o->rounds * SL_BENCH_N_COLUMNS : 0;
	}
	b->n_all += wants_first_frame(b) ? (first_frame_rounds(b->o) + 1) * SL_BENCH_N_COLUMNS : 0;
	b->n_all += wants_pss(b) ? SL_BENCH_N_COLUMNS - 1 : 0;
	for (unsigned int round = 0; round < b->o->rounds; round++) {
		for (size_t i = 0; i < SL_ARRAY_LEN(cases) && !sl_bench_interrupted(); i++) {
			if (is_run(b, &cases[i])) {
				run_case(b, &cases[i], round);
			}
		}
	}
	if (wants_first_frame(b)) {
		run_first_frame(b, first_frame_rounds(b->o));
	}
	if (wants_pss(b)) {
		run_pss(b);
	}
	fprintf(stderr, "%-60s\n", "");
}

static int find_programs(struct bench *b)
{
	if (!sl_bench_on_path("bwrap")) {
		sl_cli_error("bench: bwrap: not installed: apt install bubblewrap");
		return SL_EXIT_FAILURE;
	}
	if (!sl_bench_find_own(
		    "sluice-bench-client", "../../tests/clients/sluice-bench-client", b->client)) {
		b->no_client = "sluice-bench-client: not found: install it, or set "
			       "SLUICE_LIBEXECDIR";
		sl_cli_warn("bench: %s", b->no_client);
	}
	if (!sl_bench_on_path("glmark2-es2")) {
		b->no_glmark2 = "glmark2-es2: not installed: apt install glmark2-es2-x11";
	} else if (!sl_bench_on_path("Xvfb")) {
		b->no_glmark2 = "Xvfb: not installed, glmark2 needs it: apt install xvfb";
	}
	if (b->no_glmark2) {
		sl_cli_warn("bench: %s", b->no_glmark2);
	}
	return SL_EXIT_OK;
}

static int run_with_servers(struct bench *b)
{
	if (sl_bench_servers_start(&b->servers, b->result->absent) < 0) {
		return SL_EXIT_FAILURE;
	}
	for (enum sl_bench_column c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		if (b->result->absent[c]) {
			sl_cli_warn("bench: %s", b->result->absent[c]);
		}
	}
	run_all(b);
	sl_bench_servers_stop(&b->servers);
	if (sl_bench_interrupted()) {
		sl_cli_error("bench: interrupted: nothing is reported");
		return SL_EXIT_FAILURE;
	}
	return b->o->json ? sl_bench_print_json(b->result) : sl_bench_print_text(b->result);
}

int sl_bench_vtest(const struct sl_bench_options *o)
{
	struct bench b = { .o = o, .servers = { .verbose = o->verbose } };
	int status;

	b.result = calloc(1, sizeof(*b.result));
	if (!b.result) {
		sl_cli_error("bench: out of memory");
		return SL_EXIT_FAILURE;
	}
	b.result->name = "vtest";
	b.result->rounds = o->rounds;
	b.result->duration_s = o->duration_s;
	sl_bench_catch_signals();
	status = check_scenes(o);
	if (status == SL_EXIT_OK) {
		status = find_programs(&b);
	}
	if (status == SL_EXIT_OK) {
		status = run_with_servers(&b);
	}
	free(b.result);
	return status;
}
