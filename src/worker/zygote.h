/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/backend.h"
#include "worker/filter.h"
#include "worker/options.h"

/* What a worker inherits from its zygote. */
struct sl_zygote_state {
	const struct sl_worker_options *o;
	struct sl_backend *backend; /* NULL: each worker makes its own */
	struct sl_filter filter;    /* the seccomp program, compiled once */
};

/* Serve SPAWNs until the broker closes the channel. The process's exit status. */
int sl_zygote_run(const struct sl_worker_options *o);

/*
 * spawn.c: start one worker. 0 and the broker's end of its channel, its pidfd and its pid as the
 * broker knows it; or -errno with *ret_what, the call that failed. In the worker itself this does
 * not return.
 */
int sl_zygote_spawn(struct sl_zygote_state *z, uint32_t slot, int *ret_channel, int *ret_pidfd,
	int32_t *ret_pid, const char **ret_what);

/* A fatal or passing fault, told over a channel; logged when it cannot be sent. */
void sl_worker_tell_fault(int channel_fd, uint32_t fault, bool fatal, const char *fmt, ...)
	_printf_(4, 5);
