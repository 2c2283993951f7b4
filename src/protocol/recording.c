/* SPDX-License-Identifier: MIT */
/*
 * The recording codec. The format is its own rather than a dump of the socket, because a vtest
 * session's input is two things, messages and what shared memory held when a message read it, and
 * a player needs both in order.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "protocol/recording.h"

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

void sl_rec_encode_file(uint8_t out[SL_REC_FILE_BYTES], uint32_t kind)
{
	memcpy(out, SL_REC_MAGIC, 8);
	put32(out + 8, SL_REC_VERSION);
	put32(out + 12, kind);
}

void sl_rec_encode_header(
	uint8_t out[SL_REC_HEADER_BYTES], uint32_t type, uint32_t payload_bytes, uint64_t time_ns)
{
	put32(out, type);
	put32(out + 4, payload_bytes);
	put64(out + 8, time_ns);
}

void sl_rec_encode_memory(uint8_t out[SL_REC_MEMORY_HEAD_BYTES], uint32_t resource, uint64_t offset)
{
	put32(out, resource);
	put32(out + 4, 0);
	put64(out + 8, offset);
}

int sl_rec_parse_file(const void *buf, size_t size, uint32_t *ret_kind)
{
	const uint8_t *p = buf;

	if (size < SL_REC_FILE_BYTES) {
		return -EAGAIN;
	}
	if (memcmp(p, SL_REC_MAGIC, 8) != 0) {
		return -EPROTO;
	}
	if (get32(p + 8) != SL_REC_VERSION) {
		return -EPROTONOSUPPORT;
	}
	if (get32(p + 12) != SL_REC_KIND_VTEST) {
		return -EPROTO;
	}
	*ret_kind = get32(p + 12);
	return 0;
}

/* The bytes of a record's payload before its data, or -EPROTO. */
static int payload_head(uint32_t type, uint32_t payload)
{
	switch (type) {
	case SL_REC_MESSAGE:
		return payload > 0 ? 0 : -EPROTO;
	case SL_REC_MEMORY:
		return payload > SL_REC_MEMORY_HEAD_BYTES ? (int)SL_REC_MEMORY_HEAD_BYTES : -EPROTO;
	case SL_REC_CREATED:
		return payload == SL_REC_CREATED_BYTES ? (int)SL_REC_CREATED_BYTES : -EPROTO;
	default:
		return -EPROTO;
	}
}

int sl_rec_parse(const void *buf, size_t size, struct sl_rec_record *ret, size_t *ret_need)
{
	const uint8_t *p = buf, *body = p + SL_REC_HEADER_BYTES;
	struct sl_rec_record r = {};
	uint32_t payload;
	int head;

	if (size < SL_REC_HEADER_BYTES) {
		*ret_need = SL_REC_HEADER_BYTES;
		return -EAGAIN;
	}
	r.type = get32(p);
	payload = get32(p + 4);
	r.time_ns = get64(p + 8);
	head = payload > SL_REC_MAX_PAYLOAD ? -EPROTO : payload_head(r.type, payload);
	if (head < 0) {
		return head;
	}
	r.size_bytes = SL_REC_HEADER_BYTES + (size_t)payload;
	if (size < r.size_bytes) {
		*ret_need = r.size_bytes;
		return -EAGAIN;
	}
	if (head > 0) {
		r.resource = get32(body);
		r.offset = r.type == SL_REC_MEMORY ? get64(body + 8) : 0;
		if (r.resource == 0 || get32(body + 4) != 0) {
			return -EPROTO;
		}
	}
	r.data = body + head;
	r.data_bytes = payload - (size_t)head;
	*ret = r;
	return 0;
}
