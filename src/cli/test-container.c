/* SPDX-License-Identifier: MIT */
/* A container as data: what a path means inside, and what is told before anything starts. */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/cli.h"
#include "cli/container.h"

struct fixture {
	char root[64];
	struct sl_container c;
};

static void put_file(const char *root, const char *name, mode_t mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void put_dir(const char *root, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void put_link(const char *root, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(symlink(target, path), 0);
}

static int setup(void **state)
{
	static const char *const dirs[] = { "usr", "usr/bin", "usr/lib", "etc", "var", "var/tmp",
		"tmp", "sys", "home" };
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	for (size_t i = 0; i < SL_ARRAY_LEN(dirs); i++) {
		put_dir(f->root, dirs[i]);
	}
	put_link(f->root, "bin", "usr/bin");
	put_link(f->root, "usr/bin/sh", "dash");
	put_link(f->root, "usr/bin/editor", "/etc/alternatives/editor");
	put_link(f->root, "usr/bin/round", "round");
	put_link(f->root, "usr/lib/up", "../../etc/passwd");
	put_file(f->root, "usr/bin/dash", 0755);
	put_file(f->root, "etc/passwd", 0644);
	put_file(f->root, "tmp/secret", 0644);
	sl_container_init(&f->c);
	assert_int_equal(sl_container_add_root(&f->c, f->root, "/home/u"), 0);
	sl_container_setenv(&f->c, "PATH", "/nowhere:/etc:/bin");
	sl_container_add_current_dir(&f->c);
	assert_int_equal(sl_container_set_workdir(&f->c, "/"), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->root);
	sl_container_fini(&f->c);
	free(f);
	return system(command);
}

static void assert_resolves(struct fixture *f, const char *path, const char *below_root)
{
	char want[256];
	char *host = NULL;

	snprintf(want, sizeof(want), "%s%s", f->root, below_root);
	assert_int_equal(sl_container_resolve(&f->c, path, &host, NULL), 0);
	assert_non_null(host);
	assert_string_equal(host, want);
	free(host);
}

static int resolve(struct fixture *f, const char *path)
{
	char *host = NULL;
	int r = sl_container_resolve(&f->c, path, &host, NULL);

	free(host);
	return r;
}

static void test_paths_follow_links_of_the_root(void **state)
{
	struct fixture *f = *state;

	assert_resolves(f, "/bin/sh", "/usr/bin/dash");
	assert_resolves(f, "//bin/./../bin//sh", "/usr/bin/dash");
	assert_resolves(f, "/usr/lib/up", "/etc/passwd");
	assert_resolves(f, "/../../etc/passwd", "/etc/passwd");
}

static void test_what_is_not_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(resolve(f, "/usr/bin/editor"), -ENOENT);
	assert_int_equal(resolve(f, "/usr/bin/round"), -ELOOP);
	assert_int_equal(resolve(f, "/etc/passwd/x"), -ENOTDIR);
	/* The container's own, empty; and the host's /sys is in no container. */
	assert_int_equal(resolve(f, "/tmp"), 0);
	assert_int_equal(resolve(f, "/tmp/secret"), -ENOENT);
	assert_int_equal(resolve(f, "/sys"), -ENOENT);
	assert_int_equal(resolve(f, "/home/u"), 0);
	assert_int_equal(resolve(f, "/home/v"), -ENOENT);
}

static void test_a_command_is_found_as_a_shell_would(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sl_container_check_command(&f->c, "sh"), SL_EXIT_OK);
	assert_int_equal(sl_container_check_command(&f->c, "/bin/sh"), SL_EXIT_OK);
	assert_int_equal(sl_container_check_command(&f->c, "./usr/bin/sh"), SL_EXIT_OK);
	assert_int_equal(sl_container_check_command(&f->c, "passwd"), SL_EXIT_CANNOT_EXEC);
	assert_int_equal(sl_container_check_command(&f->c, "/etc"), SL_EXIT_CANNOT_EXEC);
	assert_int_equal(sl_container_check_command(&f->c, "nonesuch"), SL_EXIT_NOT_FOUND);
	assert_int_equal(sl_container_check_command(&f->c, "/bin/editor"), SL_EXIT_NOT_FOUND);
}

static int bind_to(struct fixture *f, const char *src, const char *dst)
{
	char arg[256];

	snprintf(arg, sizeof(arg), "%s%s%s", src, dst ? ":" : "", dst ? dst : "");
	return sl_container_add_bind(&f->c, "--bind", arg, false);
}

static void test_binds_go_where_they_can(void **state)
{
	struct fixture *f = *state;
	char src[128];

	snprintf(src, sizeof(src), "%s/etc", f->root);
	assert_int_equal(bind_to(f, src, "/mnt/data/"), 0);
	assert_resolves(f, "/mnt/data/passwd", "/etc/passwd");
	assert_int_equal(bind_to(f, src, "/home/u/etc"), 0);
	assert_int_equal(bind_to(f, src, "/usr/lib"), 0);
	assert_resolves(f, "/usr/lib/passwd", "/etc/passwd");
	assert_int_equal(resolve(f, "/usr/lib/up"), -ENOENT);
}

static void test_binds_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	char dir[128], file[128];

	snprintf(dir, sizeof(dir), "%s/etc", f->root);
	snprintf(file, sizeof(file), "%s/etc/passwd", f->root);
	/* A mount point would have to be made in the image. */
	assert_int_equal(bind_to(f, dir, "/usr/new"), SL_EXIT_RUN_FAILED);
	assert_int_equal(bind_to(f, dir, "/etc/passwd"), SL_EXIT_RUN_FAILED);
	assert_int_equal(bind_to(f, file, "/usr/lib"), SL_EXIT_RUN_FAILED);
	assert_int_equal(bind_to(f, dir, "relative"), SL_EXIT_RUN_FAILED);
	assert_int_equal(bind_to(f, dir, "/"), SL_EXIT_RUN_FAILED);
	assert_int_equal(bind_to(f, dir, "/tmp/../usr/x"), SL_EXIT_RUN_FAILED);
	assert_int_equal(bind_to(f, "/nonesuch", NULL), SL_EXIT_RUN_FAILED);
}

static void test_workdir_must_be_a_folder(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sl_container_set_workdir(&f->c, "/home/u"), 0);
	assert_int_equal(sl_container_set_workdir(&f->c, "/usr/lib"), 0);
	assert_string_equal(f->c.workdir, "/usr/lib");
	assert_int_equal(sl_container_set_workdir(&f->c, "/etc/passwd"), SL_EXIT_RUN_FAILED);
	assert_int_equal(sl_container_set_workdir(&f->c, "/nonesuch"), SL_EXIT_RUN_FAILED);
	assert_int_equal(sl_container_set_workdir(&f->c, "usr"), SL_EXIT_RUN_FAILED);
}

static void test_roots_that_are_none(void **state)
{
	struct fixture *f = *state;
	struct sl_container c;
	char path[128];

	sl_container_init(&c);
	snprintf(path, sizeof(path), "%s/nonesuch", f->root);
	assert_int_equal(sl_container_add_root(&c, path, NULL), SL_EXIT_RUN_FAILED);
	snprintf(path, sizeof(path), "%s/etc/passwd", f->root);
	assert_int_equal(sl_container_add_root(&c, path, NULL), SL_EXIT_RUN_FAILED);
	snprintf(path, sizeof(path), "%s/sys", f->root);
	assert_int_equal(sl_container_add_root(&c, path, NULL), SL_EXIT_RUN_FAILED);
	sl_container_fini(&c);
}

static void test_home_is_hidden_wherever_it_is(void **state)
{
	struct fixture *f = *state;
	struct sl_container c;
	char *host = NULL;

	put_dir(f->root, "var/people");
	put_dir(f->root, "var/people/u");
	put_file(f->root, "var/people/u/key", 0600);
	sl_container_init(&c);
	assert_int_equal(sl_container_add_root(&c, f->root, "/var/people/u"), 0);
	assert_string_equal(sl_container_getenv(&c, "HOME"), "/var/people/u");
	assert_int_equal(sl_container_resolve(&c, "/var/people/u/key", &host, NULL), -ENOENT);
	sl_container_fini(&c);

	sl_container_init(&c);
	assert_int_equal(sl_container_add_root(&c, f->root, "/"), 0);
	assert_string_equal(sl_container_getenv(&c, "HOME"), "/tmp");
	sl_container_fini(&c);
}

static void test_environment_has_each_name_once(void **state)
{
	struct fixture *f = *state;
	size_t n = f->c.n_env;

	sl_container_setenv(&f->c, "A", "1");
	sl_container_setenv(&f->c, "AB", "2");
	sl_container_setenv(&f->c, "A", "3=4");
	assert_int_equal(f->c.n_env, n + 2);
	assert_string_equal(sl_container_getenv(&f->c, "A"), "3=4");
	assert_null(sl_container_getenv(&f->c, "B"));
	assert_false(f->c.out_of_memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_paths_follow_links_of_the_root),
		TEST(test_what_is_not_there),
		TEST(test_a_command_is_found_as_a_shell_would),
		TEST(test_binds_go_where_they_can),
		TEST(test_binds_that_cannot_be),
		TEST(test_workdir_must_be_a_folder),
		TEST(test_roots_that_are_none),
		TEST(test_home_is_hidden_wherever_it_is),
		TEST(test_environment_has_each_name_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
