/* SPDX-License-Identifier: MIT */
/*
 * A launcher: one zygote, its channel and what it says. The zygote has never seen a client's byte,
 * yet its packets are checked like a worker's: they cross a boundary.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/private.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/fds.h"

struct sl_launcher {
	int channel_fd;
	int pidfd;
	pid_t pid;
	bool greeted; /* HELLO has come */
};

/* The largest number of packets handled in one call: the broker has others to serve. */
#define PACKETS_PER_CALL 64
/* SIGKILL acts within milliseconds, or not at all. */
#define END_TIMEOUT_MS 1000

/* Ranges that would give a worker a user of somebody else's. */
static int check_uids(const struct sl_launch_options *o, char **ret_error)
{
	uint64_t first = o->uid_base, last = first + o->uid_count;

	if (o->uid_count == 0) {
		return 0;
	}
	if (geteuid() != 0) {
		return sl_error_line(ret_error, -EPERM,
			"a range of worker uids needs root: start sluiced as root or remove it");
	}
	if (first == 0 || last > UINT32_MAX || (first <= 65534 && last > 65534)) {
		return sl_error_line(ret_error, -EINVAL,
			"worker uids %u to %u: the range must hold neither 0 nor 65534",
			o->uid_base, (unsigned int)(last - 1));
	}
	return 0;
}

static int open_files(const struct sl_launch_options *o, const char *program, struct sl_start *s,
	char **ret_error)
{
	s->program_fd = open(program, O_RDONLY | O_CLOEXEC);
	if (s->program_fd < 0) {
		return sl_error_line(
			ret_error, -errno, "cannot read %s: %m: check its permissions", program);
	}
	s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->null_fd < 0) {
		return sl_error_line(
			ret_error, -errno, "cannot open /dev/null: %m: the host needs a /dev");
	}
	if (o->render_node) {
		s->node_fd = open(o->render_node, O_RDWR | O_CLOEXEC);
		if (s->node_fd < 0) {
			return sl_error_line(ret_error, -errno,
				"cannot open render node %s: %m: check that the path exists and "
				"that "
				"sluiced's user is in its group",
				o->render_node);
		}
	}
	return 0;
}

static void start_done(struct sl_start *s)
{
	sl_command_strv_free(s->argv);
	sl_command_strv_free(s->envp);
	sl_close(s->program_fd);
	sl_close(s->null_fd);
	sl_close(s->node_fd);
	sl_close(s->channel_fd);
}

static uint32_t layers_of(const struct sl_launch_options *o)
{
	return o->no_sandbox ? 0
			     : SL_SANDBOX_USERNS | SL_SANDBOX_MOUNTNS | SL_SANDBOX_NETNS |
				       SL_SANDBOX_IPCNS | SL_SANDBOX_UTSNS;
}

static int start(struct sl_launcher *l, const struct sl_launch_options *o, char **ret_error)
{
	_cleanup_free_ char *program = NULL;
	_cleanup_(start_done) struct sl_start s = {
		.options = o,
		.program_fd = -1,
		.channel_fd = -1,
		.node_fd = -1,
		.report_fd = -1,
		.null_fd = -1,
		.root = geteuid() == 0,
	};
	int pair[2], r;

	r = check_uids(o, ret_error);
	r = r ?: sl_command_find(o, &program, ret_error);
	r = r ?: open_files(o, program, &s, ret_error);
	r = r ?: sl_command_argv(o, program, layers_of(o), &s.argv);
	r = r ?: sl_command_env(environ, &s.envp);
	if (r < 0) {
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	l->channel_fd = pair[0];
	s.channel_fd = pair[1];
	r = sl_start_run(&s, &l->pid, ret_error);
	if (r < 0) {
		return r;
	}
	l->pidfd = pidfd_open(l->pid, 0);
	return l->pidfd < 0 ? -errno : 0;
}

int sl_launcher_new(const struct sl_launch_options *o, struct sl_launcher **ret, char **ret_error)
{
	struct sl_launcher *l = calloc(1, sizeof(*l));
	char *error = NULL;
	int r;

	if (!l) {
		return -ENOMEM;
	}
	l->channel_fd = l->pidfd = -1;
	r = start(l, o, &error);
	if (r < 0) {
		sl_launcher_free(l);
		if (ret_error) {
			*ret_error = TAKE_PTR(error);
		}
		free(error);
		return r;
	}
	*ret = l;
	return 0;
}

/* The owner may have reaped it already; a zygote stuck in its driver is left to init. */
static void end_zygote(struct sl_launcher *l)
{
	struct pollfd p = { .fd = l->pidfd, .events = POLLIN };

	if (l->pidfd < 0) {
		return;
	}
	pidfd_send_signal(l->pidfd, SIGKILL, NULL, 0);
	while (poll(&p, 1, END_TIMEOUT_MS) < 0 && errno == EINTR) {
	}
	while (waitpid(l->pid, NULL, WNOHANG) < 0 && errno == EINTR) {
	}
}

struct sl_launcher *sl_launcher_free(struct sl_launcher *l)
{
	if (!l) {
		return NULL;
	}
	sl_close(l->channel_fd);
	end_zygote(l);
	sl_close(l->pidfd);
	free(l);
	return NULL;
}

int sl_launcher_fd(const struct sl_launcher *l)
{
	return l->channel_fd;
}

int sl_launcher_pidfd(const struct sl_launcher *l)
{
	return l->pidfd;
}

pid_t sl_launcher_pid(const struct sl_launcher *l)
{
	return l->pid;
}

int sl_launcher_spawn(struct sl_launcher *l, uint32_t slot)
{
	union sl_ctl_message m;

	sl_ctl_init(&m, SL_CTL_SPAWN, 0);
	m.spawn.slot = slot;
	return sl_ctl_send(l->channel_fd, &m, NULL);
}

/* Hand one checked message to its callback. @fds are its own and handed on or closed here. */
static int dispatch(struct sl_launcher *l, const union sl_ctl_message *m, int *fds, size_t n_fds,
	const struct sl_launcher_events *ev, void *user)
{
	if (!l->greeted && m->h.type != SL_CTL_HELLO) {
		sl_close_many(fds, n_fds);
		return -EPROTO;
	}
	switch (m->h.type) {
	case SL_CTL_HELLO:
		l->greeted = true;
		break;
	case SL_CTL_RENDERER:
		ev->renderer(user, &m->renderer);
		break;
	case SL_CTL_SPAWNED:
		ev->spawned(user, m->spawned.slot, fds[0], fds[1], m->spawned.pid);
		return 0;
	case SL_CTL_FAULT:
		ev->failed(user, m->fault.fatal != 0, m->fault.text);
		break;
	default:
		sl_close_many(fds, n_fds);
		return -EPROTO;
	}
	sl_close_many(fds, n_fds);
	return 0;
}

int sl_launcher_process(struct sl_launcher *l, const struct sl_launcher_events *ev, void *user)
{
	for (int i = 0; i < PACKETS_PER_CALL; i++) {
		union sl_ctl_message m;
		int fds[SL_MAX_FDS];
		size_t n_fds = 0;
		int r;

		r = sl_ctl_recv(l->channel_fd, &m, fds, &n_fds);
		if (r == -EAGAIN) {
			return 0;
		}
		r = r < 0 ? r : dispatch(l, &m, fds, n_fds, ev, user);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}
