/* SPDX-License-Identifier: MIT */
/* The recording codec: a round trip, and every way in which a file can be wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/recording.h"

static size_t message(uint8_t *out, uint32_t type, const void *data, uint32_t size)
{
	sl_rec_encode_header(out, type, size, 0x123456789abcull);
	memcpy(out + SL_REC_HEADER_BYTES, data, size);
	return SL_REC_HEADER_BYTES + size;
}

static void test_file_header(void **state)
{
	uint8_t f[SL_REC_FILE_BYTES];
	uint32_t kind = 0;

	sl_rec_encode_file(f, SL_REC_KIND_VTEST);
	assert_int_equal(sl_rec_parse_file(f, sizeof(f), &kind), 0);
	assert_int_equal(kind, SL_REC_KIND_VTEST);
	assert_int_equal(sl_rec_parse_file(f, sizeof(f) - 1, &kind), -EAGAIN);
	f[8]++;
	assert_int_equal(sl_rec_parse_file(f, sizeof(f), &kind), -EPROTONOSUPPORT);
	f[8]--;
	f[12]++;
	assert_int_equal(sl_rec_parse_file(f, sizeof(f), &kind), -EPROTO);
	f[12]--;
	f[0]++;
	assert_int_equal(sl_rec_parse_file(f, sizeof(f), &kind), -EPROTO);
}

static void test_message(void **state)
{
	uint8_t buf[64];
	size_t size = message(buf, SL_REC_MESSAGE, "hello", 5), need = 0;
	struct sl_rec_record r;

	for (size_t n = 0; n < size; n++) {
		assert_int_equal(sl_rec_parse(buf, n, &r, &need), -EAGAIN);
		assert_true(need > n && need <= size);
	}
	assert_int_equal(sl_rec_parse(buf, size, &r, &need), 0);
	assert_int_equal(r.type, SL_REC_MESSAGE);
	assert_true(r.time_ns == 0x123456789abcull);
	assert_int_equal(r.size_bytes, size);
	assert_int_equal(r.data_bytes, 5);
	assert_memory_equal(r.data, "hello", 5);
}

static void test_memory(void **state)
{
	uint8_t payload[SL_REC_MEMORY_HEAD_BYTES + 3], buf[64];
	struct sl_rec_record r;
	size_t size, need;

	sl_rec_encode_memory(payload, 7, 1ull << 33);
	memcpy(payload + SL_REC_MEMORY_HEAD_BYTES, "abc", 3);
	size = message(buf, SL_REC_MEMORY, payload, sizeof(payload));
	assert_int_equal(sl_rec_parse(buf, size, &r, &need), 0);
	assert_true(r.resource == 7 && r.offset == 1ull << 33 && r.data_bytes == 3);
	assert_memory_equal(r.data, "abc", 3);
	size = message(buf, SL_REC_CREATED, payload, SL_REC_CREATED_BYTES);
	assert_int_equal(sl_rec_parse(buf, size, &r, &need), 0);
	assert_true(r.resource == 7 && r.data_bytes == 0);
	sl_rec_encode_memory(payload, 0, 0);
	size = message(buf, SL_REC_CREATED, payload, SL_REC_CREATED_BYTES);
	assert_int_equal(sl_rec_parse(buf, size, &r, &need), -EPROTO);
}

static void test_nonsense(void **state)
{
	static const uint32_t sizes[] = { SL_REC_MAX_PAYLOAD + 1, 0x7fffffff, 0xffffffff };
	uint8_t buf[64] = {};
	struct sl_rec_record r;
	size_t need;

	for (uint32_t type = 0; type < 6; type++) {
		for (size_t i = 0; i < 3; i++) {
			sl_rec_encode_header(buf, type, sizes[i], 0);
			assert_int_equal(sl_rec_parse(buf, sizeof(buf), &r, &need), -EPROTO);
		}
		sl_rec_encode_header(buf, type, 0, 0);
		assert_int_equal(sl_rec_parse(buf, sizeof(buf), &r, &need), -EPROTO);
	}
	sl_rec_encode_header(buf, SL_REC_MEMORY, SL_REC_MEMORY_HEAD_BYTES, 0);
	assert_int_equal(sl_rec_parse(buf, sizeof(buf), &r, &need), -EPROTO);
	sl_rec_encode_header(buf, SL_REC_CREATED, SL_REC_CREATED_BYTES + 1, 0);
	assert_int_equal(sl_rec_parse(buf, sizeof(buf), &r, &need), -EPROTO);
	sl_rec_encode_header(buf, SL_REC_MESSAGE, SL_REC_MAX_PAYLOAD, 0);
	assert_int_equal(sl_rec_parse(buf, sizeof(buf), &r, &need), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_header),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
