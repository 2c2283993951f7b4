/* SPDX-License-Identifier: MIT */
/*
 * How a worker comes to be: the zygote forks an intermediate, which makes the namespaces and forks
 * the worker as the first process of a pid namespace, reports its pidfd and exits. The worker is
 * then the broker's child, its subreaper. The zygote waits for the intermediate to be gone before
 * it answers, so a broker that has SPAWNED is the worker's parent already.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "util/fds.h"
#include "worker/worker.h"
#include "worker/zygote.h"

/* Namespaces are made under locks of the kernel's that a loaded machine may hold for long. */
#define SPAWN_TIMEOUT_MS 10000

struct report {
	int error; /* errno, with @what, or 0 with @pid and an fd */
	int32_t pid;
	char what[32];
};

/* The two socket pairs of a spawn: [0] stays with the zygote, then goes to the broker. */
struct pairs {
	int channel[2];
	int report[2];
};

static void close_pairs(struct pairs *p)
{
	sl_close_many(p->channel, 2);
	sl_close_many(p->report, 2);
}

static void send_report(int fd, const struct report *r, int pidfd)
{
	struct iovec iov = { .iov_base = (void *)r, .iov_len = sizeof(*r) };

	sl_sendmsg_fds(fd, &iov, 1, &pidfd, pidfd >= 0 ? 1 : 0, 0);
}

static void intermediate_fail(int fd, const char *what) _noreturn_;

static void intermediate_fail(int fd, const char *what)
{
	struct report r = { .error = errno };

	strncpy(r.what, what, sizeof(r.what) - 1);
	send_report(fd, &r, -1);
	_exit(1);
}

static void become_worker(const struct sl_zygote_state *z, struct pairs *p, uint32_t slot)
{
	int channel = TAKE_FD(p->channel[1]);

	close_pairs(p);
	sl_close(z->o->channel_fd);
	sl_close(z->o->program_fd);
	sl_worker_run(z, slot, channel);
}

static void intermediate(
	const struct sl_zygote_state *z, struct pairs *p, uint32_t slot) _noreturn_;

static void intermediate(const struct sl_zygote_state *z, struct pairs *p, uint32_t slot)
{
	struct report r = { 0 };
	int pidfd;
	pid_t pid;

	if (!z->o->no_sandbox && unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
					 CLONE_NEWNS) < 0) {
		intermediate_fail(p->report[1], "unshare");
	}
	pid = fork();
	if (pid < 0) {
		intermediate_fail(p->report[1], "fork");
	}
	if (pid == 0) {
		become_worker(z, p, slot);
		_exit(1);
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		int e = errno;

		kill(pid, SIGKILL);
		errno = e;
		intermediate_fail(p->report[1], "pidfd_open");
	}
	r.pid = pid;
	send_report(p->report[1], &r, pidfd);
	_exit(0);
}

/* 0, and the pidfd; bounded. */
static int read_report(int fd, struct report *ret, int *ret_pidfd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int fds[SL_MAX_FDS], r;
	size_t n_fds = 0;
	ssize_t n;

	do {
		r = poll(&p, 1, SPAWN_TIMEOUT_MS);
	} while (r < 0 && errno == EINTR);
	if (r <= 0) {
		return r == 0 ? -ETIMEDOUT : -errno;
	}
	n = sl_recvmsg_fds(fd, ret, sizeof(*ret), fds, &n_fds, NULL, 0);
	if (n == sizeof(*ret) && ret->error == 0 && n_fds == 1) {
		*ret_pidfd = fds[0];
		return 0;
	}
	sl_close_many(fds, n_fds);
	return n < 0 ? (int)n : n == sizeof(*ret) && ret->error > 0 ? -ret->error : -ECHILD;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}

static int make_pairs(struct pairs *p)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->channel) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->report) < 0) {
		return -errno;
	}
	return 0;
}

/* The name of a step, without a buffer that outlives the report. */
static const char *step_name(const struct report *r)
{
	static const char *const names[] = { "unshare", "fork", "pidfd_open" };

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strncmp(r->what, names[i], sizeof(r->what)) == 0) {
			return names[i];
		}
	}
	return "the intermediate process";
}

int sl_zygote_spawn(struct sl_zygote_state *z, uint32_t slot, int *ret_channel, int *ret_pidfd,
	int32_t *ret_pid, const char **ret_what)
{
	_cleanup_(close_pairs) struct pairs p = { { -1, -1 }, { -1, -1 } };
	struct report report = { 0 };
	pid_t pid;
	int r;

	*ret_what = "socketpair";
	r = make_pairs(&p);
	if (r < 0) {
		return r;
	}
	*ret_what = "fork";
	pid = fork();
	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		intermediate(z, &p, slot);
	}
	p.report[1] = sl_close(p.report[1]);
	r = read_report(p.report[0], &report, ret_pidfd);
	if (r < 0) {
		*ret_what = step_name(&report);
		kill(pid, SIGKILL);
	}
	reap(pid);
	if (r < 0) {
		return r;
	}
	*ret_channel = TAKE_FD(p.channel[0]);
	*ret_pid = report.pid;
	return 0;
}
