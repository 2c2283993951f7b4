/* SPDX-License-Identifier: MIT */
/* sluice version: of this tool and, if one answers, of the broker and what it renders with. */
#include <getopt.h>
#include <string.h>

#include "config.h"
#include "cli/cli.h"
#include "cli/client.h"

static const char help[] =
	"Usage: sluice version [--json]\n"
	"\n"
	"Says the version of this tool and, if a broker answers, the broker's and its renderer.\n"
	"\n"
	"  --json  one JSON object: version, broker (the broker's hello, or null)\n"
	"  --help  this text\n";

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && *s ? s : otherwise;
}

static void print_renderer(const json_t *r)
{
	if (!json_is_object(r)) {
		printf("renderer  not started yet\n");
		return;
	}
	printf("renderer  %s%s\n", text_of(r, "name", "unknown"),
		json_is_true(json_object_get(r, "software")) ? " (software)" : "");
	printf("          %s, %s, node %s\n", text_of(r, "api", "no API"),
		text_of(r, "library", "unknown library"), text_of(r, "node", "none"));
}

static void print_sandbox(const json_t *layers)
{
	const json_t *layer;
	size_t i;

	printf("sandbox  ");
	json_array_foreach(layers, i, layer)
	{
		printf(" %s", json_string_value(layer));
	}
	printf("%s\n", json_array_size(layers) ? "" : " none reported yet");
}

static void print_broker(const json_t *hello)
{
	char up[32];

	sl_cli_format_duration(
		(uint64_t)json_integer_value(json_object_get(hello, "uptime_ns")), up, sizeof(up));
	printf("sluiced "
	       "%s, pid %lld, up %s, in %s\n",
		text_of(hello, "version", "unknown"),
		(long long)json_integer_value(json_object_get(hello, "pid")), up,
		text_of(hello, "directory", "unknown"));
	print_renderer(json_object_get(hello, "renderer"));
	print_sandbox(json_object_get(hello, "sandbox"));
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	_cleanup_client_ struct sl_client *c = NULL;
	_cleanup_free_ char *error = NULL;
	_cleanup_json_ json_t *o = NULL;
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (opt == 'j') {
			json = true;
		} else if (opt == 'h') {
			return sl_cli_help(help);
		} else {
			return sl_cli_bad_option("version", argc, argv, opt);
		}
	}
	if (optind < argc) {
		return sl_cli_usage("version", "%s: takes no arguments", argv[optind]);
	}
	/* No broker is no failure here: the question was about versions. */
	sl_client_connect(NULL, &c, &error);
	if (json) {
		o = json_pack("{s:s, s:O?}", "version", SLUICE_VERSION, "broker",
			c ? sl_client_hello(c) : NULL);
		return sl_cli_print_json(o);
	}
	printf("sluice  " SLUICE_VERSION "\n");
	if (c) {
		print_broker(sl_client_hello(c));
	} else {
		printf("sluiced  none (%s)\n", error ? error : "out of memory");
	}
	return sl_cli_help("");
}

const struct sl_command sl_cmd_version = {
	.name = "version",
	.summary = "Show versions and the renderer",
	.run = run,
};
