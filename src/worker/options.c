/* SPDX-License-Identifier: MIT */
/*
 * The arguments that src/launcher/ passes. They are not meant for people, but a person who runs
 * this program by hand should be told so instead of seeing a broken channel.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/options.h"
#include "worker/shaders.h"

enum {
	OPT_ZYGOTE = 1,
	OPT_CHANNEL,
	OPT_PROGRAM,
	OPT_HOST_GL,
	OPT_NODE,
	OPT_NODE_FD,
	OPT_EGL,
	OPT_GLES,
	OPT_THREADS,
	OPT_NULL,
	OPT_NO_SANDBOX,
	OPT_NO_INHERIT,
	OPT_LAYERS,
	OPT_UIDS,
	OPT_KEEP_ROOT,
	OPT_LOG,
	OPT_ATTACK,
	OPT_WITHOUT_SECCOMP,
	OPT_PRETEND_THREADS,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "zygote", no_argument, NULL, OPT_ZYGOTE },
	{ "channel-fd", required_argument, NULL, OPT_CHANNEL },
	{ "program-fd", required_argument, NULL, OPT_PROGRAM },
	{ "host-gl", required_argument, NULL, OPT_HOST_GL },
	{ "render-node", required_argument, NULL, OPT_NODE },
	{ "render-node-fd", required_argument, NULL, OPT_NODE_FD },
	{ "egl-library", required_argument, NULL, OPT_EGL },
	{ "gles-library", required_argument, NULL, OPT_GLES },
	{ "llvmpipe-threads", required_argument, NULL, OPT_THREADS },
	{ "null", no_argument, NULL, OPT_NULL },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ "no-inherit", no_argument, NULL, OPT_NO_INHERIT },
	{ "keep-root", no_argument, NULL, OPT_KEEP_ROOT },
	{ "layers", required_argument, NULL, OPT_LAYERS },
	{ "uids", required_argument, NULL, OPT_UIDS },
	{ "log-level", required_argument, NULL, OPT_LOG },
#ifdef SL_HOSTILE
	{ "attack", required_argument, NULL, OPT_ATTACK },
	{ "without-seccomp", no_argument, NULL, OPT_WITHOUT_SECCOMP },
	{ "pretend-threads", no_argument, NULL, OPT_PRETEND_THREADS },
#endif
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static bool number(const char *name, long min, long max, long *ret)
{
	char *end;
	long v = strtol(optarg, &end, 0);

	if (end == optarg || *end || v < min || v > max) {
		fprintf(stderr, "sluice-worker: --%s=%s: a number from %ld to %ld is needed\n",
			name, optarg, min, max);
		return false;
	}
	*ret = v;
	return true;
}

static void usage(void)
{
	printf("sluice-worker is started by sluiced and renders for one client; it is of no use by "
	       "hand.\nSee sluiced(8).\n");
}

static bool take_number(int c, struct sl_worker_options *o)
{
	long v = 0;
	bool ok;

	switch (c) {
	case OPT_CHANNEL:
		ok = number("channel-fd", 3, 65535, &v);
		o->channel_fd = (int)v;
		break;
	case OPT_PROGRAM:
		ok = number("program-fd", 3, 65535, &v);
		o->program_fd = (int)v;
		break;
	case OPT_NODE_FD:
		ok = number("render-node-fd", 3, 65535, &v);
		o->virgl.render_node_fd = (int)v;
		break;
	case OPT_THREADS:
		ok = number("llvmpipe-threads", -1, 64, &v);
		o->virgl.llvmpipe_threads = (int)v;
		break;
	case OPT_LAYERS:
		ok = number("layers", 0, 0xffffff, &v);
		o->layers = (uint32_t)v;
		break;
	case OPT_UIDS:
		ok = number("uids", 1, 0x7fffffff, &v);
		o->n_uids = (uint32_t)v;
		break;
	default:
		ok = number("log-level", SL_LOG_ERR, SL_LOG_DEBUG, &v);
		o->log_level = (enum sl_log_level)v;
		break;
	}
	return ok;
}

static bool take_other(int c, struct sl_worker_options *o)
{
	switch (c) {
	case OPT_ZYGOTE:
		return true;
	case OPT_HOST_GL:
		if (sl_host_gl_parse(optarg, &o->virgl.host_gl) < 0) {
			fprintf(stderr, "sluice-worker: --host-gl=%s: one of on, core, es\n",
				optarg);
			return false;
		}
		return true;
	case OPT_NODE:
		o->virgl.render_node = optarg;
		return true;
	case OPT_EGL:
		o->virgl.egl_library = optarg;
		return true;
	case OPT_GLES:
		o->virgl.gles_library = optarg;
		return true;
	case OPT_NULL:
		o->null_backend = true;
		return true;
	case OPT_NO_SANDBOX:
		o->no_sandbox = true;
		return true;
	case OPT_NO_INHERIT:
		o->no_inherit = true;
		return true;
	case OPT_KEEP_ROOT:
		o->keep_root = true;
		return true;
#ifdef SL_HOSTILE
	case OPT_ATTACK:
		o->attack = optarg;
		return true;
	case OPT_WITHOUT_SECCOMP:
		o->without_seccomp = true;
		return true;
	case OPT_PRETEND_THREADS:
		o->pretend_threads = true;
		return true;
#endif
	default:
		return false;
	}
}

enum sl_options_result sl_worker_options_parse(int argc, char **argv, struct sl_worker_options *ret)
{
	struct sl_worker_options o = {
		.virgl = { .render_node_fd = -1,
			.llvmpipe_threads = -1,
			.shader_cache = SL_SHADERS_DIR },
		.channel_fd = -1,
		.program_fd = -1,
		.log_level = SL_LOG_INFO,
		.argv = argv,
	};
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		bool ok;

		switch (c) {
		case OPT_HELP:
			usage();
			return SL_OPTIONS_DONE;
		case OPT_VERSION:
			printf("sluice-worker %s\n", SLUICE_VERSION);
			return SL_OPTIONS_DONE;
		case OPT_CHANNEL:
		case OPT_PROGRAM:
		case OPT_NODE_FD:
		case OPT_THREADS:
		case OPT_LAYERS:
		case OPT_UIDS:
		case OPT_LOG:
			ok = take_number(c, &o);
			break;
		default:
			ok = take_other(c, &o);
			break;
		}
		if (!ok) {
			return SL_OPTIONS_WRONG;
		}
	}
	if (o.channel_fd < 0 || optind < argc) {
		fprintf(stderr, "sluice-worker: it is started by sluiced, not by hand\n");
		return SL_OPTIONS_WRONG;
	}
	*ret = o;
	return SL_OPTIONS_RUN;
}
