/* SPDX-License-Identifier: MIT */
/*
 * The vtest codec. A table says for every id since when it exists, how many fixed words it has and
 * by which rule its extent is found; everything that a client can get wrong is judged here, once,
 * on bytes that only we can write. Sizes are summed in 64 bits from 32-bit fields, which cannot
 * overflow; the few sums of 32-bit offsets are done in 64 bits too.
 */
#include <errno.h>
#include <string.h>

#include "protocol/vtest.h"
#include "util/cleanup.h"
#include "util/fault.h"

enum rule {
	RULE_FIXED = 1, /* length is the number of fixed words */
	RULE_NAME,      /* length is bytes, all body */
	RULE_WORDS,     /* length is words, all body */
	RULE_DATA,      /* fixed words, then data_size bytes; length may or may not count them */
	RULE_NO_DATA,   /* length may count data that never follows */
	RULE_POINTS,    /* two fixed words, then triples */
	RULE_BATCHES,   /* one fixed word, then the table and what it points at */
	RULE_V4,        /* not served */
};

struct command {
	const char *name;
	uint8_t version, words, rule;
};

static const struct command commands[SL_VTEST_N_IDS] = {
	[SL_VTEST_GET_CAPS] = { "GET_CAPS", 0, 0, RULE_FIXED },
	[SL_VTEST_RESOURCE_CREATE] = { "RESOURCE_CREATE", 0, 10, RULE_FIXED },
	[SL_VTEST_RESOURCE_UNREF] = { "RESOURCE_UNREF", 0, 1, RULE_FIXED },
	[SL_VTEST_TRANSFER_GET] = { "TRANSFER_GET", 0, 11, RULE_NO_DATA },
	[SL_VTEST_TRANSFER_PUT] = { "TRANSFER_PUT", 0, 11, RULE_DATA },
	[SL_VTEST_SUBMIT_CMD] = { "SUBMIT_CMD", 0, 0, RULE_WORDS },
	[SL_VTEST_RESOURCE_BUSY_WAIT] = { "RESOURCE_BUSY_WAIT", 0, 2, RULE_FIXED },
	[SL_VTEST_CREATE_RENDERER] = { "CREATE_RENDERER", 0, 0, RULE_NAME },
	[SL_VTEST_GET_CAPS2] = { "GET_CAPS2", 0, 0, RULE_FIXED },
	[SL_VTEST_PING_PROTOCOL_VERSION] = { "PING_PROTOCOL_VERSION", 0, 0, RULE_FIXED },
	[SL_VTEST_PROTOCOL_VERSION] = { "PROTOCOL_VERSION", 0, 1, RULE_FIXED },
	[SL_VTEST_RESOURCE_CREATE2] = { "RESOURCE_CREATE2", 2, 11, RULE_FIXED },
	[SL_VTEST_TRANSFER_GET2] = { "TRANSFER_GET2", 2, 10, RULE_NO_DATA },
	[SL_VTEST_TRANSFER_PUT2] = { "TRANSFER_PUT2", 2, 10, RULE_NO_DATA },
	[SL_VTEST_GET_PARAM] = { "GET_PARAM", 3, 1, RULE_FIXED },
	[SL_VTEST_GET_CAPSET] = { "GET_CAPSET", 3, 2, RULE_FIXED },
	[SL_VTEST_CONTEXT_INIT] = { "CONTEXT_INIT", 3, 1, RULE_FIXED },
	[SL_VTEST_RESOURCE_CREATE_BLOB] = { "RESOURCE_CREATE_BLOB", 3, 6, RULE_FIXED },
	[SL_VTEST_SYNC_CREATE] = { "SYNC_CREATE", 3, 2, RULE_FIXED },
	[SL_VTEST_SYNC_UNREF] = { "SYNC_UNREF", 3, 1, RULE_FIXED },
	[SL_VTEST_SYNC_READ] = { "SYNC_READ", 3, 1, RULE_FIXED },
	[SL_VTEST_SYNC_WRITE] = { "SYNC_WRITE", 3, 3, RULE_FIXED },
	[SL_VTEST_SYNC_WAIT] = { "SYNC_WAIT", 3, 2, RULE_POINTS },
	[SL_VTEST_SUBMIT_CMD2] = { "SUBMIT_CMD2", 3, 1, RULE_BATCHES },
	[SL_VTEST_DRM_SYNC_CREATE] = { "DRM_SYNC_CREATE", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_DESTROY] = { "DRM_SYNC_DESTROY", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_HANDLE_TO_FD] = { "DRM_SYNC_HANDLE_TO_FD", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_FD_TO_HANDLE] = { "DRM_SYNC_FD_TO_HANDLE", 4, 0, RULE_V4 },
	[SL_VTEST_DRM_SYNC_IMPORT_SYNC_FILE] = { "DRM_SYNC_IMPORT_SYNC_FILE", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_EXPORT_SYNC_FILE] = { "DRM_SYNC_EXPORT_SYNC_FILE", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_WAIT] = { "DRM_SYNC_WAIT", 4, 4, RULE_V4 },
	[SL_VTEST_DRM_SYNC_RESET] = { "DRM_SYNC_RESET", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_SIGNAL] = { "DRM_SYNC_SIGNAL", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_TIMELINE_SIGNAL] = { "DRM_SYNC_TIMELINE_SIGNAL", 4, 1, RULE_V4 },
	[SL_VTEST_DRM_SYNC_TIMELINE_WAIT] = { "DRM_SYNC_TIMELINE_WAIT", 4, 4, RULE_V4 },
	[SL_VTEST_DRM_SYNC_QUERY] = { "DRM_SYNC_QUERY", 4, 2, RULE_V4 },
	[SL_VTEST_DRM_SYNC_TRANSFER] = { "DRM_SYNC_TRANSFER", 4, 7, RULE_V4 },
	[SL_VTEST_RESOURCE_EXPORT_FD] = { "RESOURCE_EXPORT_FD", 4, 1, RULE_V4 },
};

/* Words per entry of SUBMIT_CMD2: what the protocol's header says, and what Mesa writes at v3. */
static const uint32_t strides[] = { 8, 6 };

static uint32_t word(const uint8_t *p, size_t i)
{
	uint32_t v;

	memcpy(&v, p + 4 * i, sizeof(v));
	return v;
}

static uint64_t word64(const uint8_t *p, size_t i)
{
	return (uint64_t)word(p, i) | (uint64_t)word(p, i + 1) << 32;
}

/* What can be judged from length and id alone, so that nonsense is not waited for. */
static int check_length(const struct command *c, const struct sl_vtest_message *m)
{
	switch (c->rule) {
	case RULE_FIXED:
		return m->length == c->words ? 0 : SL_FAULT_MALFORMED;
	case RULE_NAME:
		return m->length <= SL_VTEST_NAME_MAX ? 0 : SL_FAULT_LIMIT;
	case RULE_WORDS:
		return 0;
	case RULE_POINTS:
		return m->length >= 2 && (m->length - 2) % 3 == 0 ? 0 : SL_FAULT_MALFORMED;
	case RULE_DATA:
	case RULE_NO_DATA:
	case RULE_BATCHES:
		return m->length >= c->words ? 0 : SL_FAULT_MALFORMED;
	default:
		return SL_FAULT_UNSUPPORTED;
	}
}

static void decode_create(const uint8_t *w, bool sized, struct sl_vtest_create *c)
{
	*c = (struct sl_vtest_create){
		.handle = word(w, 0),
		.target = word(w, 1),
		.format = word(w, 2),
		.bind = word(w, 3),
		.width = word(w, 4),
		.height = word(w, 5),
		.depth = word(w, 6),
		.array_size = word(w, 7),
		.last_level = word(w, 8),
		.nr_samples = word(w, 9),
		.data_size = sized ? word(w, 10) : 0,
	};
}

static void decode_transfer(const uint8_t *w, bool second, struct sl_vtest_transfer *t)
{
	size_t box = second ? 2 : 4;

	*t = (struct sl_vtest_transfer){
		.handle = word(w, 0),
		.level = word(w, 1),
		.stride = second ? 0 : word(w, 2),
		.layer_stride = second ? 0 : word(w, 3),
		.x = word(w, box),
		.y = word(w, box + 1),
		.z = word(w, box + 2),
		.w = word(w, box + 3),
		.h = word(w, box + 4),
		.d = word(w, box + 5),
		.data_size = word(w, box + 6),
		.offset = second ? word(w, 9) : 0,
	};
}

static void decode_sync(const uint8_t *w, struct sl_vtest_message *m)
{
	if (m->id == SL_VTEST_SYNC_CREATE) {
		m->sync.value = word64(w, 0);
		return;
	}
	m->sync.id = word(w, 0);
	m->sync.value = m->id == SL_VTEST_SYNC_WRITE ? word64(w, 1) : 0;
}

static void decode_words(const uint8_t *w, struct sl_vtest_message *m)
{
	switch (m->id) {
	case SL_VTEST_RESOURCE_CREATE:
	case SL_VTEST_RESOURCE_CREATE2:
		decode_create(w, m->id == SL_VTEST_RESOURCE_CREATE2, &m->create);
		break;
	case SL_VTEST_TRANSFER_GET:
	case SL_VTEST_TRANSFER_PUT:
		decode_transfer(w, false, &m->transfer);
		break;
	case SL_VTEST_TRANSFER_GET2:
	case SL_VTEST_TRANSFER_PUT2:
		decode_transfer(w, true, &m->transfer);
		break;
	case SL_VTEST_RESOURCE_UNREF:
	case SL_VTEST_RESOURCE_BUSY_WAIT:
		m->resource.handle = word(w, 0);
		m->resource.flags = m->id == SL_VTEST_RESOURCE_UNREF ? 0 : word(w, 1);
		break;
	case SL_VTEST_PROTOCOL_VERSION:
		m->version = word(w, 0);
		break;
	case SL_VTEST_GET_PARAM:
	case SL_VTEST_GET_CAPSET:
	case SL_VTEST_CONTEXT_INIT:
		m->capset.id = word(w, 0);
		m->capset.version = m->id == SL_VTEST_GET_CAPSET ? word(w, 1) : 0;
		break;
	case SL_VTEST_RESOURCE_CREATE_BLOB:
		m->blob = (struct sl_vtest_blob){ word(w, 0), word(w, 1), word64(w, 2),
			word64(w, 4) };
		break;
	case SL_VTEST_SYNC_CREATE:
	case SL_VTEST_SYNC_UNREF:
	case SL_VTEST_SYNC_READ:
	case SL_VTEST_SYNC_WRITE:
		decode_sync(w, m);
		break;
	case SL_VTEST_SYNC_WAIT:
		m->wait.flags = word(w, 0);
		m->wait.timeout_ms = word(w, 1);
		m->wait.n_points = (m->length - 2) / 3;
		break;
	case SL_VTEST_SUBMIT_CMD2:
		m->submit2.n_batches = word(w, 0);
		m->submit2.stride_words = 0;
		break;
	default:
		break;
	}
}

/* The body's size, and the rest of what the length may say. */
static int measure_body(const struct command *c, struct sl_vtest_message *m)
{
	uint64_t data_words;

	switch (c->rule) {
	case RULE_NAME:
		m->body_bytes = m->length;
		return 0;
	case RULE_WORDS:
	case RULE_POINTS:
	case RULE_BATCHES:
		m->body_bytes = ((uint64_t)m->length - c->words) * 4;
		return 0;
	case RULE_DATA:
	case RULE_NO_DATA:
		data_words = ((uint64_t)m->transfer.data_size + 3) / 4;
		if (m->length != c->words && m->length != c->words + data_words) {
			return SL_FAULT_MALFORMED;
		}
		m->body_bytes = c->rule == RULE_DATA ? m->transfer.data_size : 0;
		return 0;
	default:
		m->body_bytes = 0;
		return 0;
	}
}

int sl_vtest_parse_head(
	const void *buf, size_t size, struct sl_vtest_message *ret, size_t *ret_need)
{
	const uint8_t *p = buf;
	const struct command *c;
	struct sl_vtest_message m;
	int r;

	memset(&m, 0, sizeof(m));
	if (size < SL_VTEST_HEADER_BYTES) {
		*ret_need = SL_VTEST_HEADER_BYTES;
		return -EAGAIN;
	}
	m.length = word(p, 0);
	m.id = word(p, 1);
	if (m.id >= SL_VTEST_N_IDS || !commands[m.id].name) {
		return SL_FAULT_UNSUPPORTED;
	}
	c = &commands[m.id];
	r = check_length(c, &m);
	if (r != 0) {
		return r;
	}
	m.head_bytes = SL_VTEST_HEADER_BYTES + 4u * c->words;
	if (size < m.head_bytes) {
		*ret_need = m.head_bytes;
		return -EAGAIN;
	}
	decode_words(p + SL_VTEST_HEADER_BYTES, &m);
	r = measure_body(c, &m);
	if (r != 0) {
		return r;
	}
	*ret = m;
	return 0;
}

static bool range_ok(uint32_t offset, uint64_t words, uint64_t first, uint64_t end)
{
	return offset >= first && offset + words <= end;
}

static void read_batch(
	const struct sl_vtest_message *m, uint32_t i, uint32_t stride, struct sl_vtest_batch *b)
{
	const uint8_t *p = m->body + (size_t)i * stride * 4;

	*b = (struct sl_vtest_batch){
		.flags = word(p, 0),
		.cmd_offset = word(p, 1),
		.cmd_size = word(p, 2),
		.sync_offset = word(p, 3),
		.sync_count = word(p, 4),
		.ring_idx = word(p, 5),
	};
}

static bool stride_fits(const struct sl_vtest_message *m, uint32_t stride)
{
	uint64_t first = 1 + (uint64_t)m->submit2.n_batches * stride;
	uint64_t end = m->length;

	if (first > end) {
		return false;
	}
	for (uint32_t i = 0; i < m->submit2.n_batches; i++) {
		struct sl_vtest_batch b;

		read_batch(m, i, stride, &b);
		if (!range_ok(b.cmd_offset, b.cmd_size, first, end) ||
			!range_ok(b.sync_offset, (uint64_t)b.sync_count * 3, first, end)) {
			return false;
		}
	}
	return true;
}

/*
 * Nothing in the message says which stride was used, but everything a batch points at lies behind
 * the table, and writers put the first commands right there: with six words to an entry they begin
 * inside a table of eight. So the first stride under which every offset is behind the table is it.
 */
static int check_batches(struct sl_vtest_message *m)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(strides); i++) {
		if (stride_fits(m, strides[i])) {
			m->submit2.stride_words = strides[i];
			break;
		}
	}
	if (m->submit2.stride_words == 0) {
		return SL_FAULT_MALFORMED;
	}
	for (uint32_t i = 0; i < m->submit2.n_batches; i++) {
		const uint8_t *p = m->body + (size_t)i * m->submit2.stride_words * 4;

		/* Version 4's syncobj arrays and fence fds would follow the message. */
		if ((word(p, 0) & ~SL_VTEST_BATCH_RING_IDX) != 0 ||
			(m->submit2.stride_words == 8 && word64(p, 6) != 0)) {
			return SL_FAULT_UNSUPPORTED;
		}
	}
	return 0;
}

int sl_vtest_parse_body(const void *buf, struct sl_vtest_message *m)
{
	m->body = (const uint8_t *)buf + m->head_bytes;
	return m->id == SL_VTEST_SUBMIT_CMD2 ? check_batches(m) : 0;
}

void sl_vtest_batch(const struct sl_vtest_message *m, uint32_t i, struct sl_vtest_batch *ret)
{
	read_batch(m, i, m->submit2.stride_words, ret);
}

const uint8_t *sl_vtest_batch_commands(
	const struct sl_vtest_message *m, const struct sl_vtest_batch *b)
{
	return m->body + ((size_t)b->cmd_offset - 1) * 4;
}

static void read_point(const uint8_t *p, struct sl_vtest_point *ret)
{
	ret->sync = word(p, 0);
	ret->value = word64(p, 1);
}

void sl_vtest_batch_point(const struct sl_vtest_message *m, const struct sl_vtest_batch *b,
	uint32_t i, struct sl_vtest_point *ret)
{
	read_point(m->body + ((size_t)b->sync_offset - 1) * 4 + (size_t)i * 12, ret);
}

void sl_vtest_wait_point(const struct sl_vtest_message *m, uint32_t i, struct sl_vtest_point *ret)
{
	read_point(m->body + (size_t)i * 12, ret);
}

const char *sl_vtest_id_str(uint32_t id)
{
	return id < SL_VTEST_N_IDS && commands[id].name ? commands[id].name : "unknown";
}

uint32_t sl_vtest_min_version(uint32_t id)
{
	return id < SL_VTEST_N_IDS ? commands[id].version : UINT32_MAX;
}

uint32_t sl_vtest_negotiate(uint32_t theirs, uint32_t ours)
{
	uint32_t v = SL_MIN(theirs, ours);

	return v == 1 ? 0 : v;
}

static void put_header(uint8_t *out, uint32_t length, uint32_t id)
{
	memcpy(out, &length, 4);
	memcpy(out + 4, &id, 4);
}

static bool is_caps(uint32_t request)
{
	return request == SL_VTEST_GET_CAPS || request == SL_VTEST_GET_CAPS2;
}

/* GET_CAPS2 is answered with id 2, which RESOURCE_CREATE's reply has too. */
static uint32_t reply_id(uint32_t request)
{
	return request == SL_VTEST_GET_CAPS2 ? 2 : request;
}

void sl_vtest_encode_reply(uint8_t out[SL_VTEST_HEADER_BYTES], uint32_t request, size_t bytes)
{
	put_header(out, (uint32_t)(is_caps(request) ? bytes + 1 : bytes / 4), reply_id(request));
}

int sl_vtest_decode_reply(
	const uint8_t header[SL_VTEST_HEADER_BYTES], uint32_t request, uint64_t *ret_bytes)
{
	uint32_t length = word(header, 0);

	if (word(header, 1) != reply_id(request) || (is_caps(request) && length == 0)) {
		return SL_FAULT_MALFORMED;
	}
	*ret_bytes = is_caps(request) ? (uint64_t)length - 1 : (uint64_t)length * 4;
	return 0;
}

size_t sl_vtest_encode(uint8_t *out, size_t size, uint32_t id, const uint32_t *words, size_t n)
{
	if (size < SL_VTEST_HEADER_BYTES || n > (size - SL_VTEST_HEADER_BYTES) / 4) {
		return 0;
	}
	put_header(out, (uint32_t)n, id);
	if (n > 0) {
		memcpy(out + SL_VTEST_HEADER_BYTES, words, n * 4);
	}
	return SL_VTEST_HEADER_BYTES + n * 4;
}

void sl_vtest_reply_shape(
	const struct sl_vtest_message *m, uint32_t version, struct sl_vtest_reply *ret)
{
	*ret = (struct sl_vtest_reply){};
	switch (m->id) {
	case SL_VTEST_RESOURCE_CREATE:
		ret->headed = version >= 3;
		break;
	case SL_VTEST_RESOURCE_CREATE2:
		ret->headed = version >= 3;
		ret->fd = m->create.data_size > 0;
		break;
	case SL_VTEST_TRANSFER_GET:
		ret->raw_bytes = m->transfer.data_size;
		break;
	case SL_VTEST_GET_CAPS:
	case SL_VTEST_GET_CAPS2:
	case SL_VTEST_RESOURCE_BUSY_WAIT:
	case SL_VTEST_PING_PROTOCOL_VERSION:
	case SL_VTEST_PROTOCOL_VERSION:
	case SL_VTEST_GET_PARAM:
	case SL_VTEST_GET_CAPSET:
	case SL_VTEST_SYNC_CREATE:
	case SL_VTEST_SYNC_READ:
		ret->headed = true;
		break;
	case SL_VTEST_RESOURCE_CREATE_BLOB:
	case SL_VTEST_SYNC_WAIT:
		ret->headed = true;
		ret->fd = true;
		break;
	default:
		break;
	}
}
