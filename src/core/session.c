/* SPDX-License-Identifier: MIT */
/*
 * The session itself: its birth and end, its numbers, its capsets. The end runs in the one order
 * that leaves nothing dangling: waits, resources, contexts, back end, and then the meter, which
 * asserts that everything was given back.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/session-private.h"
#include "util/cleanup.h"

static void on_context_lost(void *user, uint32_t ctx_id)
{
	struct sl_context *c = sl_context_get(user, ctx_id);

	if (c) {
		c->lost = true;
	}
}

static const struct sl_backend_events events = {
	.fence_done = sl_fence_done,
	.context_lost = on_context_lost,
};

int sl_session_new(uint64_t id, const struct sl_limits *limits, struct sl_backend *backend,
	struct sl_session **ret)
{
	struct sl_session *s = calloc(1, sizeof(*s));

	if (!s) {
		return -ENOMEM;
	}
	s->id = id;
	s->limits = *limits;
	s->meter.limit_bytes = limits->mem_bytes;
	s->b = backend;
	s->next_res_id = 1;
	s->work = 1;
	sl_list_init(&s->waits);
	backend->events = &events;
	backend->events_user = s;
	*ret = s;
	return 0;
}

struct sl_session *sl_session_free(struct sl_session *s)
{
	struct sl_resource *r;
	struct sl_context *c;
	size_t cursor = 0;

	if (!s) {
		return NULL;
	}
	s->ending = true;
	sl_fence_cancel_all(s);
	while ((r = sl_idtable_next(&s->resources, &cursor, NULL))) {
		sl_resource_free(s, r);
	}
	cursor = 0;
	while ((c = sl_idtable_next(&s->contexts, &cursor, NULL))) {
		sl_context_free(s, c);
	}
	s->b->ops->free(s->b);
	for (size_t i = 0; i < s->n_caps; i++) {
		free(s->caps[i].data);
	}
	sl_idtable_fini(&s->resources);
	sl_idtable_fini(&s->contexts);
	assert(s->stream_contexts == 0);
	sl_meter_fini(&s->meter);
	free(s);
	return NULL;
}

uint64_t sl_session_id(const struct sl_session *s)
{
	return s->id;
}

const struct sl_limits *sl_session_limits(const struct sl_session *s)
{
	return &s->limits;
}

const struct sl_renderer_info *sl_session_renderer(const struct sl_session *s)
{
	return &s->b->info;
}

struct sl_meter *sl_session_meter(struct sl_session *s)
{
	return &s->meter;
}

void sl_session_stats(const struct sl_session *s, struct sl_session_stats *ret)
{
	*ret = s->stats;
	ret->mem_bytes = s->meter.used_bytes;
	ret->mem_peak_bytes = s->meter.peak_bytes;
	ret->mem_limit_bytes = s->meter.limit_bytes;
	ret->mem_refused = s->meter.refused;
	ret->resources = (uint32_t)sl_idtable_count(&s->resources);
	ret->contexts = (uint32_t)sl_idtable_count(&s->contexts) + s->stream_contexts;
}

void sl_session_count_message(struct sl_session *s, uint64_t bytes_in)
{
	s->stats.commands++;
	s->stats.bytes_in += bytes_in;
}

void sl_session_count_fault(struct sl_session *s, int fault)
{
	if (fault > 0) {
		s->stats.faults++;
		s->stats.last_fault = (uint32_t)fault;
	}
}

/* The cached caps of a capset, filled at the first call; NULL if there are none. */
static const struct sl_caps *find_caps(struct sl_session *s, uint32_t capset)
{
	struct sl_caps c = { .id = capset };

	for (size_t i = 0; i < s->n_caps; i++) {
		if (s->caps[i].id == capset) {
			return &s->caps[i];
		}
	}
	s->b->ops->capset_info(s->b, capset, &c.version, &c.size);
	if (c.size == 0 || s->n_caps == SL_MAX_CAPS) {
		return NULL;
	}
	c.data = calloc(1, c.size);
	if (!c.data) {
		return NULL;
	}
	if (s->b->ops->capset_fill(s->b, capset, c.version, c.data, c.size) != 0) {
		free(c.data);
		return NULL;
	}
	s->caps[s->n_caps] = c;
	return &s->caps[s->n_caps++];
}

void sl_session_capset_info(
	struct sl_session *s, uint32_t capset, uint32_t *ret_version, uint32_t *ret_size)
{
	const struct sl_caps *c = find_caps(s, capset);

	*ret_version = c ? c->version : 0;
	*ret_size = c ? c->size : 0;
}

int sl_session_capset(
	struct sl_session *s, uint32_t capset, uint32_t version, void *buf, size_t size)
{
	const struct sl_caps *c = find_caps(s, capset);

	if (!c || version > c->version) {
		return SL_FAULT_UNSUPPORTED;
	}
	memset(buf, 0, size);
	memcpy(buf, c->data, SL_MIN(size, (size_t)c->size));
	return 0;
}
