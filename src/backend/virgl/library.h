/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <virglrenderer.h>

#include "backend/virgl/egl.h"

/*
 * libvirglrenderer as this back end uses it: the one place that knows its versions (0.10.4, 1.1,
 * 1.3), its initialisation and its log. It is one global state per process, so this is too.
 *
 * Fences are its oldest kind (32-bit ids of the whole process, write_fence), which all versions
 * have; the per-context kind is unstable API in 0.10.4 and gains nothing on one timeline.
 */
struct sl_library_config {
	struct sl_egl *egl; /* its display is given to the library; NULL: the library's own EGL */
	int render_node_fd; /* for the library's own EGL (gbm); duplicated */
	bool es;
	bool thread_sync; /* a thread waits for fences and a poll fd tells */
	void (*fence_done)(void *user, uint32_t fence);
	void *user;
};

/* 0, -EBUSY if the process has an instance already, or -ENODEV. */
int sl_library_init(const struct sl_library_config *c);
void sl_library_cleanup(void);

/* Readable when virgl_renderer_poll() has something to do, or -1. */
int sl_library_poll_fd(void);

/* The highest format number that the library has a description of. */
uint32_t sl_library_last_format(void);

const char *sl_virgl_library_version(void);
