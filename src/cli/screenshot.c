/* SPDX-License-Identifier: MIT */
/*
 * Reading the screen of a virtual X server out of its framebuffer file: no client is needed, so it
 * works for any program and after it has gone. The server is as little trusted as the program that
 * talks to it: the file is read, not mapped, and every number in it is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/screenshot.h"

/* XWDFile.h, version 7: 25 big-endian words, the window's name, 12 bytes per colour, pixels. */
enum {
	XWD_HEADER_SIZE = 0,
	XWD_VERSION = 1,
	XWD_FORMAT = 2,
	XWD_WIDTH = 4,
	XWD_HEIGHT = 5,
	XWD_BYTE_ORDER = 7,
	XWD_BITS_PER_PIXEL = 11,
	XWD_BYTES_PER_LINE = 12,
	XWD_RED = 14,
	XWD_GREEN = 15,
	XWD_BLUE = 16,
	XWD_N_COLOURS = 19,
	XWD_WORDS = 25,
};
#define XWD_FILE_VERSION 7u
#define XWD_Z_PIXMAP 2u
#define XWD_COLOUR_BYTES 12u
/* The header with the name: Xvfb's is 160 bytes. */
#define XWD_HEADER_MAX 4096u
#define XWD_COLOURS_MAX 4096u

static uint32_t word(const uint8_t *b, unsigned int i)
{
	b += 4 * i;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool byte_mask(uint32_t m)
{
	return m == 0xffu || m == 0xff00u || m == 0xff0000u || m == 0xff000000u;
}

int sl_screen_parse(const void *buf, size_t size, struct sl_screen_layout *ret)
{
	const uint8_t *b = buf;
	struct sl_screen_layout l;
	uint32_t header, colours;

	if (size < 4 * XWD_WORDS) {
		return -EAGAIN;
	}
	header = word(b, XWD_HEADER_SIZE);
	colours = word(b, XWD_N_COLOURS);
	l = (struct sl_screen_layout){
		.width_px = word(b, XWD_WIDTH),
		.height_px = word(b, XWD_HEIGHT),
		.stride_bytes = word(b, XWD_BYTES_PER_LINE),
		.offset_bytes = (uint64_t)header + (uint64_t)colours * XWD_COLOUR_BYTES,
		.big_endian = word(b, XWD_BYTE_ORDER) == 1,
		.red = word(b, XWD_RED),
		.green = word(b, XWD_GREEN),
		.blue = word(b, XWD_BLUE),
	};
	if (word(b, XWD_VERSION) != XWD_FILE_VERSION || word(b, XWD_FORMAT) != XWD_Z_PIXMAP ||
		word(b, XWD_BITS_PER_PIXEL) != 32 || header < 4 * XWD_WORDS ||
		header > XWD_HEADER_MAX || colours > XWD_COLOURS_MAX) {
		return -EPROTO;
	}
	if (l.width_px == 0 || l.width_px > SL_SCREEN_MAX_PX || l.height_px == 0 ||
		l.height_px > SL_SCREEN_MAX_PX || l.stride_bytes < l.width_px * 4 ||
		l.stride_bytes > SL_SCREEN_MAX_PX * 4 || l.stride_bytes % 4 != 0 ||
		!byte_mask(l.red) || !byte_mask(l.green) || !byte_mask(l.blue)) {
		return -EPROTO;
	}
	*ret = l;
	return 0;
}

void sl_screenshot_fini(struct sl_screenshot *s)
{
	free(s->pixels);
	free(s->spare);
	*s = (struct sl_screenshot){};
}

static int read_at(int fd, uint8_t *buf, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pread(fd, buf, size, (off_t)offset);

		if (n <= 0) {
			return n == 0 ? -ENODATA : -errno;
		}
		buf += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static bool one_colour(const uint8_t *pixels, const struct sl_screen_layout *l)
{
	for (uint32_t y = 0; y < l->height_px; y++) {
		const uint8_t *line = pixels + (size_t)y * l->stride_bytes;

		if (memcmp(line, pixels, 4) != 0 ||
			memcmp(line, line + 4, ((size_t)l->width_px - 1) * 4) != 0) {
			return false;
		}
	}
	return true;
}

static size_t picture_bytes(const struct sl_screen_layout *l)
{
	return (size_t)l->stride_bytes * l->height_px;
}

int sl_screenshot_take(struct sl_screenshot *s, int fd)
{
	uint8_t head[4 * XWD_WORDS], *swap;
	struct sl_screen_layout l;
	bool blank;
	int r = read_at(fd, head, sizeof(head), 0);

	if (r == 0) {
		r = sl_screen_parse(head, sizeof(head), &l);
	}
	if (r < 0) {
		return r;
	}
	/* A screen does not change its size under us; if its file says so, begin anew. */
	if (s->pixels && memcmp(&l, &s->layout, sizeof(l)) != 0) {
		sl_screenshot_fini(s);
	}
	if (!s->spare) {
		s->spare = malloc(picture_bytes(&l));
	}
	if (!s->spare) {
		return -ENOMEM;
	}
	r = read_at(fd, s->spare, picture_bytes(&l), l.offset_bytes);
	if (r < 0) {
		return r;
	}
	blank = one_colour(s->spare, &l);
	if (!s->pixels || s->blank || !blank) {
		swap = s->pixels;
		s->pixels = s->spare;
		s->spare = swap;
		s->layout = l;
		s->blank = blank;
	}
	return 0;
}
