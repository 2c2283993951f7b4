/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backend/virgl/virgl.h"
#include "util/log.h"

/* How the launcher starts a zygote, and what its workers inherit. Strings point into argv. */
struct sl_worker_options {
	struct sl_virgl_options virgl;
	int channel_fd;
	int program_fd; /* this program, to start over, or -1 */
	enum sl_log_level log_level;
	uint32_t layers; /* SL_SANDBOX_* that stage 1 has achieved */
	uint32_t n_uids; /* slots with a uid of their own: 1 to n_uids inside */
	bool null_backend;
	bool no_sandbox;
	bool no_inherit; /* workers make their renderer themselves */
	bool keep_root;  /* and may need files for it that the zygote cannot load ahead */
	char **argv;
#ifdef SL_HOSTILE
	const char *attack;
	bool without_seccomp;
	bool pretend_threads; /* as if the renderer had turned out not to be forkable */
#endif
};

enum sl_options_result {
	SL_OPTIONS_RUN = 0,
	SL_OPTIONS_DONE,  /* --help, --version: printed */
	SL_OPTIONS_WRONG, /* said why */
};

enum sl_options_result sl_worker_options_parse(
	int argc, char **argv, struct sl_worker_options *ret);
