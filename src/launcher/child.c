/* SPDX-License-Identifier: MIT */
/*
 * The zygote's process between fork() and its program: stage 1 of the sandbox. It runs in a copy
 * of the broker and gives everything up in an order that matters: sources are opened while we are
 * still the broker's user, mounts are made as the user inside, and nothing but the fds of
 * private.h survives. A failed step is told to the launcher in one packet, then we exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/private.h"
#include "util/cleanup.h"

/* Above every fd of private.h and below the usual soft limit. */
#define PARKING_FD 64

static int report_fd = -1; /* this process's only word to its launcher */

void sl_child_fail(enum sl_start_step step, int error, const char *what)
{
	struct sl_start_report report = { .step = step, .error = error };

	snprintf(report.what, sizeof(report.what), "%s", what);
	if (send(report_fd, &report, sizeof(report), MSG_NOSIGNAL) < 0) {
		_exit(125);
	}
	_exit(126);
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++) {
		signal(s, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First all out of the way, then each to its number: a source may sit on another's target. */
static void arrange_fds(const struct sl_start *s)
{
	const int from[SL_ZYGOTE_N_FDS] = {
		[0] = s->null_fd,
		[1] = s->null_fd,
		[2] = STDERR_FILENO,
		[SL_ZYGOTE_CHANNEL_FD] = s->channel_fd,
		[SL_ZYGOTE_NODE_FD] = s->node_fd,
		[SL_ZYGOTE_REPORT_FD] = s->report_fd,
		[SL_ZYGOTE_PROGRAM_FD] = s->program_fd,
	};
	int parked[SL_ZYGOTE_N_FDS];

	for (int i = 0; i < SL_ZYGOTE_N_FDS; i++) {
		parked[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD_CLOEXEC, PARKING_FD);
		if (from[i] >= 0 && parked[i] < 0 && i != STDERR_FILENO) {
			sl_child_fail(SL_START_FDS, errno, "file descriptors");
		}
		if (i == SL_ZYGOTE_REPORT_FD) {
			report_fd = parked[i];
		}
	}
	for (int i = 0; i < SL_ZYGOTE_N_FDS; i++) {
		int flags = i == SL_ZYGOTE_REPORT_FD ? O_CLOEXEC : 0;

		if (parked[i] < 0) {
			close(i);
		} else if (dup3(parked[i], i, flags) < 0) {
			sl_child_fail(SL_START_FDS, errno, "file descriptors");
		}
	}
	report_fd = SL_ZYGOTE_REPORT_FD;
}

static void close_others(void)
{
	if (syscall(SYS_close_range, SL_ZYGOTE_N_FDS, ~0u, 0) == 0) {
		return;
	}
	/* Before Linux 5.9. */
	for (int fd = SL_ZYGOTE_N_FDS; fd < (int)sysconf(_SC_OPEN_MAX); fd++) {
		close(fd);
	}
}

/* The launcher maps our ids: as root only it may, and otherwise it may as well. */
static void wait_for_maps(void)
{
	struct sl_start_report report = { .step = SL_START_UNSHARED };
	char go;

	if (send(report_fd, &report, sizeof(report), MSG_NOSIGNAL) < 0 ||
		recv(report_fd, &go, 1, 0) != 1) {
		_exit(125);
	}
}

static void enter_namespaces(const struct sl_start *s)
{
	static const struct {
		int flag;
		const char *name;
	} namespaces[] = {
		{ CLONE_NEWUSER, "user namespace" },
		{ CLONE_NEWNS, "mount namespace" },
		{ CLONE_NEWNET, "network namespace" },
		{ CLONE_NEWIPC, "ipc namespace" },
		{ CLONE_NEWUTS, "uts namespace" },
	};

	if (s->root && setgroups(0, NULL) < 0) {
		sl_child_fail(SL_START_GROUPS, errno, "dropping supplementary groups");
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(namespaces); i++) {
		if (unshare(namespaces[i].flag) < 0) {
			sl_child_fail(SL_START_UNSHARE, errno, namespaces[i].name);
		}
	}
	wait_for_maps();
}

/* No user namespaces below this one: they are where kernels are attacked from. */
static void forbid_nesting(void)
{
	int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);

	/* Read-only in most containers; seccomp is the wall, this stands behind it. */
	if (fd >= 0 && write(fd, "0\n", 2) < 0) {
		errno = 0;
	}
	if (fd >= 0) {
		close(fd);
	}
}

static void become_inner_root(void)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
		sl_child_fail(SL_START_IDS, errno, "becoming the sandbox's user");
	}
	forbid_nesting();
	/* The host's name is nobody's business. */
	if (sethostname("sluice", 6) < 0) {
		sl_child_fail(SL_START_IDS, errno, "sethostname");
	}
}

static void run_program(const struct sl_start *s, pid_t launcher)
{
	/* After the last change of credentials, which would clear it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		sl_child_fail(SL_START_EXEC, errno, "prctl(PR_SET_PDEATHSIG)");
	}
	if (launcher != getppid()) {
		_exit(125);
	}
	/* By fd: the program's own directory is no part of the sandbox. */
	syscall(SYS_execveat, SL_ZYGOTE_PROGRAM_FD, "", s->argv, s->envp, AT_EMPTY_PATH);
	sl_child_fail(SL_START_EXEC, errno, s->argv[0]);
}

void sl_child_main(const struct sl_start *s)
{
	pid_t launcher = getppid();

	report_fd = s->report_fd;
	reset_signals();
	/* A terminal's interrupt is for the broker, which then ends its children in good order. */
	setsid();
	arrange_fds(s);
	if (!s->options->no_sandbox) {
		struct sl_root *root;

		close_others();
		enter_namespaces(s);
		root = sl_root_open(s->options);
		become_inner_root();
		sl_root_build(root);
	}
	run_program(s, launcher);
	_exit(125);
}
