/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "cli/client.h"
#include "cli/container.h"
#include "cli/display.h"
#include "cli/screenshot.h"

/* What `run` and `record` have between them: options, the domain, the loop, the report. */

enum sl_run_gpu_kind { SL_RUN_GL, SL_RUN_SOFTWARE, SL_RUN_NONE };

struct sl_run_bind {
	const char *option, *arg; /* borrowed from argv */
	bool read_only;
};

struct sl_run_options {
	const char *command; /* "run" or "record" */
	enum sl_run_gpu_kind gpu;
	enum sl_display_kind display;
	unsigned int width_px, height_px;
	const char *host_gl, *rootfs, *screenshot, *name, *workdir, *directory, *record;
	json_t *limits;
	struct sl_run_bind *binds;
	size_t n_binds;
	const char **env; /* "NAME=VALUE" or "NAME" */
	size_t n_env;
	bool share_net, stats, json, verbose;
	bool null;   /* a broker of our own that draws nothing */
	char **argv; /* the program, NULL-terminated */
};

/*
 * Parse the options of o->command, which is set. -1 to go on, or an exit status (0 for --help).
 * Strings stay argv's.
 */
int sl_run_parse(struct sl_run_options *o, int argc, char **argv);
void sl_run_options_fini(struct sl_run_options *o);

/* Do what the options say. The exit status of the whole. */
int sl_run(const struct sl_run_options *o);

/* "gl", "software", "none". */
const char *sl_run_gpu_str(enum sl_run_gpu_kind kind);

/*
 * Connect to the broker of @directory (NULL: the default), or start a private one there that ends
 * when it is idle. 0 or an exit status, said. *ret_log_fd is what a private one prints, or -1.
 */
int sl_run_broker(const char *directory, bool verbose, struct sl_client **ret, int *ret_log_fd);
/* The same with one of our own, in a directory of its own, that checks everything and draws
 * nothing. */
int sl_run_broker_null(bool verbose, struct sl_client **ret, int *ret_log_fd);
/* The last line of such a log: what it died of. */
void sl_run_broker_last_line(int log_fd, char *buf, size_t size);

/* The domain that a container gets, for as long as we are connected. */
struct sl_run_gpu {
	struct sl_client *client; /* NULL: no session wanted */
	char *name, *socket;
	json_t *limits;  /* of the domain, as the broker answered */
	json_t *session; /* the first one seen, as session.list tells it, or NULL */
	int broker_log_fd;
	bool lost; /* the broker has ended */
};

/* 0 or an exit status, said. */
int sl_run_gpu_open(struct sl_run_gpu *g, const struct sl_run_options *o);
void sl_run_gpu_close(struct sl_run_gpu *g);
/* Put the socket and the variables that Mesa needs into the container. */
void sl_run_gpu_add(
	const struct sl_run_gpu *g, const struct sl_run_options *o, struct sl_container *c);
/* Has a session been seen, and what renders it? */
bool sl_run_gpu_known(const struct sl_run_gpu *g);
/* Look for a session, until that is so. */
void sl_run_gpu_sample(struct sl_run_gpu *g);
/* The domain's totals once its sessions have ended, NULL if there are none; the caller's. */
json_t *sl_run_gpu_usage(struct sl_run_gpu *g);
/* Say that the broker ended, once. */
void sl_run_gpu_lost(struct sl_run_gpu *g);

/* How the program fared. */
struct sl_run_result {
	int exit_status;
	uint64_t wall_ns;
};

/* Wait for the program: forward signals, take pictures, look at its session. */
struct sl_run_result sl_run_loop(const struct sl_run_options *o, struct sl_run_gpu *g,
	struct sl_display *d, struct sl_screenshot *shot, struct sl_container_process *p);

/* Block the signals that sl_run_loop() wants to see; before anything is started. */
void sl_run_block_signals(void);

/* --stats, --json, and the warnings that nobody has to ask for. */
void sl_run_report(
	const struct sl_run_options *o, struct sl_run_gpu *g, const struct sl_run_result *result);
