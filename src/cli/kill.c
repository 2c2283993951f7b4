/* SPDX-License-Identifier: MIT */
/* sluice kill: end one session, or all of a domain. The client sees its connection end. */
#include <getopt.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

static const char help[] = "Usage: sluice kill [--json] SESSION|DOMAIN...\n"
			   "\n"
			   "Kills the worker of a session (its number from `sluice ls`), or those "
			   "of all sessions of a\n"
			   "domain. Their clients see the connection end. A domain keeps its "
			   "socket: to take that away\n"
			   "use `sluice socket rm`.\n"
			   "\n"
			   "  --json  one JSON object: killed (the sessions' numbers)\n"
			   "  --help  this text\n";

static int kill_one(struct sl_client *c, json_int_t session, json_t *killed)
{
	_cleanup_free_ char *error = NULL;
	int r = sl_client_call(
		c, "session.kill", json_pack("{s:I}", "session", session), -1, NULL, &error);

	if (r != 0) {
		sl_cli_error("%s", error);
		return sl_client_exit_status(r);
	}
	json_array_append_new(killed, json_integer(session));
	return SL_EXIT_OK;
}

static int kill_domain(struct sl_client *c, const char *name, json_t *killed)
{
	_cleanup_json_ json_t *result = NULL;
	_cleanup_free_ char *error = NULL;
	int status = SL_EXIT_OK, r;
	json_t *row;
	size_t i;

	r = sl_client_call(
		c, "session.list", json_pack("{s:s}", "domain", name), -1, &result, &error);
	if (r != 0) {
		sl_cli_error("%s: %s: see sluice ls and sluice socket ls", name, error);
		return sl_client_exit_status(r);
	}
	json_array_foreach(json_object_get(result, "sessions"), i, row)
	{
		_cleanup_free_ char *why = NULL;
		json_t *id = json_object_get(row, "session");

		r = sl_client_call(
			c, "session.kill", json_pack("{s:O}", "session", id), -1, NULL, &why);
		/* One that has just ended by itself is what was wanted. */
		if (r == 0) {
			json_array_append(killed, id);
		} else if (r != SL_CONTROL_NOT_FOUND) {
			sl_cli_error("%s", why);
			status = sl_client_exit_status(r);
		}
	}
	return status;
}

static int kill_all(struct sl_client *c, char **names, json_t *killed)
{
	int status = SL_EXIT_OK;

	for (; *names; names++) {
		uint64_t id;
		int r;

		if (sl_cli_parse_uint(*names, INT64_MAX, &id) == 0) {
			r = kill_one(c, (json_int_t)id, killed);
		} else {
			r = kill_domain(c, *names, killed);
		}
		status = r ? r : status;
	}
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_json_ json_t *o = NULL;
	_cleanup_free_ char *error = NULL;
	bool json = false;
	int opt, r;

	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (opt == 'j') {
			json = true;
		} else if (opt == 'h') {
			return sl_cli_help(help);
		} else {
			return sl_cli_bad_option("kill", argc, argv, opt);
		}
	}
	if (optind >= argc) {
		return sl_cli_usage("kill", "no session and no domain given");
	}
	r = sl_client_connect(NULL, &c, &error);
	if (r < 0) {
		sl_cli_error("%s", error);
		return sl_client_exit_status(r);
	}
	o = json_pack("{s:[]}", "killed");
	r = kill_all(c, argv + optind, json_object_get(o, "killed"));
	if (json) {
		sl_cli_print_json(o);
	}
	return r;
}

const struct sl_command sl_cmd_kill = {
	.name = "kill",
	.summary = "End a session, or all of a domain",
	.run = run,
};
