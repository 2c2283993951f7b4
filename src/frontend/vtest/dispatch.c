/* SPDX-License-Identifier: MIT */
/*
 * From a decoded message to what it asks for: the handshake, caps and contexts are here, the rest
 * is handed on. Also the policy on sizes: which bodies are taken in, which are skipped and which
 * end the session.
 */
#include <errno.h>
#include <string.h>

#include "frontend/vtest/vtest-private.h"
#include "util/checked.h"
#include "util/cleanup.h"

/* The capsets behind the two old caps commands. */
#define CAPSET_VIRGL 1u
#define CAPSET_VIRGL2 2u
/* The widest texel there is, 4 x 32 bits. */
#define MAX_TEXEL_BYTES 16u

uint64_t sl_vt_inline_bound(struct sl_vtest *v, uint32_t handle)
{
	const struct sl_resource_args *a = sl_session_resource_args(v->session, handle);
	uint64_t bytes;

	if (!a || !sl_mul_u64(SL_MAX(a->width, 1u), SL_MAX(a->height, 1u), &bytes) ||
		!sl_mul_u64(bytes, SL_MAX(a->depth, 1u), &bytes) ||
		!sl_mul_u64(bytes, SL_MAX(a->array_size, 1u), &bytes) ||
		!sl_mul_u64(bytes, MAX_TEXEL_BYTES, &bytes)) {
		return 0;
	}
	return bytes;
}

int sl_vt_admit_body(struct sl_vtest *v, const struct sl_vtest_message *m, bool *ret_skip)
{
	switch (m->id) {
	case SL_VTEST_SUBMIT_CMD:
	case SL_VTEST_SUBMIT_CMD2:
	case SL_VTEST_SYNC_WAIT:
		return m->body_bytes <= sl_session_limits(v->session)->cmd_bytes ? 0
										 : SL_FAULT_LIMIT;
	case SL_VTEST_TRANSFER_PUT:
		*ret_skip = m->body_bytes > sl_vt_inline_bound(v, m->transfer.handle);
		return 0;
	default:
		return 0;
	}
}

int sl_vt_need_context(struct sl_vtest *v)
{
	int r;

	if (v->context) {
		return 0;
	}
	r = sl_session_context_create(v->session, SL_VT_CTX, v->capset, v->name);
	v->context = r == 0;
	return r;
}

static int create_renderer(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	size_t n = SL_MIN((size_t)m->body_bytes, sizeof(v->name) - 1);

	if (v->renderer) {
		return SL_FAULT_INVALID;
	}
	v->renderer = true;
	/* It ends in logs: nothing but plain characters. */
	for (size_t i = 0; i < n && m->body[i] != '\0'; i++) {
		v->name[i] = m->body[i] > ' ' && m->body[i] < 0x7f ? (char)m->body[i] : '_';
	}
	return 0;
}

static int reply_caps(struct sl_vtest *v, uint32_t request, uint32_t capset)
{
	uint32_t version = 0, size = 0;
	uint8_t *p;
	int r;

	sl_session_capset_info(v->session, capset, &version, &size);
	if (size == 0) {
		return SL_FAULT_UNSUPPORTED;
	}
	v->caps_read = true;
	r = sl_vt_output_reserve(
		&v->out, sl_session_meter(v->session), SL_VTEST_HEADER_BYTES + size, &p);
	if (r != 0) {
		return r;
	}
	sl_vtest_encode_reply(p, request, size);
	return sl_session_capset(v->session, capset, version, p + SL_VTEST_HEADER_BYTES, size);
}

static int get_capset(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	uint32_t version = 0, size = 0, valid = 1, padded;
	uint8_t *p;
	int r;

	sl_session_capset_info(v->session, m->capset.id, &version, &size);
	if (size == 0 || m->capset.version > version) {
		valid = 0;
		return sl_vt_reply_words(v, m->id, &valid, 1);
	}
	padded = (size + 3) / 4 * 4;
	r = sl_vt_output_reserve(
		&v->out, sl_session_meter(v->session), SL_VTEST_HEADER_BYTES + 4 + padded, &p);
	if (r != 0) {
		return r;
	}
	sl_vtest_encode_reply(p, m->id, 4 + padded);
	memcpy(p + SL_VTEST_HEADER_BYTES, &valid, 4);
	return sl_session_capset(
		v->session, m->capset.id, m->capset.version, p + SL_VTEST_HEADER_BYTES + 4, size);
}

static int context_init(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	uint32_t version = 0, size = 0;

	if (v->context || v->context_init) {
		return SL_FAULT_INVALID;
	}
	sl_session_capset_info(v->session, m->capset.id, &version, &size);
	if (size == 0) {
		return SL_FAULT_UNSUPPORTED;
	}
	v->context_init = true;
	v->capset = m->capset.id;
	return sl_vt_need_context(v);
}

/* Timelines are Venus's, which is not served yet: no parameter is valid. */
static int get_param(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	uint32_t answer[2] = { 0, 0 };

	return sl_vt_reply_words(v, m->id, answer, SL_ARRAY_LEN(answer));
}

static int protocol_version(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	v->version = sl_vtest_negotiate(m->version, SL_VTEST_VERSION);
	return sl_vt_reply_words(v, m->id, &v->version, 1);
}

static int submit_cmd(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	if (!m->body) {
		return sl_vt_absorb(v, SL_FAULT_NO_MEMORY);
	}
	/* The input buffer is ours alone and begins on a word; the renderer may write to it. */
	return sl_vt_submit(v, (uint32_t *)m->body, (size_t)m->body_bytes / 4);
}

/* What may come before CREATE_RENDERER. */
static bool is_handshake(uint32_t id)
{
	return id == SL_VTEST_CREATE_RENDERER || id == SL_VTEST_PING_PROTOCOL_VERSION ||
	       id == SL_VTEST_PROTOCOL_VERSION || id == SL_VTEST_RESOURCE_BUSY_WAIT;
}

int sl_vt_dispatch(struct sl_vtest *v, const struct sl_vtest_message *m)
{
	if (!v->renderer && !is_handshake(m->id)) {
		return SL_FAULT_INVALID;
	}
	if (sl_vtest_min_version(m->id) > v->version) {
		return SL_FAULT_UNSUPPORTED;
	}
	switch (m->id) {
	case SL_VTEST_CREATE_RENDERER:
		return create_renderer(v, m);
	case SL_VTEST_PING_PROTOCOL_VERSION:
		return sl_vt_reply_words(v, m->id, NULL, 0);
	case SL_VTEST_PROTOCOL_VERSION:
		return protocol_version(v, m);
	case SL_VTEST_GET_CAPS:
		return reply_caps(v, m->id, CAPSET_VIRGL);
	case SL_VTEST_GET_CAPS2:
		return reply_caps(v, m->id, CAPSET_VIRGL2);
	case SL_VTEST_GET_CAPSET:
		return get_capset(v, m);
	case SL_VTEST_GET_PARAM:
		return get_param(v, m);
	case SL_VTEST_CONTEXT_INIT:
		return context_init(v, m);
	case SL_VTEST_RESOURCE_CREATE:
	case SL_VTEST_RESOURCE_CREATE2:
		return sl_vt_resource_create(v, m);
	case SL_VTEST_RESOURCE_CREATE_BLOB:
		return sl_vt_resource_create_blob(v, m);
	case SL_VTEST_RESOURCE_UNREF:
		return sl_vt_resource_unref(v, m);
	case SL_VTEST_TRANSFER_GET:
	case SL_VTEST_TRANSFER_PUT:
	case SL_VTEST_TRANSFER_GET2:
	case SL_VTEST_TRANSFER_PUT2:
		return sl_vt_transfer(v, m);
	case SL_VTEST_SUBMIT_CMD:
		return submit_cmd(v, m);
	case SL_VTEST_SUBMIT_CMD2:
		return sl_vt_submit2(v, m);
	case SL_VTEST_RESOURCE_BUSY_WAIT:
		return sl_vt_busy_wait(v, m);
	default:
		return sl_vt_sync_message(v, m);
	}
}
