/* SPDX-License-Identifier: MIT */
/*
 * Resources: ids, prices, backing pages. A resource is made in one order (id, charge, entry, back
 * end) and unmade in the reverse, so a refusal at any step leaves nothing behind.
 *
 * A poisoned resource stands for one that was refused in a protocol that cannot say so. Command
 * streams may still name it, and one unknown name loses the whole context in some renderers; so it
 * is given the smallest real resource of its kind as a body when the budget has room for that.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/format.h"
#include "core/session-private.h"
#include "util/checked.h"
#include "util/cleanup.h"

/* Next to the client's own ids there may be ours: skip what is taken. The table is never full. */
static uint32_t choose_id(struct sl_session *s)
{
	while (s->next_res_id == 0 || sl_resource_get(s, s->next_res_id)) {
		s->next_res_id++;
	}
	return s->next_res_id++;
}

static int entry_new(struct sl_session *s, uint32_t id, uint64_t bytes, struct sl_resource **ret)
{
	struct sl_resource *r;
	int e;

	if (sl_idtable_count(&s->resources) >= s->limits.resources) {
		return SL_FAULT_LIMIT;
	}
	if (id != 0 && sl_resource_get(s, id)) {
		return SL_FAULT_EXISTS;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		return -ENOMEM;
	}
	sl_list_init(&r->attachments);
	e = sl_charge(&s->meter, bytes, &r->charge);
	if (e != 0) {
		free(r);
		return e;
	}
	r->id = id != 0 ? id : choose_id(s);
	e = sl_idtable_insert(&s->resources, r->id, r);
	if (e != 0) {
		sl_charge_fini(&r->charge);
		free(r);
		return e;
	}
	*ret = r;
	return 0;
}

void sl_resource_free(struct sl_session *s, struct sl_resource *r)
{
	while (!sl_list_empty(&r->attachments)) {
		sl_attachment_free(
			sl_list_entry(r->attachments.next, struct sl_attachment, in_res));
	}
	if (r->in_backend) {
		if (r->iov && !r->poisoned && !r->blob) {
			s->b->ops->resource_detach(s->b, r->id);
		}
		s->b->ops->resource_destroy(s->b, r->id);
	}
	sl_idtable_remove(&s->resources, r->id);
	if (r->release) {
		r->release(r->user);
	}
	free(r->iov);
	sl_charge_fini(&r->iov_charge);
	sl_charge_fini(&r->charge);
	free(r);
}

static int total_price(uint64_t price, uint64_t extra, uint64_t *ret)
{
	uint64_t total;

	if (!sl_add_u64(price, extra, &total) ||
		!sl_add_u64(total, SL_COST_RESOURCE_BYTES, &total)) {
		return SL_FAULT_INVALID;
	}
	*ret = total;
	return 0;
}

static int create(struct sl_session *s, uint32_t id, const struct sl_resource_args *args,
	uint64_t extra, struct sl_resource **ret)
{
	struct sl_resource *r;
	uint64_t price, total;
	uint64_t began;
	int e;

	e = s->b->ops->resource_price(s->b, args, &price);
	if (e == 0) {
		e = total_price(price, extra, &total);
	}
	if (e == 0) {
		e = entry_new(s, id, total, &r);
	}
	if (e != 0) {
		return e;
	}
	r->args = *args;
	began = sl_now_ns();
	e = s->b->ops->resource_create(s->b, r->id, args);
	sl_session_note_call(s, began);
	if (e != 0) {
		sl_resource_free(s, r);
		return e;
	}
	r->in_backend = true;
	*ret = r;
	return 0;
}

int sl_session_resource_create(struct sl_session *s, uint32_t res_id,
	const struct sl_resource_args *args, uint64_t extra_bytes, uint32_t *ret_id)
{
	struct sl_resource *r;
	int e = create(s, res_id, args, extra_bytes, &r);

	if (e != 0) {
		s->refused_args = *args;
		s->refused_id = res_id;
		return e;
	}
	if (ret_id) {
		*ret_id = r->id;
	}
	return 0;
}

static int check_blob(const struct sl_session *s, const struct sl_blob_args *args, bool has_iov)
{
	if (!(s->b->flags & SL_BACKEND_BLOB)) {
		return SL_FAULT_UNSUPPORTED;
	}
	if (args->size_bytes == 0 || args->mem < SL_BLOB_GUEST ||
		args->mem > SL_BLOB_HOST3D_GUEST || has_iov != (args->mem != SL_BLOB_HOST3D)) {
		return SL_FAULT_INVALID;
	}
	return 0;
}

static int set_iov(
	struct sl_session *s, struct sl_resource *r, const struct iovec *iov, uint32_t n_iov)
{
	struct iovec *copy;
	int e;

	if (n_iov == 0 || n_iov > SL_MAX_IOVECS) {
		return SL_FAULT_LIMIT;
	}
	e = sl_charge(&s->meter, n_iov * sizeof(*iov), &r->iov_charge);
	if (e != 0) {
		return e;
	}
	copy = malloc(n_iov * sizeof(*iov));
	if (!copy) {
		sl_charge_fini(&r->iov_charge);
		return -ENOMEM;
	}
	memcpy(copy, iov, n_iov * sizeof(*iov));
	r->iov = copy;
	r->n_iov = n_iov;
	return 0;
}

int sl_session_resource_create_blob(struct sl_session *s, uint32_t ctx_id, uint32_t res_id,
	const struct sl_blob_args *args, const struct iovec *iov, uint32_t n_iov,
	uint64_t extra_bytes, uint32_t *ret_id)
{
	/* Guest memory is the front end's (@extra_bytes); host memory is priced here. */
	uint64_t price = args->mem == SL_BLOB_GUEST ? 0 : args->size_bytes, total;
	struct sl_resource *r;
	int e;

	e = check_blob(s, args, iov && n_iov > 0);
	if (e == 0 && ctx_id != 0 && !sl_context_get(s, ctx_id)) {
		e = SL_FAULT_UNKNOWN_ID;
	}
	if (e == 0) {
		e = total_price(price, extra_bytes, &total);
	}
	if (e == 0) {
		e = entry_new(s, res_id, total, &r);
	}
	if (e != 0) {
		return e;
	}
	r->blob = true;
	if (iov && n_iov > 0) {
		e = set_iov(s, r, iov, n_iov);
	}
	if (e == 0) {
		e = s->b->ops->resource_create_blob(s->b, ctx_id, r->id, args, r->iov, r->n_iov);
	}
	if (e != 0) {
		sl_resource_free(s, r);
		return e;
	}
	r->in_backend = true;
	if (ret_id) {
		*ret_id = r->id;
	}
	return 0;
}

/* A body for a poisoned resource, if it was just refused and a small one is admitted. */
static int placeholder(struct sl_session *s, uint32_t id, struct sl_resource **ret)
{
	struct sl_resource_args small;

	if (s->refused_args.width == 0 || s->refused_id != id) {
		return SL_FAULT_INVALID;
	}
	small = sl_resource_args_placeholder(&s->refused_args);
	s->refused_args = (struct sl_resource_args){};
	return create(s, id, &small, 0, ret);
}

int sl_session_resource_poison(struct sl_session *s, uint32_t res_id, uint32_t *ret_id)
{
	struct sl_resource *r;
	int e = placeholder(s, res_id, &r);

	if (e != 0) {
		e = entry_new(s, res_id, 0, &r);
	}
	if (e != 0) {
		return e;
	}
	r->poisoned = true;
	if (ret_id) {
		*ret_id = r->id;
	}
	return 0;
}

int sl_session_resource_export(
	struct sl_session *s, uint32_t res_id, int *ret_fd, uint64_t *ret_size)
{
	const struct sl_resource *r = sl_resource_get(s, res_id);

	if (!r) {
		return SL_FAULT_UNKNOWN_ID;
	}
	if (r->poisoned) {
		return SL_FAULT_NO_MEMORY;
	}
	if (!r->blob) {
		return SL_FAULT_INVALID;
	}
	return s->b->ops->resource_export(s->b, res_id, ret_fd, ret_size);
}

int sl_session_resource_attach(struct sl_session *s, uint32_t res_id, const struct iovec *iov,
	uint32_t n_iov, void (*release)(void *user), void *user)
{
	struct sl_resource *r = sl_resource_get(s, res_id);
	int e = 0;

	if (!r) {
		return SL_FAULT_UNKNOWN_ID;
	}
	if (r->iov || r->release) {
		return SL_FAULT_EXISTS;
	}
	if (!r->poisoned) {
		e = set_iov(s, r, iov, n_iov);
		if (e != 0) {
			return e;
		}
		e = s->b->ops->resource_attach(s->b, res_id, r->iov, r->n_iov);
		if (e != 0) {
			free(TAKE_PTR(r->iov));
			r->n_iov = 0;
			sl_charge_fini(&r->iov_charge);
			return e;
		}
	}
	r->release = release;
	r->user = user;
	return 0;
}

int sl_session_resource_unref(struct sl_session *s, uint32_t res_id)
{
	struct sl_resource *r = sl_resource_get(s, res_id);
	uint64_t began = sl_now_ns();

	if (!r) {
		return SL_FAULT_UNKNOWN_ID;
	}
	sl_resource_free(s, r);
	sl_session_note_call(s, began);
	return 0;
}

bool sl_session_resource_exists(const struct sl_session *s, uint32_t res_id)
{
	return sl_resource_get(s, res_id) != NULL;
}

bool sl_session_resource_poisoned(const struct sl_session *s, uint32_t res_id)
{
	const struct sl_resource *r = sl_resource_get(s, res_id);

	return r && r->poisoned;
}

const struct sl_resource_args *sl_session_resource_args(const struct sl_session *s, uint32_t res_id)
{
	const struct sl_resource *r = sl_resource_get(s, res_id);

	return r && !r->poisoned && !r->blob ? &r->args : NULL;
}

void *sl_session_resource_backing(const struct sl_session *s, uint32_t res_id)
{
	const struct sl_resource *r = sl_resource_get(s, res_id);

	return r ? r->user : NULL;
}
