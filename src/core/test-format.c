/* SPDX-License-Identifier: MIT */
/* Formats, prices and extents: known values, and the edges where numbers wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/format.h"
#include "core/charge.h"
#include "util/fault.h"

/* What a test leaves out is 1. */
static struct sl_resource_args fill(struct sl_resource_args a)
{
	a.height = a.height ? a.height : 1;
	a.depth = a.depth ? a.depth : 1;
	a.array_size = a.array_size ? a.array_size : 1;
	return a;
}

#define ARGS(...) fill((struct sl_resource_args){ __VA_ARGS__ })

static uint64_t price(struct sl_resource_args a)
{
	uint64_t bytes = 0;

	return sl_resource_args_price(&a, &bytes) == 0 ? bytes : UINT64_MAX;
}

static void test_formats_are_those_of_the_wire(void **state)
{
	static const struct {
		uint32_t format, bytes, w, h;
	} known[] = {
		{ 1, 4, 1, 1 },    /* B8G8R8A8_UNORM */
		{ 19, 4, 1, 1 },   /* Z24_UNORM_S8_UINT */
		{ 31, 16, 1, 1 },  /* R32G32B32A32_FLOAT */
		{ 30, 12, 1, 1 },  /* R32G32B32_FLOAT */
		{ 64, 1, 1, 1 },   /* R8_UNORM */
		{ 94, 8, 1, 1 },   /* R16G16B16A16_FLOAT */
		{ 105, 8, 4, 4 },  /* DXT1_RGB */
		{ 108, 16, 4, 4 }, /* DXT5_RGBA */
		{ 126, 8, 1, 1 },  /* Z32_FLOAT_S8X24_UINT */
		{ 177, 1, 1, 1 },  /* R8_UINT */
		{ 200, 16, 1, 1 }, /* R32G32B32A32_SINT */
		{ 255, 16, 4, 4 }, /* BPTC_RGBA_UNORM */
		{ 269, 8, 4, 4 },  /* ETC2_RGB8 */
		{ 292, 16, 12, 12 },
	};
	struct sl_format f;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_true(sl_format_get(known[i].format, &f));
		assert_int_equal(f.block_bytes, known[i].bytes);
		assert_int_equal(f.block_w, known[i].w);
		assert_int_equal(f.block_h, known[i].h);
	}
}

static void test_no_format_is_listed_twice(void **state)
{
	struct sl_format f;
	int n = 0;

	/* A range out of order hides from the binary search what lies behind it. */
	for (uint32_t i = 0; i < 600; i++) {
		n += sl_format_get(i, &f);
	}
	assert_int_equal(n, 380);
	assert_false(sl_format_get(0, &f));
	assert_false(sl_format_get(166, &f)); /* NV12 */
	assert_false(sl_format_get(UINT32_MAX, &f));
}

static void test_prices(void **state)
{
	assert_int_equal(
		price(ARGS(.target = 2, .format = 1, .width = 256, .height = 256)), 256 * 256 * 4);
	/* Ten levels of 512: 4/3 of the first, and padding of the smallest. */
	uint64_t chain =
		price(ARGS(.target = 2, .format = 1, .width = 512, .height = 512, .last_level = 9));
	assert_in_range(chain, 512 * 512 * 4 * 4 / 3, 512 * 512 * 4 * 4 / 3 + 4096);
	assert_int_equal(
		price(ARGS(.target = 4, .format = 1, .width = 64, .height = 64, .array_size = 6)),
		6 * 64 * 64 * 4);
	assert_int_equal(
		price(ARGS(.target = 3, .format = 1, .width = 64, .height = 64, .depth = 64)),
		64 * 64 * 64 * 4);
	assert_int_equal(
		price(ARGS(.target = 2, .format = 1, .width = 64, .height = 64, .nr_samples = 4)),
		4 * 64 * 64 * 4);
	assert_int_equal(price(ARGS(.target = 0, .format = 64, .width = 1000)), 1024);
	assert_int_equal(
		price(ARGS(.target = 2, .format = 105, .width = 64, .height = 64)), 64 * 64 / 2);
	/* 24-bit pixels become 32; ETC2 may be kept decoded beside the blocks. */
	assert_int_equal(
		price(ARGS(.target = 2, .format = 66, .width = 64, .height = 64)), 64 * 64 * 4);
	assert_int_equal(price(ARGS(.target = 2, .format = 269, .width = 64, .height = 64)),
		64 * 64 / 2 + 64 * 64 * 4);
}

static void test_small_pixels_cost_what_their_rows_cost(void **state)
{
	/* Many layers of one pixel are 64-byte rows, four of them, each. */
	assert_int_equal(
		price(ARGS(.target = 7, .format = 64, .width = 1, .height = 1, .array_size = 2048)),
		2048 * 256);
}

static void test_nonsense_has_no_price(void **state)
{
	static const struct sl_resource_args bad[] = {
		{ .target = 9, .format = 1, .width = 1, .height = 1, .depth = 1 },
		{ .target = 2, .format = 0, .width = 1, .height = 1, .depth = 1 },
		{ .target = 2, .format = 1, .width = 0, .height = 1, .depth = 1 },
		{ .target = 2, .format = 1, .width = 1, .height = 0, .depth = 1 },
		{ .target = 2, .format = 1, .width = 1, .height = 1, .depth = 0 },
		{ .target = 2, .format = 1, .width = 1, .height = 1, .depth = 2 },
		{ .target = 2, .format = 1, .width = 32769, .height = 1, .depth = 1 },
		{ .target = 2, .format = 1, .width = 8, .height = 8, .depth = 1, .last_level = 4 },
		{ .target = 2,
			.format = 1,
			.width = 8,
			.height = 8,
			.depth = 1,
			.last_level = UINT32_MAX },
		{ .target = 2, .format = 1, .width = 8, .height = 8, .depth = 1, .array_size = 2 },
		{ .target = 7, .format = 1, .width = 8, .height = 8, .depth = 1, .array_size = 0 },
		{ .target = 4, .format = 1, .width = 8, .height = 8, .depth = 1, .array_size = 1 },
		{ .target = 4, .format = 1, .width = 8, .height = 4, .depth = 1, .array_size = 6 },
		{ .target = 8, .format = 1, .width = 8, .height = 8, .depth = 1, .array_size = 7 },
		{ .target = 1, .format = 1, .width = 8, .height = 8, .depth = 1 },
		{ .target = 0, .format = 64, .width = 0x80000000u, .height = 1, .depth = 1 },
		{ .target = 0, .format = 64, .width = 8, .height = 1, .depth = 1, .last_level = 1 },
		{ .target = 3, .format = 1, .width = 8, .height = 8, .depth = 8, .nr_samples = 4 },
		{ .target = 2, .format = 1, .width = 8, .height = 8, .depth = 1, .nr_samples = 33 },
		{ .target = 5, .format = 1, .width = 8, .height = 8, .depth = 1, .last_level = 1 },
	};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(sl_resource_args_price(&bad[i], &bytes), SL_FAULT_INVALID);
	}
}

static void test_largest_price_does_not_wrap(void **state)
{
	uint64_t p = price(ARGS(.target = 3, .format = 412, .width = 32768, .height = 32768,
		.depth = 32768, .last_level = 15));

	assert_in_range(p, 1ull << 50, 1ull << 52);
}

static int extent(struct sl_resource_args a, struct sl_transfer t, uint64_t *ret)
{
	return sl_transfer_extent(&a, &t, ret);
}

static void test_extents(void **state)
{
	struct sl_resource_args a =
		ARGS(.target = 2, .format = 1, .width = 64, .height = 32, .last_level = 5);
	uint64_t n = 0;

	assert_int_equal(extent(a, (struct sl_transfer){ .box = { 0, 0, 0, 64, 32, 1 } }, &n), 0);
	assert_int_equal(n, 64 * 32 * 4);
	/* Part of a row of the image: the stride is the image's, the last row ends with the box. */
	assert_int_equal(extent(a, (struct sl_transfer){ .box = { 8, 8, 0, 4, 2, 1 } }, &n), 0);
	assert_int_equal(n, 64 * 4 + 16);
	assert_int_equal(
		extent(a, (struct sl_transfer){ .box = { 0, 0, 0, 4, 2, 1 }, .stride_bytes = 16 },
			&n),
		0);
	assert_int_equal(n, 32);
	assert_int_equal(
		extent(a, (struct sl_transfer){ .box = { 0, 0, 0, 2, 1, 1 }, .level = 5 }, &n), 0);
	assert_int_equal(n, 8);
	assert_int_equal(extent(a, (struct sl_transfer){ .box = { 64, 32, 0, 0, 0, 1 } }, &n), 0);
	assert_int_equal(n, 0);
}

static void test_extents_of_blocks_and_layers(void **state)
{
	struct sl_resource_args dxt =
		ARGS(.target = 2, .format = 105, .width = 10, .height = 10, .last_level = 3);
	struct sl_resource_args array =
		ARGS(.target = 7, .format = 64, .width = 4, .height = 4, .array_size = 3);
	uint64_t n = 0;

	assert_int_equal(extent(dxt, (struct sl_transfer){ .box = { 0, 0, 0, 10, 10, 1 } }, &n), 0);
	assert_int_equal(n, 3 * 3 * 8);
	assert_int_equal(extent(dxt, (struct sl_transfer){ .box = { 2, 0, 0, 4, 4, 1 } }, &n),
		SL_FAULT_INVALID);
	assert_int_equal(extent(array, (struct sl_transfer){ .box = { 0, 0, 1, 4, 4, 2 } }, &n), 0);
	assert_int_equal(n, 32);
	assert_int_equal(extent(array, (struct sl_transfer){ .box = { 0, 0, 2, 4, 4, 2 } }, &n),
		SL_FAULT_INVALID);
}

static void test_boxes_that_leave_the_resource(void **state)
{
	static const struct sl_transfer bad[] = {
		{ .box = { 1, 0, 0, 16, 1, 1 } },
		{ .box = { 0, 1, 0, 1, 16, 1 } },
		{ .box = { 0, 0, 1, 1, 1, 1 } },
		{ .box = { UINT32_MAX, 0, 0, 2, 1, 1 } },
		{ .box = { 2, 0, 0, UINT32_MAX, 1, 1 } },
		{ .box = { 0, 0, 0, 1, 1, 1 }, .level = 1 },
		{ .box = { 0, 0, 0, 1, 1, 1 }, .level = UINT32_MAX },
		{ .box = { 0, 0, 0, 16, 2, 1 }, .stride_bytes = 63 },
	};
	struct sl_resource_args a = ARGS(.target = 2, .format = 1, .width = 16, .height = 16);
	uint64_t n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(extent(a, bad[i], &n), SL_FAULT_INVALID);
	}
}

static void test_placeholders_are_valid_and_small(void **state)
{
	for (uint32_t target = 0; target < 12; target++) {
		struct sl_resource_args a = ARGS(.target = target, .format = 1000, .width = 1 << 30,
			.height = 5, .array_size = 77, .last_level = 40, .nr_samples = 16);
		struct sl_resource_args small = sl_resource_args_placeholder(&a);

		assert_in_range(price(small), 1, 8192);
	}
}

static void test_charges(void **state)
{
	struct sl_meter m = { .limit_bytes = 100 };
	struct sl_charge a = {}, b = {};

	assert_int_equal(sl_charge(&m, 60, &a), 0);
	assert_int_equal(sl_charge(&m, 41, &b), SL_FAULT_NO_MEMORY);
	assert_int_equal(sl_charge(&m, UINT64_MAX, &b), SL_FAULT_NO_MEMORY);
	assert_int_equal(sl_charge(&m, 40, &b), 0);
	assert_int_equal(sl_charge_resize(&a, 61), SL_FAULT_NO_MEMORY);
	assert_int_equal(a.bytes, 60);
	assert_int_equal(sl_charge_resize(&a, 10), 0);
	assert_int_equal(m.used_bytes, 50);
	assert_int_equal(m.peak_bytes, 100);
	assert_int_equal(m.refused, 3);
	sl_charge_fini(&a);
	sl_charge_fini(&a);
	sl_charge_fini(&b);
	sl_meter_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats_are_those_of_the_wire),
		cmocka_unit_test(test_no_format_is_listed_twice),
		cmocka_unit_test(test_prices),
		cmocka_unit_test(test_small_pixels_cost_what_their_rows_cost),
		cmocka_unit_test(test_nonsense_has_no_price),
		cmocka_unit_test(test_largest_price_does_not_wrap),
		cmocka_unit_test(test_extents),
		cmocka_unit_test(test_extents_of_blocks_and_layers),
		cmocka_unit_test(test_boxes_that_leave_the_resource),
		cmocka_unit_test(test_placeholders_are_valid_and_small),
		cmocka_unit_test(test_charges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
