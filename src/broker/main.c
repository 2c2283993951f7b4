/* SPDX-License-Identifier: MIT */
/* sluiced: options, configuration, and the loop. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "broker/broker.h"

#define KEYS_MAX 64
#define FIRST_KEY 256 /* above any character, so that a key is no short option */

#define DEFAULT_CONFIG SLUICE_SYSCONFDIR "/sluice/sluice.conf"

enum { OPT_CONFIG = 1, OPT_HELP, OPT_VERSION };

static void make_options(struct option *options)
{
	static const struct option fixed[] = {
		{ "config", required_argument, NULL, OPT_CONFIG },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
	};
	const char *argument, *help, *key;
	size_t n = 0;

	for (; n < SL_ARRAY_LEN(fixed); n++) {
		options[n] = fixed[n];
	}
	for (unsigned int i = 0; n < KEYS_MAX && (key = sl_config_key(i, &argument, &help));
		i++, n++) {
		options[n] = (struct option){ key, required_argument, NULL, FIRST_KEY + (int)i };
	}
	options[n] = (struct option){};
}

static int help(void)
{
	const char *key, *argument, *text;

	printf("Usage: sluiced [OPTION...]\n"
	       "\n"
	       "Lets isolated workloads use a GPU that they cannot touch.\n"
	       "\n"
	       "Options, each also a key of sluice.conf(5):\n");
	for (unsigned int i = 0; (key = sl_config_key(i, &argument, &text)); i++) {
		int n = printf("  --%s=%s", key, argument);

		printf("%*s%s\n", n < 30 ? 30 - n : 1, "", text);
	}
	printf("\n"
	       "  --config=FILE               read FILE over " DEFAULT_CONFIG "\n"
	       "  --help, --version\n"
	       "\n"
	       "Exit status: 0 ended as asked, 1 the directory, a socket or the renderer cannot "
	       "be\n"
	       "had, 2 wrong options or configuration, 3 another broker has the directory.\n");
	return fflush(stdout) == 0 ? SL_BROKER_EXIT_OK : SL_BROKER_EXIT_FAILURE;
}

static int usage(const char *text)
{
	sl_err("%s: see sluiced --help", text);
	return SL_BROKER_EXIT_USAGE;
}

static int bad_option(char **argv, int opt)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", argv[optind - 1],
		opt == ':' ? "this option needs a value"
			   : "unknown option, or one without a value");
	return usage(text);
}

/*
 * One pass over the options. With @c NULL only those are looked at that decide what is read;
 * otherwise the keys are set. -1 to go on, or an exit status.
 */
static int parse_options(int argc, char **argv, struct sl_config *c, const char **ret_config)
{
	struct option options[KEYS_MAX + 1];
	const char *argument, *text;
	int opt;

	make_options(options);
	opterr = 0;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "+:", options, NULL)) >= 0) {
		_cleanup_free_ char *error = NULL;

		if (opt == OPT_HELP) {
			return help();
		}
		if (opt == OPT_VERSION) {
			printf("sluiced " SLUICE_VERSION "\n");
			return SL_BROKER_EXIT_OK;
		}
		if (opt == OPT_CONFIG) {
			*ret_config = optarg;
		} else if (opt < FIRST_KEY) {
			return bad_option(argv, opt);
		} else if (c &&
			   sl_config_set(c,
				   sl_config_key((unsigned int)(opt - FIRST_KEY), &argument, &text),
				   optarg, &error) < 0) {
			return usage(error ? error : "out of memory");
		}
	}
	return optind < argc ? usage("sluiced takes no arguments") : -1;
}

static int configure(int argc, char **argv, struct sl_config *c)
{
	_cleanup_free_ char *error = NULL;
	const char *file = NULL;
	int status, r;

	status = parse_options(argc, argv, NULL, &file);
	if (status >= 0) {
		return status;
	}
	r = sl_config_read(c, DEFAULT_CONFIG, true, &error);
	if (r == 0 && file) {
		r = sl_config_read(c, file, false, &error);
	}
	if (r == 0) {
		status = parse_options(argc, argv, c, &file);
		if (status >= 0) {
			return status;
		}
		r = sl_config_check(c, &error);
	}
	if (r < 0) {
		sl_err("%s", error ? error : strerror(-r));
		return SL_BROKER_EXIT_USAGE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct sl_config config;
	struct sl_broker b;
	int status;

	sl_log_init("sluiced", SL_LOG_INFO);
	/* Modes are given with each file; what has none is nobody else's. */
	umask(0077);
	sl_config_init(&config);
	status = configure(argc, argv, &config);
	if (status >= 0) {
		sl_config_fini(&config);
		return status;
	}
	sl_log_init("sluiced", config.log_level);
	status = sl_broker_init(&b, &config);
	if (status == 0) {
		status = sd_event_loop(b.event);
		if (status < 0) {
			sl_err("event loop: %s", strerror(-status));
			status = SL_BROKER_EXIT_FAILURE;
		}
	}
	sl_broker_fini(&b);
	return status;
}
