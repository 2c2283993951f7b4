/* SPDX-License-Identifier: MIT */
/*
 * SUBMIT_CMD2: batches of commands on rings, and the syncs that are signalled when a ring has come
 * that far. A batch that asks for syncs becomes a continuation until then.
 */
#include <errno.h>
#include <stdlib.h>

#include "frontend/vtest/vtest-private.h"
#include "util/cleanup.h"

struct sync_submit {
	struct sl_list link;
	struct sl_wait wait;
	struct sl_vtest *v;
	struct sl_vt_points *points;
};

static void submit_free(struct sync_submit *sub)
{
	if (!sl_list_empty(&sub->link)) {
		sl_list_remove(&sub->link);
		sub->v->n_sync_submits--;
	}
	sl_session_wait_cancel(&sub->wait);
	sl_vt_points_free(sub->points);
	free(sub);
}

void sl_vt_submits_fini(struct sl_vtest *v)
{
	while (!sl_list_empty(&v->sync_submits)) {
		submit_free(sl_list_entry(v->sync_submits.next, struct sync_submit, link));
	}
}

static void on_submit_done(struct sl_wait *w, int result)
{
	struct sync_submit *sub = sl_container_of(w, struct sync_submit, wait);

	/* Also when the session ends: a client's wait is never left hanging. */
	sl_vt_points_signal(sub->v, sub->points);
	submit_free(sub);
}

/* Signal @ps, now or when the ring has come so far. Takes @ps over. */
static int signal_later(struct sl_vtest *v, uint32_t ring, struct sl_vt_points *ps)
{
	struct sync_submit *sub = calloc(1, sizeof(*sub));
	int r;

	if (!sub) {
		sl_vt_points_free(ps);
		return -ENOMEM;
	}
	sl_list_init(&sub->link);
	sub->v = v;
	sub->points = ps;
	sub->wait.done = on_submit_done;
	if (v->n_sync_submits >= sl_session_limits(v->session)->syncs) {
		submit_free(sub);
		return SL_FAULT_LIMIT;
	}
	r = sl_session_wait_ring(v->session, SL_VT_CTX, ring, &sub->wait);
	if (r == SL_VT_PENDING) {
		sl_list_append(&v->sync_submits, &sub->link);
		v->n_sync_submits++;
		return 0;
	}
	/* Done, or a ring that does not work: whoever waits for it must not wait for ever. */
	sl_vt_points_signal(v, ps);
	submit_free(sub);
	return sl_vt_absorb(v, r);
}

static int submit_batch(
	struct sl_vtest *v, const struct sl_vtest_message *m, const struct sl_vtest_batch *b)
{
	uint32_t ring = b->flags & SL_VTEST_BATCH_RING_IDX ? b->ring_idx : 0;
	struct sl_vt_points *ps = NULL;
	int r = 0;

	if (ring >= SL_VTEST_MAX_RINGS) {
		return sl_vt_absorb(v, SL_FAULT_INVALID);
	}
	if (b->cmd_size > 0) {
		r = sl_vt_submit(v, (uint32_t *)sl_vtest_batch_commands(m, b), b->cmd_size);
	}
	if (r != 0 || b->sync_count == 0) {
		return r;
	}
	r = sl_vt_points_new(v, b->sync_count, sizeof(struct sync_submit), &ps);
	if (r != 0) {
		return r;
	}
	for (uint32_t i = 0; i < b->sync_count; i++) {
		struct sl_vtest_point p;

		sl_vtest_batch_point(m, b, i, &p);
		r = sl_vt_absorb(v, sl_vt_points_add(v, ps, &p));
		if (r != 0) {
			sl_vt_points_free(ps);
			return r;
		}
	}
	return signal_later(v, ring, ps);
}

int sl_vt_submit2(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	int r = sl_vt_need_context(v);

	for (uint32_t i = 0; r == 0 && i < m->submit2.n_batches; i++) {
		struct sl_vtest_batch b;

		sl_vtest_batch(m, i, &b);
		r = submit_batch(v, m, &b);
	}
	return r;
}
