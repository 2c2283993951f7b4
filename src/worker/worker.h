/* SPDX-License-Identifier: MIT */
#pragma once

#include "protocol/worker.h"
#include "worker/stats.h"
#include "worker/zygote.h"

/* One worker process. */
struct sl_worker {
	const struct sl_worker_options *o;
	struct sl_backend *backend;
	struct sl_stats *stats;
	int channel_fd;
	uint32_t slot;
	uint32_t layers;
};

/* Exit statuses of a worker. */
enum {
	SL_WORKER_OK = 0,
	SL_WORKER_HOST_FAILED = 1, /* what failed was said */
	SL_WORKER_USAGE = 2,
	SL_WORKER_CLIENT_FAULT = 3, /* the client broke the protocol or a limit */
	SL_WORKER_HUNG_EXIT = 4,    /* releasing the session took too long */
};

/* A worker's life from fork to exit. Takes the channel; never returns. */
void sl_worker_run(const struct sl_zygote_state *z, uint32_t slot, int channel_fd) _noreturn_;

/*
 * serve.c: one session, from ATTACH to its end. Takes the message's fds and the worker's back end.
 * Returns the exit status.
 */
int sl_worker_serve(struct sl_worker *w, const struct sl_ctl_attach *attach, const int *fds);

/*
 * serve-shaders.c: the domain's compiled shaders, as ATTACH brought them (the fd is taken if its
 * flag is set), and what this session adds, once its renderer is gone and has left all.
 */
void sl_worker_begin_shaders(const struct sl_ctl_attach *a, int archive_fd);
void sl_worker_end_shaders(const struct sl_worker *w, const struct sl_ctl_attach *a);

#ifdef SL_HOSTILE
/*
 * In place of serving: does what a client would do that has taken the worker over. @arg came as
 * the domain's name.
 */
int sl_worker_attack(struct sl_worker *w, const char *arg, int client_fd);
#endif
