/* SPDX-License-Identifier: MIT */
/* sluice ls: the sessions there are, who they are, what they use. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"

static const char help[] =
	"Usage: sluice ls [OPTION...] [DOMAIN]\n"
	"\n"
	"Lists the sessions of the broker, or of one domain.\n"
	"\n"
	"  --long           more columns: api, cgroup, submissions, worker\n"
	"  --watch[=SECS]   again and again, every second or SECS seconds\n"
	"  --json           an array of objects with everything the broker tells; with\n"
	"                   --watch one line each time\n"
	"  --help           this text\n"
	"\n"
	"BY says how the client was identified: socket (its domain's own), peerpidfd or peercred\n"
	"(the shared socket). PID is the client's on the host, INNER in its own pid namespace;\n"
	"- where the kernel does not show it.\n";

static const struct sl_column short_columns[] = {
	{ "SESSION", "session", SL_FORMAT_COUNT },
	{ "DOMAIN", "domain", SL_FORMAT_TEXT },
	{ "STATE", "state", SL_FORMAT_TEXT },
	{ "BY", "identified_by", SL_FORMAT_TEXT },
	{ "CONTAINER", "container_short", SL_FORMAT_TEXT },
	{ "PID", "host_pid", SL_FORMAT_COUNT },
	{ "INNER", "inner_pid", SL_FORMAT_COUNT },
	{ "UID", "uid", SL_FORMAT_COUNT },
	{ "COMMAND", "comm", SL_FORMAT_TEXT },
	{ "MEM", "bytes", SL_FORMAT_BYTES },
	{ "LIMIT", "limit_bytes", SL_FORMAT_BYTES },
	{ "AGE", "age_ns", SL_FORMAT_DURATION_NS },
	{ "RENDERER", "renderer", SL_FORMAT_TEXT },
};

static const struct sl_column long_columns[] = {
	{ "SESSION", "session", SL_FORMAT_COUNT },
	{ "DOMAIN", "domain", SL_FORMAT_TEXT },
	{ "FRONTEND", "frontend", SL_FORMAT_TEXT },
	{ "STATE", "state", SL_FORMAT_TEXT },
	{ "BY", "identified_by", SL_FORMAT_TEXT },
	{ "CONTAINER", "container", SL_FORMAT_TEXT },
	{ "PID", "host_pid", SL_FORMAT_COUNT },
	{ "INNER", "inner_pid", SL_FORMAT_COUNT },
	{ "UID", "uid", SL_FORMAT_COUNT },
	{ "GID", "gid", SL_FORMAT_COUNT },
	{ "COMMAND", "comm", SL_FORMAT_TEXT },
	{ "MEM", "bytes", SL_FORMAT_BYTES },
	{ "PEAK", "peak_bytes", SL_FORMAT_BYTES },
	{ "LIMIT", "limit_bytes", SL_FORMAT_BYTES },
	{ "SUBMITS", "submits", SL_FORMAT_COUNT },
	{ "MOVED", "transfer_bytes", SL_FORMAT_BYTES },
	{ "FAULTS", "faults", SL_FORMAT_COUNT },
	{ "LAST FAULT", "last_fault", SL_FORMAT_TEXT },
	{ "AGE", "age_ns", SL_FORMAT_DURATION_NS },
	{ "WORKER", "worker_pid", SL_FORMAT_COUNT },
	{ "RENDERER", "renderer", SL_FORMAT_TEXT },
	{ "SOFTWARE", "software", SL_FORMAT_YES_NO },
	{ "API", "api", SL_FORMAT_TEXT },
	{ "CGROUP", "cgroup", SL_FORMAT_TEXT },
};

struct args {
	bool json, wide;
	uint64_t watch_s; /* 0: once */
	const char *domain;
};

/* Twelve digits tell containers apart, as docker and podman show them; names stay whole. */
static void shorten(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *id = json_string_value(json_object_get(row, "container"));
		char text[16];

		if (id && strlen(id) == 64) {
			snprintf(text, sizeof(text), "%.12s", id);
			json_object_set_new(row, "container_short", json_string(text));
		} else {
			json_object_set(row, "container_short", json_object_get(row, "container"));
		}
	}
}

static int print(const struct args *a, json_t *rows)
{
	if (a->json && a->watch_s) {
		json_dumpf(rows, stdout, JSON_COMPACT);
		return sl_cli_help("\n");
	}
	if (a->json) {
		return sl_cli_print_json(rows);
	}
	shorten(rows);
	if (a->watch_s && sl_cli_width(STDOUT_FILENO)) {
		fputs("\033[H\033[2J", stdout);
	}
	return a->wide ? sl_cli_print_table(long_columns, SL_ARRAY_LEN(long_columns), rows)
		       : sl_cli_print_table(short_columns, SL_ARRAY_LEN(short_columns), rows);
}

static int list_once(struct sl_client *c, const struct args *a)
{
	_cleanup_json_ json_t *result = NULL;
	_cleanup_free_ char *error = NULL;
	json_t *params = a->domain ? json_pack("{s:s}", "domain", a->domain) : NULL;
	int r = sl_client_call(c, "session.list", params, -1, &result, &error);

	if (r != 0) {
		sl_cli_error("%s", error);
		return sl_client_exit_status(r);
	}
	return print(a, json_object_get(result, "sessions"));
}

static int parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "long", no_argument, NULL, 'l' },
		{ "watch", optional_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, ":hl", options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			a->json = true;
			break;
		case 'l':
			a->wide = true;
			break;
		case 'w':
			a->watch_s = 1;
			if (optarg && (sl_cli_parse_uint(optarg, 86400, &a->watch_s) < 0 ||
					      a->watch_s == 0)) {
				return sl_cli_usage("ls", "--watch=%s: give whole seconds", optarg);
			}
			break;
		case 'h':
			exit(sl_cli_help(help));
		default:
			return sl_cli_bad_option("ls", argc, argv, opt);
		}
	}
	if (optind < argc) {
		a->domain = argv[optind++];
	}
	return optind < argc ? sl_cli_usage("ls", "%s: one domain at most", argv[optind]) : 0;
}

static int run(int argc, char **argv)
{
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_free_ char *error = NULL;
	struct args a = {};
	int r;

	r = parse(argc, argv, &a);
	if (r != 0) {
		return r;
	}
	r = sl_client_connect(NULL, &c, &error);
	if (r < 0) {
		sl_cli_error("%s", error);
		return sl_client_exit_status(r);
	}
	do {
		struct timespec pause = { .tv_sec = (time_t)a.watch_s };

		r = list_once(c, &a);
		if (r == 0 && a.watch_s) {
			nanosleep(&pause, NULL);
		}
	} while (r == 0 && a.watch_s);
	return r;
}

const struct sl_command sl_cmd_ls = {
	.name = "ls",
	.summary = "List sessions: who uses the GPU, and how much",
	.run = run,
};
