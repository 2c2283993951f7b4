/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The vtest protocol, versions 0 to 3, as bytes: a client's messages in, structs out, and the
 * headers of replies. Pure: no I/O and no policy. Words are in host order, as the protocol has
 * them. A message is a header (length, id), a head of fixed words and a body; what the length
 * means differs from command to command, so a message's extent comes from its id, never from the
 * length alone.
 */
#define SL_VTEST_VERSION 3u
#define SL_VTEST_HEADER_BYTES 8u
/* Header and fixed words of the longest command. */
#define SL_VTEST_HEAD_MAX_BYTES (SL_VTEST_HEADER_BYTES + 4u * 11u)
/* Mesa sends at most 64 bytes; more than this is no name. */
#define SL_VTEST_NAME_MAX 1024u
/* virglrenderer's number of timelines of a context. */
#define SL_VTEST_MAX_RINGS 64u

enum sl_vtest_id {
	SL_VTEST_GET_CAPS = 1,
	SL_VTEST_RESOURCE_CREATE,
	SL_VTEST_RESOURCE_UNREF,
	SL_VTEST_TRANSFER_GET,
	SL_VTEST_TRANSFER_PUT,
	SL_VTEST_SUBMIT_CMD,
	SL_VTEST_RESOURCE_BUSY_WAIT,
	SL_VTEST_CREATE_RENDERER,
	SL_VTEST_GET_CAPS2,
	SL_VTEST_PING_PROTOCOL_VERSION,
	SL_VTEST_PROTOCOL_VERSION,
	/* since version 2 */
	SL_VTEST_RESOURCE_CREATE2,
	SL_VTEST_TRANSFER_GET2,
	SL_VTEST_TRANSFER_PUT2,
	/* since version 3 */
	SL_VTEST_GET_PARAM,
	SL_VTEST_GET_CAPSET,
	SL_VTEST_CONTEXT_INIT,
	SL_VTEST_RESOURCE_CREATE_BLOB,
	SL_VTEST_SYNC_CREATE,
	SL_VTEST_SYNC_UNREF,
	SL_VTEST_SYNC_READ,
	SL_VTEST_SYNC_WRITE,
	SL_VTEST_SYNC_WAIT,
	SL_VTEST_SUBMIT_CMD2,
	/* version 4: named, not served */
	SL_VTEST_DRM_SYNC_CREATE,
	SL_VTEST_DRM_SYNC_DESTROY,
	SL_VTEST_DRM_SYNC_HANDLE_TO_FD,
	SL_VTEST_DRM_SYNC_FD_TO_HANDLE,
	SL_VTEST_DRM_SYNC_IMPORT_SYNC_FILE,
	SL_VTEST_DRM_SYNC_EXPORT_SYNC_FILE,
	SL_VTEST_DRM_SYNC_WAIT,
	SL_VTEST_DRM_SYNC_RESET,
	SL_VTEST_DRM_SYNC_SIGNAL,
	SL_VTEST_DRM_SYNC_TIMELINE_SIGNAL,
	SL_VTEST_DRM_SYNC_TIMELINE_WAIT,
	SL_VTEST_DRM_SYNC_QUERY,
	SL_VTEST_DRM_SYNC_TRANSFER,
	SL_VTEST_RESOURCE_EXPORT_FD,
	SL_VTEST_N_IDS,
};

#define SL_VTEST_BUSY_WAIT_WAIT (1u << 0)
#define SL_VTEST_SYNC_WAIT_ANY (1u << 0)
/* Timeouts above INT32_MAX milliseconds mean for ever. */
#define SL_VTEST_SYNC_WAIT_MAX_MS 0x7fffffffu
#define SL_VTEST_BATCH_RING_IDX (1u << 0)
#define SL_VTEST_PARAM_MAX_TIMELINES 1u
#define SL_VTEST_PARAM_TIMELINE_SYNCOBJ 2u

struct sl_vtest_create {
	uint32_t handle, target, format, bind;
	uint32_t width, height, depth;
	uint32_t array_size, last_level, nr_samples;
	uint32_t data_size; /* of its shared memory; 0 for none, and always in RESOURCE_CREATE */
};

struct sl_vtest_transfer {
	uint32_t handle, level;
	uint32_t stride, layer_stride; /* 0 in the *2 commands */
	uint32_t x, y, z, w, h, d;
	uint32_t data_size;
	uint32_t offset; /* 0 in the first pair */
};

struct sl_vtest_blob {
	uint32_t type, flags;
	uint64_t size_bytes, blob_id;
};

/* One entry of SUBMIT_CMD2, checked against the message: offsets are words from the count word. */
struct sl_vtest_batch {
	uint32_t flags, ring_idx;
	uint32_t cmd_offset, cmd_size;
	uint32_t sync_offset, sync_count;
};

struct sl_vtest_point {
	uint32_t sync;
	uint64_t value;
};

struct sl_vtest_message {
	uint32_t id, length;
	size_t head_bytes;   /* header and fixed words */
	uint64_t body_bytes; /* what follows them */
	const uint8_t *body; /* into the buffer, set by sl_vtest_parse_body() */
	union {
		struct sl_vtest_create create;     /* RESOURCE_CREATE, _CREATE2 */
		struct sl_vtest_transfer transfer; /* TRANSFER_* */
		struct sl_vtest_blob blob;
		struct {
			uint32_t handle, flags; /* RESOURCE_UNREF, _BUSY_WAIT */
		} resource;
		struct {
			uint32_t id, version; /* GET_PARAM, GET_CAPSET, CONTEXT_INIT */
		} capset;
		struct {
			uint32_t id;
			uint64_t value; /* SYNC_CREATE, _UNREF, _READ, _WRITE */
		} sync;
		struct {
			uint32_t flags, timeout_ms, n_points;
		} wait;
		struct {
			uint32_t n_batches, stride_words; /* stride: set by sl_vtest_parse_body() */
		} submit2;
		uint32_t version; /* PROTOCOL_VERSION */
	};
};

/*
 * Decode the header and the fixed words of the message at @buf. 0; -EAGAIN when more bytes are
 * needed (*ret_need is how many there must be in all before the next try helps); or an enum
 * sl_fault: MALFORMED (a length that this id cannot have), UNSUPPORTED (an id that nobody serves),
 * LIMIT (a name beyond SL_VTEST_NAME_MAX).
 */
int sl_vtest_parse_head(
	const void *buf, size_t size, struct sl_vtest_message *ret, size_t *ret_need);

/*
 * Check and point at the body. @buf holds the whole message, head_bytes + body_bytes, as
 * sl_vtest_parse_head() said. 0, MALFORMED, or UNSUPPORTED (SUBMIT_CMD2 with version 4's arrays).
 */
int sl_vtest_parse_body(const void *buf, struct sl_vtest_message *m);

/* Entry @i of a SUBMIT_CMD2 that sl_vtest_parse_body() accepted; @i < n_batches. */
void sl_vtest_batch(const struct sl_vtest_message *m, uint32_t i, struct sl_vtest_batch *ret);
/* The commands of a batch: cmd_size words, aligned as the buffer is. */
const uint8_t *sl_vtest_batch_commands(
	const struct sl_vtest_message *m, const struct sl_vtest_batch *b);
void sl_vtest_batch_point(const struct sl_vtest_message *m, const struct sl_vtest_batch *b,
	uint32_t i, struct sl_vtest_point *ret);
/* Point @i of a SYNC_WAIT; @i < n_points. */
void sl_vtest_wait_point(const struct sl_vtest_message *m, uint32_t i, struct sl_vtest_point *ret);

/* "RESOURCE_CREATE2"; "unknown" for an id out of range. */
const char *sl_vtest_id_str(uint32_t id);
/* The version from which on a client may send this command. */
uint32_t sl_vtest_min_version(uint32_t id);
/* What a server of version @ours answers to a client that speaks @theirs. Version 1 is dead. */
uint32_t sl_vtest_negotiate(uint32_t theirs, uint32_t ours);

/*
 * Write the header of the reply to @request with @bytes of payload (a multiple of four but for
 * GET_CAPS and GET_CAPS2, whose replies have a length and an id of their own).
 */
void sl_vtest_encode_reply(uint8_t out[SL_VTEST_HEADER_BYTES], uint32_t request, size_t bytes);
/* Read one: *ret_bytes of payload follow. 0, or SL_FAULT_MALFORMED for another's reply. */
int sl_vtest_decode_reply(
	const uint8_t header[SL_VTEST_HEADER_BYTES], uint32_t request, uint64_t *ret_bytes);
/*
 * Write a client's message made of words, its length counting all of them. Returns its bytes, or 0
 * if it does not fit in @size.
 */
size_t sl_vtest_encode(uint8_t *out, size_t size, uint32_t id, const uint32_t *words, size_t n);

/* What a client must read after sending a message, for tools that play one. */
struct sl_vtest_reply {
	bool headed;        /* a header comes first, see sl_vtest_decode_reply() */
	bool fd;            /* one byte with an fd comes last */
	uint64_t raw_bytes; /* bytes without any header */
};

/* @version is the negotiated one. */
void sl_vtest_reply_shape(
	const struct sl_vtest_message *m, uint32_t version, struct sl_vtest_reply *ret);
