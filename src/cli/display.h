/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/container.h"

/*
 * A virtual display for a container: Xvfb, and weston inside it for Wayland, in a container of
 * their own that shares one socket with the program's, and nothing else.
 */
enum sl_display_kind {
	SL_DISPLAY_NONE,
	SL_DISPLAY_X11,
	SL_DISPLAY_WAYLAND,
	SL_DISPLAY_HOST, /* the caller's own display, bound in */
};

struct sl_display {
	enum sl_display_kind kind;
	unsigned int width_px, height_px;
	struct sl_container_process process;
	int log_fd;    /* what the servers print */
	int screen_fd; /* Xvfb's framebuffer file, see screenshot.h */
};

#define SL_DISPLAY_INIT                                                                            \
	((struct sl_display){ .process = SL_CONTAINER_PROCESS_NONE, .log_fd = -1, .screen_fd = -1 })

/* "x11", "wayland", "host". 0 or -EINVAL. */
int sl_display_parse(const char *s, enum sl_display_kind *ret);

/*
 * Start @d->kind (and wait until it answers), and add what a program needs to @c. The process
 * moves to a mount namespace of its own. 0 or an exit status, said.
 */
int sl_display_start(struct sl_display *d, struct sl_container *c);
void sl_display_end(struct sl_display *d);
