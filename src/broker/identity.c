/* SPDX-License-Identifier: MIT */
/*
 * Identity of a client. A pid is a number that may be another process by the time we look it up,
 * so a pidfd pins the process first (the kernel's, or one opened for the pid), /proc is read, and
 * then the pidfd must say that the process still lives: only then was it the same one throughout.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/identity.h"
#include "util/fds.h"
#include "util/cleanup.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; the same number on x86 and arm64 */
#endif

/* /proc files of one process: a few KiB; a cgroup path may be 4 KiB per v1 controller. */
#define PROC_FILE_MAX 65536

const char *sl_identified_by_str(enum sl_identified_by by)
{
	switch (by) {
	case SL_BY_SOCKET:
		return "socket";
	case SL_BY_PEERPIDFD:
		return "peerpidfd";
	default:
		return "peercred";
	}
}

/* The line that begins with @key, after it; NULL if there is none. */
static const char *line_after(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		if (strncmp(p, key, len) == 0) {
			p += len;
			return p + strspn(p, " \t");
		}
	}
	return NULL;
}

void sl_identity_parse_status(const char *text, char *comm, size_t size, pid_t *ret_inner)
{
	const char *name = line_after(text, "Name:"), *ns = line_after(text, "NSpid:");
	long inner = 0;

	*ret_inner = 0;
	if (name) {
		snprintf(comm, size, "%.*s", (int)strcspn(name, "\n"), name);
	}
	while (ns && *ns >= '0' && *ns <= '9') {
		char *end;

		inner = strtol(ns, &end, 10);
		ns = end + strspn(end, " \t");
	}
	*ret_inner = (pid_t)inner;
}

char *sl_identity_parse_cgroup(const char *text)
{
	static const char *const preferred[] = { "0::", "1:name=systemd:", "" };
	const char *path = NULL;

	for (size_t i = 0; i < SL_ARRAY_LEN(preferred); i++) {
		path = line_after(text, preferred[i]);
		/* A process in no v2 group is in its root: a v1 path says more then. */
		if (path && *path && strncmp(path, "/\n", 2) != 0 && strcmp(path, "/") != 0) {
			break;
		}
	}
	path = path ? strchr(path, '/') : NULL;
	return path ? strndup(path, strcspn(path, "\n")) : NULL;
}

/* The pid of a pidfd in our pid namespace: 0 not visible here, -1 gone or unknown. */
static pid_t pidfd_pid(int pidfd)
{
	_cleanup_free_ char *text = NULL;
	const char *pid;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (sl_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text, NULL) < 0) {
		return -1;
	}
	pid = line_after(text, "Pid:");
	return pid ? (pid_t)strtol(pid, NULL, 10) : -1;
}

static int alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static int read_proc(pid_t pid, const char *file, char **ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return sl_read_file_at(AT_FDCWD, path, PROC_FILE_MAX, ret, NULL);
}

static void read_process(struct sl_identity *id, int pidfd)
{
	_cleanup_free_ char *status = NULL, *cgroup = NULL;

	if (read_proc(id->host_pid, "status", &status) < 0) {
		return;
	}
	read_proc(id->host_pid, "cgroup", &cgroup);
	if (!alive(pidfd)) {
		/* What was read may be a successor's. */
		return;
	}
	sl_identity_parse_status(status, id->comm, sizeof(id->comm), &id->inner_pid);
	if (cgroup) {
		id->cgroup = sl_identity_parse_cgroup(cgroup);
		sl_container_id(cgroup, id->container, sizeof(id->container));
	}
}

/* The kernel's own pidfd of who connected, where it has one (Linux 6.5). */
static int peer_pidfd(int sock)
{
	socklen_t len = sizeof(int);
	int fd = -1;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) < 0) {
		return -1;
	}
	return fd;
}

int sl_identity_read(int sock, int own_socket, struct sl_identity *ret)
{
	_cleanup_close_ int pidfd = -1;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	*ret = (struct sl_identity){ .by = own_socket ? SL_BY_SOCKET : SL_BY_PEERCRED };
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		return -errno;
	}
	ret->uid = cred.uid;
	ret->gid = cred.gid;
	ret->host_pid = cred.pid;
	pidfd = peer_pidfd(sock);
	if (pidfd >= 0) {
		pid_t pid = pidfd_pid(pidfd);

		if (pid >= 0) {
			ret->host_pid = pid;
		}
		if (!own_socket && pid > 0) {
			ret->by = SL_BY_PEERPIDFD;
		}
	} else if (cred.pid > 0) {
		pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
	}
	if (pidfd >= 0 && ret->host_pid > 0) {
		read_process(ret, pidfd);
	}
	return 0;
}

void sl_identity_fini(struct sl_identity *id)
{
	free(id->cgroup);
	id->cgroup = NULL;
}
