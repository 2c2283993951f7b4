/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * What a domain's sessions have compiled, for its next one: an archive (protocol/shaders.h) in a
 * memfd that nobody can change any more, so that sessions can read the same pages. It is only ever
 * handed to workers of the domain that it came from.
 */
struct sl_shader_cache {
	int fd;             /* -1: nothing yet */
	uint64_t max_bytes; /* 0: nothing is kept */
	uint64_t size_bytes;
	uint32_t n_entries;
};

#define SL_SHADER_CACHE_NONE ((struct sl_shader_cache){ .fd = -1 })

void sl_shader_cache_fini(struct sl_shader_cache *c);

/* The archive for a session; it stays the cache's. -1: there is none to be given. */
int sl_shader_cache_fd(struct sl_shader_cache *c);

/*
 * Add what a session has compiled. When the limit does not allow for both, the new replaces the
 * old, and what is beyond the limit by itself is left out. -EPROTO: it is no archive that a worker
 * makes; else 0 or -errno. The fd stays the caller's.
 */
int sl_shader_cache_add(struct sl_shader_cache *c, int fd);
