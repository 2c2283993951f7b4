/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

/* Pictures of a virtual display: Xvfb keeps its screen in a file of the XWD format. */

/* The largest screen that --size accepts, per side: what Xvfb and PNG readers take. */
#define SL_SCREEN_MAX_PX 8192u

/* A screen as the X server lays it out; validated. */
struct sl_screen_layout {
	uint32_t width_px, height_px;
	uint32_t stride_bytes;
	uint64_t offset_bytes;     /* of the first pixel in the file */
	bool big_endian;           /* the bytes of a pixel's 32-bit word */
	uint32_t red, green, blue; /* 8-bit masks in that word */
};

/* 0, -EAGAIN when more of the file is needed, or -EPROTO for what is no such screen. */
int sl_screen_parse(const void *buf, size_t size, struct sl_screen_layout *ret);

struct sl_screenshot {
	struct sl_screen_layout layout;
	uint8_t *pixels; /* stride * height, as in the file; NULL before the first picture */
	uint8_t *spare;  /* the next picture is read here */
	bool blank;      /* only one colour was ever seen */
};

void sl_screenshot_fini(struct sl_screenshot *s);

/*
 * Look at the screen in @fd. A picture of one colour never replaces one that shows something: a
 * program's window is gone before the program is. 0 or -errno; the last picture stays.
 */
int sl_screenshot_take(struct sl_screenshot *s, int fd);

/* Write the last picture, or -ENODATA; the file appears whole or not at all. 0 or -errno. */
int sl_screenshot_write_png(const struct sl_screenshot *s, const char *path);
