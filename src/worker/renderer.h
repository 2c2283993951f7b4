/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/backend.h"
#include "protocol/worker.h"
#include "worker/options.h"

/*
 * In the zygote, before any fork. *ret is a back end that forked workers inherit, or NULL when
 * each must make its own (a GPU, or a renderer with threads). -EAGAIN: a renderer was made that
 * cannot be inherited after all; the process must start over with --no-inherit.
 */
int sl_renderer_prepare(
	const struct sl_worker_options *o, struct sl_backend **ret, char **ret_error);
/* In a worker that has inherited none. */
int sl_renderer_make(const struct sl_worker_options *o, struct sl_backend **ret, char **ret_error);
/* The RENDERER message. */
void sl_renderer_describe(const struct sl_backend *b, uint32_t layers, union sl_ctl_message *ret);
/*
 * Whether a worker that makes its own renderer opens files for it. A software renderer does not:
 * the zygote has loaded everything.
 */
bool sl_renderer_needs_files(const struct sl_worker_options *o);
/* Whether its compiled shaders can be handed on (shaders.h). */
bool sl_renderer_caches_shaders(const struct sl_worker_options *o);
