/* SPDX-License-Identifier: MIT */
/* Out of budget, and the pool of memory that is used again. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "frontend/memory/test-vtest.h"

static void start_small(uint64_t mem, uint32_t version)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.mem_bytes = mem;
	start(&o);
	assert_int_equal(sl_vtest_rig_handshake(&rig, version), version);
}

static void test_out_of_budget_v2(void **state)
{
	int fd;

	start_small(16u << 20, 2);
	assert_int_equal(create2(1, 4096, 4096, 1024), -1);
	assert_int_equal(create2(2, 16, 16, 64u << 20), -1);
	assert_int_equal(create2(3, 16, 16, UINT32_MAX), -1);
	assert_false(sl_session_resource_exists(rig.session, 1));
	create2(4, 4096, 4096, 0);
	expect_nothing();
	assert_true(sl_session_resource_poisoned(rig.session, 4));
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 4, 1);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	unref(4);
	fd = create2(5, 16, 16, 1024);
	assert_true(fd >= 0);
	close(fd);
}

static void test_out_of_budget_v3(void **state)
{
	uint32_t r[3];

	start_small(16u << 20, 3);
	send_create2(0, 4096, 4096, 1024);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_CREATE2, 0);
	assert_int_equal(expect_fd(), -1);
	send_create2(0, 4096, 4096, 0);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[2] != 0 && sl_session_resource_poisoned(rig.session, r[2]));
}

static void test_too_many_resources(void **state)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;

	o.limits.resources = 2;
	start(&o);
	sl_vtest_rig_handshake(&rig, 2);
	sl_close(create2(1, 16, 16, 64));
	sl_close(create2(2, 16, 16, 64));
	assert_int_equal(create2(3, 16, 16, 64), -1);
	create2(4, 16, 16, 0);
	expect_nothing();
	unref(1);
	sl_close(create2(5, 16, 16, 64));
	assert_int_equal(faults(), 3);
}

static ino_t inode(int fd)
{
	struct stat st = {};

	fstat(fd, &st);
	return st.st_ino;
}

static void test_pool_hands_the_same_memory_out_again(void **state)
{
	int a, b, c;

	start_at(2);
	a = create2(1, 100, 100, 40000);
	unref(1);
	b = create2(2, 100, 100, 40000);
	assert_int_equal(inode(a), inode(b));
	c = create2(3, 100, 100, 40000);
	assert_int_not_equal(inode(b), inode(c));
	unref(2);
	/* Far too large for it: not wasted on something small. */
	close(a);
	a = create2(4, 16, 16, 1024);
	assert_int_not_equal(inode(a), inode(b));
	close(a);
	close(b);
	close(c);
}

static void test_pool_stays_charged_and_is_bounded(void **state)
{
	uint64_t before, mem = 64u << 20;

	start_small(mem, 2);
	create2(99, 1, 1, 0);
	before = used_bytes();
	for (uint32_t i = 1; i <= 40; i++) {
		sl_close(create2(i, 1, 1, 1u << 20));
	}
	for (uint32_t i = 1; i <= 40; i++) {
		unref(i);
	}
	assert_true(used_bytes() - before <= mem / 8);
	assert_true(used_bytes() - before >= mem / 8 - (1u << 20));
}

static void test_pool_gives_way_to_the_budget(void **state)
{
	start_small(20u << 20, 2);
	sl_close(create2(1, 1, 1, 2u << 20));
	unref(1);
	/* Fits only without the idle memory, whose size does not suit. */
	sl_close(create2(2, 1, 1, 10u << 20));
	assert_int_equal(faults(), 0);
	unref(2);
	sl_close(create2(3, 1, 1, 2u << 20));
	unref(3);
	create2(4, 1600, 1600, 0);
	assert_int_equal(faults(), 0);
}

/* The pages are gone before the charge is, though the client keeps its mapping. */
static void test_refunded_memory_is_punched(void **state)
{
	struct stat st;
	uint8_t *p;
	int fd;

	start_small(32u << 20, 2);
	fd = create2(1, 1, 1, 8u << 20);
	p = mmap(NULL, 8u << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 0xaa, 8u << 20);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks > 0);
	unref(1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(p[0], 0);
	munmap(p, 8u << 20);
	close(fd);
}

static void test_more_resources_than_fds(void **state)
{
	struct rlimit before, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ .rlim_cur = 256, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	start_at(2);
	for (uint32_t i = 1; i <= 2000; i++) {
		int fd = create2(i, 1, 1, 64);

		assert_true(fd >= 0);
		close(fd);
	}
	for (uint32_t i = 1; i <= 2000; i++) {
		unref(i);
	}
	assert_int_equal(faults(), 0);
	setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_out_of_budget_v2),
		T(test_out_of_budget_v3),
		T(test_too_many_resources),
		T(test_pool_hands_the_same_memory_out_again),
		T(test_pool_stays_charged_and_is_bounded),
		T(test_pool_gives_way_to_the_budget),
		T(test_refunded_memory_is_punched),
		T(test_more_resources_than_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
