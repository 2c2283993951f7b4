/* SPDX-License-Identifier: MIT */
/*
 * Sync objects (version 3): 64-bit counters that the client writes, that submissions write when
 * their ring has done the work, and that waits watch. A wait is answered at once with an eventfd,
 * which becomes readable when the counters have got there; the client polls that with its own
 * timeout, so a wait that times out here is only forgotten. Waits and submissions hold references
 * to their syncs: the client may drop an id while something is still to come.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"
#include "util/fds.h"

struct sl_vt_sync {
	uint32_t id;
	uint32_t refs;
	uint64_t value;
	struct sl_charge charge;
};

struct sync_wait {
	struct sl_list link;
	int fd;
	uint32_t n_left;
	uint64_t deadline_ns;
	struct sl_vt_points *points;
};

void sl_vt_sync_init(struct sl_vtest *v)
{
	v->next_sync = 1;
	sl_list_init(&v->sync_waits);
	sl_list_init(&v->sync_submits);
}

static void sync_unref(struct sl_vt_sync *s)
{
	if (s && --s->refs == 0) {
		sl_charge_fini(&s->charge);
		free(s);
	}
}

struct sl_vt_points *sl_vt_points_free(struct sl_vt_points *ps)
{
	if (ps) {
		for (uint32_t i = 0; i < ps->n; i++) {
			sync_unref(ps->p[i].sync);
		}
		sl_charge_fini(&ps->charge);
		free(ps);
	}
	return NULL;
}

/* Room for @max points, paid for together with the @extra bytes of what holds them. */
int sl_vt_points_new(struct sl_vtest *v, uint32_t max, size_t extra, struct sl_vt_points **ret)
{
	struct sl_meter *meter = sl_session_meter(v->session);
	size_t bytes = sizeof(struct sl_vt_points) + max * sizeof(struct sl_vt_point);
	struct sl_vt_points *ps;
	int r;

	if (max > sl_session_limits(v->session)->syncs) {
		return SL_FAULT_LIMIT;
	}
	ps = calloc(1, bytes);
	if (!ps) {
		return -ENOMEM;
	}
	r = sl_charge(meter, bytes + extra, &ps->charge);
	if (r == SL_FAULT_NO_MEMORY && sl_vt_pool_trim(v->pool)) {
		r = sl_charge(meter, bytes + extra, &ps->charge);
	}
	if (r != 0) {
		free(ps);
		return r;
	}
	*ret = ps;
	return 0;
}

int sl_vt_points_add(struct sl_vtest *v, struct sl_vt_points *ps, const struct sl_vtest_point *from)
{
	struct sl_vt_sync *s = sl_idtable_get(&v->syncs, from->sync);

	if (!s) {
		return SL_FAULT_UNKNOWN_ID;
	}
	s->refs++;
	ps->p[ps->n++] = (struct sl_vt_point){ s, from->value };
	return 0;
}

static void wait_free(struct sl_vtest *v, struct sync_wait *w)
{
	if (!sl_list_empty(&w->link)) {
		sl_list_remove(&w->link);
		v->n_sync_waits--;
	}
	sl_close(w->fd);
	sl_vt_points_free(w->points);
	free(w);
}

/* Tick off what @sync has reached; @sync NULL means all. True when the wait is over. */
static bool wait_update(struct sync_wait *w, const struct sl_vt_sync *sync)
{
	for (uint32_t i = 0; i < w->points->n && w->n_left > 0; i++) {
		struct sl_vt_point *p = &w->points->p[i];

		if (p->sync && (!sync || p->sync == sync) && p->sync->value >= p->value) {
			sync_unref(TAKE_PTR(p->sync));
			w->n_left--;
		}
	}
	return w->n_left == 0;
}

static void set_value(struct sl_vtest *v, struct sl_vt_sync *s, uint64_t value)
{
	struct sync_wait *w, *next;

	s->value = value;
	s->refs++; /* a wait may hold the last other one */
	sl_list_for_each_safe (w, next, &v->sync_waits, link) {
		if (wait_update(w, s)) {
			eventfd_write(w->fd, 1);
			wait_free(v, w);
		}
	}
	sync_unref(s);
}

void sl_vt_points_signal(struct sl_vtest *v, struct sl_vt_points *ps)
{
	for (uint32_t i = 0; i < ps->n; i++) {
		set_value(v, ps->p[i].sync, ps->p[i].value);
	}
}

void sl_vt_sync_expire(struct sl_vtest *v, uint64_t now_ns)
{
	struct sync_wait *w, *next;

	sl_list_for_each_safe (w, next, &v->sync_waits, link) {
		if (w->deadline_ns <= now_ns) {
			wait_free(v, w);
		}
	}
}

uint64_t sl_vt_sync_deadline_ns(const struct sl_vtest *v)
{
	uint64_t at = SL_NEVER_NS;
	struct sync_wait *w;

	sl_list_for_each (w, &v->sync_waits, link) {
		at = SL_MIN(at, w->deadline_ns);
	}
	return at;
}

void sl_vt_sync_fini(struct sl_vtest *v)
{
	struct sl_vt_sync *s;
	size_t cursor = 0;

	while (!sl_list_empty(&v->sync_waits)) {
		wait_free(v, sl_list_entry(v->sync_waits.next, struct sync_wait, link));
	}
	while ((s = sl_idtable_next(&v->syncs, &cursor, NULL))) {
		sync_unref(s);
	}
	sl_idtable_fini(&v->syncs);
}

static int sync_create(struct sl_vtest *v, uint64_t value, uint32_t *ret_id)
{
	struct sl_vt_sync *s;
	int r;

	if (sl_idtable_count(&v->syncs) >= sl_session_limits(v->session)->syncs) {
		return SL_FAULT_LIMIT;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		return -ENOMEM;
	}
	r = sl_charge(sl_session_meter(v->session), sizeof(*s), &s->charge);
	s->refs = 1;
	s->value = value;
	/* Ids come round after four thousand million syncs; the old ones may still live. */
	while (r == 0 && (s->id == 0 || sl_idtable_get(&v->syncs, s->id))) {
		s->id = v->next_sync++;
	}
	if (r == 0) {
		r = sl_idtable_insert(&v->syncs, s->id, s);
	}
	if (r != 0) {
		sync_unref(s);
		return r;
	}
	*ret_id = s->id;
	return 0;
}

static int new_wait(struct sl_vtest *v, const struct sl_vtest_message *m, struct sync_wait *w)
{
	bool any = m->wait.flags & SL_VTEST_SYNC_WAIT_ANY;
	int r;

	if (v->n_sync_waits >= sl_session_limits(v->session)->syncs) {
		return SL_FAULT_LIMIT;
	}
	r = sl_vt_points_new(v, m->wait.n_points, sizeof(*w), &w->points);
	for (uint32_t i = 0; r == 0 && i < m->wait.n_points; i++) {
		struct sl_vtest_point p;

		sl_vtest_wait_point(m, i, &p);
		r = sl_vt_points_add(v, w->points, &p);
	}
	if (r != 0) {
		return r;
	}
	w->n_left = any ? SL_MIN(w->points->n, 1u) : w->points->n;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->fd >= 0 ? 0 : SL_FAULT_LIMIT;
}

/* The client's end of the eventfd; the wait keeps ours while it has anything to wait for. */
static int arm_wait(
	struct sl_vtest *v, const struct sl_vtest_message *m, struct sync_wait *w, int *ret_fd)
{
	uint64_t ms = m->wait.timeout_ms;

	if (wait_update(w, NULL)) {
		eventfd_write(w->fd, 1);
	} else if (ms > 0) {
		*ret_fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 3);
		if (*ret_fd < 0) {
			return SL_FAULT_LIMIT;
		}
		w->deadline_ns = ms > SL_VTEST_SYNC_WAIT_MAX_MS
					 ? SL_NEVER_NS
					 : sl_now_ns() + ms * SL_NSEC_PER_MSEC;
		sl_list_append(&v->sync_waits, &w->link);
		v->n_sync_waits++;
		return 0;
	}
	*ret_fd = TAKE_FD(w->fd);
	return 0;
}

static int sync_wait(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	struct sync_wait *w = calloc(1, sizeof(*w));
	int fd = -1, r;

	if (!w) {
		return -ENOMEM;
	}
	w->fd = -1;
	sl_list_init(&w->link);
	r = new_wait(v, m, w);
	if (r == 0) {
		r = arm_wait(v, m, w, &fd);
	}
	if (sl_list_empty(&w->link)) {
		wait_free(v, w);
	}
	r = sl_vt_absorb(v, r);
	if (r == 0) {
		r = sl_vt_reply_words(v, m->id, NULL, 0);
	}
	if (r != 0) {
		sl_close(fd);
		return r;
	}
	sl_vt_output_fd(&v->out, fd, true);
	return 0;
}

int sl_vt_sync_message(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	struct sl_vt_sync *s = sl_idtable_get(&v->syncs, m->sync.id);
	uint64_t value = s ? s->value : 0;
	uint32_t id = 0;
	int r;

	switch (m->id) {
	case SL_VTEST_SYNC_CREATE:
		r = sl_vt_absorb(v, sync_create(v, m->sync.value, &id));
		return r != 0 ? r : sl_vt_reply_words(v, m->id, &id, 1);
	case SL_VTEST_SYNC_WAIT:
		return sync_wait(v, m);
	case SL_VTEST_SYNC_READ:
		r = sl_vt_absorb(v, s ? 0 : SL_FAULT_UNKNOWN_ID);
		return r != 0 ? r
			      : sl_vt_reply_words(v, m->id,
					(uint32_t[]){ (uint32_t)value, (uint32_t)(value >> 32) },
					2);
	case SL_VTEST_SYNC_UNREF:
		if (s) {
			sync_unref(sl_idtable_remove(&v->syncs, m->sync.id));
			return 0;
		}
		return sl_vt_absorb(v, SL_FAULT_UNKNOWN_ID);
	case SL_VTEST_SYNC_WRITE:
		if (s) {
			set_value(v, s, m->sync.value);
			return 0;
		}
		return sl_vt_absorb(v, SL_FAULT_UNKNOWN_ID);
	default:
		return SL_FAULT_UNSUPPORTED;
	}
}
