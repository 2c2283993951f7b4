/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/backend.h"

/*
 * Geometry of resources, in the numbers that virtio-gpu's 3D commands and vtest use for formats
 * and targets: what a resource costs, where a transfer reaches. All pure.
 */

enum sl_target {
	SL_TARGET_BUFFER = 0,
	SL_TARGET_1D = 1,
	SL_TARGET_2D = 2,
	SL_TARGET_3D = 3,
	SL_TARGET_CUBE = 4,
	SL_TARGET_RECT = 5,
	SL_TARGET_1D_ARRAY = 6,
	SL_TARGET_2D_ARRAY = 7,
	SL_TARGET_CUBE_ARRAY = 8,
};

struct sl_format {
	uint8_t block_bytes;
	uint8_t block_w, block_h; /* pixels */
	uint8_t px_bytes;         /* what a renderer without this format spends on one pixel */
};

/* False for a number that is no format, and for planar video formats, which have no one block. */
bool sl_format_get(uint32_t format, struct sl_format *ret);

/*
 * Bytes of all levels, layers and samples, each row rounded up as renderers do. SL_FAULT_INVALID
 * for arguments that no renderer accepts.
 */
int sl_resource_args_price(const struct sl_resource_args *args, uint64_t *ret_bytes);

/*
 * Whether a transfer lies within its resource, and the bytes that it touches in linear memory
 * beginning at t->offset_bytes (0 for an empty box). SL_FAULT_INVALID if it does not.
 */
int sl_transfer_extent(
	const struct sl_resource_args *args, const struct sl_transfer *t, uint64_t *ret_bytes);

/* The smallest resource of the same target and format: it stands in for one that was refused. */
struct sl_resource_args sl_resource_args_placeholder(const struct sl_resource_args *args);
