/* SPDX-License-Identifier: MIT */
/*
 * `sluice record`: run a program as `sluice run` does, and keep what its first session sent, for
 * `sluice replay`: for bug reports, and as seeds for the fuzzer.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/run.h"

/* PROGRAM.slrec in the current directory. */
static char *default_file(const char *program)
{
	const char *slash = strrchr(program, '/');
	char *file;

	return asprintf(&file, "%s.slrec", slash ? slash + 1 : program) < 0 ? NULL : file;
}

static int run(int argc, char **argv)
{
	struct sl_run_options o = { .command = "record" };
	_cleanup_free_ char *file = NULL;
	int r = sl_run_parse(&o, argc, argv);

	if (r < 0) {
		if (!o.record) {
			file = default_file(o.argv[0]);
			o.record = file;
		}
		if (o.record) {
			r = sl_run(&o);
		} else {
			sl_cli_error("record: out of memory: nothing was started");
			r = SL_EXIT_RUN_FAILED;
		}
	}
	sl_run_options_fini(&o);
	return r;
}

const struct sl_command sl_cmd_record = {
	.name = "record",
	.summary = "run a program and keep what its session sent",
	.run = run,
};
