/* SPDX-License-Identifier: MIT */
/* `sluice bench`: the options of the benchmarks, and which there are. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench-vtest.h"
#include "cli/cli.h"

#define DEFAULT_ROUNDS 5
#define QUICK_ROUNDS 2
#define DEFAULT_DURATION_S 2.0
#define MAX_DURATION_S 600.0
#define DEFAULT_SESSIONS 50
#define QUICK_SESSIONS 10
#define MAX_SESSIONS 256

static const char help[] =
	"Usage: sluice bench vtest [OPTION...]\n"
	"\n"
	"Measures a GL client on its own renderer (native), through virgl_test_server as it is\n"
	"installed (peer) and with our renderer's tunables (peer tuned), and through Sluice; in\n"
	"turns, in one run. It starts the servers itself.\n"
	"\n"
	"Options:\n"
	"  --rounds N         how often each row is measured (default 5, at most 64)\n"
	"  --duration S       seconds of each measurement (default 2)\n"
	"  --scenes LIST      only these rows, comma-separated: build, texture, shading, bump,\n"
	"                     effect2d, buffer, or glmark2 for these six; '1 draw', '10 draws',\n"
	"                     '100 draws', '500 draws', or draws for the last three; read-back,\n"
	"                     upload, 'first frame', pss\n"
	"  --sessions N       open at the same time for the memory row (default 50, 0: none)\n"
	"  --quick            two rounds of four rows, ten sessions: about a minute\n"
	"  --json             one JSON object instead of the table\n"
	"  --verbose          show what the programs print on stderr\n"
	"  --help             this text\n"
	"\n"
	"Exit status: 0 measured, 1 failed, 2 wrong usage. See sluice-bench(1).\n";

static int parse_number(const char *s, unsigned int max, unsigned int *ret)
{
	uint64_t value;

	if (sl_cli_parse_uint(s, max, &value) < 0) {
		return -1;
	}
	*ret = (unsigned int)value;
	return 0;
}

static int parse_duration(const char *s, double *ret)
{
	char *end;
	double value = strtod(s, &end);

	/* Written so that a NaN fails too. */
	if (end == s || *end || !(value >= 0.1 && value <= MAX_DURATION_S)) {
		return -1;
	}
	*ret = value;
	return 0;
}

/* -1 to go on, or an exit status. */
static int set(struct sl_bench_options *o, int opt, int argc, char **argv)
{
	int r = 0;

	switch (opt) {
	case 'r':
		r = parse_number(optarg, SL_BENCH_MAX_ROUNDS, &o->rounds);
		r = o->rounds ? r : -1;
		break;
	case 'd':
		r = parse_duration(optarg, &o->duration_s);
		break;
	case 'n':
		r = parse_number(optarg, MAX_SESSIONS, &o->sessions);
		break;
	case 's':
		o->scenes = optarg;
		break;
	case 'q':
		o->quick = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'h':
		return sl_cli_help(help);
	default:
		return sl_cli_bad_option("bench", argc, argv, opt);
	}
	return r < 0 ? sl_cli_usage("bench", "%s: not a value for this option", optarg) : -1;
}

static int parse(struct sl_bench_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "duration", required_argument, NULL, 'd' },
		{ "scenes", required_argument, NULL, 's' },
		{ "sessions", required_argument, NULL, 'n' },
		{ "quick", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt, status;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		status = set(o, opt, argc, argv);
		if (status >= 0) {
			return status;
		}
	}
	if (optind >= argc) {
		return sl_cli_usage("bench", "no benchmark named: there is vtest");
	}
	if (optind + 1 < argc) {
		return sl_cli_usage("bench", "%s: one benchmark at a time", argv[optind + 1]);
	}
	return -1;
}

static int run(int argc, char **argv)
{
	/* UINT_MAX is what no option gave: --quick and the defaults differ. */
	struct sl_bench_options o = {
		.rounds = UINT_MAX, .sessions = UINT_MAX, .duration_s = DEFAULT_DURATION_S
	};
	int status = parse(&o, argc, argv);

	if (status >= 0) {
		return status;
	}
	if (o.rounds == UINT_MAX) {
		o.rounds = o.quick ? QUICK_ROUNDS : DEFAULT_ROUNDS;
	}
	if (o.sessions == UINT_MAX) {
		o.sessions = o.quick ? QUICK_SESSIONS : DEFAULT_SESSIONS;
	}
	if (strcmp(argv[optind], "vtest") != 0) {
		return sl_cli_usage("bench", "%s: no such benchmark: there is vtest", argv[optind]);
	}
	return sl_bench_vtest(&o);
}

const struct sl_command sl_cmd_bench = {
	.name = "bench",
	.summary = "measure what the isolation costs",
	.run = run,
};
