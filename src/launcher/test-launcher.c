/* SPDX-License-Identifier: MIT */
/* The launcher's pieces that need no worker: arguments, environment, remedies, refusals. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "launcher/private.h"
#include "util/test-skip.h"
#include "util/cleanup.h"
#include "util/fds.h"

static bool has(char *const *v, const char *s)
{
	for (size_t i = 0; v[i]; i++) {
		if (strcmp(v[i], s) == 0) {
			return true;
		}
	}
	return false;
}

static void test_arguments(void **state)
{
	static const char *const extra[] = { "--attack=x", NULL };
	struct sl_launch_options o = {
		.host_gl = "es",
		.render_node = "/dev/dri/renderD128",
		.llvmpipe_threads = -1,
		.null_backend = true,
		.uid_base = 1000000,
		.uid_count = 16,
		.worker_args = extra,
	};
	char **v = NULL;

	assert_int_equal(sl_command_argv(&o, "/x/worker", 0x2f, &v), 0);
	assert_string_equal(v[0], "/x/worker");
	assert_true(has(v, "--zygote"));
	assert_true(has(v, "--channel-fd=3"));
	assert_true(has(v, "--layers=0x2f"));
	assert_true(has(v, "--host-gl=es"));
	assert_true(has(v, "--render-node=/dev/dri/renderD128"));
	assert_true(has(v, "--render-node-fd=4"));
	assert_true(has(v, "--llvmpipe-threads=-1"));
	assert_true(has(v, "--null"));
	assert_true(has(v, "--uids=16"));
	assert_true(has(v, "--attack=x"));
	assert_false(has(v, "--no-sandbox"));
	sl_command_strv_free(v);
}

static void test_no_node_no_fd(void **state)
{
	struct sl_launch_options o = { .no_sandbox = true };
	char **v = NULL;

	assert_int_equal(sl_command_argv(&o, "w", 0, &v), 0);
	assert_false(has(v, "--render-node-fd=4"));
	assert_true(has(v, "--no-sandbox"));
	sl_command_strv_free(v);
}

static void test_environment_is_an_allow_list(void **state)
{
	char *const environment[] = { (char *)"HOME=/root", (char *)"MESA_DEBUG=1",
		(char *)"LD_PRELOAD=/evil.so", (char *)"DISPLAY=:0", (char *)"LIBGL_DEBUG=verbose",
		(char *)"LANGUAGE=xx", (char *)"AWS_SECRET=1", NULL };
	char **v = NULL;

	assert_int_equal(sl_command_env(environment, &v), 0);
	assert_true(has(v, "MESA_DEBUG=1"));
	assert_true(has(v, "LIBGL_DEBUG=verbose"));
	assert_true(has(v, "MESA_SHADER_CACHE_DISABLE=true"));
	assert_false(has(v, "HOME=/root"));
	assert_false(has(v, "LD_PRELOAD=/evil.so"));
	assert_false(has(v, "DISPLAY=:0"));
	assert_false(has(v, "LANGUAGE=xx"));
	assert_false(has(v, "AWS_SECRET=1"));
	sl_command_strv_free(v);
}

static void assert_names(const char *error, const char *word)
{
	if (!error || !strstr(error, word) || strchr(error, '\n')) {
		fail_msg("\"%s\" should be one line that says \"%s\"", error ? error : "(null)",
			word);
	}
}

static int launch_error(const struct sl_launch_options *o, char **ret_error)
{
	struct sl_launcher *l = NULL;

	*ret_error = NULL;
	return sl_launcher_new(o, &l, ret_error);
}

static void test_missing_program(void **state)
{
	struct sl_launch_options o = { .worker_path = "/nonexistent/worker" };
	char *error;

	assert_int_equal(launch_error(&o, &error), -ENOENT);
	assert_names(error, "/nonexistent/worker");
	free(error);
}

static void test_missing_render_node(void **state)
{
	struct sl_launch_options o = { .worker_path = "/bin/true", .render_node = "/dev/nosuch" };
	char *error;

	assert_int_equal(launch_error(&o, &error), -ENOENT);
	assert_names(error, "render node /dev/nosuch");
	free(error);
}

static void test_missing_bind(void **state)
{
	static const char *const binds[] = { "/nonexistent/driver", NULL };
	struct sl_launch_options o = { .worker_path = "/bin/true", .binds = binds };
	char *error;
	int r;

	if (sl_test_emulated()) {
		return;
	}
	r = launch_error(&o, &error);
	if (r == -EPERM || r == -ENOSPC) {
		sl_test_skipped(error);
		free(error);
		return;
	}
	assert_int_equal(r, -ENOENT);
	assert_names(error, "/nonexistent/driver");
	free(error);
}

static void test_uid_ranges(void **state)
{
	struct sl_launch_options o = { .worker_path = "/bin/true", .uid_count = 10 };
	char *error;

	if (geteuid() != 0) {
		assert_int_equal(launch_error(&o, &error), -EPERM);
		assert_names(error, "root");
		free(error);
		return;
	}
	o.uid_base = 0;
	assert_int_equal(launch_error(&o, &error), -EINVAL);
	assert_names(error, "neither 0 nor 65534");
	free(error);
	o.uid_base = 65530;
	assert_int_equal(launch_error(&o, &error), -EINVAL);
	free(error);
	o.uid_base = UINT32_MAX - 3;
	assert_int_equal(launch_error(&o, &error), -EINVAL);
	free(error);
}

/* /proc/sys as other machines have it. */
struct switches {
	char dir[64];
};

static void put(const struct switches *s, const char *dir, const char *name, const char *value)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", s->dir, dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", s->dir, dir, name);
	if (value) {
		assert_int_equal(sl_write_file(path, value), 0);
	} else {
		unlink(path);
	}
}

static void check_remedy(const struct switches *s, int error, const char *word)
{
	struct sl_start_report report = { .step = SL_START_UNSHARE, .error = error };
	_cleanup_free_ char *line = NULL;

	snprintf(report.what, sizeof(report.what), "user namespace");
	line = sl_start_remedy(s->dir, &report);
	assert_names(line, word);
}

static void test_remedies_name_the_switch(void **state)
{
	struct switches s = { "/tmp/sluice-remedy-XXXXXX" };
	char path[128];

	assert_non_null(mkdtemp(s.dir));
	check_remedy(&s, EPERM, "inside a container");
	check_remedy(&s, EINVAL, "CONFIG_USER_NS");
	check_remedy(&s, ENOSPC, "user.max_user_namespaces");
	put(&s, "kernel", "apparmor_restrict_unprivileged_userns", "1\n");
	check_remedy(&s, EPERM, "AppArmor");
	put(&s, "kernel", "unprivileged_userns_clone", "0\n");
	check_remedy(&s, EPERM, "kernel.unprivileged_userns_clone=1");
	put(&s, "user", "max_user_namespaces", "0\n");
	check_remedy(&s, EPERM, "user.max_user_namespaces");
	put(&s, "user", "max_user_namespaces", NULL);
	put(&s, "kernel", "unprivileged_userns_clone", NULL);
	put(&s, "kernel", "apparmor_restrict_unprivileged_userns", NULL);
	snprintf(path, sizeof(path), "%s/user", s.dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/kernel", s.dir);
	rmdir(path);
	rmdir(s.dir);
}

/* A user namespace in which there may be no other: what a locked-down host looks like. */
static void test_no_user_namespaces(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sl_launch_options o = { .worker_path = "/bin/true" };
		char *error;

		if (unshare(CLONE_NEWUSER) < 0 ||
			sl_write_file("/proc/sys/user/max_user_namespaces", "0\n") < 0) {
			_exit(77);
		}
		_exit(launch_error(&o, &error) == -ENOSPC && error &&
					strstr(error, "user.max_user_namespaces")
				? 0
				: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		sl_test_skipped("no user namespaces to limit here");
		return;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A program that runs but is no zygote: the channel ends, and nothing of it stays. */
static void test_program_that_exits(void **state)
{
	static const struct sl_launcher_events none = { 0 };
	struct sl_launch_options o = { .worker_path = "/bin/true", .no_sandbox = true };
	struct sl_launcher *l = NULL;
	int r;

	if (sl_test_emulated()) {
		return;
	}
	assert_int_equal(sl_launcher_new(&o, &l, NULL), 0);
	for (int i = 0; i < 500; i++) {
		r = sl_launcher_process(l, &none, NULL);
		if (r != 0) {
			break;
		}
		usleep(10000);
	}
	assert_int_equal(r, -EPIPE);
	sl_launcher_free(l);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_no_node_no_fd),
		cmocka_unit_test(test_environment_is_an_allow_list),
		cmocka_unit_test(test_missing_program),
		cmocka_unit_test(test_missing_render_node),
		cmocka_unit_test(test_missing_bind),
		cmocka_unit_test(test_uid_ranges),
		cmocka_unit_test(test_remedies_name_the_switch),
		cmocka_unit_test(test_no_user_namespaces),
		cmocka_unit_test(test_program_that_exits),
	};

	return cmocka_run_group_tests_name("launcher", tests, NULL, NULL);
}
