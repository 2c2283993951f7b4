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
