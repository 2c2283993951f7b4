/* SPDX-License-Identifier: MIT */
/*
 * `sluice replay`: play a recording to a worker, through a domain of its own, or to any vtest
 * server, and tell how long each kind of message took and whether the session survived.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/replay.h"
#include "cli/run.h"

static const char help_text[] =
	"Usage: sluice replay [OPTION...] FILE\n"
	"\n"
	"Plays a session that sluice record wrote to a new session and tells how it went.\n"
	"\n"
	"Options:\n"
	"  --directory DIR      the broker's directory (a private broker is started if none runs)\n"
	"  --socket PATH        play to this vtest server instead, of whatever make\n"
	"  --null               play to a worker that checks everything and draws nothing\n"
	"  --host-gl=on|core|es which GL the worker uses\n"
	"  --limit LIST         the session's budget, as for sluice run\n"
	"  --repeat N           play it N times, each in a new session\n"
	"  --json               one JSON object\n"
	"  --verbose            a private broker's log on stderr\n"
	"  --help               this text\n"
	"\n"
	"Exit status: 0 played to its end without a fault, 1 the session ended early or had "
	"faults,\n"
	"2 wrong usage, 125 the file cannot be played or there is no server.\n";

#define REPEAT_MAX 1000000u

struct replay_options {
	const char *file, *socket;
	uint64_t repeat;
	bool json;
	struct sl_run_options run; /* what concerns the domain */
};

enum {
	OPT_SOCKET = 256,
	OPT_NULL,
	OPT_REPEAT,
	OPT_HOST_GL,
	OPT_LIMIT,
	OPT_JSON,
	OPT_VERBOSE,
	OPT_DIRECTORY,
};

static int parse_limit(struct replay_options *o, const char *arg)
{
	_cleanup_free_ char *error = NULL;

	if (sl_cli_parse_limits(arg, &o->run.limits, &error) < 0) {
		sl_cli_error("%s", error ? error : "out of memory");
		return SL_EXIT_USAGE;
	}
	return -1;
}

static int parse_option(struct replay_options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_DIRECTORY:
		o->run.directory = arg;
		break;
	case OPT_SOCKET:
		o->socket = arg;
		break;
	case OPT_NULL:
		o->run.null = true;
		break;
	case OPT_REPEAT:
		if (sl_cli_parse_uint(arg, REPEAT_MAX, &o->repeat) < 0 || o->repeat == 0) {
			return sl_cli_usage("replay", "--repeat %s: give a number from 1 to %u",
				arg, REPEAT_MAX);
		}
		break;
	case OPT_HOST_GL:
		if (strcmp(arg, "on") != 0 && strcmp(arg, "core") != 0 && strcmp(arg, "es") != 0) {
			return sl_cli_usage("replay", "--host-gl=%s: use on, core or es", arg);
		}
		o->run.host_gl = arg;
		break;
	case OPT_LIMIT:
		return parse_limit(o, arg);
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_VERBOSE:
		o->run.verbose = true;
		break;
	}
	return -1;
}

/* -1 to go on, or an exit status. */
static int parse(struct replay_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "directory", required_argument, NULL, OPT_DIRECTORY },
		{ "socket", required_argument, NULL, OPT_SOCKET },
		{ "null", no_argument, NULL, OPT_NULL },
		{ "repeat", required_argument, NULL, OPT_REPEAT },
		{ "host-gl", required_argument, NULL, OPT_HOST_GL },
		{ "limit", required_argument, NULL, OPT_LIMIT },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "verbose", no_argument, NULL, OPT_VERBOSE },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt, r = -1;

	opterr = 0;
	while (r < 0 && (opt = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (opt == 'h') {
			return sl_cli_help(help_text);
		}
		if (opt == '?' || opt == ':') {
			return sl_cli_bad_option("replay", argc, argv, opt);
		}
		r = parse_option(o, opt, optarg);
	}
	if (r >= 0) {
		return r;
	}
	if (argc - optind != 1) {
		return sl_cli_usage("replay", optind < argc ? "one FILE at a time" : "which FILE?");
	}
	if (o->socket && (o->run.null || o->run.directory || o->run.limits || o->run.host_gl)) {
		return sl_cli_usage("replay", "--socket: the other server knows no such option");
	}
	o->file = argv[optind];
	return -1;
}

static int play_error(const struct replay_options *o, const char *socket, int r)
{
	switch (r) {
	case -EPROTO:
		sl_cli_error(
			"%s: no recording, or a damaged one: make one with sluice record", o->file);
		break;
	case -EPROTONOSUPPORT:
		sl_cli_error(
			"%s: a recording of another version: use the sluice that made it", o->file);
		break;
	default:
		sl_cli_error("%s: %s: give a vtest server that answers", socket, strerror(-r));
		break;
	}
	return SL_EXIT_RUN_FAILED;
}

static json_t *commands_json(const struct sl_replay_result *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < SL_VTEST_N_IDS; i++) {
		const struct sl_replay_command *c = &r->commands[i];

		if (c->count > 0) {
			json_array_append_new(list,
				json_pack("{s:s, s:I, s:f, s:f}", "command",
					i ? sl_vtest_id_str(i) : "not understood", "count",
					(json_int_t)c->count, "total_ms", (double)c->total_ns / 1e6,
					"max_ms", (double)c->max_ns / 1e6));
		}
	}
	return list;
}

static json_t *round_json(const struct sl_replay_result *r)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:b, s:o, s:o}", "messages",
		(json_int_t)r->messages, "bytes_sent", (json_int_t)r->bytes_sent, "bytes_received",
		(json_int_t)r->bytes_received, "memory_bytes", (json_int_t)r->memory_bytes,
		"wall_ms", (double)r->wall_ns / 1e6, "recorded_ms", (double)r->recorded_ns / 1e6,
		"other_ids", (json_int_t)r->other_ids, "complete", !r->ended, "ended",
		r->ended ? sl_control_text(r->why) : json_null(), "commands", commands_json(r));
}

static void print_round(const json_t *round)
{
	static const struct sl_column columns[] = {
		{ "COMMAND", "command", SL_FORMAT_TEXT },
		{ "COUNT", "count", SL_FORMAT_COUNT },
		{ "TOTAL MS", "total_ms", SL_FORMAT_COUNT },
		{ "MAX MS", "max_ms", SL_FORMAT_COUNT },
	};
	const char *why = json_string_value(json_object_get(round, "ended"));

	sl_cli_print_table(columns, SL_ARRAY_LEN(columns), json_object_get(round, "commands"));
	printf("%lld messages in %.1f ms (recorded over %.1f ms): %s\n",
		(long long)json_integer_value(json_object_get(round, "messages")),
		json_real_value(json_object_get(round, "wall_ms")),
		json_real_value(json_object_get(round, "recorded_ms")),
		why ? why : "played to its end");
	if (json_integer_value(json_object_get(round, "other_ids")) > 0) {
		sl_cli_warn("replay: the server gave resources other ids than the recording has: "
			    "what was drawn differs");
	}
}

static int report(const struct replay_options *o, struct sl_run_gpu *g, json_t *rounds, bool ended)
{
	/* Faults that the protocol has no words for are in the domain's totals. */
	_cleanup_json_ json_t *usage = sl_run_gpu_usage(g), *all = NULL;
	json_int_t faults = json_integer_value(json_object_get(usage, "faults"));
	json_int_t lost = json_integer_value(json_object_get(usage, "lost"));
	const char *last = json_string_value(json_object_get(usage, "last_fault"));
	bool ok = !ended && faults == 0 && lost == 0;
	const json_t *round;
	size_t i;

	if (o->json) {
		all = json_pack("{s:s, s:b, s:O, s:o}", "file", o->file, "ok", ok, "rounds", rounds,
			"usage", usage ? json_incref(usage) : json_null());
		sl_cli_print_json(all);
	} else {
		json_array_foreach(rounds, i, round)
		{
			print_round(round);
		}
		if (faults > 0 || lost > 0) {
			printf("%lld faults, %lld workers lost%s%s\n", (long long)faults,
				(long long)lost, last ? ", the last: " : "", last ? last : "");
		}
		sl_cli_help("");
	}
	return ok ? SL_EXIT_OK : SL_EXIT_FAILURE;
}

static int play_all(const struct replay_options *o, struct sl_run_gpu *g, FILE *f)
{
	_cleanup_json_ json_t *rounds = json_array();
	const char *socket = o->socket ? o->socket : g->socket;
	bool ended = false;

	for (uint64_t i = 0; i < o->repeat; i++) {
		struct sl_replay_result result;
		int r;

		rewind(f);
		r = sl_replay_play(f, socket, &result);
		if (r < 0) {
			return play_error(o, socket, r);
		}
		ended |= result.ended;
		json_array_append_new(rounds, round_json(&result));
	}
	return report(o, g, rounds, ended);
}

static int replay(struct replay_options *o)
{
	_cleanup_fclose_ FILE *f = fopen(o->file, "rbe");
	struct sl_run_gpu gpu = { .broker_log_fd = -1 };
	int r = SL_EXIT_OK;

	if (!f) {
		sl_cli_error("%s: %m: give a file that sluice record wrote", o->file);
		return SL_EXIT_RUN_FAILED;
	}
	if (!o->socket) {
		r = sl_run_gpu_open(&gpu, &o->run);
	}
	if (r == SL_EXIT_OK) {
		r = play_all(o, &gpu, f);
	}
	sl_run_gpu_close(&gpu);
	return r;
}

static int run(int argc, char **argv)
{
	static char name[] = "replay";
	char *program[] = { name, NULL };
	struct replay_options o = { .repeat = 1,
		.run = { .command = "replay", .gpu = SL_RUN_GL, .argv = program } };
	int r = parse(&o, argc, argv);

	if (r < 0) {
		r = replay(&o);
	}
	sl_run_options_fini(&o.run);
	return r;
}

const struct sl_command sl_cmd_replay = {
	.name = "replay",
	.summary = "play a recorded session and tell how it went",
	.run = run,
};
