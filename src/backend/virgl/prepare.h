/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "backend/virgl/virgl.h"

/*
 * What has to be settled before a GL library is loaded: environment, allocator. Called by both
 * sl_virgl_preload() and sl_virgl_new(); the second time changes nothing. Returns the number of
 * threads that llvmpipe will use.
 */
int sl_virgl_prepare(const struct sl_virgl_options *o);

/* Threads of this process, or -1 where /proc is not mounted. */
int sl_virgl_count_threads(void);
/*
 * Give each of llvmpipe's threads, of which there are @n to rasterize and then @n for compute
 * shaders, processors of its own among its kind. They are woken together by a thread that goes to
 * sleep right after, and the kernel would mostly queue them behind each other on the one processor
 * that is idle then. Nothing is done for more threads than processors.
 */
void sl_virgl_spread_threads(int n);
