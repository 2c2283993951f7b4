/* SPDX-License-Identifier: MIT */
/*
 * The launcher's side of starting a zygote: open what it needs, fork, map its ids once it is in
 * its user namespace, and wait until its program runs or a step has failed. The wait is bounded;
 * the whole takes a few milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/private.h"
#include "util/cleanup.h"
#include "util/fds.h"

/* A loaded machine may take long over a namespace, a dead one for ever. */
#define START_TIMEOUT_MS 10000
/* Whom a zygote of root's is on the host: nobody. */
#define NOBODY 65534u

static int write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	n = write(fd, text, strlen(text));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

/* Inside, 0 is the zygote and 1 to uid_count are the workers' slots. Host root is never mapped. */
static int map_ids(const struct sl_start *s, pid_t pid, const char **ret_what)
{
	const struct sl_launch_options *o = s->options;
	char uids[64], gids[64];
	int r;

	snprintf(uids, sizeof(uids), "0 %u 1\n", s->root ? NOBODY : (unsigned int)geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1\n", s->root ? NOBODY : (unsigned int)getegid());
	if (o->uid_count > 0) {
		size_t n = strlen(uids), m = strlen(gids);

		snprintf(uids + n, sizeof(uids) - n, "1 %u %u\n", o->uid_base, o->uid_count);
		snprintf(gids + m, sizeof(gids) - m, "1 %u %u\n", o->uid_base, o->uid_count);
	}
	*ret_what = "setgroups";
	r = write_map(pid, "setgroups", "deny");
	if (r < 0) {
		return r;
	}
	*ret_what = "gid_map";
	r = write_map(pid, "gid_map", gids);
	if (r < 0) {
		return r;
	}
	*ret_what = "uid_map";
	return write_map(pid, "uid_map", uids);
}

/* One report; 0 with step 0 at the end of file: the program runs. */
static int read_report(int fd, struct sl_start_report *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	*ret = (struct sl_start_report){ 0 };
	do {
		n = poll(&p, 1, START_TIMEOUT_MS);
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		return -ETIMEDOUT;
	}
	n = n < 0 ? n : recv(fd, ret, sizeof(*ret), 0);
	if (n < 0) {
		return -errno;
	}
	if (n != 0 && n != sizeof(*ret)) {
		return -EPROTO;
	}
	ret->what[sizeof(ret->what) - 1] = '\0';
	return 0;
}

/* Follow the child until its program runs. What failed is in *report. */
static int follow(const struct sl_start *s, pid_t pid, int fd, struct sl_start_report *report)
{
	const char *what = "";
	int r;

	r = read_report(fd, report);
	if (r == 0 && report->step == SL_START_UNSHARED) {
		r = map_ids(s, pid, &what);
		if (r < 0) {
			*report = (struct sl_start_report){ .step = SL_START_IDS, .error = -r };
			snprintf(report->what, sizeof(report->what), "%s", what);
			return r;
		}
		if (send(fd, "", 1, MSG_NOSIGNAL) < 0) {
			return -errno;
		}
		r = read_report(fd, report);
	}
	if (r == 0 && report->step != 0) {
		r = report->error > 0 ? -report->error : -EPROTO;
	}
	return r;
}

static void discard(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}

int sl_start_run(struct sl_start *s, pid_t *ret_pid, char **ret_error)
{
	struct sl_start_report report = { 0 };
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	ours = pair[0];
	theirs = s->report_fd = pair[1];
	pid = fork();
	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		sl_child_main(s);
	}
	s->report_fd = -1;
	theirs = sl_close(theirs);
	r = follow(s, pid, ours, &report);
	if (r < 0) {
		if (report.error == 0) {
			report = (struct sl_start_report){ .error = -r, .what = "no answer" };
		}
		*ret_error = sl_start_remedy("/proc/sys", &report);
		discard(pid);
		return r;
	}
	*ret_pid = pid;
	return 0;
}
