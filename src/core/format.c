/* SPDX-License-Identifier: MIT */
/*
 * Formats, prices and extents. The table names ranges of the format numbers on the wire (they are
 * fixed: clients of every version send the same ones), not formats one by one. Prices are what a
 * careful upper bound of a software renderer's layout costs: rows in units of 64 bytes, four rows
 * at a time, formats that it lacks widened to what it uses instead. A price that is too low lets a
 * client exceed its budget; one that is a little too high costs it a few pixels.
 */
#include "core/format.h"
#include "util/checked.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* Above what any GL offers; the renderer has the last word below it. */
#define MAX_DIM_PX 32768u
#define MAX_LAYERS 16384u
#define MAX_SAMPLES 32u

struct range {
	uint16_t first, last;
	uint8_t block_bytes, block_w, block_h, px_bytes;
};

/* n consecutive formats with 1 to 4 components of b bytes each. */
#define VEC4(n, b)                                                                                 \
	{ (n), (n), (b), 1, 1, (b) }, { (n) + 1, (n) + 1, 2 * (b), 1, 1, 2 * (b) },                \
		{ (n) + 2, (n) + 2, 3 * (b), 1, 1, 4 * (b) },                                      \
	{                                                                                          \
		(n) + 3, (n) + 3, 4 * (b), 1, 1, 4 * (b)                                           \
	}
#define PLAIN(a, z, b)                                                                             \
	{                                                                                          \
		(a), (z), (b), 1, 1, (b)                                                           \
	}
#define BLOCK(a, z, b, w, h, px)                                                                   \
	{                                                                                          \
		(a), (z), (b), (w), (h), (px)                                                      \
	}

/* Sorted by number. px_bytes 0: renderers keep the blocks as they are. */
static const struct range ranges[] = {
	PLAIN(1, 4, 4),
	PLAIN(5, 7, 2),
	PLAIN(8, 8, 4),
	PLAIN(9, 11, 1),
	PLAIN(12, 13, 2),
	BLOCK(14, 15, 4, 2, 1, 4), /* UYVY, YUYV */
	PLAIN(16, 16, 2),
	PLAIN(17, 22, 4),
	BLOCK(23, 23, 1, 1, 1, 4), /* S8_UINT */
	VEC4(24, 8),
	VEC4(28, 4),
	VEC4(32, 4),
	VEC4(36, 4),
	VEC4(40, 4),
	VEC4(44, 4),
	VEC4(48, 2),
	VEC4(52, 2),
	VEC4(56, 2),
	VEC4(60, 2),
	VEC4(64, 1),
	PLAIN(68, 68, 4),
	VEC4(69, 1),
	VEC4(74, 1),
	VEC4(82, 1),
	VEC4(87, 4),
	VEC4(91, 2),
	PLAIN(95, 95, 1),
	PLAIN(96, 96, 2),
	BLOCK(97, 97, 3, 1, 1, 4),
	PLAIN(98, 104, 4),
	BLOCK(105, 106, 8, 4, 4, 0),
	BLOCK(107, 108, 16, 4, 4, 0), /* DXT1; DXT3, DXT5 */
	BLOCK(109, 110, 8, 4, 4, 0),
	BLOCK(111, 112, 16, 4, 4, 0), /* their sRGB */
	BLOCK(113, 114, 8, 4, 4, 0),
	BLOCK(115, 116, 16, 4, 4, 0), /* RGTC */
	BLOCK(117, 118, 4, 2, 1, 4),
	PLAIN(119, 119, 4),
	PLAIN(120, 120, 2),
	PLAIN(121, 121, 4),
	PLAIN(122, 122, 2),
	PLAIN(123, 125, 4),
	PLAIN(126, 126, 8),
	BLOCK(127, 127, 1, 8, 1, 1), /* R1_UNORM */
	PLAIN(128, 129, 4),
	PLAIN(130, 130, 1),
	PLAIN(131, 132, 4),
	PLAIN(133, 133, 2),
	PLAIN(134, 134, 4),
	PLAIN(135, 135, 2),
	PLAIN(136, 137, 4),
	PLAIN(138, 138, 8),
	PLAIN(139, 139, 1),
	PLAIN(140, 140, 4),
	PLAIN(141, 142, 2),
	BLOCK(143, 144, 8, 4, 4, 4),
	BLOCK(145, 146, 16, 4, 4, 4), /* LATC */
	PLAIN(147, 148, 1),
	PLAIN(149, 149, 2),
	PLAIN(150, 150, 1),
	PLAIN(151, 152, 2),
	PLAIN(153, 153, 4),
	PLAIN(154, 156, 2),
	PLAIN(157, 157, 4),
	PLAIN(158, 158, 2),
	PLAIN(159, 160, 4),
	PLAIN(161, 161, 8),
	PLAIN(162, 162, 4),
	/* 163 to 167: YV12, YV16, IYUV, NV12, NV21 */
	PLAIN(168, 169, 1),
	PLAIN(170, 171, 2),
	PLAIN(172, 176, 4),
	VEC4(177, 1),
	VEC4(181, 1),
	VEC4(185, 2),
	VEC4(189, 2),
	VEC4(193, 4),
	VEC4(197, 4),
	PLAIN(201, 203, 1),
	PLAIN(204, 204, 2),
	PLAIN(205, 207, 1),
	PLAIN(208, 208, 2),
	PLAIN(209, 211, 2),
	PLAIN(212, 212, 4),
	PLAIN(213, 215, 2),
	PLAIN(216, 216, 4),
	PLAIN(217, 219, 4),
	PLAIN(220, 220, 8),
	PLAIN(221, 223, 4),
	PLAIN(224, 224, 8),
	PLAIN(225, 225, 4),
	BLOCK(226, 226, 8, 4, 4, 4), /* ETC1 */
	BLOCK(227, 228, 4, 2, 1, 4),
	PLAIN(229, 233, 4),
	PLAIN(234, 238, 8),
	PLAIN(239, 241, 16),
	PLAIN(242, 242, 2),
	PLAIN(243, 245, 4),
	PLAIN(246, 246, 8),
	PLAIN(247, 248, 2),
	PLAIN(249, 250, 4),
	PLAIN(251, 252, 8),
	PLAIN(253, 253, 4),
	PLAIN(254, 254, 2),
	BLOCK(255, 258, 16, 4, 4, 0), /* BPTC */
	PLAIN(263, 264, 2),
	PLAIN(265, 268, 4),
	BLOCK(269, 272, 8, 4, 4, 4),
	BLOCK(273, 274, 16, 4, 4, 4), /* ETC2 */
	BLOCK(275, 276, 8, 4, 4, 4),
	BLOCK(277, 278, 16, 4, 4, 4), /* EAC */
	/* ASTC, then its sRGB */
	BLOCK(279, 279, 16, 4, 4, 4),
	BLOCK(280, 280, 16, 5, 4, 4),
	BLOCK(281, 281, 16, 5, 5, 4),
	BLOCK(282, 282, 16, 6, 5, 4),
	BLOCK(283, 283, 16, 6, 6, 4),
	BLOCK(284, 284, 16, 8, 5, 4),
	BLOCK(285, 285, 16, 8, 6, 4),
	BLOCK(286, 286, 16, 8, 8, 4),
	BLOCK(287, 287, 16, 10, 5, 4),
	BLOCK(288, 288, 16, 10, 6, 4),
	BLOCK(289, 289, 16, 10, 8, 4),
	BLOCK(290, 290, 16, 10, 10, 4),
	BLOCK(291, 291, 16, 12, 10, 4),
	BLOCK(292, 292, 16, 12, 12, 4),
	BLOCK(293, 293, 16, 4, 4, 4),
	BLOCK(294, 294, 16, 5, 4, 4),
	BLOCK(295, 295, 16, 5, 5, 4),
	BLOCK(296, 296, 16, 6, 5, 4),
	BLOCK(297, 297, 16, 6, 6, 4),
	BLOCK(298, 298, 16, 8, 5, 4),
	BLOCK(299, 299, 16, 8, 6, 4),
	BLOCK(300, 300, 16, 8, 8, 4),
	BLOCK(301, 301, 16, 10, 5, 4),
	BLOCK(302, 302, 16, 10, 6, 4),
	BLOCK(303, 303, 16, 10, 8, 4),
	BLOCK(304, 304, 16, 10, 10, 4),
	BLOCK(305, 305, 16, 12, 10, 4),
	BLOCK(306, 306, 16, 12, 12, 4),
	PLAIN(308, 308, 4),
	PLAIN(311, 311, 2),
	PLAIN(312, 312, 1),
	PLAIN(313, 313, 2),
	/* 314 to 316: P010, P012, P016 */
	BLOCK(317, 317, 3, 1, 1, 4),
	PLAIN(318, 318, 1),
	PLAIN(319, 321, 2),
	PLAIN(322, 322, 1),
	/* 323 to 325: three planes, NV16 */
	PLAIN(326, 326, 1),
	BLOCK(327, 327, 4, 2, 1, 4),
	PLAIN(328, 329, 4),
	PLAIN(330, 333, 2),
	PLAIN(334, 337, 4),
	PLAIN(338, 340, 2),
	PLAIN(341, 347, 4),
	/* 348 to 367: three-dimensional ASTC */
	BLOCK(368, 368, 8, 4, 4, 4),
	BLOCK(369, 370, 16, 4, 4, 4), /* ATC */
	PLAIN(371, 374, 4),
	PLAIN(375, 375, 1),
	PLAIN(376, 378, 2),
	PLAIN(379, 383, 4),
	BLOCK(384, 384, 4, 2, 1, 4),
	BLOCK(385, 390, 3, 1, 1, 4),
	PLAIN(391, 393, 4),
	BLOCK(394, 394, 4, 2, 1, 4),
	BLOCK(395, 396, 16, 8, 4, 4), /* FXT1 */
	PLAIN(397, 397, 4),
	BLOCK(398, 398, 4, 2, 1, 4),
	PLAIN(401, 401, 2),
	PLAIN(403, 404, 4),
	PLAIN(405, 405, 1),
	PLAIN(406, 411, 2),
	PLAIN(412, 413, 32),
	BLOCK(414, 415, 24, 1, 1, 32),
	PLAIN(416, 417, 16),
	PLAIN(418, 419, 8),
	BLOCK(422, 422, 4, 2, 1, 4),
	BLOCK(426, 426, 4, 2, 1, 4),
	PLAIN(427, 428, 2),
	PLAIN(429, 432, 4),
};

bool sl_format_get(uint32_t format, struct sl_format *ret)
{
	size_t lo = 0, hi = SL_ARRAY_LEN(ranges);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct range *r = &ranges[mid];

		if (format < r->first) {
			hi = mid;
		} else if (format > r->last) {
			lo = mid + 1;
		} else {
			*ret = (struct sl_format){ r->block_bytes, r->block_w, r->block_h,
				r->px_bytes };
			return true;
		}
	}
	return false;
}

static uint32_t minify(uint32_t v, uint32_t level)
{
	return SL_MAX(v >> level, 1u);
}

static uint64_t blocks(uint32_t px, uint8_t block_px)
{
	return ((uint64_t)px + block_px - 1) / block_px;
}

static bool is_array(uint32_t target)
{
	return target == SL_TARGET_1D_ARRAY || target == SL_TARGET_2D_ARRAY ||
	       target == SL_TARGET_CUBE_ARRAY;
}

static bool is_one_row(uint32_t target)
{
	return target == SL_TARGET_BUFFER || target == SL_TARGET_1D || target == SL_TARGET_1D_ARRAY;
}

/* The shape that each target may have. The renderer knows its maxima; these rule out nonsense. */
static bool shape_valid(const struct sl_resource_args *a)
{
	uint32_t layers = a->array_size, side = SL_MAX(a->width, a->height);
	uint32_t largest = SL_MAX(side, a->depth);

	if (a->target > SL_TARGET_CUBE_ARRAY || a->width == 0 || a->height == 0 || a->depth == 0) {
		return false;
	}
	if ((is_one_row(a->target) && a->height != 1) ||
		(a->target != SL_TARGET_3D && a->depth != 1)) {
		return false;
	}
	if (a->target == SL_TARGET_BUFFER) {
		return a->width <= INT32_MAX && a->last_level == 0 && a->nr_samples <= 1 &&
		       layers <= 1;
	}
	if (largest > MAX_DIM_PX || layers > MAX_LAYERS ||
		(!is_array(a->target) && a->target != SL_TARGET_CUBE && layers > 1) ||
		(is_array(a->target) && layers == 0)) {
		return false;
	}
	if ((a->target == SL_TARGET_CUBE && layers != 6) ||
		(a->target == SL_TARGET_CUBE_ARRAY && layers % 6 != 0)) {
		return false;
	}
	if ((a->target == SL_TARGET_CUBE || a->target == SL_TARGET_CUBE_ARRAY) &&
		a->width != a->height) {
		return false;
	}
	if (a->last_level >= 32 || (largest >> a->last_level) == 0 ||
		(a->target == SL_TARGET_RECT && a->last_level > 0)) {
		return false;
	}
	return a->nr_samples <= 1 ||
	       (a->nr_samples <= MAX_SAMPLES && a->last_level == 0 &&
		       (a->target == SL_TARGET_2D || a->target == SL_TARGET_2D_ARRAY));
}

int sl_resource_args_price(const struct sl_resource_args *a, uint64_t *ret_bytes)
{
	struct sl_format f;
	uint64_t total = 0;

	if (!shape_valid(a) || !sl_format_get(a->format, &f)) {
		return SL_FAULT_INVALID;
	}
	if (a->target == SL_TARGET_BUFFER) {
		*ret_bytes = sl_align_u64(a->width, 64);
		return 0;
	}
	/* Bounded by the checks above: 2^15 x 2^15 x 2^15 x 32 bytes x 32 samples fits in 64 bits.
	 */
	for (uint32_t l = 0; l <= a->last_level; l++) {
		uint32_t w = minify(a->width, l), h = minify(a->height, l);
		uint64_t slices =
			a->target == SL_TARGET_3D ? minify(a->depth, l) : SL_MAX(a->array_size, 1u);
		uint64_t bytes = sl_align_u64(blocks(w, f.block_w) * f.block_bytes, 64) *
				 sl_align_u64(blocks(h, f.block_h), 4);

		if (f.block_w * f.block_h > 1 && f.px_bytes > 0) {
			/* Kept twice: as blocks, and decoded. */
			bytes += sl_align_u64((uint64_t)w * f.px_bytes, 64) * sl_align_u64(h, 4);
		} else if (f.px_bytes > f.block_bytes) {
			bytes = sl_align_u64((uint64_t)w * f.px_bytes, 64) * sl_align_u64(h, 4);
		}
		total += bytes * slices;
	}
	*ret_bytes = total * SL_MAX(a->nr_samples, 1u);
	return 0;
}

static bool within(uint32_t from, uint32_t n, uint32_t size)
{
	return from <= size && n <= size - from;
}

int sl_transfer_extent(
	const struct sl_resource_args *a, const struct sl_transfer *t, uint64_t *ret_bytes)
{
	const struct sl_box *b = &t->box;
	struct sl_format f = { 1, 1, 1, 1 };
	uint32_t w, h, d;
	uint64_t row, stride, layer;

	if (t->level > a->last_level ||
		(a->target != SL_TARGET_BUFFER && !sl_format_get(a->format, &f))) {
		return SL_FAULT_INVALID;
	}
	w = minify(a->width, t->level);
	h = minify(a->height, t->level);
	d = a->target == SL_TARGET_3D ? minify(a->depth, t->level) : SL_MAX(a->array_size, 1u);
	if (!within(b->x, b->w, w) || !within(b->y, b->h, h) || !within(b->z, b->d, d) ||
		b->x % f.block_w != 0 || b->y % f.block_h != 0) {
		return SL_FAULT_INVALID;
	}
	if (b->w == 0 || b->h == 0 || b->d == 0) {
		*ret_bytes = 0;
		return 0;
	}
	/* Without strides the memory is an image of the whole level, of which the box is a part. */
	row = blocks(b->w, f.block_w) * f.block_bytes;
	stride = t->stride_bytes ? t->stride_bytes : blocks(w, f.block_w) * f.block_bytes;
	layer = t->layer_stride_bytes ? t->layer_stride_bytes : stride * blocks(h, f.block_h);
	if (stride < row ||
		(t->layer_stride_bytes && b->d > 1 && layer < stride * blocks(b->h, f.block_h))) {
		return SL_FAULT_INVALID;
	}
	/* 2^32 x 2^15 for rows and for layers: no overflow. */
	*ret_bytes = (b->d - 1) * layer + (blocks(b->h, f.block_h) - 1) * stride + row;
	return 0;
}

struct sl_resource_args sl_resource_args_placeholder(const struct sl_resource_args *args)
{
	struct sl_resource_args a = *args;
	struct sl_format f;

	if (a.target > SL_TARGET_CUBE_ARRAY) {
		a.target = SL_TARGET_2D;
	}
	if (!sl_format_get(a.format, &f)) {
		a.format = 67; /* R8G8B8A8_UNORM */
	}
	/* Some room for a buffer, so that small reads of it stay in range. */
	a.width = a.target == SL_TARGET_BUFFER ? 256 : 1;
	a.height = a.depth = 1;
	a.array_size = a.target == SL_TARGET_CUBE || a.target == SL_TARGET_CUBE_ARRAY ? 6 : 1;
	a.last_level = 0;
	if (a.nr_samples > 1) {
		a.nr_samples = a.target == SL_TARGET_2D || a.target == SL_TARGET_2D_ARRAY ? 2 : 0;
	}
	return a;
}
