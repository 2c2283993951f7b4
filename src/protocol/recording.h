/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A recorded session: a file header, then records in the order in which they happened. Integers
 * are little-endian. Pure codec: bytes in, struct out. A recording is read as hostile input, since
 * people send them to each other.
 *
 *   file:   8 bytes "SLRECORD", u32 version, u32 kind (enum sl_rec_kind)
 *   record: u32 type, u32 payload bytes, u64 ns since the session began, payload
 *
 * MESSAGE  one whole message as the client sent it.
 * MEMORY   u32 resource, u32 reserved (0), u64 offset, then bytes: what the resource's shared
 *          memory held when the next message was about to read it. Only what changed since it was
 *          last recorded is written, so a player applies them in order; what a TRANSFER_GET2
 *          of the session put there is not, where a player's own puts the same.
 * CREATED  u32 resource, u32 reserved: the id that the last message's resource got, where the
 *          session chose it.
 */
#define SL_REC_MAGIC "SLRECORD"
#define SL_REC_VERSION 1u
#define SL_REC_FILE_BYTES 16u
#define SL_REC_HEADER_BYTES 16u
#define SL_REC_MEMORY_HEAD_BYTES 16u
#define SL_REC_CREATED_BYTES 8u
/* A message of a session is bounded by its limits; this bounds what a reader must buffer. */
#define SL_REC_MAX_PAYLOAD (1u << 30)

enum sl_rec_kind { SL_REC_KIND_VTEST = 1 };

enum sl_rec_type {
	SL_REC_MESSAGE = 1,
	SL_REC_MEMORY = 2,
	SL_REC_CREATED = 3,
};

struct sl_rec_record {
	uint32_t type;
	uint64_t time_ns;
	size_t size_bytes; /* of the whole record, to go on from */
	uint32_t resource; /* MEMORY, CREATED */
	uint64_t offset;   /* MEMORY */
	const uint8_t *data;
	size_t data_bytes; /* of the message, or of the memory */
};

void sl_rec_encode_file(uint8_t out[SL_REC_FILE_BYTES], uint32_t kind);
void sl_rec_encode_header(
	uint8_t out[SL_REC_HEADER_BYTES], uint32_t type, uint32_t payload_bytes, uint64_t time_ns);
/* The head of a MEMORY record's payload, or (the first SL_REC_CREATED_BYTES) of a CREATED one's. */
void sl_rec_encode_memory(
	uint8_t out[SL_REC_MEMORY_HEAD_BYTES], uint32_t resource, uint64_t offset);

/* 0, -EAGAIN (fewer than SL_REC_FILE_BYTES), -EPROTO, or -EPROTONOSUPPORT for another version. */
int sl_rec_parse_file(const void *buf, size_t size, uint32_t *ret_kind);
/*
 * The record at @buf. 0; -EAGAIN (*ret_need bytes are needed in all); or -EPROTO. ret->data points
 * into @buf.
 */
int sl_rec_parse(const void *buf, size_t size, struct sl_rec_record *ret, size_t *ret_need);
