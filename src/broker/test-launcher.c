/* SPDX-License-Identifier: MIT */
/*
 * A launcher for tests of the broker alone (program sluiced-test): the same interface and the same
 * control channel as the real one, but its workers render nothing and do on their client's word
 * what a real one must never do. The client's bytes are one-letter orders:
 *
 *	e  answer with the same byte		m  use 1 MiB more memory
 *	s  count a submission			f  report a fault
 *	h  hang in a "renderer call"		c  crash (SIGABRT)
 *	x  exit with status 3			b  send the broker rubbish
 *	n  flood the broker with messages	r  answer, if a recording file came, with what its
 *						   size is after a write
 *	d  ignore SIGTERM-like requests: SHUTDOWN is not obeyed any more
 *	a  answer with how many shaders came	k  leave a compiled shader for the next session
 *	   with ATTACH, or "-"			w  leave an archive of shaders that is none
 *
 * Arguments (worker-arg): "die" exits before READY, "slow" takes 300 ms to be ready, "mute" never
 * is.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "launcher/launcher.h"
#include "protocol/shaders.h"
#include "util/cleanup.h"
#include "util/fds.h"

struct sl_launcher {
	int channel, pidfd;
	pid_t pid;
};

struct fake {
	int channel, client, record, shaders;
	struct sl_ctl_stats_page *page;
	bool deaf;
};

static bool has_arg(const struct sl_launch_options *o, const char *arg)
{
	for (const char *const *a = o->worker_args; a && *a; a++) {
		if (strcmp(*a, arg) == 0) {
			return true;
		}
	}
	return false;
}

static void say(int channel, enum sl_ctl_type type, const char *text)
{
	union sl_ctl_message m;

	sl_ctl_init(&m, type, 0);
	if (type == SL_CTL_FAULT) {
		m.fault.fault = 1;
		snprintf(m.fault.text, sizeof(m.fault.text), "%s", text);
	}
	if (type == SL_CTL_RENDERER) {
		snprintf(m.renderer.name, sizeof(m.renderer.name), "fake");
		snprintf(m.renderer.library, sizeof(m.renderer.library), "none");
		m.renderer.software = 1;
		m.renderer.layers = SL_SANDBOX_RLIMITS;
	}
	sl_ctl_send(channel, &m, NULL);
}

static void greet(struct fake *f)
{
	int fd = sl_memfd_sealed("stats", sizeof(*f->page));
	union sl_ctl_message m;

	f->page = mmap(NULL, sizeof(*f->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sl_ctl_init(&m, SL_CTL_HELLO, 1);
	m.hello.role = SL_CTL_ROLE_WORKER;
	m.hello.capabilities = SL_CTL_CAP_SHADERS;
	sl_ctl_send(f->channel, &m, &fd);
	sl_close(fd);
	say(f->channel, SL_CTL_RENDERER, NULL);
}

static void hang(struct fake *f)
{
	f->page->busy_since_ns = sl_now_ns();
	for (;;) {
		pause();
	}
}

static void flood(struct fake *f)
{
	for (int i = 0; i < 20000; i++) {
		say(f->channel, SL_CTL_FAULT, "noise");
		usleep(20);
	}
}

static void write_record(struct fake *f)
{
	char size = '-';

	if (f->record >= 0 && write(f->record, "recorded", 8) == 8) {
		size = (char)('0' + sl_fd_size(f->record));
	}
	send(f->client, &size, 1, MSG_NOSIGNAL);
}

static void count_shaders(struct fake *f)
{
	struct sl_shaders_header h = { 0 };
	char n = '-';

	if (f->shaders >= 0 && sl_pread_all(f->shaders, &h, sizeof(h)) == 0) {
		n = (char)('0' + h.n_entries);
	}
	send(f->client, &n, 1, MSG_NOSIGNAL);
}

static void leave_shader(struct fake *f, bool good)
{
	static uint8_t archive[sizeof(struct sl_shaders_header) + 64], key[SL_SHADERS_KEY_BYTES];
	union sl_ctl_message m;
	int fd;

	sl_shaders_begin(archive);
	sl_shaders_append(archive, sizeof(archive),
		&(struct sl_shader){ .key = key, .data = key, .size_bytes = sizeof(key) });
	fd = sl_memfd_const("shaders", archive, sl_shaders_size(archive) - (good ? 0 : 1));
	sl_ctl_init(&m, SL_CTL_SHADERS, 1);
	sl_ctl_send(f->channel, &m, &fd);
	sl_close(fd);
}

static void obey(struct fake *f, char order)
{
	switch (order) {
	case 'e':
		send(f->client, &order, 1, MSG_NOSIGNAL);
		break;
	case 'm':
		f->page->mem_bytes += 1 << 20;
		f->page->mem_peak_bytes = f->page->mem_bytes;
		break;
	case 's':
		f->page->submits++;
		f->page->first_frame_ns = 1000;
		break;
	case 'f':
		say(f->channel, SL_CTL_FAULT, "the client did wrong");
		f->page->faults++;
		break;
	case 'h':
		hang(f);
		break;
	case 'c':
		abort();
	case 'x':
		_exit(3);
	case 'b':
		send(f->channel, "rubbish", 7, MSG_NOSIGNAL);
		break;
	case 'n':
		flood(f);
		break;
	case 'r':
		write_record(f);
		break;
	case 'a':
		count_shaders(f);
		break;
	case 'k':
	case 'w':
		leave_shader(f, order == 'k');
		break;
	case 'd':
		f->deaf = true;
		break;
	default:
		break;
	}
}

static void on_message(struct fake *f)
{
	int fds[SL_MAX_FDS];
	union sl_ctl_message m;
	size_t n_fds = 0;

	if (sl_ctl_recv(f->channel, &m, fds, &n_fds) < 0) {
		_exit(0);
	}
	if (m.h.type == SL_CTL_ATTACH) {
		f->client = fds[0];
		f->record = m.attach.flags & SL_CTL_ATTACH_RECORD ? fds[1] : -1;
		f->shaders = m.attach.flags & SL_CTL_ATTACH_SHADERS ? fds[n_fds - 1] : -1;
		sl_set_nonblock(f->client, false);
		say(f->channel, SL_CTL_ATTACHED, NULL);
	} else if (m.h.type == SL_CTL_SHUTDOWN && !f->deaf) {
		say(f->channel, SL_CTL_BYE, NULL);
		_exit(0);
	}
}

static void worker(int channel, const struct sl_launch_options *o)
{
	struct fake f = { .channel = channel, .client = -1, .record = -1, .shaders = -1 };

	greet(&f);
	if (has_arg(o, "die")) {
		_exit(7);
	}
	if (has_arg(o, "slow")) {
		usleep(300000);
	}
	if (!has_arg(o, "mute")) {
		say(channel, SL_CTL_READY, NULL);
	}
	for (;;) {
		struct pollfd p[2] = { { .fd = channel, .events = POLLIN },
			{ .fd = f.client, .events = POLLIN } };
		char order;

		poll(p, 2, -1);
		if (p[0].revents) {
			on_message(&f);
		}
		if (p[1].revents) {
			if (read(f.client, &order, 1) != 1) {
				say(channel, SL_CTL_BYE, NULL);
				_exit(0);
			}
			obey(&f, order);
		}
		f.page->heartbeat++;
	}
}

/* In the zygote: fork an intermediate that forks the worker, so that the broker inherits it. */
static void spawn(int zygote, uint32_t slot, const struct sl_launch_options *o)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		_exit(1);
	}
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0) {
			sl_close(zygote);
			sl_close(pair[0]);
			worker(pair[1], o);
		}
		union sl_ctl_message m;
		int fds[2] = { pair[0], (int)syscall(SYS_pidfd_open, pid, 0) };

		sl_ctl_init(&m, SL_CTL_SPAWNED, 2);
		m.spawned.slot = slot;
		m.spawned.pid = pid;
		sl_ctl_send(zygote, &m, fds);
		_exit(0);
	}
	sl_close_many(pair, 2);
	waitpid(pid, NULL, 0);
}

static void zygote(int channel, const struct sl_launch_options *o)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The broker's sockets and its lock are not ours. */
	dup2(channel, 3);
	syscall(SYS_close_range, 4u, ~0u, 0u);
	channel = 3;
	say(channel, SL_CTL_RENDERER, NULL);
	for (;;) {
		struct pollfd p = { .fd = channel, .events = POLLIN };
		int fds[SL_MAX_FDS];
		union sl_ctl_message m;
		size_t n_fds = 0;

		poll(&p, 1, -1);
		if (sl_ctl_recv(channel, &m, fds, &n_fds) < 0) {
			_exit(0);
		}
		if (m.h.type == SL_CTL_SPAWN) {
			spawn(channel, m.spawn.slot, o);
		}
	}
}

int sl_launcher_new(const struct sl_launch_options *o, struct sl_launcher **ret, char **ret_error)
{
	struct sl_launcher *l = calloc(1, sizeof(*l));
	int pair[2];

	if (!l || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(l);
		return -ENOMEM;
	}
	if (has_arg(o, "no-launch")) {
		*ret_error = strdup("renderer: none here: install one");
		sl_close_many(pair, 2);
		free(l);
		return -ENOENT;
	}
	l->pid = fork();
	if (l->pid == 0) {
		zygote(pair[1], o);
	}
	sl_close(pair[1]);
	l->channel = pair[0];
	l->pidfd = (int)syscall(SYS_pidfd_open, l->pid, 0);
	*ret = l;
	return 0;
}

struct sl_launcher *sl_launcher_free(struct sl_launcher *l)
{
	if (l) {
		sl_close(l->channel);
		kill(l->pid, SIGKILL);
		waitpid(l->pid, NULL, 0);
		sl_close(l->pidfd);
		free(l);
	}
	return NULL;
}

int sl_launcher_fd(const struct sl_launcher *l)
{
	return l->channel;
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
	return sl_ctl_send(l->channel, &m, NULL);
}

int sl_launcher_process(struct sl_launcher *l, const struct sl_launcher_events *ev, void *user)
{
	for (;;) {
		int fds[SL_MAX_FDS];
		union sl_ctl_message m;
		size_t n_fds = 0;
		int r = sl_ctl_recv(l->channel, &m, fds, &n_fds);

		if (r < 0) {
			return r == -EAGAIN ? 0 : r;
		}
		if (m.h.type == SL_CTL_SPAWNED) {
			ev->spawned(user, m.spawned.slot, fds[0], fds[1], m.spawned.pid);
		} else if (m.h.type == SL_CTL_RENDERER) {
			ev->renderer(user, &m.renderer);
		}
	}
}
