/* SPDX-License-Identifier: MIT */
/*
 * Launcher, zygote and workers together: three workers serve, one is killed and the others go on,
 * the zygote is killed and they still go on, and when their launcher's process dies nothing is
 * left. Usage: sandbox-smoke WORKER [OPTION...], see parse().
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox-harness.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define N_WORKERS 3
/* Any uid that owns nothing; it needs no entry in passwd. */
#define TEST_UID 54321
#define UID_BASE 700000
#define UID_COUNT 16

struct arguments {
	struct sl_launch_options options;
	bool drop, dropped;
};

static void parse(int argc, char **argv, struct arguments *a)
{
	if (argc < 2) {
		h_bail("usage: %s WORKER [--null] [--threads] [--uids] [--no-sandbox] [--drop]",
			argv[0]);
	}
	a->options.worker_path = argv[1];
	a->options.llvmpipe_threads = 0;
	for (int i = 2; i < argc; i++) {
		a->options.null_backend |= strcmp(argv[i], "--null") == 0;
		if (strcmp(argv[i], "--start-over") == 0) {
			static const char *const pretend[] = { "--pretend-threads", NULL };

			a->options.worker_args = pretend;
		}
		if (strcmp(argv[i], "--threads") == 0) {
			/* Such a renderer cannot be inherited. */
			a->options.llvmpipe_threads = 2;
		}
		a->options.no_sandbox |= strcmp(argv[i], "--no-sandbox") == 0;
		a->drop |= strcmp(argv[i], "--drop") == 0;
		a->dropped |= strcmp(argv[i], "--dropped") == 0;
		if (strcmp(argv[i], "--uids") == 0) {
			a->options.uid_base = UID_BASE;
			a->options.uid_count = UID_COUNT;
		}
	}
}

struct client {
	struct h_worker worker;
	int fd;
};

static void start_client(struct sl_launcher *l, uint32_t slot, struct client *c)
{
	int pair[2];

	h_spawn(l, slot, &c->worker);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		h_bail("socketpair: %s", strerror(errno));
	}
	h_attach(&c->worker, pair[1], "smoke");
	close(pair[1]);
	c->fd = pair[0];
}

static bool still_serves(const struct client *c)
{
	static const uint32_t version[] = { 1, 11, 2 };
	uint32_t reply[3];

	/* Mesa may ask for another version at any time. */
	return send(c->fd, version, sizeof(version), MSG_NOSIGNAL) == sizeof(version) &&
	       recv(c->fd, reply, sizeof(reply), MSG_WAITALL) == sizeof(reply);
}

static uint32_t expected_layers(const struct sl_launch_options *o)
{
	uint32_t all = SL_SANDBOX_USERNS | SL_SANDBOX_MOUNTNS | SL_SANDBOX_NETNS |
		       SL_SANDBOX_IPCNS | SL_SANDBOX_PIDNS | SL_SANDBOX_UTSNS | SL_SANDBOX_NO_CAPS |
		       SL_SANDBOX_NO_NEW_PRIVS | SL_SANDBOX_RLIMITS | SL_SANDBOX_SECCOMP;

	if (o->no_sandbox) {
		return 0;
	}
	return all | SL_SANDBOX_EMPTY_ROOT | (o->uid_count > 0 ? SL_SANDBOX_OWN_UID : 0);
}

static void check_host_ids(const struct client *c, const struct sl_launch_options *o)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *line;
	unsigned int want, got;

	if (o->no_sandbox) {
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/status", (int)c->worker.pid);
	if (sl_read_file_at(-1, path, 65536, &text, NULL) < 0 || !(line = strstr(text, "\nUid:"))) {
		h_bail("cannot read %s", path);
	}
	got = (unsigned int)strtoul(line + 5, NULL, 10);
	want = o->uid_count > 0 ? UID_BASE : geteuid() == 0 ? 65534 : geteuid();
	h_ok(got == want, "worker's uid on the host is %u (%u)", want, got);
	h_ok(strstr(text, "\nCapEff:\t0000000000000000") &&
			strstr(text, "\nCapPrm:\t0000000000000000") &&
			strstr(text, "\nCapBnd:\t0000000000000000"),
		"worker has no capability, not even in its bounding set");
	h_ok(strstr(text, "\nNoNewPrivs:\t1") && strstr(text, "\nSeccomp:\t2"),
		"worker has no_new_privs and a seccomp filter");
}

static void test_serving(struct sl_launcher *l, struct client *c, const struct sl_launch_options *o)
{
	uint32_t want = expected_layers(o);

	for (uint32_t i = 0; i < N_WORKERS; i++) {
		start_client(l, i, &c[i]);
		h_ok(h_pump(&c[i].worker, h_is_attached), "worker %u attached", i);
		h_ok(h_handshake(c[i].fd) >= 2, "worker %u speaks vtest", i);
	}
	h_ok((c[0].worker.renderer.layers & want) == want, "layers 0x%x hold 0x%x",
		c[0].worker.renderer.layers, want);
	printf("# renderer %s, %s, %s; layers 0x%x\n", c[0].worker.renderer.name,
		c[0].worker.renderer.api, c[0].worker.renderer.library,
		c[0].worker.renderer.layers);
	h_ok(c[0].worker.stats != NULL && c[0].worker.stats->heartbeat > 0,
		"stats page has a heartbeat");
	check_host_ids(&c[0], o);
}

static void test_worker_killed(struct client *c)
{
	char byte;

	pidfd_send_signal(c[0].worker.pidfd, SIGKILL, NULL, 0);
	h_ok(recv(c[0].fd, &byte, 1, 0) == 0, "a killed worker's client sees the end");
	h_ok(h_wait(&c[0].worker).signalled, "a killed worker is ours to reap");
	h_ok(still_serves(&c[1]) && still_serves(&c[2]), "the other workers go on");
}

static void test_client_leaves(struct client *c)
{
	struct h_exit e;

	c->fd = sl_close(c->fd);
	h_ok(h_pump(&c->worker, h_said_bye), "a worker whose client leaves says BYE");
	e = h_wait(&c->worker);
	h_ok(!e.signalled && e.status == 0, "... and exits with status 0 (%d)", e.status);
}

static void test_zygote_killed(struct sl_launcher *l, struct client *c)
{
	kill(sl_launcher_pid(l), SIGKILL);
	h_ok(h_is_gone(sl_launcher_pidfd(l), H_TIMEOUT_MS), "the zygote is gone");
	h_ok(sl_launcher_process(l, &(struct sl_launcher_events){ 0 }, NULL) == -EPIPE,
		"the launcher says so");
	h_ok(still_serves(&c[2]), "its workers go on");
}

/* A second broker, in a process that is killed: its zygote and workers must follow. */
static void test_launcher_killed(const struct sl_launch_options *o)
{
	int pair[2], fds[SL_MAX_FDS];
	size_t n_fds = 0;
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct pollfd_list {
		int fd[3];
	} watch;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		h_bail("socketpair: %s", strerror(errno));
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct sl_launcher *l = h_launch(o);
		struct client c[2];

		start_client(l, 0, &c[0]);
		h_handshake(c[0].fd);
		h_spawn(l, 1, &c[1].worker);
		watch = (struct pollfd_list){ { sl_launcher_pidfd(l), c[0].worker.pidfd,
			c[1].worker.pidfd } };
		sl_sendmsg_fds(pair[1], &iov, 1, watch.fd, 3, 0);
		pause();
		_exit(0);
	}
	close(pair[1]);
	if (!h_is_gone(pair[0], H_TIMEOUT_MS) ||
		sl_recvmsg_fds(pair[0], &byte, 1, fds, &n_fds, NULL, 0) != 1 || n_fds != 3) {
		h_bail("the second broker did not start");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	h_ok(h_is_gone(fds[0], 2000), "SIGKILL of the broker ends its zygote");
	h_ok(h_is_gone(fds[1], 2000), "... its serving worker");
	h_ok(h_is_gone(fds[2], 2000), "... and its warm worker");
	sl_close_many(fds, n_fds);
	close(pair[0]);
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct client c[N_WORKERS] = { 0 };
	struct sl_launcher *l;

	parse(argc, argv, &a);
	if (a.drop && !a.dropped) {
		if (geteuid() != 0) {
			printf("1..0 # SKIP not root: the plain run is unprivileged already\n");
			return 0;
		}
		h_drop(argv, TEST_UID);
	}
	if (a.options.uid_count > 0 && geteuid() != 0) {
		printf("1..0 # SKIP a range of uids needs root\n");
		return 0;
	}
	l = h_launch(&a.options);
	test_serving(l, c, &a.options);
	test_worker_killed(c);
	test_client_leaves(&c[1]);
	test_zygote_killed(l, c);
	sl_launcher_free(l);
	for (int i = 0; i < N_WORKERS; i++) {
		h_close(&c[i].worker);
		sl_close(c[i].fd);
	}
	test_launcher_killed(&a.options);
	return h_done();
}
