/* SPDX-License-Identifier: MIT */
/*
 * The memory behind resources: sealed memfds, mapped here and handed to the client. Mesa makes,
 * maps, uses and drops a staging resource for every frame, so what comes back is kept, fd, mapping
 * and pages, for the next one of about its size; that saves the kernel from making and zeroing the
 * same pages a thousand times a second.
 *
 * What a pool keeps was this client's own memory and never leaves its session, so it is handed out
 * again as it is: the client can read nothing there that it has not had before. A pool is never
 * shared and never outlives its session.
 *
 * Idle memory stays charged. It is bounded in bytes and number, and given back when the budget
 * would otherwise refuse something. The client may keep its own mapping for ever, so pages are
 * punched out of the file before their charge is refunded; what it touches there afterwards is
 * memory of its own making, charged to its own cgroup by the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "frontend/vtest/vtest-private.h"
#include "util/checked.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define PAGE_BYTES 4096u
/* Idle memory: enough for a dozen full-screen staging buffers, never much of a small budget. */
#define MAX_IDLE_BYTES (64u << 20)
#define MAX_IDLE_FRACTION 8
/*
 * Fds kept open for sending again. Mesa holds small buffers back for a second before it drops
 * them, which at full speed is some thousands. Beyond this an fd is closed once it is sent and its
 * memory cannot be pooled: a session may have more resources than a process may have fds.
 */
#define MAX_FDS 4096u
/* Lists of idle memory by size, four to each power of two. */
#define N_CLASSES 128u
/* How many of a list are looked at before a new one is made. */
#define MAX_LOOK 8u

struct sl_vt_pool {
	struct sl_session *session;
	struct sl_list idle; /* all, most recently used first */
	struct sl_list classes[N_CLASSES];
	uint64_t idle_bytes, max_idle_bytes;
	uint32_t n_fds, max_fds;
	size_t n_live; /* stagings that point here */
	bool closed;
};

int sl_vt_pool_new(struct sl_session *s, struct sl_vt_pool **ret)
{
	struct sl_vt_pool *p = calloc(1, sizeof(*p));
	struct rlimit nofile = {};

	if (!p) {
		return -ENOMEM;
	}
	p->session = s;
	sl_list_init(&p->idle);
	for (size_t i = 0; i < N_CLASSES; i++) {
		sl_list_init(&p->classes[i]);
	}
	p->max_idle_bytes = SL_MIN(
		(uint64_t)MAX_IDLE_BYTES, sl_session_limits(s)->mem_bytes / MAX_IDLE_FRACTION);
	p->max_fds = getrlimit(RLIMIT_NOFILE, &nofile) == 0
			     ? (uint32_t)SL_MIN((rlim_t)MAX_FDS, nofile.rlim_cur / 2)
			     : 0;
	*ret = p;
	return 0;
}

static void pool_release(struct sl_vt_pool *p)
{
	if (p->closed && p->n_live == 0) {
		free(p);
	}
}

/* Punch the pages, then refund them: the client may hold the file open for ever. */
static void destroy(struct sl_vt_staging *st)
{
	struct sl_vt_pool *p = st->pool;

	if (st->map) {
		if (st->fd < 0 || fallocate(st->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					  (off_t)st->size_bytes) < 0) {
			madvise(st->map, st->size_bytes, MADV_REMOVE);
		}
		munmap(st->map, st->size_bytes);
	}
	if (st->fd >= 0) {
		p->n_fds--;
		sl_close(st->fd);
	}
	sl_charge_fini(&st->charge);
	free(st);
	p->n_live--;
}

static void take_idle(struct sl_vt_staging *st)
{
	sl_list_remove(&st->link);
	sl_list_remove(&st->in_class);
	st->pool->idle_bytes -= st->size_bytes;
}

bool sl_vt_pool_trim(struct sl_vt_pool *p)
{
	bool any = !sl_list_empty(&p->idle);

	while (!sl_list_empty(&p->idle)) {
		struct sl_vt_staging *st = sl_list_entry(p->idle.prev, struct sl_vt_staging, link);

		take_idle(st);
		destroy(st);
	}
	return any;
}

void sl_vt_pool_close(struct sl_vt_pool *p)
{
	if (!p) {
		return;
	}
	sl_vt_pool_trim(p);
	p->closed = true;
	pool_release(p);
}

static size_t round_up(uint64_t bytes)
{
	return (size_t)sl_align_u64(bytes, PAGE_BYTES);
}

/* Sizes of one class differ by less than a quarter. */
static uint32_t class_of(size_t size)
{
	uint32_t log = 63 - (uint32_t)__builtin_clzll(size);

	return SL_MIN(4 * (log - 12) + (uint32_t)(size >> (log - 2) & 3), N_CLASSES - 1);
}

static struct sl_vt_staging *find_in(struct sl_list *class, size_t size)
{
	struct sl_vt_staging *st;
	uint32_t looked = 0;

	sl_list_for_each (st, class, in_class) {
		if (st->size_bytes >= size && st->size_bytes - size <= size / 4) {
			return st;
		}
		if (++looked == MAX_LOOK) {
			break;
		}
	}
	return NULL;
}

/* A recently used one that is large enough and wastes at most a quarter. */
static struct sl_vt_staging *find_idle(struct sl_vt_pool *p, size_t size)
{
	uint32_t class = class_of(size);
	struct sl_vt_staging *st = find_in(&p->classes[class], size);

	if (!st && class + 1 < N_CLASSES) {
		st = find_in(&p->classes[class + 1], size);
	}
	return st;
}

/* The errors by which a host says that a client has too much of something. */
static int too_much(int e)
{
	return e == -EMFILE || e == -ENFILE || e == -ENOMEM || e == -ENOSPC ? SL_FAULT_LIMIT : e;
}

static int map_new(struct sl_vt_staging *st)
{
	st->fd = sl_memfd_sealed("sluice-staging", st->size_bytes);
	if (st->fd < 0) {
		return too_much(st->fd);
	}
	st->pool->n_fds++;
	st->map = mmap(NULL, st->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, st->fd, 0);
	if (st->map == MAP_FAILED) {
		st->map = NULL;
		return too_much(-errno);
	}
	return 0;
}

static int make(struct sl_vt_pool *p, size_t size, struct sl_vt_staging **ret)
{
	struct sl_vt_staging *st = calloc(1, sizeof(*st));
	int r;

	if (!st) {
		return -ENOMEM;
	}
	st->pool = p;
	st->fd = -1;
	st->size_bytes = size;
	sl_list_init(&st->link);
	sl_list_init(&st->in_class);
	p->n_live++;
	r = sl_charge(sl_session_meter(p->session), size, &st->charge);
	if (r == SL_FAULT_NO_MEMORY && sl_vt_pool_trim(p)) {
		r = sl_charge(sl_session_meter(p->session), size, &st->charge);
	}
	if (r == 0) {
		r = map_new(st);
	}
	if (r != 0) {
		destroy(st);
		return r;
	}
	*ret = st;
	return 0;
}

int sl_vt_pool_get(struct sl_vt_pool *p, uint64_t bytes, struct sl_vt_staging **ret)
{
	struct sl_vt_staging *st;
	size_t size;

	if (bytes == 0 || bytes > sl_session_limits(p->session)->mem_bytes) {
		return bytes == 0 ? SL_FAULT_INVALID : SL_FAULT_NO_MEMORY;
	}
	size = round_up(bytes);
	st = find_idle(p, size);
	if (!st) {
		return make(p, size, ret);
	}
	take_idle(st);
	*ret = st;
	return 0;
}

void sl_vt_staging_queue_fd(struct sl_vt_staging *st, struct sl_vt_output *o)
{
	if (!st) {
		sl_vt_output_fd(o, -1, false);
	} else if (st->pool->n_fds <= st->pool->max_fds) {
		sl_vt_output_fd(o, st->fd, false);
	} else {
		st->pool->n_fds--;
		sl_vt_output_fd(o, TAKE_FD(st->fd), true);
	}
}

void sl_vt_staging_release(void *user)
{
	struct sl_vt_staging *st = user;
	struct sl_vt_pool *p = st->pool;

	if (p->closed || st->fd < 0 || st->size_bytes > p->max_idle_bytes) {
		destroy(st);
		pool_release(p);
		return;
	}
	sl_list_prepend(&p->idle, &st->link);
	sl_list_prepend(&p->classes[class_of(st->size_bytes)], &st->in_class);
	p->idle_bytes += st->size_bytes;
	while (p->idle_bytes > p->max_idle_bytes) {
		st = sl_list_entry(p->idle.prev, struct sl_vt_staging, link);
		take_idle(st);
		destroy(st);
	}
}
