/* SPDX-License-Identifier: MIT */
/*
 * The store of compiled shaders: what the domain's earlier sessions left, mapped read-only, and
 * what this one compiles, bounded. What the renderer compiled for its own start is found as well
 * but not handed on: every worker has it before it has a session.
 *
 * Here are the process's only lock and its only state that nobody passes: Mesa writes its cache
 * from a thread of its own, through functions of the C library that have no argument for us.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/shaders.h"

#define N_BUCKETS 1024

struct shader {
	struct shader *next; /* of its bucket */
	struct sl_shader s;
	bool archived, added; /* by an earlier session, by this one */
};

static struct {
	pthread_mutex_t lock;
	bool in_use; /* for good; read without the lock */
	bool on;
	bool attached; /* a session with an archive has begun */
	struct shader *buckets[N_BUCKETS];
	void *archive; /* mapped; the first n_archived shaders lie in it */
	size_t archive_bytes;
	struct shader *archived; /* one allocation for all of them */
	uint32_t n_own;
	size_t own_bytes; /* of shaders compiled here, each allocated with its bytes */
	uint64_t hits;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

#define LOCK()                                                                                     \
	_cleanup_(unlock) pthread_mutex_t *locked = &store.lock;                                   \
	pthread_mutex_lock(locked)

/* Keys are hashes already. */
static struct shader **bucket(const uint8_t *key)
{
	return &store.buckets[(key[0] | key[1] << 8) % N_BUCKETS];
}

static struct shader *find(const uint8_t *key)
{
	for (struct shader *n = *bucket(key); n; n = n->next) {
		if (memcmp(n->s.key, key, SL_SHADERS_KEY_BYTES) == 0) {
			return n;
		}
	}
	return NULL;
}

static void insert(struct shader *n)
{
	struct shader **b = bucket(n->s.key);

	n->next = *b;
	*b = n;
}

void sl_shaders_enable(void)
{
	LOCK();
	store.on = true;
	__atomic_store_n(&store.in_use, true, __ATOMIC_RELAXED);
}

bool sl_shaders_in_use(void)
{
	return __atomic_load_n(&store.in_use, __ATOMIC_RELAXED);
}

bool sl_shaders_on(void)
{
	LOCK();
	return store.on;
}

void sl_shaders_disable(void)
{
	LOCK();
	store.on = store.attached = false;
	for (size_t i = 0; i < N_BUCKETS; i++) {
		struct shader *next;

		for (struct shader *n = store.buckets[i]; n; n = next) {
			next = n->next;
			if (!n->archived) {
				free(n);
			}
		}
		store.buckets[i] = NULL;
	}
	free(TAKE_PTR(store.archived));
	if (store.archive) {
		munmap(TAKE_PTR(store.archive), store.archive_bytes);
	}
	store.n_own = 0;
	store.own_bytes = store.archive_bytes = 0;
	store.hits = 0;
}

/* Map an archive that is good, and cannot stop being so. */
static int map_archive(int fd, void **ret, struct sl_shaders_header *ret_header)
{
	int64_t size = sl_memfd_const_size(fd);
	void *p;
	int r;

	if (size < (int64_t)sizeof(*ret_header)) {
		return size < 0 ? (int)size : -EPROTO;
	}
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		return -errno;
	}
	r = sl_shaders_check(p, (size_t)size, ret_header);
	if (r < 0) {
		munmap(p, (size_t)size);
		return r;
	}
	*ret = p;
	return 0;
}

int sl_shaders_attach(int archive_fd)
{
	struct sl_shaders_header h;
	size_t cursor = 0;
	struct shader *n;
	int r;

	LOCK();
	if (!store.on || store.attached) {
		return -EBUSY;
	}
	r = map_archive(archive_fd, &store.archive, &h);
	if (r < 0) {
		return r;
	}
	store.archive_bytes = (size_t)h.size_bytes;
	store.archived = n = calloc(SL_MAX(h.n_entries, 1u), sizeof(*n));
	if (!n) {
		munmap(TAKE_PTR(store.archive), store.archive_bytes);
		return -ENOMEM;
	}
	for (; sl_shaders_next(store.archive, &cursor, &n->s); n++) {
		n->archived = true;
		insert(n);
	}
	store.attached = true;
	return 0;
}

uint64_t sl_shaders_hits(void)
{
	return __atomic_load_n(&store.hits, __ATOMIC_RELAXED);
}

static int memfd_with(const struct sl_shader *s)
{
	_cleanup_close_ int fd = memfd_create("shader", MFD_CLOEXEC);

	if (fd < 0) {
		return -errno;
	}
	/* Its position stays at the beginning. */
	if (pwrite(fd, s->data, s->size_bytes, 0) != (ssize_t)s->size_bytes) {
		return -ENOSPC;
	}
	return TAKE_FD(fd);
}

int sl_shaders_find(const uint8_t key[SL_SHADERS_KEY_BYTES])
{
	const struct shader *n;
	int fd;

	LOCK();
	n = store.on ? find(key) : NULL;
	if (!n) {
		return -ENOENT;
	}
	fd = memfd_with(&n->s);
	if (fd >= 0 && n->archived) {
		__atomic_store_n(&store.hits, store.hits + 1, __ATOMIC_RELAXED);
	}
	return fd;
}

static struct shader *shader_new(const uint8_t *key, int fd, uint32_t size)
{
	struct shader *n = malloc(sizeof(*n) + SL_SHADERS_KEY_BYTES + size);
	uint8_t *bytes = (uint8_t *)(n + 1);

	if (!n) {
		return NULL;
	}
	memcpy(bytes, key, SL_SHADERS_KEY_BYTES);
	if (sl_pread_all(fd, bytes + SL_SHADERS_KEY_BYTES, size) < 0) {
		free(n);
		return NULL;
	}
	*n = (struct shader){
		.s = { bytes, bytes + SL_SHADERS_KEY_BYTES, size },
		.added = store.attached,
	};
	return n;
}

void sl_shaders_put(const uint8_t key[SL_SHADERS_KEY_BYTES], int fd)
{
	int64_t size = sl_fd_size(fd);
	struct shader *n;
	size_t room;

	if (size <= 0 || size > SL_SHADERS_MAX_ENTRY_BYTES) {
		return;
	}
	room = sl_shaders_room((uint32_t)size);
	LOCK();
	if (!store.on || find(key) || store.n_own >= SL_SHADERS_MAX_ENTRIES ||
		room > SL_SHADERS_MAX_ADDED_BYTES - sizeof(struct sl_shaders_header) -
				store.own_bytes) {
		return;
	}
	n = shader_new(key, fd, (uint32_t)size);
	if (!n) {
		return;
	}
	store.own_bytes += room;
	store.n_own++;
	insert(n);
}

static int by_key(const void *a, const void *b)
{
	const struct shader *const *x = a, *const *y = b;

	return memcmp((*x)->s.key, (*y)->s.key, SL_SHADERS_KEY_BYTES);
}

/* The added ones in the order of an archive; the caller frees. */
static struct shader **sorted(size_t *ret_n)
{
	struct shader **all = calloc(SL_MAX(store.n_own, 1u), sizeof(struct shader *));
	size_t n = 0;

	for (size_t i = 0; all && i < N_BUCKETS; i++) {
		for (struct shader *s = store.buckets[i]; s; s = s->next) {
			if (s->added) {
				all[n++] = s;
			}
		}
	}
	if (all) {
		qsort(all, n, sizeof(struct shader *), by_key);
	}
	*ret_n = n;
	return all;
}

int sl_shaders_take(void)
{
	_cleanup_free_ struct shader **all = NULL;
	_cleanup_free_ void *archive = NULL;
	size_t n, capacity;
	int r = 0;

	LOCK();
	capacity = sizeof(struct sl_shaders_header) + store.own_bytes;
	all = sorted(&n);
	if (n == 0) {
		return all ? -ENOENT : -ENOMEM;
	}
	archive = malloc(capacity);
	if (!archive) {
		return -ENOMEM;
	}
	sl_shaders_begin(archive);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = sl_shaders_append(archive, capacity, &all[i]->s);
	}
	return r < 0 ? r : sl_memfd_const("shaders", archive, sl_shaders_size(archive));
}
