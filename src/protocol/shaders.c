/* SPDX-License-Identifier: MIT */
/*
 * Archives of compiled shaders. What is in an entry is Mesa's business, which checks it again; here
 * an archive is only taken apart, and nothing of it is used before all of it was looked at.
 */
#include <errno.h>
#include <string.h>

#include "protocol/shaders.h"

#define ALIGN 8

/* Its bytes follow. */
struct entry {
	uint8_t key[SL_SHADERS_KEY_BYTES];
	uint32_t size_bytes;
};

_Static_assert(sizeof(struct entry) % ALIGN == 0, "data begins aligned");
_Static_assert(sizeof(struct sl_shaders_header) % ALIGN == 0, "entries begin aligned");

size_t sl_shaders_room(uint32_t size_bytes)
{
	return sizeof(struct entry) + (((size_t)size_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static struct sl_shaders_header header_of(const void *archive)
{
	struct sl_shaders_header h;

	memcpy(&h, archive, sizeof(h));
	return h;
}

size_t sl_shaders_size(const void *archive)
{
	return (size_t)header_of(archive).size_bytes;
}

static bool zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0) {
			return false;
		}
	}
	return true;
}

static int check_entry(const uint8_t *at, size_t left, const uint8_t *last_key, size_t *ret_room)
{
	struct entry e;
	size_t room, used;

	if (left < sizeof(e)) {
		return -EPROTO;
	}
	memcpy(&e, at, sizeof(e));
	if (e.size_bytes == 0 || e.size_bytes > SL_SHADERS_MAX_ENTRY_BYTES) {
		return -EPROTO;
	}
	room = sl_shaders_room(e.size_bytes);
	used = sizeof(e) + e.size_bytes;
	if (room > left || !zeros(at + used, room - used)) {
		return -EPROTO;
	}
	if (last_key && memcmp(last_key, e.key, sizeof(e.key)) >= 0) {
		return -EPROTO;
	}
	*ret_room = room;
	return 0;
}

int sl_shaders_check(const void *archive, size_t size, struct sl_shaders_header *ret)
{
	const uint8_t *bytes = archive, *last_key = NULL;
	struct sl_shaders_header h;
	size_t pos = sizeof(h);

	if (size < sizeof(h)) {
		return -EPROTO;
	}
	h = header_of(archive);
	if (h.magic != SL_SHADERS_MAGIC || h.version != SL_SHADERS_VERSION || h.reserved != 0 ||
		h.size_bytes != size || h.n_entries > SL_SHADERS_MAX_ENTRIES) {
		return -EPROTO;
	}
	for (uint32_t i = 0; i < h.n_entries; i++) {
		size_t room;
		int r = check_entry(bytes + pos, size - pos, last_key, &room);

		if (r < 0) {
			return r;
		}
		last_key = bytes + pos;
		pos += room;
	}
	if (pos != size) {
		return -EPROTO;
	}
	*ret = h;
	return 0;
}

bool sl_shaders_next(const void *archive, size_t *cursor, struct sl_shader *ret)
{
	const uint8_t *bytes = archive;
	struct entry e;

	if (*cursor == 0) {
		*cursor = sizeof(struct sl_shaders_header);
	}
	if (*cursor >= sl_shaders_size(archive)) {
		return false;
	}
	memcpy(&e, bytes + *cursor, sizeof(e));
	*ret = (struct sl_shader){
		.key = bytes + *cursor,
		.data = bytes + *cursor + sizeof(e),
		.size_bytes = e.size_bytes,
	};
	*cursor += sl_shaders_room(e.size_bytes);
	return true;
}

void sl_shaders_begin(void *archive)
{
	const struct sl_shaders_header h = {
		.magic = SL_SHADERS_MAGIC,
		.version = SL_SHADERS_VERSION,
		.size_bytes = sizeof(h),
	};

	memcpy(archive, &h, sizeof(h));
}

int sl_shaders_append(void *archive, size_t capacity, const struct sl_shader *s)
{
	struct sl_shaders_header h = header_of(archive);
	size_t size = (size_t)h.size_bytes, room = sl_shaders_room(s->size_bytes);
	uint8_t *at = (uint8_t *)archive + size;
	struct entry e = { .size_bytes = s->size_bytes };

	if (s->size_bytes > SL_SHADERS_MAX_ENTRY_BYTES || h.n_entries >= SL_SHADERS_MAX_ENTRIES ||
		size > capacity || room > capacity - size) {
		return -ENOSPC;
	}
	memcpy(e.key, s->key, sizeof(e.key));
	memcpy(at, &e, sizeof(e));
	memcpy(at + sizeof(e), s->data, s->size_bytes);
	memset(at + sizeof(e) + s->size_bytes, 0, room - sizeof(e) - s->size_bytes);
	h.n_entries++;
	h.size_bytes += room;
	memcpy(archive, &h, sizeof(h));
	return 0;
}

int sl_shaders_merge(const void *a, const void *b, void *ret, size_t capacity)
{
	size_t at_a = 0, at_b = 0;
	struct sl_shader sa, sb;
	bool has_a = sl_shaders_next(a, &at_a, &sa), has_b = sl_shaders_next(b, &at_b, &sb);
	int r = 0;

	sl_shaders_begin(ret);
	while (r == 0 && (has_a || has_b)) {
		int order = !has_b ? -1 : !has_a ? 1 : memcmp(sa.key, sb.key, SL_SHADERS_KEY_BYTES);

		r = sl_shaders_append(ret, capacity, order <= 0 ? &sa : &sb);
		if (order <= 0) {
			has_a = sl_shaders_next(a, &at_a, &sa);
		}
		if (order >= 0) {
			has_b = sl_shaders_next(b, &at_b, &sb);
		}
	}
	return r;
}
