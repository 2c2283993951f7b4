/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdlib.h>

#include "core/session.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

/*
 * A back end for the core's own tests: it counts calls, does what it is told, and completes fences
 * when the test says so.
 */
struct fake {
	struct sl_backend base;
	int contexts, resources, attached, submits, reads, writes, fences, polls, freed;
	int fail_context, fail_resource, fail_fence, fail_submit, fail_attach;
	uint64_t price;
	int64_t stream_bytes;
	int32_t stream_contexts;
	int price_fault;
	bool complete_in_create, complete_in_poll;
	struct {
		uint32_t ctx;
		uint64_t id;
	} pending[64];
	size_t n_pending;
	struct sl_resource_args last_args;
};

static inline struct fake *to_fake(struct sl_backend *b)
{
	return sl_container_of(b, struct fake, base);
}

static inline void fake_complete(struct fake *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f->base.events->fence_done(
			f->base.events_user, f->pending[i].ctx, 0, f->pending[i].id);
	}
	for (size_t i = n; i < f->n_pending; i++) {
		f->pending[i - n] = f->pending[i];
	}
	f->n_pending -= n;
}

/* The test owns the struct: it outlives the session, so that the counters can be read. */
static void fake_free(struct sl_backend *b)
{
	to_fake(b)->freed++;
}

static void fake_capset_info(struct sl_backend *b, uint32_t capset, uint32_t *v, uint32_t *size)
{
	*v = capset == 2 ? 2 : 0;
	*size = capset == 2 ? 16 : 0;
}

static int fake_capset_fill(
	struct sl_backend *b, uint32_t capset, uint32_t version, void *buf, size_t size)
{
	to_fake(b)->polls += 1000; /* counted, to see that caps are asked for once */
	for (size_t i = 0; i < size; i++) {
		((uint8_t *)buf)[i] = (uint8_t)(i + 1);
	}
	return 0;
}

static int fake_context_create(struct sl_backend *b, uint32_t id, uint32_t capset, const char *name)
{
	to_fake(b)->contexts += to_fake(b)->fail_context == 0;
	return to_fake(b)->fail_context;
}

static void fake_context_destroy(struct sl_backend *b, uint32_t id)
{
	to_fake(b)->contexts--;
}

static void fake_attach(struct sl_backend *b, uint32_t ctx, uint32_t res)
{
	to_fake(b)->attached++;
}

static void fake_detach(struct sl_backend *b, uint32_t ctx, uint32_t res)
{
	to_fake(b)->attached--;
}

static int fake_price(struct sl_backend *b, const struct sl_resource_args *a, uint64_t *ret)
{
	*ret = a->width == 1 ? 64 : to_fake(b)->price;
	return a->width == 0 ? SL_FAULT_INVALID : 0;
}

static int fake_resource_create(struct sl_backend *b, uint32_t id, const struct sl_resource_args *a)
{
	to_fake(b)->last_args = *a;
	to_fake(b)->resources += to_fake(b)->fail_resource == 0;
	return to_fake(b)->fail_resource;
}

static int fake_resource_attach(
	struct sl_backend *b, uint32_t id, const struct iovec *iov, uint32_t n)
{
	return to_fake(b)->fail_attach;
}

static void fake_resource_detach(struct sl_backend *b, uint32_t id)
{
}

static void fake_resource_destroy(struct sl_backend *b, uint32_t id)
{
	to_fake(b)->resources--;
}

static int fake_write(struct sl_backend *b, uint32_t ctx, uint32_t res, const struct sl_transfer *t,
	const struct iovec *iov, uint32_t n)
{
	to_fake(b)->writes++;
	return 0;
}

static int fake_read(struct sl_backend *b, uint32_t ctx, uint32_t res, const struct sl_transfer *t,
	const struct iovec *iov, uint32_t n)
{
	to_fake(b)->reads++;
	return 0;
}

static int fake_submit_price(struct sl_backend *b, uint32_t ctx, const uint32_t *cmd, size_t n,
	int64_t *ret_bytes, int32_t *ret_contexts)
{
	*ret_bytes = to_fake(b)->stream_bytes;
	*ret_contexts = to_fake(b)->stream_contexts;
	return to_fake(b)->price_fault;
}

static int fake_submit(struct sl_backend *b, uint32_t ctx, uint32_t *cmd, size_t n)
{
	to_fake(b)->submits++;
	return to_fake(b)->fail_submit;
}

static int fake_fence(struct sl_backend *b, uint32_t ctx, uint32_t ring, uint64_t id)
{
	struct fake *f = to_fake(b);

	f->fences++;
	if (f->fail_fence) {
		return f->fail_fence;
	}
	f->pending[f->n_pending].ctx = ctx;
	f->pending[f->n_pending++].id = id;
	if (f->complete_in_create) {
		fake_complete(f, f->n_pending);
	}
	return 0;
}

static int fake_poll_fd(struct sl_backend *b)
{
	return -1;
}

static uint64_t fake_poll(struct sl_backend *b)
{
	struct fake *f = to_fake(b);

	f->polls++;
	if (f->complete_in_poll) {
		fake_complete(f, f->n_pending);
	}
	return f->n_pending > 0 ? 1000 : SL_NEVER_NS;
}

static const struct sl_backend_ops fake_ops = {
	.name = "fake",
	.free = fake_free,
	.capset_info = fake_capset_info,
	.capset_fill = fake_capset_fill,
	.context_create = fake_context_create,
	.context_destroy = fake_context_destroy,
	.context_attach = fake_attach,
	.context_detach = fake_detach,
	.resource_price = fake_price,
	.resource_create = fake_resource_create,
	.resource_attach = fake_resource_attach,
	.resource_detach = fake_resource_detach,
	.resource_destroy = fake_resource_destroy,
	.transfer_write = fake_write,
	.transfer_read = fake_read,
	.submit_price = fake_submit_price,
	.submit = fake_submit,
	.fence_create = fake_fence,
	.poll_fd = fake_poll_fd,
	.poll = fake_poll,
};

/* A session on @f with context 1, all limits default. */
static inline struct sl_session *fake_session(struct fake *f)
{
	struct sl_session *s = NULL;

	f->base.ops = &fake_ops;
	f->base.flags |= SL_BACKEND_SYNC_READ;
	f->price = f->price ? f->price : 4096;
	if (sl_session_new(7, &SL_LIMITS_DEFAULT, &f->base, &s) != 0 ||
		sl_session_context_create(s, 1, 0, "test") != 0) {
		abort();
	}
	return s;
}

#define FAKE_ARGS                                                                                  \
	((struct sl_resource_args){ .target = 2,                                                   \
		.format = 1,                                                                       \
		.width = 16,                                                                       \
		.height = 16,                                                                      \
		.depth = 1,                                                                        \
		.array_size = 1 })
