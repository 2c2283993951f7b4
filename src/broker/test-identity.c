/* SPDX-License-Identifier: MIT */
/* Identity: what /proc and cgroup paths say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "broker/identity.h"
#include "util/cleanup.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void test_container_ids(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "0::/docker/" ID "\n", ID },
		{ "0::/system.slice/docker-" ID ".scope\n", ID },
		{ "0::/machine.slice/libpod-" ID ".scope/container\n", ID },
		{ "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		  ".scope/container\n",
			ID },
		{ "0::/libpod_parent/libpod-" ID "\n", ID },
		{ "0::/kubepods/besteffort/pod01234567-89ab-cdef-0123-456789abcdef/" ID "\n", ID },
		{ "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n", ID },
		{ "0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope\n", ID },
		{ "0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope/container\n", ID },
		{ "12:devices:/docker/" ID "\n0::/\n", ID },
		{ "0::/\n9:memory:/docker/" ID "\n", ID },
		/* The deepest is the one that the process is in. */
		{ "0::/docker/" ID "/docker/" ID2 "\n", ID2 },
		{ "0::/machine.slice/systemd-nspawn@web\\x2d1.service/payload\n", "web-1" },
		{ "0::/machine.slice/machine-debian.scope\n", "debian" },
		{ "0::/lxc.payload.build/init.scope\n", "build" },
		{ "0::/lxc/build\n", "build" },
		{ "/docker/" ID, ID },
	};
	static const char *const none[] = {
		"",
		"0::/\n",
		"0::/user.slice/user-0.slice/session-1.scope\n",
		"0::/init.scope\n",
		"0::/machine.slice/libpod-conmon-" ID ".scope\n",
		"0::/system.slice/crio-conmon-" ID ".scope\n",
		/* One digit more, one fewer, capitals, another suffix. */
		"0::/docker/" ID "0\n",
		"0::/docker/" ID "0.scope\n",
		"0::/docker/123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
		"0::/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n",
		"0::/docker-" ID ".service\n",
		"0::/system.slice/systemd-nspawn@.service\n",
		"0::/system.slice/machine-.scope\n",
		"0::/lxc.payload.\n",
		"nonsense without a slash " ID "\n",
	};
	char id[65];

	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		assert_int_equal(sl_container_id(cases[i].text, id, sizeof(id)), 0);
		assert_string_equal(id, cases[i].want);
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(none); i++) {
		assert_true(sl_container_id(none[i], id, sizeof(id)) < 0);
		assert_string_equal(id, "");
	}
}

static void test_name_longer_than_its_room(void **state)
{
	char text[400] = "0::/lxc.payload.", id[65];

	memset(text + strlen(text), 'x', 300);
	assert_int_equal(sl_container_id(text, id, sizeof(id)), 0);
	assert_int_equal(strlen(id), sizeof(id) - 1);
}

static void check_cgroup(const char *text, const char *want)
{
	_cleanup_free_ char *path = sl_identity_parse_cgroup(text);

	if (want) {
		assert_non_null(path);
		assert_string_equal(path, want);
	} else {
		assert_null(path);
	}
}

static void test_cgroup_path(void **state)
{
	check_cgroup("0::/user.slice/a\n", "/user.slice/a");
	check_cgroup("5:memory:/m\n1:name=systemd:/s\n0::/u\n", "/u");
	check_cgroup("5:memory:/m\n1:name=systemd:/s\n0::/\n", "/s");
	check_cgroup("5:memory:/m\n0::/\n", "/m");
	check_cgroup("0::/\n", "/");
	check_cgroup("0::/a b:c\n", "/a b:c");
	check_cgroup("", NULL);
	check_cgroup("\n", NULL);
}

static void check_status(const char *text, const char *name, pid_t inner)
{
	char comm[64] = "";
	pid_t pid;

	sl_identity_parse_status(text, comm, sizeof(comm), &pid);
	assert_string_equal(comm, name);
	assert_int_equal(pid, inner);
}

static void test_status(void **state)
{
	check_status("Name:\tglmark2\nUmask:\t0022\nNSpid:\t4711\t7\nNSpgid:\t1\n", "glmark2", 7);
	check_status("Name:\ta b\nNSpid:\t5\n", "a b", 5);
	check_status("Name:\tx\nNSpid:\t4711\t12\t3\n", "x", 3);
	/* A name that tries to be a line of its own: the kernel escapes the line feed. */
	check_status("Name:\tx\\nNSpid:\\t9\nNSpid:\t5\n", "x\\nNSpid:\\t9", 5);
	check_status("Name:\tx\n", "x", 0);
	check_status("", "", 0);
	check_status("Name:", "", 0);
	check_status("NSpid:\tx\n", "", 0);
}

static void test_ourselves(void **state)
{
	struct sl_identity id;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(sl_identity_read(pair[0], 1, &id), 0);
	assert_int_equal(id.by, SL_BY_SOCKET);
	assert_int_equal(id.host_pid, getpid());
	assert_int_equal(id.uid, geteuid());
	assert_int_equal(id.gid, getegid());
	assert_true(strlen(id.comm) > 0);
	assert_true(id.inner_pid > 0);
	sl_identity_fini(&id);
	assert_int_equal(sl_identity_read(pair[0], 0, &id), 0);
	assert_int_not_equal(id.by, SL_BY_SOCKET);
	sl_identity_fini(&id);
	assert_true(sl_identity_read(-1, 0, &id) < 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_container_ids),
		cmocka_unit_test(test_name_longer_than_its_room),
		cmocka_unit_test(test_cgroup_path),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_ourselves),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
