/* SPDX-License-Identifier: MIT */
/* A screen as a PNG file, written beside its final name and renamed. */
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/screenshot.h"

static unsigned int shift_of(uint32_t mask)
{
	return (unsigned int)__builtin_ctz(mask);
}

static uint32_t pixel(const uint8_t *p, bool big_endian)
{
	return big_endian
		       ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
		       : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void to_rgb(const struct sl_screen_layout *l, const uint8_t *line, uint8_t *rgb)
{
	for (uint32_t x = 0; x < l->width_px; x++) {
		uint32_t v = pixel(line + 4 * (size_t)x, l->big_endian);

		*rgb++ = (uint8_t)((v & l->red) >> shift_of(l->red));
		*rgb++ = (uint8_t)((v & l->green) >> shift_of(l->green));
		*rgb++ = (uint8_t)((v & l->blue) >> shift_of(l->blue));
	}
}

static bool write_rows(
	const struct sl_screenshot *s, png_structp png, png_infop info, FILE *f, uint8_t *rgb)
{
	const struct sl_screen_layout *l = &s->layout;

	/* libpng reports errors by jumping back here. */
	if (setjmp(png_jmpbuf(png))) {
		return false;
	}
	png_init_io(png, f);
	png_set_IHDR(png, info, l->width_px, l->height_px, 8, PNG_COLOR_TYPE_RGB,
		PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (uint32_t y = 0; y < l->height_px; y++) {
		to_rgb(l, s->pixels + (size_t)y * l->stride_bytes, rgb);
		png_write_row(png, rgb);
	}
	png_write_end(png, info);
	return true;
}

static int write_file(const struct sl_screenshot *s, FILE *f)
{
	_cleanup_free_ uint8_t *rgb = malloc((size_t)s->layout.width_px * 3);
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	int r = -ENOMEM;

	if (rgb && info) {
		errno = EIO;
		r = write_rows(s, png, info, f, rgb) && fflush(f) == 0 ? 0 : -errno;
	}
	png_destroy_write_struct(&png, &info);
	return r;
}

int sl_screenshot_write_png(const struct sl_screenshot *s, const char *path)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	mode_t mask;
	int fd, r;

	if (!s->pixels) {
		return -ENODATA;
	}
	if (asprintf(&tmp, "%s.XXXXXX", path) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	f = fdopen(fd, "wb");
	mask = umask(0);
	umask(mask);
	r = !f ? -errno : write_file(s, f);
	if (r == 0 && (fchmod(fd, 0666 & ~mask) < 0 || rename(tmp, path) < 0)) {
		r = -errno;
	}
	if (r < 0) {
		unlink(tmp);
	}
	return r;
}
