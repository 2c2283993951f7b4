/* SPDX-License-Identifier: MIT */
/* The vtest codec: what it accepts, and how it refuses, field by field. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/vtest.h"
#include "util/cleanup.h"
#include "util/fault.h"

static size_t put(uint8_t *out, uint32_t length, uint32_t id, const uint32_t *words, size_t n)
{
	memcpy(out, &length, 4);
	memcpy(out + 4, &id, 4);
	memcpy(out + 8, words, n * 4);
	return 8 + n * 4;
}

/* Parse a whole message from words. */
static int parse(
	uint32_t length, uint32_t id, const uint32_t *words, size_t n, struct sl_vtest_message *m)
{
	static uint8_t buf[65536];
	size_t size = put(buf, length, id, words, n), need = 0;
	int r = sl_vtest_parse_head(buf, size, m, &need);

	if (r == 0 && size < m->head_bytes + m->body_bytes) {
		return -EAGAIN;
	}
	return r == 0 ? sl_vtest_parse_body(buf, m) : r;
}

static const struct {
	uint32_t id, words;
} fixed[] = {
	{ SL_VTEST_GET_CAPS, 0 },
	{ SL_VTEST_RESOURCE_CREATE, 10 },
	{ SL_VTEST_RESOURCE_UNREF, 1 },
	{ SL_VTEST_RESOURCE_BUSY_WAIT, 2 },
	{ SL_VTEST_GET_CAPS2, 0 },
	{ SL_VTEST_PING_PROTOCOL_VERSION, 0 },
	{ SL_VTEST_PROTOCOL_VERSION, 1 },
	{ SL_VTEST_RESOURCE_CREATE2, 11 },
	{ SL_VTEST_GET_PARAM, 1 },
	{ SL_VTEST_GET_CAPSET, 2 },
	{ SL_VTEST_CONTEXT_INIT, 1 },
	{ SL_VTEST_RESOURCE_CREATE_BLOB, 6 },
	{ SL_VTEST_SYNC_CREATE, 2 },
	{ SL_VTEST_SYNC_UNREF, 1 },
	{ SL_VTEST_SYNC_READ, 1 },
	{ SL_VTEST_SYNC_WRITE, 3 },
};

static const uint32_t counting[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static void test_fixed_lengths(void **state)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(fixed); i++) {
		uint32_t n = fixed[i].words, id = fixed[i].id;
		struct sl_vtest_message m;

		assert_int_equal(parse(n, id, counting, n, &m), 0);
		assert_int_equal(m.head_bytes, 8 + 4 * n);
		assert_int_equal(m.body_bytes, 0);
		assert_int_equal(parse(n + 1, id, counting, n + 1, &m), SL_FAULT_MALFORMED);
		assert_int_equal(parse(UINT32_MAX, id, counting, n, &m), SL_FAULT_MALFORMED);
		if (n > 0) {
			assert_int_equal(parse(n - 1, id, counting, n, &m), SL_FAULT_MALFORMED);
			assert_int_equal(parse(0, id, counting, n, &m), SL_FAULT_MALFORMED);
		}
	}
}

/* Every prefix of every message asks for more, and never for less than it has. */
static void test_prefixes_ask_for_more(void **state)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(fixed); i++) {
		uint8_t buf[128];
		size_t size = put(buf, fixed[i].words, fixed[i].id, counting, fixed[i].words);

		for (size_t n = 0; n < size; n++) {
			struct sl_vtest_message m;
			size_t need = 0;

			assert_int_equal(sl_vtest_parse_head(buf, n, &m, &need), -EAGAIN);
			assert_true(need > n && need <= size);
		}
	}
}

static void test_ids_out_of_range(void **state)
{
	struct sl_vtest_message m;

	assert_int_equal(parse(0, 0, counting, 0, &m), SL_FAULT_UNSUPPORTED);
	assert_int_equal(parse(0, SL_VTEST_N_IDS, counting, 0, &m), SL_FAULT_UNSUPPORTED);
	assert_int_equal(parse(0, UINT32_MAX, counting, 0, &m), SL_FAULT_UNSUPPORTED);
	for (uint32_t id = SL_VTEST_DRM_SYNC_CREATE; id < SL_VTEST_N_IDS; id++) {
		assert_int_equal(parse(1, id, counting, 1, &m), SL_FAULT_UNSUPPORTED);
		assert_string_not_equal(sl_vtest_id_str(id), "unknown");
		assert_int_equal(sl_vtest_min_version(id), 4);
	}
	assert_string_equal(sl_vtest_id_str(0), "unknown");
	assert_string_equal(sl_vtest_id_str(UINT32_MAX), "unknown");
}

static void test_fields(void **state)
{
	struct sl_vtest_message m;

	assert_int_equal(parse(11, SL_VTEST_RESOURCE_CREATE2, counting, 11, &m), 0);
	assert_int_equal(m.create.handle, 1);
	assert_int_equal(m.create.bind, 4);
	assert_int_equal(m.create.nr_samples, 10);
	assert_int_equal(m.create.data_size, 11);
	assert_int_equal(parse(10, SL_VTEST_RESOURCE_CREATE, counting, 10, &m), 0);
	assert_int_equal(m.create.data_size, 0);
	assert_int_equal(parse(6, SL_VTEST_RESOURCE_CREATE_BLOB, counting, 6, &m), 0);
	assert_true(m.blob.size_bytes == (3 | 4ull << 32) && m.blob.blob_id == (5 | 6ull << 32));
	assert_int_equal(parse(3, SL_VTEST_SYNC_WRITE, counting, 3, &m), 0);
	assert_true(m.sync.id == 1 && m.sync.value == (2 | 3ull << 32));
	assert_int_equal(parse(2, SL_VTEST_SYNC_CREATE, counting, 2, &m), 0);
	assert_true(m.sync.value == (1 | 2ull << 32));
	assert_int_equal(parse(2, SL_VTEST_GET_CAPSET, counting, 2, &m), 0);
	assert_true(m.capset.id == 1 && m.capset.version == 2);
	assert_int_equal(parse(2, SL_VTEST_RESOURCE_BUSY_WAIT, counting, 2, &m), 0);
	assert_true(m.resource.handle == 1 && m.resource.flags == 2);
}

static void test_transfer_fields(void **state)
{
	struct sl_vtest_message m;

	assert_int_equal(parse(11, SL_VTEST_TRANSFER_GET, counting, 11, &m), 0);
	assert_true(m.transfer.stride == 3 && m.transfer.layer_stride == 4);
	assert_true(m.transfer.x == 5 && m.transfer.d == 10 && m.transfer.data_size == 11);
	assert_int_equal(parse(10, SL_VTEST_TRANSFER_GET2, counting, 10, &m), 0);
	assert_true(m.transfer.stride == 0 && m.transfer.x == 3 && m.transfer.d == 8);
	assert_true(m.transfer.data_size == 9 && m.transfer.offset == 10);
}

/* TRANSFER_PUT2's length counts data that never comes; TRANSFER_PUT's data is not padded. */
static void test_transfer_lengths(void **state)
{
	struct sl_vtest_message m;

	assert_int_equal(parse(10 + 3, SL_VTEST_TRANSFER_PUT2, counting, 10, &m), 0);
	assert_int_equal(m.body_bytes, 0);
	assert_int_equal(parse(10, SL_VTEST_TRANSFER_PUT2, counting, 10, &m), 0);
	assert_int_equal(
		parse(10 + 2, SL_VTEST_TRANSFER_PUT2, counting, 10, &m), SL_FAULT_MALFORMED);
	assert_int_equal(parse(9, SL_VTEST_TRANSFER_PUT2, counting, 10, &m), SL_FAULT_MALFORMED);
	assert_int_equal(parse(11 + 3, SL_VTEST_TRANSFER_PUT, counting, 11 + 3, &m), 0);
	assert_int_equal(m.body_bytes, 11);
	assert_int_equal(parse(11 + 3, SL_VTEST_TRANSFER_PUT, counting, 11 + 2, &m), -EAGAIN);
	assert_int_equal(
		parse(11 + 4, SL_VTEST_TRANSFER_PUT, counting, 15, &m), SL_FAULT_MALFORMED);
	assert_int_equal(
		parse(UINT32_MAX, SL_VTEST_TRANSFER_PUT, counting, 15, &m), SL_FAULT_MALFORMED);
}

static void test_transfer_put_of_4_gib_is_measured(void **state)
{
	uint32_t w[11] = { [10] = UINT32_MAX };
	struct sl_vtest_message m;

	assert_int_equal(parse(11, SL_VTEST_TRANSFER_PUT, w, 11, &m), -EAGAIN);
	assert_true(m.body_bytes == UINT32_MAX);
	assert_int_equal(parse(11 + (1u << 30), SL_VTEST_TRANSFER_PUT, w, 11, &m), -EAGAIN);
	assert_true(m.body_bytes == UINT32_MAX);
}

static void test_name(void **state)
{
	uint32_t w[1024] = {};
	struct sl_vtest_message m;

	assert_int_equal(parse(7, SL_VTEST_CREATE_RENDERER, w, 2, &m), 0);
	assert_int_equal(m.body_bytes, 7);
	assert_int_equal(parse(0, SL_VTEST_CREATE_RENDERER, w, 0, &m), 0);
	assert_int_equal(parse(1024, SL_VTEST_CREATE_RENDERER, w, 256, &m), 0);
	assert_int_equal(parse(1025, SL_VTEST_CREATE_RENDERER, w, 257, &m), SL_FAULT_LIMIT);
	assert_int_equal(parse(UINT32_MAX, SL_VTEST_CREATE_RENDERER, w, 9, &m), SL_FAULT_LIMIT);
}

static void test_submit(void **state)
{
	struct sl_vtest_message m;

	assert_int_equal(parse(3, SL_VTEST_SUBMIT_CMD, counting, 3, &m), 0);
	assert_int_equal(m.body_bytes, 12);
	assert_int_equal(parse(0, SL_VTEST_SUBMIT_CMD, counting, 0, &m), 0);
	assert_int_equal(parse(UINT32_MAX, SL_VTEST_SUBMIT_CMD, counting, 3, &m), -EAGAIN);
	assert_true(m.body_bytes == UINT32_MAX * 4ull);
}

static void test_wait(void **state)
{
	struct sl_vtest_point p;
	struct sl_vtest_message m;

	assert_int_equal(parse(8, SL_VTEST_SYNC_WAIT, counting, 8, &m), 0);
	assert_int_equal(m.wait.n_points, 2);
	sl_vtest_wait_point(&m, 1, &p);
	assert_true(p.sync == 6 && p.value == (7 | 8ull << 32));
	assert_int_equal(parse(2, SL_VTEST_SYNC_WAIT, counting, 2, &m), 0);
	assert_int_equal(m.wait.n_points, 0);
	for (uint32_t n = 0; n < 11; n++) {
		int want = n == 2 || n == 5 || n == 8 ? 0 : SL_FAULT_MALFORMED;

		assert_int_equal(parse(n, SL_VTEST_SYNC_WAIT, counting, n, &m), want);
	}
}

/* One batch as Mesa 25 writes it: six words, commands right behind the table, then syncs. */
static void test_batch_of_six_words(void **state)
{
	uint32_t w[] = { 1, SL_VTEST_BATCH_RING_IDX, 7, 2, 9, 1, 5, 0xaa, 0xbb, 3, 4, 0 };
	struct sl_vtest_message m;
	struct sl_vtest_batch b;
	struct sl_vtest_point p;
	uint32_t first;

	assert_int_equal(parse(12, SL_VTEST_SUBMIT_CMD2, w, 12, &m), 0);
	assert_int_equal(m.submit2.stride_words, 6);
	sl_vtest_batch(&m, 0, &b);
	assert_int_equal(b.ring_idx, 5);
	memcpy(&first, sl_vtest_batch_commands(&m, &b), 4);
	assert_int_equal(first, 0xaa);
	sl_vtest_batch_point(&m, &b, 0, &p);
	assert_true(p.sync == 3 && p.value == 4);
}

static void test_batches_of_eight_words(void **state)
{
	uint32_t w[] = { 2, 0, 17, 1, 18, 0, 0, 0, 0, 1, 18, 1, 19, 0, 7, 0, 0, 0xaa, 0xbb };
	struct sl_vtest_message m;
	struct sl_vtest_batch b;

	assert_int_equal(parse(19, SL_VTEST_SUBMIT_CMD2, w, 19, &m), 0);
	assert_int_equal(m.submit2.stride_words, 8);
	sl_vtest_batch(&m, 1, &b);
	assert_int_equal(b.cmd_offset, 18);
	assert_int_equal(b.ring_idx, 7);
	w[7] = 1; /* in-syncobjs are version 4's */
	assert_int_equal(parse(19, SL_VTEST_SUBMIT_CMD2, w, 19, &m), SL_FAULT_UNSUPPORTED);
	w[7] = 0;
	w[1] = 2; /* so are fence fds */
	assert_int_equal(parse(19, SL_VTEST_SUBMIT_CMD2, w, 19, &m), SL_FAULT_UNSUPPORTED);
}

static void test_batch_without_commands(void **state)
{
	uint32_t w[] = { 1, 0, 7, 0, 7, 1, 0, 3, 4, 0 }, none[] = { 0 };
	struct sl_vtest_message m;

	assert_int_equal(parse(10, SL_VTEST_SUBMIT_CMD2, w, 10, &m), 0);
	assert_int_equal(m.submit2.stride_words, 6);
	assert_int_equal(parse(1, SL_VTEST_SUBMIT_CMD2, none, 1, &m), 0);
	assert_int_equal(parse(0, SL_VTEST_SUBMIT_CMD2, none, 0, &m), SL_FAULT_MALFORMED);
}

/* Offsets that wrap, counts that wrap, tables longer than the message. */
static void test_batch_overflows(void **state)
{
	static const uint32_t evil[] = { 0, 1, 6, 11, 12, 13, 0x20000000, 0x55555556, 0x7fffffff,
		0x80000000, 0xfffffffe, 0xffffffff };
	static const uint32_t good[] = { 1, 0, 7, 2, 9, 1, 5, 0xaa, 0xbb, 3, 4, 0 };
	struct sl_vtest_message m;

	for (size_t field = 0; field < 6; field++) {
		for (size_t i = 0; i < SL_ARRAY_LEN(evil); i++) {
			uint32_t w[12];
			int r;

			memcpy(w, good, sizeof(w));
			w[field] = evil[i];
			r = parse(12, SL_VTEST_SUBMIT_CMD2, w, 12, &m);
			for (uint32_t j = 0; r == 0 && j < m.submit2.n_batches; j++) {
				struct sl_vtest_batch b;

				sl_vtest_batch(&m, j, &b);
				assert_true((uint64_t)b.cmd_offset + b.cmd_size <= 12);
				assert_true(b.sync_offset + 3ull * b.sync_count <= 12);
			}
		}
	}
}

static void test_the_peers_crash_is_refused(void **state)
{
	/* cmd_offset + cmd_size wraps to 1. */
	uint32_t w[] = { 1, 0, 0xffffffff, 2, 9, 0, 0, 0, 0, 0, 0, 0 };
	struct sl_vtest_message m;

	assert_int_equal(parse(12, SL_VTEST_SUBMIT_CMD2, w, 12, &m), SL_FAULT_MALFORMED);
}

static void test_negotiation(void **state)
{
	assert_int_equal(sl_vtest_negotiate(0, 3), 0);
	assert_int_equal(sl_vtest_negotiate(1, 3), 0);
	assert_int_equal(sl_vtest_negotiate(2, 3), 2);
	assert_int_equal(sl_vtest_negotiate(3, 3), 3);
	assert_int_equal(sl_vtest_negotiate(4, 3), 3);
	assert_int_equal(sl_vtest_negotiate(UINT32_MAX, 3), 3);
}

static void test_replies(void **state)
{
	uint64_t bytes = 0;
	uint8_t h[8];

	sl_vtest_encode_reply(h, SL_VTEST_GET_CAPS2, 1380);
	assert_memory_equal(h, ((uint32_t[]){ 1381, 2 }), 8);
	assert_int_equal(sl_vtest_decode_reply(h, SL_VTEST_GET_CAPS2, &bytes), 0);
	assert_int_equal(bytes, 1380);
	sl_vtest_encode_reply(h, SL_VTEST_RESOURCE_CREATE, 4);
	assert_memory_equal(h, ((uint32_t[]){ 1, 2 }), 8);
	assert_int_equal(sl_vtest_decode_reply(h, SL_VTEST_RESOURCE_CREATE, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_int_equal(sl_vtest_decode_reply(h, SL_VTEST_SYNC_READ, &bytes), SL_FAULT_MALFORMED);
	memset(h, 0, 4);
	assert_int_equal(sl_vtest_decode_reply(h, SL_VTEST_GET_CAPS2, &bytes), SL_FAULT_MALFORMED);
}

static void test_reply_shapes(void **state)
{
	struct sl_vtest_reply s;
	struct sl_vtest_message m;

	assert_int_equal(parse(11, SL_VTEST_RESOURCE_CREATE2, counting, 11, &m), 0);
	sl_vtest_reply_shape(&m, 2, &s);
	assert_true(!s.headed && s.fd);
	sl_vtest_reply_shape(&m, 3, &s);
	assert_true(s.headed && s.fd);
	assert_int_equal(parse(11, SL_VTEST_TRANSFER_GET, counting, 11, &m), 0);
	sl_vtest_reply_shape(&m, 0, &s);
	assert_true(!s.headed && !s.fd && s.raw_bytes == 11);
	assert_int_equal(parse(1, SL_VTEST_RESOURCE_UNREF, counting, 1, &m), 0);
	sl_vtest_reply_shape(&m, 3, &s);
	assert_true(!s.headed && !s.fd && s.raw_bytes == 0);
}

static void test_encode(void **state)
{
	uint8_t out[16];

	assert_int_equal(sl_vtest_encode(out, 15, SL_VTEST_SYNC_CREATE, counting, 2), 0);
	assert_int_equal(sl_vtest_encode(out, 16, SL_VTEST_SYNC_CREATE, counting, 2), 16);
	assert_memory_equal(out, ((uint32_t[]){ 2, SL_VTEST_SYNC_CREATE, 1, 2 }), 16);
	assert_int_equal(sl_vtest_encode(out, 7, SL_VTEST_GET_CAPS, NULL, 0), 0);
	assert_int_equal(sl_vtest_encode(out, 8, SL_VTEST_GET_CAPS, NULL, 0), 8);
	assert_int_equal(sl_vtest_encode(out, 8, SL_VTEST_GET_CAPS, counting, SIZE_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed_lengths),
		cmocka_unit_test(test_prefixes_ask_for_more),
		cmocka_unit_test(test_ids_out_of_range),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_transfer_fields),
		cmocka_unit_test(test_transfer_lengths),
		cmocka_unit_test(test_transfer_put_of_4_gib_is_measured),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_submit),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_batch_of_six_words),
		cmocka_unit_test(test_batches_of_eight_words),
		cmocka_unit_test(test_batch_without_commands),
		cmocka_unit_test(test_batch_overflows),
		cmocka_unit_test(test_the_peers_crash_is_refused),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_reply_shapes),
		cmocka_unit_test(test_encode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
