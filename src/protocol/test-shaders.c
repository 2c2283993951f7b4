/* SPDX-License-Identifier: MIT */
/* Archives of shaders: what is written is read, and what nobody wrote is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/shaders.h"

#define CAPACITY 4096

struct key {
	uint8_t bytes[SL_SHADERS_KEY_BYTES];
};

/* An entry of @size bytes, all of them @fill, with a key that begins with @k. */
static int append(void *archive, size_t capacity, uint8_t k, uint8_t fill, uint32_t size)
{
	static uint8_t data[SL_SHADERS_MAX_ENTRY_BYTES + 1];
	const struct key key = { { k } };

	memset(data, fill, size);
	return sl_shaders_append(archive, capacity,
		&(struct sl_shader){ .key = key.bytes, .data = data, .size_bytes = size });
}

static void make(uint8_t archive[CAPACITY], const char *keys, uint8_t fill)
{
	sl_shaders_begin(archive);
	for (const char *k = keys; *k; k++) {
		assert_int_equal(append(archive, CAPACITY, (uint8_t)*k, fill, 13), 0);
	}
}

static int check(const void *archive, uint32_t *ret_n)
{
	struct sl_shaders_header h = { 0 };
	int r = sl_shaders_check(archive, sl_shaders_size(archive), &h);

	*ret_n = h.n_entries;
	return r;
}

/* The keys of a good archive, as a string, and the first byte of each entry as another. */
static void expect(const void *archive, const char *keys, const char *fills)
{
	size_t cursor = 0, i = 0;
	struct sl_shader s;
	uint32_t n;

	assert_int_equal(check(archive, &n), 0);
	assert_int_equal(n, strlen(keys));
	for (; sl_shaders_next(archive, &cursor, &s); i++) {
		assert_int_equal(s.key[0], keys[i]);
		assert_int_equal(s.data[0], fills[i]);
		assert_int_equal(s.data[s.size_bytes - 1], fills[i]);
	}
	assert_int_equal(i, n);
}

static void test_what_is_written_is_read(void **state)
{
	uint8_t archive[CAPACITY];

	make(archive, "", 0);
	expect(archive, "", "");
	make(archive, "ace", '1');
	expect(archive, "ace", "111");
}

static void test_merging_keeps_order_and_the_first_of_two(void **state)
{
	uint8_t a[CAPACITY], b[CAPACITY], merged[CAPACITY];

	make(a, "bcf", '1');
	make(b, "acdg", '2');
	assert_int_equal(sl_shaders_merge(a, b, merged, CAPACITY), 0);
	expect(merged, "abcdfg", "211212");
	make(a, "", '1');
	assert_int_equal(sl_shaders_merge(a, b, merged, CAPACITY), 0);
	expect(merged, "acdg", "2222");
	assert_int_equal(sl_shaders_merge(b, a, merged, CAPACITY), 0);
	expect(merged, "acdg", "2222");
	make(a, "x", '1');
	assert_int_equal(sl_shaders_merge(a, b, merged, sl_shaders_size(b)), -ENOSPC);
}

static void test_limits_of_writing(void **state)
{
	uint32_t n = 0, max = SL_SHADERS_MAX_ENTRY_BYTES;
	size_t capacity = sizeof(struct sl_shaders_header) + sl_shaders_room(max);
	uint8_t *archive = malloc(capacity);

	assert_non_null(archive);
	sl_shaders_begin(archive);
	assert_int_equal(append(archive, capacity, 1, 1, max + 1), -ENOSPC);
	assert_int_equal(append(archive, capacity - 1, 1, 1, max), -ENOSPC);
	assert_int_equal(append(archive, capacity, 1, 1, max), 0);
	assert_int_equal(append(archive, capacity, 2, 1, 1), -ENOSPC);
	assert_int_equal(check(archive, &n), 0);
	assert_int_equal(n, 1);
	free(archive);
}

static void test_every_shortened_archive_is_refused(void **state)
{
	struct sl_shaders_header h;
	uint8_t archive[CAPACITY];
	size_t size;

	make(archive, "ab", '1');
	size = sl_shaders_size(archive);
	for (size_t n = 0; n < size; n++) {
		uint8_t *copy = malloc(n + 1); /* so that a sanitizer sees a step beyond */

		memcpy(copy, archive, n);
		assert_int_equal(sl_shaders_check(copy, n, &h), -EPROTO);
		if (n >= sizeof(h)) {
			h = (struct sl_shaders_header){ SL_SHADERS_MAGIC, SL_SHADERS_VERSION, 2, 0,
				n };
			memcpy(copy, &h, sizeof(h));
			assert_int_equal(sl_shaders_check(copy, n, &h), -EPROTO);
		}
		free(copy);
	}
}

/* Set the 32-bit word at @offset of a good archive of "ab" and expect that it is refused. */
static void refused(size_t offset, uint32_t value)
{
	uint8_t archive[CAPACITY];
	uint32_t n;

	make(archive, "ab", '1');
	assert_int_equal(check(archive, &n), 0);
	memcpy(archive + offset, &value, sizeof(value));
	assert_int_equal(sl_shaders_check(archive,
				 sizeof(struct sl_shaders_header) + 2 * sl_shaders_room(13),
				 &(struct sl_shaders_header){ 0 }),
		-EPROTO);
}

static void test_bad_fields_are_refused(void **state)
{
	const size_t first = sizeof(struct sl_shaders_header), size = first + SL_SHADERS_KEY_BYTES;
	const size_t second = first + sl_shaders_room(13);

	refused(0, SL_SHADERS_MAGIC + 1);
	refused(4, SL_SHADERS_VERSION + 1);
	refused(8, 1);
	refused(8, 3);
	refused(8, UINT32_MAX);
	refused(12, 1);
	refused(16, UINT32_MAX);
	refused(20, 1);
	refused(size, 0);
	refused(size, 12); /* what follows is no zero then */
	refused(size, 17);
	refused(size, UINT32_MAX);
	refused(size, UINT32_MAX - 7);
	refused(size, SL_SHADERS_MAX_ENTRY_BYTES + 1);
	refused(first, 'b');  /* equal keys */
	refused(first, 'c');  /* falling keys */
	refused(second, 'a'); /* equal again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_merging_keeps_order_and_the_first_of_two),
		cmocka_unit_test(test_limits_of_writing),
		cmocka_unit_test(test_every_shortened_archive_is_refused),
		cmocka_unit_test(test_bad_fields_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
