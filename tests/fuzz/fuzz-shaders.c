/* SPDX-License-Identifier: MIT */
/*
 * An archive of shaders from a hostile worker, and the broker's merge of it: with itself, which
 * must give the same, and with another that holds one key.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "protocol/shaders.h"

static volatile uint8_t sink;

static void walk(const void *archive, size_t size, uint32_t n_entries)
{
	size_t cursor = 0;
	struct sl_shader s;
	uint32_t n = 0;

	while (sl_shaders_next(archive, &cursor, &s)) {
		if (s.data + s.size_bytes > (const uint8_t *)archive + size) {
			abort();
		}
		for (size_t i = 0; i < s.size_bytes; i++) {
			sink ^= s.data[i];
		}
		n++;
	}
	if (n != n_entries) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SL_SHADERS_KEY_BYTES] = { 0x80 };
	const struct sl_shader one = { .key = key, .data = key, .size_bytes = sizeof(key) };
	uint8_t other[sizeof(struct sl_shaders_header) + 64];
	size_t capacity = size + sizeof(other);
	struct sl_shaders_header h, merged_h;
	uint8_t *merged;

	if (sl_shaders_check(data, size, &h) < 0) {
		return 0;
	}
	walk(data, size, h.n_entries);
	merged = malloc(capacity);
	if (!merged) {
		return 0;
	}
	if (sl_shaders_merge(data, data, merged, size) != 0 || memcmp(data, merged, size) != 0) {
		abort();
	}
	sl_shaders_begin(other);
	if (sl_shaders_append(other, sizeof(other), &one) != 0) {
		abort();
	}
	if (sl_shaders_merge(data, other, merged, capacity) == 0) {
		if (sl_shaders_check(merged, sl_shaders_size(merged), &merged_h) < 0) {
			abort();
		}
		walk(merged, sl_shaders_size(merged), merged_h.n_entries);
	} else if (h.n_entries < SL_SHADERS_MAX_ENTRIES) {
		abort();
	}
	free(merged);
	return 0;
}
