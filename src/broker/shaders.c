/* SPDX-License-Identifier: MIT */
/*
 * A domain's compiled shaders. The additions come from a worker that its client may own: they are
 * copied out of a file that cannot change, checked whole, and merged in one pass. What is in them
 * is code that only this domain's workers will run, in the sandbox that its own client is in
 * already.
 */
#include <errno.h>
#include <stdlib.h>

#include "broker/shaders.h"
#include "protocol/shaders.h"
#include "util/cleanup.h"
#include "util/fds.h"

/* A worker sends no more than this, whatever the limit is. */
#define MAX_ADDED_BYTES ((int64_t)SL_SHADERS_MAX_ADDED_BYTES)

void sl_shader_cache_fini(struct sl_shader_cache *c)
{
	sl_close(c->fd);
	*c = SL_SHADER_CACHE_NONE;
}

/* Put a good archive in the old one's place: sessions that have that keep it. */
static int replace(struct sl_shader_cache *c, const void *archive)
{
	size_t size = sl_shaders_size(archive);
	struct sl_shaders_header h;
	int fd, r;

	r = sl_shaders_check(archive, size, &h);
	fd = r < 0 ? r : sl_memfd_const("sluice-shaders", archive, size);
	if (fd < 0) {
		return fd;
	}
	sl_close(c->fd);
	c->fd = fd;
	c->size_bytes = size;
	c->n_entries = h.n_entries;
	return 0;
}

int sl_shader_cache_fd(struct sl_shader_cache *c)
{
	struct sl_shaders_header empty;

	if (c->fd < 0 && c->max_bytes >= sizeof(empty)) {
		sl_shaders_begin(&empty);
		replace(c, &empty);
	}
	return c->fd;
}

/* A copy of an archive that lies in an fd; the caller frees. */
static int copy_archive(int fd, int64_t max, void **ret)
{
	_cleanup_free_ void *archive = NULL;
	struct sl_shaders_header h;
	int64_t size = sl_memfd_const_size(fd);
	int r;

	if (size < 0 || size > max || size < (int64_t)sizeof(h)) {
		return size < 0 ? (int)size : -EPROTO;
	}
	archive = malloc((size_t)size);
	if (!archive) {
		return -ENOMEM;
	}
	r = sl_pread_all(fd, archive, (size_t)size);
	r = r ?: sl_shaders_check(archive, (size_t)size, &h);
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(archive);
	return 0;
}

/* As much of an archive as fits, from its beginning: keys are hashes, so any part is as good. */
static int begin_again(struct sl_shader_cache *c, const void *added, void *archive, size_t capacity)
{
	struct sl_shader s;
	size_t cursor = 0;

	sl_shaders_begin(archive);
	while (sl_shaders_next(added, &cursor, &s)) {
		sl_shaders_append(archive, capacity, &s);
	}
	return replace(c, archive);
}

int sl_shader_cache_add(struct sl_shader_cache *c, int fd)
{
	_cleanup_free_ void *old = NULL, *added = NULL, *merged = NULL;
	size_t capacity;
	int r;

	if (sl_shader_cache_fd(c) < 0) {
		return -ENOMEM;
	}
	r = copy_archive(fd, MAX_ADDED_BYTES, &added);
	r = r ?: copy_archive(c->fd, INT64_MAX, &old);
	if (r < 0) {
		return r;
	}
	capacity = SL_MIN(sl_shaders_size(old) + sl_shaders_size(added), (size_t)c->max_bytes);
	merged = malloc(capacity);
	if (!merged) {
		return -ENOMEM;
	}
	if (sl_shaders_merge(old, added, merged, capacity) < 0) {
		return begin_again(c, added, merged, capacity);
	}
	return replace(c, merged);
}
