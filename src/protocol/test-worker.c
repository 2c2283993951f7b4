/* SPDX-License-Identifier: MIT */
/* The control channel's codec: what a broker must refuse from a worker that turned hostile. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "protocol/worker.h"
#include "util/cleanup.h"
#include "util/fds.h"

static union sl_ctl_message message(enum sl_ctl_type type, uint32_t n_fds)
{
	union sl_ctl_message m;

	sl_ctl_init(&m, type, n_fds);
	return m;
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static void test_every_type_round_trips(void **state)
{
	for (int t = SL_CTL_HELLO; t < SL_CTL_N_TYPES; t++) {
		uint32_t n_fds = t == SL_CTL_SPAWNED                         ? 2
				 : t == SL_CTL_ATTACH || t == SL_CTL_SHADERS ? 1
									     : 0;
		union sl_ctl_message m;

		if (t >= SL_CTL_OPEN_NODE && t <= SL_CTL_STASH) {
			continue; /* reserved */
		}
		m = message(t, n_fds);
		assert_int_equal(m.h.type, t);
		assert_int_equal(m.h.size_bytes, sl_ctl_size(t));
		assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, n_fds), 0);
	}
}

static void test_reserved_and_unknown_types_are_refused(void **state)
{
	for (int t = SL_CTL_OPEN_NODE; t < SL_CTL_N_TYPES + 3; t++) {
		union sl_ctl_message m = message(SL_CTL_READY, 0);

		if (t == SL_CTL_SHADERS) {
			continue;
		}
		m.h.type = (uint16_t)t;
		assert_int_equal(sl_ctl_size(t), 0);
		assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTO);
	}
	assert_int_equal(sl_ctl_size(0), 0);
	assert_int_equal(sl_ctl_size(-1), 0);
}

static void test_wrong_sizes_are_refused(void **state)
{
	union sl_ctl_message m = message(SL_CTL_FAULT, 0);
	char big[sizeof(m) + 1] = { 0 };

	assert_int_equal(sl_ctl_check(&m, 0, 0), -EPROTO);
	assert_int_equal(sl_ctl_check(&m, sizeof(m.h) - 1, 0), -EPROTO);
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes - 1u, 0), -EPROTO);
	memcpy(big, &m, sizeof(m));
	assert_int_equal(sl_ctl_check(big, sizeof(big), 0), -EPROTO);
	m.h.size_bytes--;
	assert_int_equal(sl_ctl_check(&m, sl_ctl_size(SL_CTL_FAULT), 0), -EPROTO);
}

static void test_magic_and_version(void **state)
{
	union sl_ctl_message m = message(SL_CTL_READY, 0);

	m.h.version++;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTONOSUPPORT);
	m.h.magic++;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTO);
}

static void test_number_of_fds(void **state)
{
	union sl_ctl_message m = message(SL_CTL_SPAWNED, 2);

	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 2), 0);
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 1), -EPROTO);
	m.h.n_fds = 1;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 1), -EPROTO);

	m = message(SL_CTL_ATTACH, 1);
	m.attach.flags = SL_CTL_ATTACH_RECORD;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 1), -EPROTO);
	m.h.n_fds = 2;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 2), 0);
	m.attach.flags |= SL_CTL_ATTACH_SHADERS;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 2), -EPROTO);
	m.h.n_fds = 3;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 3), 0);

	m = message(SL_CTL_SHADERS, 0);
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTO);

	m = message(SL_CTL_HELLO, 0);
	m.hello.role = SL_CTL_ROLE_WORKER;
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTO);
}

static void test_unterminated_strings_are_refused(void **state)
{
	union sl_ctl_message m = message(SL_CTL_RENDERER, 0);

	memset(m.renderer.library, 'x', sizeof(m.renderer.library));
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTO);
	m.renderer.library[sizeof(m.renderer.library) - 1] = '\0';
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), 0);

	m = message(SL_CTL_FAULT, 0);
	memset(m.fault.text, 'x', sizeof(m.fault.text));
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 0), -EPROTO);

	m = message(SL_CTL_ATTACH, 1);
	memset(m.attach.domain, 'x', sizeof(m.attach.domain));
	assert_int_equal(sl_ctl_check(&m, m.h.size_bytes, 1), -EPROTO);
}

static void test_send_and_receive_with_fds(void **state)
{
	union sl_ctl_message m = message(SL_CTL_SPAWNED, 2), got;
	int s[2], p[2], fds[SL_MAX_FDS];
	size_t n_fds = 0;

	pair(s);
	pair(p);
	m.spawned.slot = 7;
	m.spawned.pid = 42;
	assert_int_equal(sl_ctl_recv(s[1], &got, fds, &n_fds), -EAGAIN);
	assert_int_equal(sl_ctl_send(s[0], &m, p), 0);
	assert_int_equal(sl_ctl_recv(s[1], &got, fds, &n_fds), 0);
	assert_int_equal(n_fds, 2);
	assert_int_equal(got.spawned.slot, 7);
	assert_int_equal(got.spawned.pid, 42);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	sl_close_many(fds, n_fds);
	sl_close_many(p, 2);
	s[0] = sl_close(s[0]);
	assert_int_equal(sl_ctl_recv(s[1], &got, fds, &n_fds), -EPIPE);
	assert_int_equal(sl_ctl_send(s[1], &m, p), -EBADF);
	m = message(SL_CTL_BYE, 0);
	assert_int_equal(sl_ctl_send(s[1], &m, NULL), -EPIPE);
	sl_close(s[1]);
}

/* The next free fd number, to see whether a refused packet's fds were closed. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void test_fds_of_refused_packets_are_closed(void **state)
{
	union sl_ctl_message m = message(SL_CTL_READY, 1), got;
	char long_packet[sizeof(m) + 64] = { 0 };
	struct iovec iov = { .iov_base = long_packet, .iov_len = sizeof(long_packet) };
	int s[2], fds[SL_MAX_FDS], free_fd;
	size_t n_fds = 0;

	pair(s);
	free_fd = next_fd();
	assert_int_equal(sl_ctl_send(s[0], &m, s), 0);
	assert_int_equal(sl_ctl_recv(s[1], &got, fds, &n_fds), -EPROTO);
	assert_int_equal(next_fd(), free_fd);

	assert_true(sl_sendmsg_fds(s[0], &iov, 1, s, 2, 0) > 0);
	assert_int_equal(sl_ctl_recv(s[1], &got, fds, &n_fds), -EPROTO);
	assert_int_equal(next_fd(), free_fd);

	/* A receiver that wants none gets none. */
	m = message(SL_CTL_ATTACH, 1);
	assert_int_equal(sl_ctl_send(s[0], &m, s), 0);
	assert_int_equal(sl_ctl_recv(s[1], &got, NULL, NULL), 0);
	assert_int_equal(next_fd(), free_fd);
	sl_close_many(s, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_round_trips),
		cmocka_unit_test(test_reserved_and_unknown_types_are_refused),
		cmocka_unit_test(test_wrong_sizes_are_refused),
		cmocka_unit_test(test_magic_and_version),
		cmocka_unit_test(test_number_of_fds),
		cmocka_unit_test(test_unterminated_strings_are_refused),
		cmocka_unit_test(test_send_and_receive_with_fds),
		cmocka_unit_test(test_fds_of_refused_packets_are_closed),
	};

	return cmocka_run_group_tests_name("protocol-worker", tests, NULL, NULL);
}
