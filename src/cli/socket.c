/* SPDX-License-Identifier: MIT */
/* sluice socket: domains and their sockets. Whoever is given a domain's socket is that domain. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

static const char help[] =
	"Usage: sluice socket add NAME [OPTION...]\n"
	"       sluice socket rm NAME...\n"
	"       sluice socket ls\n"
	"\n"
	"A domain is one container, VM or user; its socket is its identity. `add` makes it and "
	"prints\n"
	"the socket's path, `rm` takes it away and ends its sessions.\n"
	"\n"
	"Options of add:\n"
	"  --uid USER      the socket's owner (name or number; default: the broker's user)\n"
	"  --gid GROUP     its group\n"
	"  --mode MODE     its permissions, octal (default 0600)\n"
	"  --limit LIST    mem=512M,sessions=4 and so on: mem, cmd (sizes), resources, contexts,\n"
	"                  syncs (counts), message (milliseconds) per session; sessions\n"
	"  --host-gl API   on, core or es, where it shall differ from the broker's\n"
	"\n"
	"  --json          the domain (add), the domains (ls) or those removed (rm) as JSON\n"
	"  --help          this text\n";

enum { OPT_UID = 256, OPT_GID, OPT_MODE, OPT_LIMIT, OPT_HOST_GL, OPT_JSON, OPT_HELP };

static const struct option add_options[] = {
	{ "uid", required_argument, NULL, OPT_UID },
	{ "gid", required_argument, NULL, OPT_GID },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "host-gl", required_argument, NULL, OPT_HOST_GL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{},
};

static const struct option plain_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{},
};

static const struct sl_column columns[] = {
	{ "DOMAIN", "name", SL_FORMAT_TEXT },
	{ "LIVE", "live", SL_FORMAT_COUNT },
	{ "UID", "uid", SL_FORMAT_COUNT },
	{ "MODE", "mode", SL_FORMAT_TEXT },
	{ "EPHEMERAL", "ephemeral", SL_FORMAT_YES_NO },
	{ "MEM", "mem_bytes", SL_FORMAT_BYTES },
	{ "SESSIONS", "max_sessions", SL_FORMAT_COUNT },
	{ "SOCKET", "socket", SL_FORMAT_TEXT },
};

static int set_uid(json_t *params, const char *value)
{
	const struct passwd *pw;
	uint64_t id;

	if (sl_cli_parse_uint(value, UINT32_MAX - 1, &id) < 0) {
		pw = getpwnam(value);
		if (!pw) {
			return sl_cli_usage("socket", "--uid %s: no such user", value);
		}
		id = pw->pw_uid;
	}
	json_object_set_new(params, "uid", json_integer((json_int_t)id));
	return 0;
}

static int set_gid(json_t *params, const char *value)
{
	const struct group *gr;
	uint64_t id;

	if (sl_cli_parse_uint(value, UINT32_MAX - 1, &id) < 0) {
		gr = getgrnam(value);
		if (!gr) {
			return sl_cli_usage("socket", "--gid %s: no such group", value);
		}
		id = gr->gr_gid;
	}
	json_object_set_new(params, "gid", json_integer((json_int_t)id));
	return 0;
}

static int set_limits(json_t *params, const char *value)
{
	_cleanup_free_ char *error = NULL;
	json_t *limits = json_incref(json_object_get(params, "limits"));
	int r = sl_cli_parse_limits(value, &limits, &error);

	json_object_set_new(params, "limits", limits);
	return r < 0 ? sl_cli_usage("socket", "%s", error ? error : "out of memory") : 0;
}

/* 0, or an exit status. */
static int set_param(int opt, json_t *params)
{
	switch (opt) {
	case OPT_UID:
		return set_uid(params, optarg);
	case OPT_GID:
		return set_gid(params, optarg);
	case OPT_MODE:
		json_object_set_new(params, "mode", sl_control_text(optarg));
		return 0;
	case OPT_LIMIT:
		return set_limits(params, optarg);
	case OPT_HOST_GL:
		json_object_set_new(params, "host_gl", sl_control_text(optarg));
		return 0;
	default:
		return SL_EXIT_USAGE;
	}
}

/* Parse; names begin at argv[optind] then. -1 to go on, or an exit status. */
static int parse(
	int argc, char **argv, const struct option *options, json_t *params, bool *ret_json)
{
	int opt, r;

	while ((opt = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
		if (opt == OPT_JSON) {
			*ret_json = true;
		} else if (opt == OPT_HELP) {
			return sl_cli_help(help);
		} else if (opt == '?' || opt == ':') {
			return sl_cli_bad_option("socket", argc, argv, opt);
		} else {
			r = set_param(opt, params);
			if (r != 0) {
				return r;
			}
		}
	}
	return -1;
}

static int connect_broker(struct sl_client **ret)
{
	_cleanup_free_ char *error = NULL;
	int r = sl_client_connect(NULL, ret, &error);

	if (r < 0) {
		sl_cli_error("%s", error);
	}
	return r;
}

static int call(struct sl_client *c, const char *method, json_t *params, json_t **ret)
{
	_cleanup_free_ char *error = NULL;
	int r = sl_client_call(c, method, params, -1, ret, &error);

	if (r != 0) {
		sl_cli_error("%s", error ? error : "out of memory");
	}
	return sl_client_exit_status(r);
}

static int add(int argc, char **argv)
{
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_json_ json_t *params = json_object(), *domain = NULL;
	bool json = false;
	int r;

	r = parse(argc, argv, add_options, params, &json);
	if (r >= 0) {
		return r;
	}
	if (optind + 1 != argc) {
		return sl_cli_usage("socket", "add: give one name");
	}
	json_object_set_new(params, "name", sl_control_text(argv[optind]));
	r = connect_broker(&c);
	if (r == 0) {
		r = call(c, "domain.add", TAKE_PTR(params), &domain);
	} else {
		r = sl_client_exit_status(r);
	}
	if (r != 0) {
		return r;
	}
	if (json) {
		return sl_cli_print_json(domain);
	}
	printf("%s\n", json_string_value(json_object_get(domain, "socket")));
	return sl_cli_help("");
}

static int rm(int argc, char **argv)
{
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_json_ json_t *removed = json_pack("{s:[]}", "removed");
	int status = SL_EXIT_OK, r;
	bool json = false;

	r = parse(argc, argv, plain_options, NULL, &json);
	if (r >= 0) {
		return r;
	}
	if (optind >= argc) {
		return sl_cli_usage("socket", "rm: no name given");
	}
	r = connect_broker(&c);
	if (r < 0) {
		return sl_client_exit_status(r);
	}
	for (; optind < argc; optind++) {
		json_t *name = sl_control_text(argv[optind]);

		r = call(c, "domain.remove", json_pack("{s:O}", "name", name), NULL);
		if (r == 0) {
			json_array_append(json_object_get(removed, "removed"), name);
		}
		json_decref(name);
		status = r ? r : status;
	}
	if (json) {
		sl_cli_print_json(removed);
	}
	return status;
}

/* Two of the limits are worth a column. */
static void flatten(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_t *limits = json_object_get(row, "limits");

		json_object_set(row, "mem_bytes", json_object_get(limits, "mem_bytes"));
		json_object_set(row, "max_sessions", json_object_get(limits, "sessions"));
	}
}

static int ls(int argc, char **argv)
{
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_json_ json_t *result = NULL;
	bool json = false;
	json_t *rows;
	int r;

	r = parse(argc, argv, plain_options, NULL, &json);
	if (r >= 0) {
		return r;
	}
	if (optind < argc) {
		return sl_cli_usage("socket", "ls: takes no arguments");
	}
	r = connect_broker(&c);
	if (r < 0) {
		return sl_client_exit_status(r);
	}
	r = call(c, "domain.list", NULL, &result);
	if (r != 0) {
		return r;
	}
	rows = json_object_get(result, "domains");
	if (json) {
		return sl_cli_print_json(rows);
	}
	flatten(rows);
	return sl_cli_print_table(columns, SL_ARRAY_LEN(columns), rows);
}

static int run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = { { "add", add }, { "rm", rm }, { "ls", ls } };

	if (argc < 2) {
		return sl_cli_usage("socket", "add, rm or ls?");
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			optind = 0;
			return verbs[i].run(argc - 1, argv + 1);
		}
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		return sl_cli_help(help);
	}
	return sl_cli_usage("socket", "%s: add, rm or ls?", argv[1]);
}

const struct sl_command sl_cmd_socket = {
	.name = "socket",
	.summary = "Make, list and remove domains' sockets",
	.run = run,
};
