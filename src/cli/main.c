/* SPDX-License-Identifier: MIT */
/*
 * The `sluice` tool: finds the command and runs it. Commands are one file each; those whose file
 * is not part of this build are absent from the table (weak symbols), not broken.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "cli/cli.h"
#include "cli/common.h"

#define SL_WEAK_COMMAND(cmd)                                                                       \
	extern const struct sl_command sl_cmd_##cmd __attribute__((weak, visibility("default")))

SL_WEAK_COMMAND(run);
SL_WEAK_COMMAND(ls);
SL_WEAK_COMMAND(kill);
SL_WEAK_COMMAND(socket);
SL_WEAK_COMMAND(cdi);
SL_WEAK_COMMAND(record);
SL_WEAK_COMMAND(replay);
SL_WEAK_COMMAND(bench);
SL_WEAK_COMMAND(version);

static const struct sl_command *const commands[] = {
	&sl_cmd_run,
	&sl_cmd_ls,
	&sl_cmd_kill,
	&sl_cmd_socket,
	&sl_cmd_cdi,
	&sl_cmd_record,
	&sl_cmd_replay,
	&sl_cmd_bench,
	&sl_cmd_version,
};

static int help(void)
{
	printf("Usage: sluice [--directory DIR] COMMAND [OPTION...]\n"
	       "\n"
	       "Gives isolated workloads the use of a GPU that they cannot touch.\n"
	       "\n"
	       "Commands:\n");
	for (size_t i = 0; i < SL_ARRAY_LEN(commands); i++) {
		if (commands[i]) {
			printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
		}
	}
	return sl_cli_help(
		"\n"
		"Options:\n"
		"  --directory DIR  the broker's directory (default: $SLUICE_DIRECTORY, else\n"
		"                   /run/sluice for root, else $XDG_RUNTIME_DIR/sluice)\n"
		"  --help           this text; every command has its own: sluice COMMAND --help\n"
		"  --version        the version of this tool\n"
		"\n"
		"Exit status: 0 done, 1 failed, 2 wrong usage, 69 no broker answers; run and "
		"record\n"
		"hand on their command's and use 125 to 127 for their own failures. See "
		"sluice(1).\n");
}

static const struct sl_command *find(const char *name)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(commands); i++) {
		if (commands[i] && strcmp(commands[i]->name, name) == 0) {
			return commands[i];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "directory", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{},
	};
	const struct sl_command *cmd;
	int opt;

	/* A reader that goes away is an error of a write, not our death. */
	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:hV", options, NULL)) >= 0) {
		switch (opt) {
		case 'd':
			sl_cli_set_directory(optarg);
			break;
		case 'h':
			return help();
		case 'V':
			return sl_cli_help("sluice " SLUICE_VERSION "\n");
		default:
			return sl_cli_bad_option(NULL, argc, argv, opt);
		}
	}
	if (optind >= argc) {
		return sl_cli_usage(NULL, "no command given");
	}
	cmd = find(argv[optind]);
	if (!cmd) {
		return sl_cli_usage(NULL, "%s: unknown command", argv[optind]);
	}
	argc -= optind;
	argv += optind;
	/* 0 makes glibc's getopt begin anew, its hidden state included. */
	optind = 0;
	return cmd->run(argc, argv);
}
