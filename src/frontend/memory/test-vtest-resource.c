/* SPDX-License-Identifier: MIT */
/* Resources with shared memory, and blobs: what is made, what is refused and how. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "frontend/memory/test-vtest.h"

static void test_create2_gives_sealed_memory(void **state)
{
	struct stat st;
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size >= 1024);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	close(fd);
	unref(7);
	assert_int_equal(faults(), 0);
}

static void test_create2_without_memory(void **state)
{
	start_at(2);
	create2(7, 16, 16, 0);
	expect_nothing();
	assert_true(sl_session_resource_exists(rig.session, 7));
}

static void test_transfers_go_through_the_memfd(void **state)
{
	uint8_t *p;
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	p = mmap(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	close(fd);
	SEND(SL_VTEST_TRANSFER_GET2, 7, 0, 0, 0, 0, 16, 16, 1, 1024, 0);
	SEND(SL_VTEST_RESOURCE_BUSY_WAIT, 7, 1);
	run_ok();
	EXPECT(1, SL_VTEST_RESOURCE_BUSY_WAIT, 0);
	for (int i = 0; i < 1024; i++) {
		assert_int_equal(p[i], i & 0xff);
	}
	sl_vtest_rig_send_raw(&rig, 10 + 256, SL_VTEST_TRANSFER_PUT2,
		(uint32_t[]){ 7, 0, 0, 0, 0, 16, 16, 1, 1024, 0 }, 40);
	run_ok();
	expect_nothing();
	assert_int_equal(faults(), 0);
	munmap(p, 1024);
}

/* A transfer that does not fit is counted and absorbed; the session goes on. */
static void test_transfers_out_of_range(void **state)
{
	static const uint32_t evil[][10] = {
		{ 7, 0, 0, 0, 0, 17, 16, 1, 1024, 0 },
		{ 7, 0, 0, 0, 0, 16, 16, 1, 1024, 1 },
		{ 7, 0, 0, 0, 0, 16, 16, 1, 1024, UINT32_MAX },
		{ 7, 0, UINT32_MAX, 0, 0, 16, 16, 1, 1024, 0 },
		{ 7, 0, 1, 0, 0, UINT32_MAX, 16, 1, 1024, 0 },
		{ 7, 9, 0, 0, 0, 16, 16, 1, 1024, 0 },
		{ 7, 0, 0, 0, 0, 16, 16, 2, 1024, 0 },
		{ 8, 0, 0, 0, 0, 16, 16, 1, 1024, 0 },
		{ 0, 0, 0, 0, 0, 16, 16, 1, 1024, 0 },
	};
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	for (size_t i = 0; i < SL_ARRAY_LEN(evil); i++) {
		uint64_t before = faults();

		send_words(SL_VTEST_TRANSFER_GET2, evil[i], 10);
		send_words(SL_VTEST_TRANSFER_PUT2, evil[i], 10);
		run_ok();
		assert_int_equal(faults(), before + 2);
	}
	expect_nothing();
	close(fd);
}

static void test_unref_of_what_is_not_there(void **state)
{
	start_at(2);
	unref(7);
	unref(0);
	unref(UINT32_MAX);
	assert_int_equal(faults(), 3);
}

static void test_handle_taken(void **state)
{
	int fd;

	start_at(2);
	fd = create2(7, 16, 16, 1024);
	assert_int_equal(create2(7, 16, 16, 1024), -1);
	create2(7, 16, 16, 0);
	assert_int_equal(create2(0, 16, 16, 1024), -1);
	create2(0, 16, 16, 0);
	expect_nothing();
	assert_true(sl_session_resource_exists(rig.session, 7));
	assert_false(sl_session_resource_poisoned(rig.session, 7));
	close(fd);
}

static void test_nonsense_resources(void **state)
{
	start_at(2);
	SEND(SL_VTEST_RESOURCE_CREATE2, 7, 99, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0, 1024);
	run_ok();
	assert_int_equal(expect_fd(), -1);
	SEND(SL_VTEST_RESOURCE_CREATE2, 8, TARGET_2D, 0xffff, 2, 16, 16, 1, 1, 0, 0, 0);
	SEND(SL_VTEST_RESOURCE_CREATE2, 9, TARGET_2D, R8G8B8A8, 2, UINT32_MAX, UINT32_MAX, 1, 1, 0,
		0, 0);
	run_ok();
	expect_nothing();
	assert_true(sl_session_resource_poisoned(rig.session, 9));
	unref(8);
	unref(9);
}

static void test_session_chooses_handles_in_v3(void **state)
{
	uint32_t r[3];
	int fd;

	start_at(3);
	send_create2(0, 16, 16, 1024);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[0] == 1 && r[1] == SL_VTEST_RESOURCE_CREATE2 && r[2] != 0);
	fd = expect_fd();
	assert_true(fd >= 0);
	close(fd);
	SEND(SL_VTEST_RESOURCE_CREATE, 0, TARGET_2D, R8G8B8A8, 2, 16, 16, 1, 1, 0, 0);
	run_ok();
	assert_int_equal(get(r, 12), 12);
	assert_true(r[0] == 1 && r[1] == SL_VTEST_RESOURCE_CREATE && r[2] != 0);
	expect_nothing();
}

static void test_client_may_not_choose_in_v3(void **state)
{
	start_at(3);
	send_create2(5, 16, 16, 1024);
	assert_int_equal(sl_vtest_rig_run(&rig), FAULT(SL_FAULT_INVALID));
}

/* The header must be readable without touching the fd: two sends, in this order. */
static void test_fd_follows_its_reply(void **state)
{
	uint8_t all[32];

	start_at(3);
	send_create2(0, 16, 16, 1024);
	run_ok();
	assert_int_equal(get(all, sizeof(all)), 12);
	assert_int_equal(sl_memory_pending(rig.client), 1);
	sl_close(expect_fd());
}

static void test_blobs(void **state)
{
	uint32_t r[3];

	start_at(3);
	for (uint32_t type = 1; type <= 3; type++) {
		int fd;

		SEND(SL_VTEST_RESOURCE_CREATE_BLOB, type, 1, 8192, 0, 0, 0);
		run_ok();
		assert_int_equal(get(r, 12), 12);
		assert_true(r[0] == 1 && r[1] == SL_VTEST_RESOURCE_CREATE_BLOB && r[2] != 0);
		fd = expect_fd();
		assert_true(sl_fd_size(fd) >= 8192);
		close(fd);
		if (type != 1) {
			unref(r[2]);
		}
	}
	assert_int_equal(faults(), 0);
}

static void test_bad_blobs_are_answered(void **state)
{
	static const uint32_t evil[][6] = {
		{ 0, 1, 4096, 0, 0, 0 },
		{ 4, 1, 4096, 0, 0, 0 },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 1, 1, 0, 0, 0, 0 },
		{ 2, 1, 0, 0, 0, 0 },
		{ 1, 1, 0, 1, 0, 0 },
		{ 2, 1, UINT32_MAX, UINT32_MAX, 0, 0 },
	};

	start_at(3);
	for (size_t i = 0; i < SL_ARRAY_LEN(evil); i++) {
		send_words(SL_VTEST_RESOURCE_CREATE_BLOB, evil[i], 6);
		run_ok();
		EXPECT(1, SL_VTEST_RESOURCE_CREATE_BLOB, 0);
		assert_int_equal(expect_fd(), -1);
	}
	assert_int_equal(faults(), SL_ARRAY_LEN(evil));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_create2_gives_sealed_memory),
		T(test_create2_without_memory),
		T(test_transfers_go_through_the_memfd),
		T(test_transfers_out_of_range),
		T(test_unref_of_what_is_not_there),
		T(test_handle_taken),
		T(test_nonsense_resources),
		T(test_session_chooses_handles_in_v3),
		T(test_client_may_not_choose_in_v3),
		T(test_fd_follows_its_reply),
		T(test_blobs),
		T(test_bad_blobs_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
