/* SPDX-License-Identifier: MIT */
/*
 * From inside a worker: each attack of src/worker/hostile.c must be denied with the sandbox on,
 * and must work without it, where this user may do it at all, so that the test is known to be able
 * to fail. A third run leaves out seccomp alone: what the walls behind it stop must still be
 * stopped. Usage: sandbox-test HOSTILE-WORKER [--null] [--drop]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox-harness.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define TEST_UID 54321

enum { ARG_NONE, ARG_VICTIM, ARG_BROKER, ARG_FILE, ARG_SOCKET, ARG_ABSTRACT, ARG_PORT };
enum { FD_SOCKET, FD_NAMESPACE, FD_TERMINAL };

enum {
	KILLED = 1u << 0,   /* with the sandbox: by seccomp, not only refused */
	LAYERED = 1u << 1,  /* also denied without seccomp */
	HOST_MAY = 1u << 2, /* kernel or distribution may forbid it to everybody */
	ROOT = 1u << 3,     /* only root can do it without a sandbox */
};

static const struct attack {
	const char *name;
	int arg, fd;
	unsigned int flags;
} attacks[] = {
	{ "open", ARG_NONE, FD_SOCKET, LAYERED },
	{ "open-write", ARG_FILE, FD_SOCKET, LAYERED },
	{ "openat2", ARG_NONE, FD_SOCKET, KILLED | LAYERED },
	{ "read-proc", ARG_BROKER, FD_SOCKET, LAYERED },
	{ "list-root", ARG_NONE, FD_SOCKET, LAYERED },
	{ "socket", ARG_NONE, FD_SOCKET, KILLED },
	{ "connect-unix", ARG_SOCKET, FD_SOCKET, KILLED | LAYERED },
	{ "connect-abstract", ARG_ABSTRACT, FD_SOCKET, KILLED | LAYERED },
	{ "connect-inet", ARG_PORT, FD_SOCKET, KILLED | LAYERED },
	{ "fork", ARG_NONE, FD_SOCKET, KILLED },
	{ "clone-vm", ARG_NONE, FD_SOCKET, KILLED },
	{ "exec", ARG_NONE, FD_SOCKET, KILLED | LAYERED },
	{ "exec-memfd", ARG_NONE, FD_SOCKET, KILLED | LAYERED },
	{ "ptrace", ARG_VICTIM, FD_SOCKET, KILLED | LAYERED | HOST_MAY },
	{ "kill", ARG_VICTIM, FD_SOCKET, KILLED | LAYERED },
	{ "kill", ARG_BROKER, FD_SOCKET, KILLED | LAYERED },
	{ "kill-all", ARG_NONE, FD_SOCKET, KILLED | LAYERED },
	{ "read-memory", ARG_VICTIM, FD_SOCKET, KILLED | LAYERED | HOST_MAY },
	{ "pidfd-getfd", ARG_VICTIM, FD_SOCKET, KILLED | LAYERED | HOST_MAY },
	{ "mount", ARG_NONE, FD_SOCKET, KILLED | LAYERED | ROOT },
	{ "chroot", ARG_NONE, FD_SOCKET, KILLED | LAYERED | ROOT },
	{ "setns", ARG_NONE, FD_NAMESPACE, KILLED | LAYERED | ROOT },
	{ "userns", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "bpf", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "keyctl", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "add-key", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "io-uring", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "perf", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "userfaultfd", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "dumpable", ARG_NONE, FD_SOCKET, KILLED },
	{ "new-privs", ARG_NONE, FD_SOCKET, LAYERED },
	{ "raise-limit", ARG_NONE, FD_SOCKET, LAYERED | HOST_MAY },
	{ "tiocsti", ARG_NONE, FD_TERMINAL, KILLED | LAYERED | HOST_MAY },
	{ "write-exec", ARG_NONE, FD_SOCKET, HOST_MAY },
	{ "write-exec-later", ARG_NONE, FD_SOCKET, HOST_MAY },
	{ "exec-file-mapping", ARG_NONE, FD_SOCKET, KILLED | HOST_MAY },
	{ "inherited-fds", ARG_NONE, FD_SOCKET, LAYERED },
	{ "reopen-fd", ARG_NONE, FD_SOCKET, LAYERED | HOST_MAY },
	{ "hostname", ARG_NONE, FD_SOCKET, KILLED | LAYERED | ROOT },
};

/* What the attacks aim at. */
struct scene {
	const char *program;
	bool null_backend;
	/* An argument travels as the domain's name, in 64 bytes. */
	char directory[48], file[64], socket[64], abstract[64], port[16];
	int unix_fd, abstract_fd, inet_fd, leaked_fd;
};

enum sandbox { ON, WITHOUT_SECCOMP, OFF };

struct result {
	bool killed;
	int signal;
	char text[64];
};

static int listen_unix(const char *path, bool abstract)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path);

	strncpy(a.sun_path + abstract, path, sizeof(a.sun_path) - 2);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, (socklen_t)length) < 0 || listen(fd, 8) < 0) {
		h_bail("cannot listen on %s: %s", path, strerror(errno));
	}
	return fd;
}

static int listen_inet(char *port, size_t size)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &length) < 0) {
		h_bail("cannot listen on the loopback interface: %s", strerror(errno));
	}
	snprintf(port, size, "%u", ntohs(a.sin_port));
	return fd;
}

static void make_scene(struct scene *s)
{
	const char *base = getenv("TMPDIR");

	snprintf(s->directory, sizeof(s->directory), "%.30s/sluice-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(s->directory)) {
		h_bail("mkdtemp %s: %s", s->directory, strerror(errno));
	}
	snprintf(s->file, sizeof(s->file), "%s/file", s->directory);
	snprintf(s->socket, sizeof(s->socket), "%s/socket", s->directory);
	snprintf(s->abstract, sizeof(s->abstract), "sluice-test-%d", (int)getpid());
	s->unix_fd = listen_unix(s->socket, false);
	s->abstract_fd = listen_unix(s->abstract, true);
	s->inet_fd = listen_inet(s->port, sizeof(s->port));
	/* Not close-on-exec, on purpose: a broker's mistake, above the fds that a zygote is given.
	 */
	s->leaked_fd = fcntl(STDERR_FILENO, F_DUPFD, 100);
}

static void remove_scene(struct scene *s)
{
	unlink(s->file);
	unlink(s->socket);
	rmdir(s->directory);
}

static void argument(
	const struct scene *s, const struct attack *a, pid_t victim, char *buf, size_t size)
{
	const char *const texts[] = {
		[ARG_NONE] = "",
		[ARG_FILE] = s->file,
		[ARG_SOCKET] = s->socket,
		[ARG_ABSTRACT] = s->abstract,
		[ARG_PORT] = s->port,
	};

	if (a->arg == ARG_VICTIM || a->arg == ARG_BROKER) {
		snprintf(buf, size, "%d", (int)(a->arg == ARG_VICTIM ? victim : getpid()));
	} else {
		snprintf(buf, size, "%s", texts[a->arg]);
	}
}

static struct sl_launcher *launch(
	const struct scene *s, const struct attack *a, enum sandbox sandbox)
{
	char attack[64];
	const char *args[3] = { attack };
	struct sl_launch_options o = {
		.worker_path = s->program,
		.null_backend = s->null_backend,
		.no_sandbox = sandbox == OFF,
		.worker_args = args,
		.llvmpipe_threads = 0,
	};

	snprintf(attack, sizeof(attack), "--attack=%s", a->name);
	if (sandbox == WITHOUT_SECCOMP) {
		args[1] = "--without-seccomp";
	}
	return h_launch(&o);
}

/* The fd that goes with ATTACH, and what must stay open beside it. */
static int open_fd(const struct attack *a, int *ret_other)
{
	int pair[2], fd;

	*ret_other = -1;
	switch (a->fd) {
	case FD_NAMESPACE:
		fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
		break;
	case FD_TERMINAL:
		*ret_other = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		fd = *ret_other >= 0 && grantpt(*ret_other) == 0 && unlockpt(*ret_other) == 0
			     ? open(ptsname(*ret_other), O_RDWR | O_NOCTTY | O_CLOEXEC)
			     : -1;
		break;
	default:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
			h_bail("socketpair: %s", strerror(errno));
		}
		*ret_other = pair[0];
		fd = pair[1];
		break;
	}
	return fd;
}

/* A victim is a worker of the same zygote, as the neighbour's would be. */
static void run(
	const struct scene *s, const struct attack *a, enum sandbox sandbox, struct result *ret)
{
	struct h_worker victim = { .channel = -1, .pidfd = -1 }, w;
	int other, fd = open_fd(a, &other);
	struct sl_launcher *l;
	struct h_exit e;
	char arg[64];

	*ret = (struct result){ 0 };
	if (fd < 0) {
		snprintf(ret->text, sizeof(ret->text), "no terminal or namespace here");
		return;
	}
	l = launch(s, a, sandbox);
	h_spawn(l, 0, &w);
	if (a->arg == ARG_VICTIM) {
		h_spawn(l, 1, &victim);
	}
	argument(s, a, victim.pid, arg, sizeof(arg));
	h_attach(&w, fd, arg);
	h_pump(&w, h_has_fault);
	e = h_wait(&w);
	ret->killed = e.signalled;
	ret->signal = e.status;
	snprintf(ret->text, sizeof(ret->text), "%.60s",
		!e.signalled && e.status == 42 ? "succeeded" : w.fault.text);
	h_close(&w);
	h_close(&victim);
	sl_launcher_free(l);
	sl_close(fd);
	sl_close(other);
}

static bool denied(const struct result *r)
{
	return r->killed ? r->signal == SIGSYS
			 : r->text[0] == 'E' && strcmp(r->text, "succeeded") != 0;
}

static const char *describe(const struct result *r)
{
	return r->killed ? sigabbrev_np(r->signal) : r->text[0] ? r->text : "nothing said";
}

static const char *name_of(const struct attack *a, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", a->name, a->arg == ARG_BROKER ? " (the broker)" : "");
	return buf;
}

static void test_on(const struct scene *s, const struct attack *a)
{
	struct result r;
	char name[64];

	run(s, a, ON, &r);
	h_ok(denied(&r) && (!(a->flags & KILLED) || r.killed), "%s is denied: %s",
		name_of(a, name, sizeof(name)), describe(&r));
}

static void test_layers(const struct scene *s, const struct attack *a)
{
	struct result r;
	char name[64];

	if (a->flags & LAYERED) {
		run(s, a, WITHOUT_SECCOMP, &r);
		h_ok(denied(&r) && !r.killed, "%s is denied without seccomp too: %s",
			name_of(a, name, sizeof(name)), describe(&r));
	}
}

static void test_off(const struct scene *s, const struct attack *a)
{
	struct result r;
	char name[64], title[128];

	run(s, a, OFF, &r);
	snprintf(title, sizeof(title), "%s succeeds without a sandbox",
		name_of(a, name, sizeof(name)));
	if (strcmp(r.text, "succeeded") != 0 &&
		((a->flags & HOST_MAY) || ((a->flags & ROOT) && geteuid() != 0))) {
		char why[128];

		snprintf(why, sizeof(why), "this host or user may not: %s", describe(&r));
		h_skip(title, why);
		return;
	}
	h_ok(strcmp(r.text, "succeeded") == 0, "%s: %s", title, describe(&r));
}

int main(int argc, char **argv)
{
	struct scene s = { 0 };
	const char *only = NULL;
	bool drop = false, dropped = false;

	if (argc < 2) {
		h_bail("usage: %s HOSTILE-WORKER [--null] [--drop] [--only=ATTACK]", argv[0]);
	}
	s.program = argv[1];
	for (int i = 2; i < argc; i++) {
		s.null_backend |= strcmp(argv[i], "--null") == 0;
		drop |= strcmp(argv[i], "--drop") == 0;
		dropped |= strcmp(argv[i], "--dropped") == 0;
		only = strncmp(argv[i], "--only=", 7) == 0 ? argv[i] + 7 : only;
	}
	if (drop && !dropped) {
		if (geteuid() != 0) {
			printf("1..0 # SKIP not root: the plain run is unprivileged already\n");
			return 0;
		}
		h_drop(argv, TEST_UID);
	}
	make_scene(&s);
	for (size_t i = 0; i < SL_ARRAY_LEN(attacks); i++) {
		if (!only || strcmp(only, attacks[i].name) == 0) {
			test_on(&s, &attacks[i]);
			test_layers(&s, &attacks[i]);
			test_off(&s, &attacks[i]);
		}
	}
	remove_scene(&s);
	return h_done();
}
