/* SPDX-License-Identifier: MIT */
/*
 * The store of compiled shaders and the files that it looks like. The functions under test are the
 * C library's own, as this program defines them: they are called by their names, as Mesa does.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/shaders.h"

#define CACHE SL_SHADERS_DIR "/mesa_shader_cache"

static void path_of(char *ret, size_t size, unsigned int n, const char *suffix)
{
	snprintf(ret, size, CACHE "/%02x/%038x%s", n & 0xff, n >> 8, suffix);
}

/* As Mesa writes a shader; its fd stays open beyond the renaming, as there. */
static int leave(unsigned int n, const void *data, size_t size)
{
	char temporary[128], name[128];
	_cleanup_close_ int fd = -1;

	path_of(temporary, sizeof(temporary), n, ".tmp");
	path_of(name, sizeof(name), n, "");
	fd = open64(temporary, O_WRONLY | O_CLOEXEC | O_CREAT, 0644);
	if (fd < 0) {
		return -errno;
	}
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(write(fd, data, size), size);
	return rename(temporary, name) < 0 ? -errno : 0;
}

/* Its size, or -errno; the first bytes in @ret. */
static int look(unsigned int n, char *ret, size_t size)
{
	_cleanup_close_ int fd = -1;
	char name[128];
	struct stat st;

	path_of(name, sizeof(name), n, "");
	fd = open64(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	assert_int_equal(fstat(fd, &st), 0);
	return read(fd, ret, size) < 0 ? -errno : (int)st.st_size;
}

static int text(unsigned int n, const char *expected)
{
	char got[32] = { 0 };
	int size = look(n, got, sizeof(got) - 1);

	if (size >= 0) {
		assert_int_equal(size, strlen(expected));
		assert_string_equal(got, expected);
	}
	return size < 0 ? size : 0;
}

static int set_up(void **state)
{
	sl_shaders_enable();
	return 0;
}

static int tear_down(void **state)
{
	sl_shaders_disable();
	return 0;
}

/* An archive with nothing in it. */
static int empty(void)
{
	struct sl_shaders_header h;

	sl_shaders_begin(&h);
	return sl_memfd_const("test", &h, sizeof(h));
}

static void attach(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(sl_shaders_attach(fd), 0);
	close(fd);
}

static void test_what_is_left_is_found(void **state)
{
	assert_int_equal(text(1, ""), -ENOENT);
	assert_int_equal(leave(1, "one", 3), 0);
	assert_int_equal(leave(0x102, "two", 3), 0);
	assert_int_equal(leave(1, "again", 5), 0); /* the first one stays */
	assert_int_equal(text(1, "one"), 0);
	assert_int_equal(text(0x102, "two"), 0);
	assert_int_equal(text(0x202, ""), -ENOENT);
	assert_int_equal(sl_shaders_hits(), 0);
}

static void test_only_what_was_renamed_is_there(void **state)
{
	char temporary[128], name[128];
	int fd;

	path_of(temporary, sizeof(temporary), 7, ".tmp");
	path_of(name, sizeof(name), 7, "");
	fd = open64(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(text(7, ""), -ENOENT);
	assert_int_equal(unlink(temporary), 0);
	assert_int_equal(rename(temporary, name), -1);
	assert_int_equal(errno, ENOENT);
	close(fd);
	/* Given up again and again: neither fds nor memory pile up. */
	for (int i = 0; i < 100; i++) {
		fd = open64(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0 && fd < 50);
		close(fd);
	}
	assert_int_equal(text(7, ""), -ENOENT);
}

static void test_directories_and_the_index(void **state)
{
	struct stat st;
	int fd;

	assert_int_equal(stat(SL_SHADERS_DIR, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(mkdir(CACHE, 0755), 0);
	assert_int_equal(stat(CACHE, &st), 0);
	assert_int_equal(stat(CACHE "/3f", &st), 0);
	assert_int_equal(stat(CACHE "/index", &st), -1);
	assert_int_equal(open64(CACHE "/index", O_RDWR), -1);
	fd = open64(CACHE "/index", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
}

static void test_other_names_are_no_shaders(void **state)
{
	static const char *const names[] = {
		CACHE "/aa/00000000000000000000000000000000000000000", /* too long */
		CACHE "/aa/0000000000000000000000000000000000000",     /* too short */
		CACHE "/aa/0000000000000000000000000000000000000G",
		CACHE "/aA/00000000000000000000000000000000000000",
		CACHE "0aa/00000000000000000000000000000000000000",
		SL_SHADERS_DIR "/",
		SL_SHADERS_DIR,
	};

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		assert_int_equal(open64(names[i], O_RDONLY), -1);
		assert_int_equal(errno, ENOENT);
	}
}

static void test_other_paths_are_files(void **state)
{
	char folder[] = "/tmp/sluice-test-XXXXXX", a[64], b[64];
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(a, sizeof(a), "%s/a", folder);
	snprintf(b, sizeof(b), "%s/b", folder);
	assert_int_equal(mkdir(a, 0700), 0);
	assert_int_equal(rmdir(a), 0);
	fd = open(a, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640u, 0);
	close(fd);
	assert_int_equal(rename(a, b), 0);
	assert_int_equal(stat(a, &st), -1);
	assert_int_equal(stat(b, &st), 0);
	assert_int_equal(unlink(b), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(open64(SL_SHADERS_DIR "x", O_RDONLY), -1);
}

static void test_a_session_hands_on_what_it_adds(void **state)
{
	int fd;

	assert_int_equal(leave(1, "start", 5), 0);
	attach(empty());
	fd = sl_shaders_take();
	assert_int_equal(fd, -ENOENT);
	assert_int_equal(leave(0x203, "b", 1), 0);
	assert_int_equal(leave(0x102, "a", 1), 0);
	assert_int_equal(leave(1, "start", 5), 0);
	fd = sl_shaders_take();
	assert_int_equal(
		sl_memfd_const_size(fd), sizeof(struct sl_shaders_header) + 2 * sl_shaders_room(1));
	sl_shaders_disable();
	assert_int_equal(text(0x102, ""), -ENOENT);
	assert_int_equal(leave(0x102, "a", 1), -EROFS);

	sl_shaders_enable();
	attach(fd);
	assert_int_equal(text(0x102, "a"), 0);
	assert_int_equal(text(0x203, "b"), 0);
	assert_int_equal(text(1, ""), -ENOENT);
	assert_int_equal(sl_shaders_hits(), 2);
	assert_int_equal(leave(0x203, "b", 1), 0);
	assert_int_equal(sl_shaders_take(), -ENOENT);
}

static void test_bad_archives_are_refused(void **state)
{
	struct sl_shaders_header h;
	int fd;

	sl_shaders_begin(&h);
	h.n_entries = 1;
	fd = sl_memfd_const("test", &h, sizeof(h));
	assert_int_equal(sl_shaders_attach(fd), -EPROTO);
	close(fd);
	fd = sl_memfd_const("test", &h, 3);
	assert_int_equal(sl_shaders_attach(fd), -EPROTO);
	close(fd);
	/* One that could change under us. */
	fd = sl_memfd_sealed("test", sizeof(h));
	assert_int_equal(sl_shaders_attach(fd), -EPROTO);
	close(fd);
	fd = open64("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(sl_shaders_attach(fd), -EPROTO);
	close(fd);
	assert_int_equal(sl_shaders_take(), -ENOENT);
	attach(empty());
	fd = empty();
	assert_int_equal(sl_shaders_attach(fd), -EBUSY);
	close(fd);
}

static void test_what_is_kept_is_bounded(void **state)
{
	const size_t big = SL_SHADERS_MAX_ENTRY_BYTES;
	char *data = calloc(1, big + 1);
	struct sl_shaders_header h;
	int fd, kept = 0;
	void *p;

	assert_non_null(data);
	attach(empty());
	assert_int_equal(leave(0, data, big + 1), 0);
	assert_int_equal(look(0, data, 1), -ENOENT);
	for (unsigned int i = 1; i < 8; i++) {
		assert_int_equal(leave(i, data, big), 0);
		kept += look(i, data, 1) == (int)big;
	}
	assert_int_equal(kept, SL_SHADERS_MAX_ADDED_BYTES / big - 1);
	/* What is smaller may still find room. */
	assert_int_equal(leave(9, "small", 5), 0);
	assert_int_equal(text(9, "small"), 0);
	fd = sl_shaders_take();
	assert_in_range(sl_memfd_const_size(fd), kept * big, SL_SHADERS_MAX_ADDED_BYTES);
	p = mmap(NULL, (size_t)sl_fd_size(fd), PROT_READ, MAP_SHARED, fd, 0);
	assert_int_equal(sl_shaders_check(p, (size_t)sl_fd_size(fd), &h), 0);
	assert_int_equal(h.n_entries, kept + 1);
	munmap(p, (size_t)sl_fd_size(fd));
	close(fd);
	free(data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_left_is_found),
		TEST(test_only_what_was_renamed_is_there),
		TEST(test_directories_and_the_index),
		TEST(test_other_names_are_no_shaders),
		TEST(test_other_paths_are_files),
		TEST(test_a_session_hands_on_what_it_adds),
		TEST(test_bad_archives_are_refused),
		TEST(test_what_is_kept_is_bounded),
	};

	return cmocka_run_group_tests_name("shaders", tests, NULL, NULL);
}
