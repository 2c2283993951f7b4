/* SPDX-License-Identifier: MIT */
/* A domain's compiled shaders in the broker: merged, bounded, and nothing taken on trust. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/shaders.h"
#include "protocol/shaders.h"
#include "util/fds.h"

#define ENTRY_BYTES 1000
/* What the format says: an entry is its key, its size and its bytes, here without padding. */
#define ARCHIVE_BYTES(n)                                                                           \
	(sizeof(struct sl_shaders_header) + (n) * (SL_SHADERS_KEY_BYTES + 4 + ENTRY_BYTES))

/* An archive with one entry for each character of @keys; the caller closes it. */
static int archive_of(const char *keys)
{
	static uint8_t archive[ARCHIVE_BYTES(16)], data[ENTRY_BYTES];
	int fd;

	sl_shaders_begin(archive);
	for (const char *k = keys; *k; k++) {
		const uint8_t key[SL_SHADERS_KEY_BYTES] = { (uint8_t)*k };
		const struct sl_shader s = { key, data, ENTRY_BYTES };

		assert_int_equal(sl_shaders_append(archive, sizeof(archive), &s), 0);
	}
	fd = sl_memfd_const("test", archive, sl_shaders_size(archive));
	assert_true(fd >= 0);
	return fd;
}

static int add(struct sl_shader_cache *c, const char *keys)
{
	int fd = archive_of(keys), r = sl_shader_cache_add(c, fd);

	close(fd);
	return r;
}

static void expect(struct sl_shader_cache *c, const char *keys)
{
	int fd = sl_shader_cache_fd(c);
	uint8_t archive[ARCHIVE_BYTES(16)];
	struct sl_shaders_header h;
	size_t cursor = 0;
	struct sl_shader s;

	assert_int_equal(sl_memfd_const_size(fd), ARCHIVE_BYTES(strlen(keys)));
	assert_int_equal(c->size_bytes, ARCHIVE_BYTES(strlen(keys)));
	assert_int_equal(c->n_entries, strlen(keys));
	assert_int_equal(sl_pread_all(fd, archive, c->size_bytes), 0);
	assert_int_equal(sl_shaders_check(archive, c->size_bytes, &h), 0);
	for (const char *k = keys; *k; k++) {
		assert_true(sl_shaders_next(archive, &cursor, &s));
		assert_int_equal(s.key[0], *k);
	}
}

static struct sl_shader_cache cache(uint64_t max_bytes)
{
	struct sl_shader_cache c = SL_SHADER_CACHE_NONE;

	c.max_bytes = max_bytes;
	return c;
}

static void test_begins_empty_and_grows(void **state)
{
	struct sl_shader_cache c = cache(1 << 20);

	expect(&c, "");
	assert_int_equal(add(&c, "bd"), 0);
	expect(&c, "bd");
	assert_int_equal(add(&c, "abce"), 0);
	expect(&c, "abcde");
	sl_shader_cache_fini(&c);
	assert_int_equal(c.fd, -1);
}

static void test_off(void **state)
{
	struct sl_shader_cache c = cache(0);

	assert_int_equal(sl_shader_cache_fd(&c), -1);
	assert_int_equal(add(&c, "a"), -ENOMEM);
	sl_shader_cache_fini(&c);
}

static void test_full_begins_again_with_the_newest(void **state)
{
	struct sl_shader_cache c = cache(ARCHIVE_BYTES(3));

	assert_int_equal(add(&c, "abc"), 0);
	assert_int_equal(add(&c, "cd"), 0);
	expect(&c, "cd");
	assert_int_equal(add(&c, "e"), 0);
	expect(&c, "cde");
	assert_int_equal(add(&c, "fghij"), 0);
	expect(&c, "fgh");
	sl_shader_cache_fini(&c);
}

static void test_who_has_the_old_one_keeps_it(void **state)
{
	struct sl_shader_cache c = cache(1 << 20);
	uint8_t before[ARCHIVE_BYTES(1)], after[ARCHIVE_BYTES(1)];
	int fd;

	assert_int_equal(add(&c, "a"), 0);
	fd = fcntl(sl_shader_cache_fd(&c), F_DUPFD_CLOEXEC, 3);
	assert_int_equal(sl_pread_all(fd, before, sizeof(before)), 0);
	assert_int_equal(add(&c, "b"), 0);
	assert_int_equal(sl_pread_all(fd, after, sizeof(after)), 0);
	assert_memory_equal(before, after, sizeof(before));
	/* ... and cannot write to it. */
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
	sl_shader_cache_fini(&c);
}

static void refused(struct sl_shader_cache *c, int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(sl_shader_cache_add(c, fd), -EPROTO);
	close(fd);
	expect(c, "a");
}

static void test_what_is_no_archive_is_refused(void **state)
{
	struct sl_shader_cache c = cache(64 << 20);
	struct sl_shaders_header h;
	char *big;
	int p[2];

	assert_int_equal(add(&c, "a"), 0);
	sl_shaders_begin(&h);
	refused(&c, sl_memfd_const("test", "", 0));
	refused(&c, sl_memfd_const("test", &h, sizeof(h) - 1));
	h.n_entries = 1;
	refused(&c, sl_memfd_const("test", &h, sizeof(h)));
	/* Files that its sender can still change, or that are none. */
	refused(&c, memfd_create("test", MFD_CLOEXEC));
	refused(&c, sl_memfd_sealed("test", sizeof(h)));
	refused(&c, open("/dev/zero", O_RDONLY | O_CLOEXEC));
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	refused(&c, p[0]);
	close(p[1]);
	/* More than a worker sends. */
	big = calloc(1, SL_SHADERS_MAX_ADDED_BYTES + 1);
	assert_non_null(big);
	refused(&c, sl_memfd_const("test", big, SL_SHADERS_MAX_ADDED_BYTES + 1));
	free(big);
	sl_shader_cache_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_empty_and_grows),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_full_begins_again_with_the_newest),
		cmocka_unit_test(test_who_has_the_old_one_keeps_it),
		cmocka_unit_test(test_what_is_no_archive_is_refused),
	};

	return cmocka_run_group_tests_name("broker-shaders", tests, NULL, NULL);
}
