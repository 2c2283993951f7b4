/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An archive of compiled shaders, each under the key that Mesa's cache gave it. The broker keeps
 * one per domain, for its next session; a worker sends one at a session's end, with what the
 * session has added. Both read the other's as hostile input: sl_shaders_check() before anything
 * else. Host byte order, as on the control channel.
 *
 * A header, then the entries in strictly rising order of their keys: an entry's header, its bytes,
 * zeros up to a multiple of 8. The order is what makes merging cheap, whoever wrote the archive.
 */
#define SL_SHADERS_VERSION 1u
#define SL_SHADERS_MAGIC 0x48534c53u /* "SLSH" */

#define SL_SHADERS_KEY_BYTES 20 /* a SHA-1 */
/* An entry costs its reader a few words beside its bytes. */
#define SL_SHADERS_MAX_ENTRIES 16384u
/* A large program's variants are some 100 KiB each. */
#define SL_SHADERS_MAX_ENTRY_BYTES (4u << 20)
/* What one session may add; a game's set of shaders, compressed, is a few MiB. */
#define SL_SHADERS_MAX_ADDED_BYTES (16u << 20)

struct sl_shaders_header {
	uint32_t magic;
	uint32_t version;
	uint32_t n_entries;
	uint32_t reserved;
	uint64_t size_bytes; /* the whole archive */
};

/* One entry; both pointers point into what it was read from. */
struct sl_shader {
	const uint8_t *key; /* SL_SHADERS_KEY_BYTES */
	const uint8_t *data;
	uint32_t size_bytes;
};

/* Bytes that an archive takes for an entry with @size_bytes of data. */
size_t sl_shaders_room(uint32_t size_bytes);

/* Check a whole archive of @size bytes at any address: 0 and its header, or -EPROTO. */
int sl_shaders_check(const void *archive, size_t size, struct sl_shaders_header *ret);

/* The entries of a checked archive: begin with a cursor of 0. False behind the last. */
bool sl_shaders_next(const void *archive, size_t *cursor, struct sl_shader *ret);

/* An empty archive in a buffer of at least its header's size. */
void sl_shaders_begin(void *archive);
/* Add an entry whose key is above all others in it; -ENOSPC beyond @capacity or any limit. */
int sl_shaders_append(void *archive, size_t capacity, const struct sl_shader *s);

/* Merge two checked archives into a third; of equal keys @a's entry stays. 0 or -ENOSPC. */
int sl_shaders_merge(const void *a, const void *b, void *ret, size_t capacity);

/* The bytes of an archive that was checked or written here. */
size_t sl_shaders_size(const void *archive);
