/* SPDX-License-Identifier: MIT */
/*
 * Pricing command streams. The walk is linear, reads each header and the few words it needs, and
 * allocates only when an object table or the list of changes grows. It follows the renderer in
 * what counts: a duplicate handle adds (the renderer may keep both), an unknown one is ignored, a
 * sub-context that exists already is not made again, and sub-context 0 cannot be destroyed.
 *
 * Changes are applied as the walk meets them and listed, so that a create and its destroy in one
 * stream find each other; undoing goes through the list backwards.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "backend/virgl/protocol.h"
#include "backend/virgl/stream.h"
#include "core/backend.h"
#include "core/format.h"
#include "core/limits.h"
#include "util/cleanup.h"
#include "util/fault.h"

/* Small state objects: ours, the renderer's and GL's structures together, measured below 1 KiB. */
#define COST_STATE 1024u
/* Views and surfaces are GL texture objects of their own. */
#define COST_VIEW 4096u
/*
 * Shaders: TGSI tokens, the GLSL made from them, Mesa's intermediate form and compiled code. About
 * 30 KiB for a short one on llvmpipe, growing with the text.
 */
#define COST_SHADER 65536u
#define COST_SHADER_PER_BYTE 16u
#define COST_SHADER_PER_TOKEN 8u
#define COST_SUB_CTX SL_COST_CONTEXT_BYTES

/* Keep the list of changes between streams unless one stream made it unusually large. */
#define KEEP_CHANGES 4096

/*
 * Far above what the session's limit on contexts will admit; it bounds the searches of a stream
 * that is not admitted yet.
 */
#define MAX_SUBS 512u
/* No single creation is that large; with it, sums over a whole stream cannot overflow. */
#define MAX_PRICE (1ull << 40)

enum change_kind { ADD_OBJECT, REMOVE_OBJECT, ADD_SUB, REMOVE_SUB, ADD_BYTES };

struct sl_stream_change {
	enum change_kind kind;
	uint32_t handle;
	struct sl_stream_sub *sub;
	void *before; /* the encoded price that was there */
	uint64_t bytes;
};

/* Prices in the object table, in units of 16 bytes so that 32-bit pointers reach 64 GiB. */
static void *encode(uint64_t bytes)
{
	uint64_t units = (bytes + 15) / 16 + 1;

	return (void *)(uintptr_t)SL_MIN(units, (uint64_t)UINTPTR_MAX);
}

static uint64_t decode(const void *p)
{
	return p ? ((uint64_t)(uintptr_t)p - 1) * 16 : 0;
}

static int sub_new(struct sl_stream *s, uint32_t id, struct sl_stream_sub **ret)
{
	struct sl_stream_sub *sub = calloc(1, sizeof(*sub));

	if (!sub) {
		return -ENOMEM;
	}
	sub->id = id;
	sub->live = true;
	sl_list_append(&s->subs, &sub->link);
	s->n_subs++;
	*ret = sub;
	return 0;
}

static void sub_free(struct sl_stream *s, struct sl_stream_sub *sub)
{
	s->n_subs--;
	sl_list_remove(&sub->link);
	sl_idtable_fini(&sub->objects);
	free(sub);
}

static struct sl_stream_sub *sub_find(struct sl_stream *s, uint32_t id)
{
	struct sl_stream_sub *sub;

	sl_list_for_each (sub, &s->subs, link) {
		if (sub->live && sub->id == id) {
			return sub;
		}
	}
	return NULL;
}

int sl_stream_init(struct sl_stream *s)
{
	int r;

	*s = (struct sl_stream){};
	sl_list_init(&s->subs);
	r = sub_new(s, 0, &s->base);
	s->current = s->base;
	return r;
}

void sl_stream_fini(struct sl_stream *s)
{
	struct sl_stream_sub *sub, *tmp;

	if (!s->base) {
		return;
	}
	sl_list_for_each_safe (sub, tmp, &s->subs, link) {
		sub_free(s, sub);
	}
	free(s->changes);
	*s = (struct sl_stream){};
}

static int note(struct sl_stream *s, const struct sl_stream_change *c)
{
	if (s->n_changes == s->n_changes_max) {
		size_t max = SL_MAX(s->n_changes_max * 2, (size_t)64);
		struct sl_stream_change *grown = reallocarray(s->changes, max, sizeof(*grown));

		if (!grown) {
			return -ENOMEM;
		}
		s->changes = grown;
		s->n_changes_max = max;
	}
	s->changes[s->n_changes++] = *c;
	return 0;
}

/* Put @p at @handle, in place of whatever is there; NULL empties it. */
static int set_object(struct sl_stream_sub *sub, uint32_t handle, void *p)
{
	sl_idtable_remove(&sub->objects, handle);
	return p ? sl_idtable_insert(&sub->objects, handle, p) : 0;
}

static void undo_one(struct sl_stream *s, const struct sl_stream_change *c)
{
	switch (c->kind) {
	case ADD_OBJECT:
	case REMOVE_OBJECT:
		/* If memory is out, the price of one object is lost to the client until its end. */
		set_object(c->sub, c->handle, c->before);
		c->sub->bytes += c->kind == REMOVE_OBJECT ? c->bytes : -c->bytes;
		break;
	case ADD_SUB:
		sub_free(s, c->sub);
		break;
	case REMOVE_SUB:
		c->sub->live = true;
		break;
	case ADD_BYTES:
		break;
	}
}

static void clear_changes(struct sl_stream *s)
{
	if (s->n_changes > KEEP_CHANGES) {
		free(TAKE_PTR(s->changes));
		s->n_changes_max = 0;
	}
	s->n_changes = 0;
	s->freed_bytes = 0;
	s->freed_subs = 0;
	s->queries = false;
	s->pending = false;
}

static void undo(struct sl_stream *s)
{
	for (size_t i = s->n_changes; i > 0; i--) {
		undo_one(s, &s->changes[i - 1]);
	}
	s->current = s->current_before;
	clear_changes(s);
}

void sl_stream_commit(struct sl_stream *s, bool executed)
{
	assert(s->pending);
	for (size_t i = 0; i < s->n_changes; i++) {
		if (s->changes[i].kind == REMOVE_SUB) {
			sub_free(s, s->changes[i].sub);
		}
	}
	/* The old credit went into the price. A stream that stopped half-way earns none. */
	s->credit_bytes = executed ? s->freed_bytes : 0;
	s->credit_subs = executed ? s->freed_subs : 0;
	clear_changes(s);
}

/* The sums of one walk. */
struct walk {
	struct sl_stream *s;
	const struct sl_stream_host *host;
	uint64_t bytes;
	uint32_t subs;
};

static int add_object(struct walk *w, uint32_t handle, uint64_t bytes)
{
	struct sl_stream_sub *sub = w->s->current;
	void *before = sl_idtable_get(&sub->objects, handle);
	void *p = encode(bytes);
	struct sl_stream_change c = { ADD_OBJECT, handle, sub, before, decode(p) };
	int r;

	if (handle == 0) {
		return 0; /* the renderer refuses it */
	}
	r = note(w->s, &c);
	if (r < 0) {
		return r;
	}
	sub->bytes += c.bytes;
	w->bytes += c.bytes;
	return set_object(sub, handle, before ? encode(decode(before) + c.bytes) : p);
}

static uint64_t shader_price(const uint32_t *cmd, uint32_t len)
{
	if (len < VIRGL_SHADER_HEADER_LEN) {
		return COST_SHADER;
	}
	/* A continuation fills the buffer that its first piece was charged for. */
	if (cmd[VIRGL_SHADER_OFFSET] & VIRGL_SHADER_OFFSET_CONT) {
		return 0;
	}
	return COST_SHADER + (uint64_t)cmd[VIRGL_SHADER_OFFSET] * COST_SHADER_PER_BYTE +
	       (uint64_t)cmd[VIRGL_SHADER_NUM_TOKENS] * COST_SHADER_PER_TOKEN;
}

static uint64_t msaa_surface_price(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	uint64_t pixels;

	if (len < VIRGL_MSAA_SURFACE_SAMPLES) {
		return COST_VIEW;
	}
	pixels = w->host->res_price(w->host->user, cmd[VIRGL_MSAA_SURFACE_RES]);
	/* The samples that the driver keeps beside the texture; 255 is above any driver's count. */
	pixels = SL_MIN(pixels, MAX_PRICE / 256);
	return COST_VIEW + pixels * SL_MIN(cmd[VIRGL_MSAA_SURFACE_SAMPLES], 255u);
}

bool sl_stream_format_known(uint32_t format, uint32_t last)
{
	struct sl_format f;

	return format <= last &&
	       (sl_format_get(format, &f) ||
		       (format >= VIRGL_FORMAT_YV12 && format <= VIRGL_FORMAT_NV21));
}

/* Some versions look an unknown format up and follow the NULL that they find. */
static bool view_valid(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	return len < VIRGL_SAMPLER_VIEW_FORMAT ||
	       sl_stream_format_known(
		       cmd[VIRGL_SAMPLER_VIEW_FORMAT] & 0xffffff, w->host->last_format);
}

static int create_object(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	uint64_t price;

	if (len < 1) {
		return SL_FAULT_MALFORMED;
	}
	switch (VIRGL_OBJ_OF(cmd[0])) {
	case VIRGL_OBJ_SHADER:
		price = shader_price(cmd, len);
		break;
	case VIRGL_OBJ_MSAA_SURFACE:
		price = msaa_surface_price(w, cmd, len);
		break;
	case VIRGL_OBJ_SAMPLER_VIEW:
		if (!view_valid(w, cmd, len)) {
			return SL_FAULT_INVALID;
		}
		price = COST_VIEW;
		break;
	case VIRGL_OBJ_SURFACE:
		price = COST_VIEW;
		break;
	default:
		price = COST_STATE;
		break;
	}
	return price > 0 ? add_object(w, cmd[1], price) : 0;
}

static int destroy_object(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	struct sl_stream_sub *sub = w->s->current;
	struct sl_stream_change c = { .kind = REMOVE_OBJECT, .sub = sub };
	int r;

	if (len < 1) {
		return SL_FAULT_MALFORMED;
	}
	c.handle = cmd[1];
	c.before = sl_idtable_get(&sub->objects, c.handle);
	if (!c.before) {
		return 0;
	}
	c.bytes = decode(c.before);
	r = note(w->s, &c);
	if (r == 0) {
		sl_idtable_remove(&sub->objects, c.handle);
		sub->bytes -= c.bytes;
		w->s->freed_bytes += c.bytes;
	}
	return r;
}

static int create_sub(struct walk *w, uint32_t id)
{
	struct sl_stream_change c = { .kind = ADD_SUB, .bytes = COST_SUB_CTX };
	int r;

	if (sub_find(w->s, id)) {
		return 0;
	}
	if (w->s->n_subs >= MAX_SUBS) {
		return SL_FAULT_LIMIT;
	}
	r = sub_new(w->s, id, &c.sub);
	if (r < 0) {
		return r;
	}
	r = note(w->s, &c);
	if (r < 0) {
		sub_free(w->s, c.sub);
		return r;
	}
	w->bytes += COST_SUB_CTX;
	w->subs++;
	return 0;
}

static int destroy_sub(struct walk *w, uint32_t id)
{
	struct sl_stream_change c = { .kind = REMOVE_SUB, .sub = sub_find(w->s, id) };
	int r;

	if (!c.sub || c.sub == w->s->base) {
		return 0;
	}
	r = note(w->s, &c);
	if (r < 0) {
		return r;
	}
	c.sub->live = false;
	w->s->freed_bytes += COST_SUB_CTX + c.sub->bytes;
	w->s->freed_subs++;
	if (w->s->current == c.sub) {
		w->s->current = w->s->base;
	}
	return 0;
}

static int sub_ctx_command(struct walk *w, uint32_t cmd, const uint32_t *words, uint32_t len)
{
	struct sl_stream_sub *sub;

	if (len < 1) {
		return SL_FAULT_MALFORMED;
	}
	if (cmd == VIRGL_CREATE_SUB_CTX) {
		return create_sub(w, words[1]);
	}
	if (cmd == VIRGL_DESTROY_SUB_CTX) {
		return destroy_sub(w, words[1]);
	}
	sub = sub_find(w->s, words[1]);
	w->s->current = sub ? sub : w->s->current;
	return 0;
}

/* A texture or buffer that waits for a blob to claim it; nothing gives it back but the context. */
static int pipe_resource(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	struct sl_stream_change c = { .kind = ADD_BYTES };
	struct sl_resource_args args;
	int r;

	if (len < VIRGL_PIPE_RES_FLAGS) {
		return SL_FAULT_MALFORMED;
	}
	args = (struct sl_resource_args){
		.target = cmd[VIRGL_PIPE_RES_TARGET],
		.format = cmd[VIRGL_PIPE_RES_FORMAT],
		.bind = cmd[VIRGL_PIPE_RES_BIND],
		.width = cmd[VIRGL_PIPE_RES_WIDTH],
		.height = cmd[VIRGL_PIPE_RES_HEIGHT],
		.depth = cmd[VIRGL_PIPE_RES_DEPTH],
		.array_size = cmd[VIRGL_PIPE_RES_ARRAY_SIZE],
		.last_level = cmd[VIRGL_PIPE_RES_LAST_LEVEL],
		.nr_samples = cmd[VIRGL_PIPE_RES_NR_SAMPLES],
		.flags = cmd[VIRGL_PIPE_RES_FLAGS],
	};
	r = sl_resource_args_price(&args, &c.bytes);
	if (r != 0 || c.bytes > MAX_PRICE) {
		return r != 0 ? r : SL_FAULT_NO_MEMORY;
	}
	c.bytes += SL_COST_RESOURCE_BYTES;
	r = note(w->s, &c);
	w->bytes += r == 0 ? c.bytes : 0;
	return r;
}

/* The renderer indexes a table with the format as it comes; 0 unbinds. */
static int shader_images(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	for (uint32_t i = VIRGL_IMAGES_FIRST; i <= len; i += VIRGL_IMAGE_WORDS) {
		if (cmd[i] != 0 && !sl_stream_format_known(cmd[i], w->host->last_format)) {
			return SL_FAULT_INVALID;
		}
	}
	return 0;
}

/* The renderer writes its answer through the resource's backing without looking at it first. */
static int memory_info(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	if (len < 1) {
		return SL_FAULT_MALFORMED;
	}
	return w->host->res_has_room(w->host->user, cmd[1], VIRGL_MEMORY_INFO_BYTES)
		       ? 0
		       : SL_FAULT_INVALID;
}

/* 2^40 a command and 2^22 commands in the largest stream: the sum stays below 2^62. */
static int walk_one(struct walk *w, const uint32_t *cmd, uint32_t len)
{
	uint32_t op = VIRGL_CMD_OF(cmd[0]);

	switch (op) {
	case VIRGL_CREATE_OBJECT:
		return create_object(w, cmd, len);
	case VIRGL_DESTROY_OBJECT:
		return destroy_object(w, cmd, len);
	case VIRGL_SET_SUB_CTX:
	case VIRGL_CREATE_SUB_CTX:
	case VIRGL_DESTROY_SUB_CTX:
		return sub_ctx_command(w, op, cmd, len);
	case VIRGL_GET_QUERY_RESULT:
	case VIRGL_GET_QUERY_RESULT_QBO:
		w->s->queries = true;
		return 0;
	case VIRGL_PIPE_RESOURCE_CREATE:
		return pipe_resource(w, cmd, len);
	case VIRGL_GET_MEMORY_INFO:
		return memory_info(w, cmd, len);
	case VIRGL_SET_SHADER_IMAGES:
		return shader_images(w, cmd, len);
	default:
		/* The renderer was not told to set up video; its codec calls expect that. */
		return op >= VIRGL_FIRST_VIDEO && op <= VIRGL_LAST_VIDEO ? SL_FAULT_UNSUPPORTED : 0;
	}
}

int sl_stream_price(struct sl_stream *s, const uint32_t *cmd, size_t n_dw,
	const struct sl_stream_host *host, int64_t *ret_bytes, int32_t *ret_contexts)
{
	struct walk w = { .s = s, .host = host };
	int r = 0;

	if (s->pending) {
		undo(s);
	}
	s->current_before = s->current;
	s->pending = true;
	for (size_t i = 0; i < n_dw && r == 0;) {
		uint32_t len = VIRGL_LEN_OF(cmd[i]);

		if (len >= n_dw - i) {
			r = SL_FAULT_MALFORMED;
		} else {
			r = walk_one(&w, cmd + i, len);
		}
		i += (size_t)len + 1;
	}
	if (r != 0) {
		undo(s);
		return r;
	}
	*ret_bytes = (int64_t)w.bytes - (int64_t)s->credit_bytes;
	*ret_contexts = (int32_t)w.subs - (int32_t)s->credit_subs;
	return 0;
}
