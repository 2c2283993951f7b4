/* SPDX-License-Identifier: MIT */
/* The options of `run`, which `record` shares but for where the recording goes. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/run.h"

/* A screen that shows a window well and costs little to look at. */
#define DEFAULT_WIDTH_PX 1024u
#define DEFAULT_HEIGHT_PX 768u

static const char common_help[] =
	"\n"
	"GPU:\n"
	"  --gpu=gl|software|none  a GL session through the broker (default), the container's own\n"
	"                          software renderer, or nothing\n"
	"  --host-gl=on|core|es    which GL the worker uses: GL first then GLES, core GL, GLES\n"
	"  --limit LIST            the session's budget: "
	"mem=512M,resources=N,contexts=N,cmd=SIZE,\n"
	"                          syncs=N,sessions=N,message=MS\n"
	"  --name NAME             the domain's name in sluice ls (default: the program's)\n"
	"  --directory DIR         the broker's directory\n"
	"\n"
	"Container:\n"
	"  --rootfs DIR            its root, read-only (default: this machine's own)\n"
	"  --bind SRC[:DST]        show a file or folder of this machine, writable\n"
	"  --bind-ro SRC[:DST]     the same, read-only\n"
	"  --share-net             use this machine's network (default: none)\n"
	"  --env NAME[=VALUE]      set a variable, or hand on this one's value\n"
	"  --workdir DIR           where the program starts, in the container\n"
	"\n"
	"Display:\n"
	"  --display=x11|wayland|host  a virtual one, or your own\n"
	"  --size WxH              of the virtual display (default 1024x768)\n"
	"  --screenshot FILE.png   save what the virtual display showed last\n"
	"\n"
	"Output:\n"
	"  --stats                 at the end, what the session used, on stderr\n"
	"  --json                  the same as one JSON object, the last line of stdout\n"
	"  --verbose               a private broker's log on stderr\n"
	"  --help                  this text\n"
	"\n"
	"Exit status: the program's; 128+N if signal N ended it; 125 if sluice failed itself, 126 "
	"if\n"
	"the program cannot be executed, 127 if it is not there.\n";

enum {
	OPT_GPU = 256,
	OPT_HOST_GL,
	OPT_LIMIT,
	OPT_NAME,
	OPT_DIRECTORY,
	OPT_ROOTFS,
	OPT_BIND,
	OPT_BIND_RO,
	OPT_SHARE_NET,
	OPT_ENV,
	OPT_WORKDIR,
	OPT_DISPLAY,
	OPT_SIZE,
	OPT_SCREENSHOT,
	OPT_STATS,
	OPT_JSON,
	OPT_VERBOSE,
};

static const struct option options[] = {
	{ "gpu", required_argument, NULL, OPT_GPU },
	{ "host-gl", required_argument, NULL, OPT_HOST_GL },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "directory", required_argument, NULL, OPT_DIRECTORY },
	{ "rootfs", required_argument, NULL, OPT_ROOTFS },
	{ "bind", required_argument, NULL, OPT_BIND },
	{ "bind-ro", required_argument, NULL, OPT_BIND_RO },
	{ "share-net", no_argument, NULL, OPT_SHARE_NET },
	{ "env", required_argument, NULL, OPT_ENV },
	{ "workdir", required_argument, NULL, OPT_WORKDIR },
	{ "display", required_argument, NULL, OPT_DISPLAY },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "screenshot", required_argument, NULL, OPT_SCREENSHOT },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "help", no_argument, NULL, 'h' },
	/* The last one, left out for `run`. */
	{ "output", required_argument, NULL, 'o' },
	{},
};

static const char *const gpu_names[] = {
	[SL_RUN_GL] = "gl", [SL_RUN_SOFTWARE] = "software", [SL_RUN_NONE] = "none"
};

const char *sl_run_gpu_str(enum sl_run_gpu_kind kind)
{
	return gpu_names[kind];
}

static int help(const char *command)
{
	if (strcmp(command, "record") == 0) {
		printf("Usage: sluice record [-o FILE] [OPTION...] [--] PROGRAM [ARG...]\n"
		       "\n"
		       "Runs a program as sluice run does and writes what its first GL session "
		       "sent\n"
		       "to FILE (-o, --output; default: PROGRAM.slrec), for sluice replay.\n");
	} else {
		printf("Usage: sluice run [OPTION...] [--] PROGRAM [ARG...]\n"
		       "\n"
		       "Runs a program in a container that has no GPU device and no network, with "
		       "a\n"
		       "GL session of its own.\n");
	}
	return sl_cli_help(common_help);
}

/* sluice's own failures are 125 here, 2 being a status that programs use. */
static int bad(int usage_status)
{
	return usage_status == SL_EXIT_USAGE ? SL_EXIT_RUN_FAILED : usage_status;
}

static int parse_gpu(struct sl_run_options *o, const char *s)
{
	for (unsigned int i = 0; i < SL_ARRAY_LEN(gpu_names); i++) {
		if (strcmp(s, gpu_names[i]) == 0) {
			o->gpu = (enum sl_run_gpu_kind)i;
			return -1;
		}
	}
	if (strcmp(s, "drm") == 0 || strncmp(s, "device", 6) == 0) {
		return bad(sl_cli_usage(o->command,
			"--gpu=%s: not served by this version: use gl, software or none", s));
	}
	return bad(sl_cli_usage(o->command, "--gpu=%s: unknown: use gl, software or none", s));
}

static int parse_host_gl(struct sl_run_options *o, const char *s)
{
	if (strcmp(s, "on") != 0 && strcmp(s, "core") != 0 && strcmp(s, "es") != 0) {
		return bad(
			sl_cli_usage(o->command, "--host-gl=%s: unknown: use on, core or es", s));
	}
	o->host_gl = s;
	return -1;
}

static int parse_limit(struct sl_run_options *o, const char *s)
{
	_cleanup_free_ char *error = NULL;

	if (sl_cli_parse_limits(s, &o->limits, &error) < 0) {
		sl_cli_error("%s", error ? error : "out of memory");
		return SL_EXIT_RUN_FAILED;
	}
	return -1;
}

static int parse_name(struct sl_run_options *o, const char *s)
{
	if (!sl_control_name_valid(s)) {
		return bad(sl_cli_usage(o->command,
			"--name %s: no name: up to 63 letters, digits, '.', '_' and '-', a letter "
			"or digit first",
			s));
	}
	o->name = s;
	return -1;
}

static int parse_display(struct sl_run_options *o, const char *s)
{
	if (sl_display_parse(s, &o->display) < 0) {
		return bad(sl_cli_usage(
			o->command, "--display=%s: unknown: use x11, wayland or host", s));
	}
	return -1;
}

static int parse_size(struct sl_run_options *o, const char *s)
{
	unsigned int w, h;
	char end;

	if (sscanf(s, "%5ux%5u%c", &w, &h, &end) != 2 || w == 0 || h == 0 || w > SL_SCREEN_MAX_PX ||
		h > SL_SCREEN_MAX_PX) {
		return bad(sl_cli_usage(o->command,
			"--size %s: no size: give WIDTHxHEIGHT, up to %ux%u", s, SL_SCREEN_MAX_PX,
			SL_SCREEN_MAX_PX));
	}
	o->width_px = w;
	o->height_px = h;
	return -1;
}

static int add_bind(struct sl_run_options *o, const char *arg, bool read_only)
{
	struct sl_run_bind *binds = reallocarray(o->binds, o->n_binds + 1, sizeof(*binds));

	if (!binds) {
		sl_cli_error("--bind: out of memory: nothing was started");
		return SL_EXIT_RUN_FAILED;
	}
	o->binds = binds;
	binds[o->n_binds++] = (struct sl_run_bind){
		.option = read_only ? "--bind-ro" : "--bind",
		.arg = arg,
		.read_only = read_only,
	};
	return -1;
}

static int add_env(struct sl_run_options *o, const char *arg)
{
	const char **env;

	if (*arg == '\0' || *arg == '=') {
		return bad(sl_cli_usage(o->command, "--env %s: no variable: give NAME=VALUE", arg));
	}
	env = reallocarray(o->env, o->n_env + 1, sizeof(*env));
	if (!env) {
		sl_cli_error("--env: out of memory: nothing was started");
		return SL_EXIT_RUN_FAILED;
	}
	o->env = env;
	env[o->n_env++] = arg;
	return -1;
}

static int parse_option(struct sl_run_options *o, int opt, char *arg)
{
	switch (opt) {
	case OPT_GPU:
		return parse_gpu(o, arg);
	case OPT_HOST_GL:
		return parse_host_gl(o, arg);
	case OPT_LIMIT:
		return parse_limit(o, arg);
	case OPT_NAME:
		return parse_name(o, arg);
	case OPT_DISPLAY:
		return parse_display(o, arg);
	case OPT_SIZE:
		return parse_size(o, arg);
	case OPT_BIND:
	case OPT_BIND_RO:
		return add_bind(o, arg, opt == OPT_BIND_RO);
	case OPT_ENV:
		return add_env(o, arg);
	case OPT_DIRECTORY:
		o->directory = arg;
		break;
	case OPT_ROOTFS:
		o->rootfs = arg;
		break;
	case OPT_WORKDIR:
		o->workdir = arg;
		break;
	case OPT_SCREENSHOT:
		o->screenshot = arg;
		break;
	case 'o':
		o->record = arg;
		break;
	case OPT_SHARE_NET:
		o->share_net = true;
		break;
	case OPT_STATS:
		o->stats = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_VERBOSE:
		o->verbose = true;
		break;
	}
	return -1;
}

static int check(const struct sl_run_options *o)
{
	bool shown = o->display == SL_DISPLAY_X11 || o->display == SL_DISPLAY_WAYLAND;

	if (o->screenshot && !shown) {
		return bad(sl_cli_usage(o->command,
			"--screenshot: there is no virtual display: add --display=x11 or wayland"));
	}
	if (o->gpu != SL_RUN_GL && (o->limits || o->host_gl || o->name)) {
		return bad(sl_cli_usage(o->command,
			"--%s: there is no session to apply it to: use --gpu=gl",
			o->limits    ? "limit"
			: o->host_gl ? "host-gl"
				     : "name"));
	}
	if (o->gpu != SL_RUN_GL && strcmp(o->command, "record") == 0) {
		return bad(sl_cli_usage(o->command, "--gpu=%s: there is no session to record",
			sl_run_gpu_str(o->gpu)));
	}
	if (!o->argv[0]) {
		return bad(sl_cli_usage(o->command, "no program given"));
	}
	return -1;
}

int sl_run_parse(struct sl_run_options *o, int argc, char **argv)
{
	bool record = strcmp(o->command, "record") == 0;
	struct option usable[SL_ARRAY_LEN(options)];
	int opt, r = -1;

	memcpy(usable, options, sizeof(options));
	if (!record) {
		usable[SL_ARRAY_LEN(options) - 2] = (struct option){};
	}
	o->width_px = DEFAULT_WIDTH_PX;
	o->height_px = DEFAULT_HEIGHT_PX;
	opterr = 0;
	while (r < 0) {
		opt = getopt_long(argc, argv, record ? "+:ho:" : "+:h", usable, NULL);
		if (opt < 0) {
			break;
		}
		if (opt == '?' || opt == ':') {
			return bad(sl_cli_bad_option(o->command, argc, argv, opt));
		}
		r = opt == 'h' ? help(o->command) : parse_option(o, opt, optarg);
	}
	o->argv = argv + optind;
	return r >= 0 ? r : check(o);
}

void sl_run_options_fini(struct sl_run_options *o)
{
	json_decref(o->limits);
	free(o->binds);
	free(o->env);
	*o = (struct sl_run_options){};
}
