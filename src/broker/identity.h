/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Who a client is, as the kernel tells it: nothing here comes from the client's bytes. Names (comm,
 * cgroup, container) are for people and for grouping; the only identity that rights hang on is
 * the socket used.
 */
enum sl_identified_by {
	SL_BY_SOCKET,    /* the domain's own socket: whoever was given it */
	SL_BY_PEERPIDFD, /* the shared one; pid by SO_PEERPIDFD, which no recycled pid can fool */
	SL_BY_PEERCRED,  /* the shared one; pid by SO_PEERCRED alone, or no pid at all */
};

struct sl_identity {
	enum sl_identified_by by;
	pid_t host_pid;  /* 0: the client is in a pid namespace that we cannot see into */
	pid_t inner_pid; /* in its own pid namespace; 0: unknown */
	uid_t uid;
	gid_t gid;
	char comm[64];
	char *cgroup;       /* path, or NULL */
	char container[65]; /* "" when its path shows none */
};

/*
 * Ask the kernel about the peer of @sock. @own_socket: it came through its domain's own socket.
 * 0, or -errno when even SO_PEERCRED failed. What /proc says is kept only if the process was
 * still there afterwards, so it is never another's.
 */
int sl_identity_read(int sock, int own_socket, struct sl_identity *ret);
void sl_identity_fini(struct sl_identity *id);

const char *sl_identified_by_str(enum sl_identified_by by);

/* The pure parts, for tests. */

/* The text of /proc/PID/status: Name, and the last of NSpid (0 when there is no such line). */
void sl_identity_parse_status(const char *text, char *comm, size_t size, pid_t *ret_inner);
/* The text of /proc/PID/cgroup: the v2 path, else systemd's, else the first; NULL if none. */
char *sl_identity_parse_cgroup(const char *text);
/*
 * The container that a cgroup path (or the whole text of /proc/PID/cgroup) names: 64 hex digits
 * as docker, podman, CRI-O and containerd write them, or a machine's name of systemd-nspawn or
 * LXC. The deepest wins. "" and -ENOENT when there is none.
 */
int sl_container_id(const char *text, char *ret, size_t size);
