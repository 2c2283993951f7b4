/* SPDX-License-Identifier: MIT */
/* Pictures of a screen file as Xvfb writes it, and of what only pretends to be one. */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <png.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/screenshot.h"
#include "util/cleanup.h"

#define WIDTH 5u
#define HEIGHT 3u
#define STRIDE 24u /* more than 5 * 4 */
#define NAME_BYTES 60u
#define COLOURS 256u

struct screen {
	uint32_t words[25];
	uint8_t name[NAME_BYTES];
	uint8_t colours[COLOURS * 12];
	uint8_t pixels[HEIGHT * STRIDE];
};

static void fill(struct screen *s)
{
	static const uint32_t words[25] = { 100 + NAME_BYTES, 7, 2, 24, WIDTH, HEIGHT, 0, 0, 32, 0,
		32, 32, STRIDE, 4, 0xff0000, 0xff00, 0xff, 8, 256, COLOURS, WIDTH, HEIGHT, 0, 0,
		0 };

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < SL_ARRAY_LEN(words); i++) {
		s->words[i] = __builtin_bswap32(words[i]);
	}
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	memcpy(s->words, words, sizeof(words));
#endif
}

static void set_word(struct screen *s, unsigned int i, uint32_t v)
{
	uint8_t *b = (uint8_t *)&s->words[i];

	b[0] = (uint8_t)(v >> 24);
	b[1] = (uint8_t)(v >> 16);
	b[2] = (uint8_t)(v >> 8);
	b[3] = (uint8_t)v;
}

static void set_pixel(
	struct screen *s, unsigned int x, unsigned int y, uint8_t r, uint8_t g, uint8_t b)
{
	uint8_t *p = s->pixels + y * STRIDE + 4 * x;

	p[0] = b;
	p[1] = g;
	p[2] = r;
}

static int screen_fd(const struct screen *s, size_t size)
{
	int fd = memfd_create("screen", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, s, size), size);
	return fd;
}

static void rewrite(int fd, const struct screen *s)
{
	assert_int_equal(pwrite(fd, s, sizeof(*s), 0), sizeof(*s));
}

static void test_layout_is_read(void **state)
{
	struct sl_screen_layout l;
	struct screen s;

	fill(&s);
	assert_int_equal(sl_screen_parse(&s, sizeof(s), &l), 0);
	assert_int_equal(l.width_px, WIDTH);
	assert_int_equal(l.height_px, HEIGHT);
	assert_int_equal(l.stride_bytes, STRIDE);
	assert_int_equal(l.offset_bytes, offsetof(struct screen, pixels));
	assert_false(l.big_endian);
	assert_int_equal(sl_screen_parse(&s, 99, &l), -EAGAIN);
}

static void test_nonsense_is_refused(void **state)
{
	static const struct {
		unsigned int word;
		uint32_t value;
	} wrong[] = { { 0, 99 }, { 0, 0xffffffff }, { 1, 6 }, { 2, 1 }, { 4, 0 }, { 4, 8193 },
		{ 4, 0xffffffff }, { 5, 0 }, { 5, 0xffffffff }, { 11, 24 }, { 12, 0 }, { 12, 16 },
		{ 12, 0xfffffffc }, { 12, 25 }, { 14, 0 }, { 15, 0xf0f }, { 16, 1 },
		{ 19, 0xffffffff } };
	struct sl_screen_layout l;
	struct screen s;

	for (size_t i = 0; i < SL_ARRAY_LEN(wrong); i++) {
		fill(&s);
		set_word(&s, wrong[i].word, wrong[i].value);
		assert_int_equal(sl_screen_parse(&s, sizeof(s), &l), -EPROTO);
	}
}

static void test_a_blank_picture_does_not_replace_one(void **state)
{
	struct sl_screenshot shot = {};
	struct screen s;
	int fd;

	fill(&s);
	/* What lies behind the end of a line is no part of the picture. */
	s.pixels[STRIDE - 1] = 0x55;
	fd = screen_fd(&s, sizeof(s));
	assert_int_equal(sl_screenshot_take(&shot, fd), 0);
	assert_true(shot.blank);
	set_pixel(&s, 4, 2, 1, 2, 3);
	rewrite(fd, &s);
	assert_int_equal(sl_screenshot_take(&shot, fd), 0);
	assert_false(shot.blank);
	fill(&s);
	rewrite(fd, &s);
	assert_int_equal(sl_screenshot_take(&shot, fd), 0);
	assert_false(shot.blank);
	assert_int_equal(shot.pixels[2 * STRIDE + 4 * 4], 3);
	set_pixel(&s, 0, 0, 9, 9, 9);
	rewrite(fd, &s);
	assert_int_equal(sl_screenshot_take(&shot, fd), 0);
	assert_int_equal(shot.pixels[0], 9);
	sl_screenshot_fini(&shot);
	close(fd);
}

static void test_a_file_that_is_cut_off_keeps_the_last_picture(void **state)
{
	struct sl_screenshot shot = {};
	struct screen s;
	int fd;

	fill(&s);
	set_pixel(&s, 1, 1, 7, 7, 7);
	fd = screen_fd(&s, sizeof(s));
	assert_int_equal(sl_screenshot_take(&shot, fd), 0);
	assert_int_equal(ftruncate(fd, sizeof(s) - 1), 0);
	assert_int_equal(sl_screenshot_take(&shot, fd), -ENODATA);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(sl_screenshot_take(&shot, fd), -ENODATA);
	assert_int_equal(shot.pixels[STRIDE + 4], 7);
	sl_screenshot_fini(&shot);
	close(fd);
}

static void test_png_has_the_pixels(void **state)
{
	char dir[] = "/tmp/sluice-test-XXXXXX", path[64];
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t rgb[WIDTH * HEIGHT * 3];
	struct sl_screenshot shot = {};
	struct screen s;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.png", dir);
	assert_int_equal(sl_screenshot_write_png(&shot, path), -ENODATA);
	fill(&s);
	set_pixel(&s, 2, 1, 0x11, 0x22, 0x33);
	fd = screen_fd(&s, sizeof(s));
	assert_int_equal(sl_screenshot_take(&shot, fd), 0);
	assert_int_equal(sl_screenshot_write_png(&shot, path), 0);
	assert_true(png_image_begin_read_from_file(&image, path));
	assert_int_equal(image.width, WIDTH);
	assert_int_equal(image.height, HEIGHT);
	image.format = PNG_FORMAT_RGB;
	assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
	assert_memory_equal(rgb + (WIDTH + 2) * 3, "\x11\x22\x33", 3);
	assert_memory_equal(rgb, "\0\0\0", 3);
	/* Nothing but the picture is left. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sl_screenshot_write_png(&shot, "/nonesuch/x.png"), -ENOENT);
	assert_int_equal(rmdir(dir), 0);
	sl_screenshot_fini(&shot);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_read),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_a_blank_picture_does_not_replace_one),
		cmocka_unit_test(test_a_file_that_is_cut_off_keeps_the_last_picture),
		cmocka_unit_test(test_png_has_the_pixels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
