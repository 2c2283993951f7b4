/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/cleanup.h"

/*
 * A container made by bubblewrap: what it sees of the file system, its environment, and the
 * process in it. Functions that can fail for a reason the user should know say it themselves, in
 * one line, and return an exit status (enum sl_exit); 0 is success. Running out of memory while a
 * container is composed is remembered and reported by sl_container_start().
 */
enum sl_mount_kind {
	SL_MOUNT_RO_BIND,
	SL_MOUNT_BIND,
	SL_MOUNT_TMPFS,
	SL_MOUNT_DIR,
	SL_MOUNT_SYMLINK, /* src is the link's text */
	SL_MOUNT_DEV,
	SL_MOUNT_PROC,
};

/* Where the container's view of @dst comes from; later entries cover earlier ones. */
struct sl_mount {
	enum sl_mount_kind kind;
	char *src, *dst;
};

struct sl_container {
	struct sl_mount *mounts;
	size_t n_mounts;
	char **env; /* "NAME=VALUE" */
	size_t n_env;
	char *hostname; /* NULL: the host's */
	char *workdir;
	bool share_net;
	bool out_of_memory;
};

/* A bubblewrap and what it tells us; see sl_container_start(). */
struct sl_container_process {
	pid_t pid;     /* its guard, our child: ends it on SIGTERM; 0 when there is none */
	int status_fd; /* its JSON, three short objects */
	int setup_fd;  /* a pipe with one byte that it takes once the mounts are made */
	size_t status_len;
	char status[2048];
};

#define SL_CONTAINER_PROCESS_NONE ((struct sl_container_process){ .status_fd = -1, .setup_fd = -1 })

void sl_container_init(struct sl_container *c);
void sl_container_fini(struct sl_container *c);

/* @src may be NULL where the kind has none. Both are copied. */
void sl_container_mount(
	struct sl_container *c, enum sl_mount_kind kind, const char *src, const char *dst);
void sl_container_setenv(struct sl_container *c, const char *name, const char *value);
/* The value, or NULL; borrowed. */
const char *sl_container_getenv(const struct sl_container *c, const char *name);

/*
 * The root: @rootfs, or the host's own / if it is NULL, read-only and top-level entry by entry, so
 * that mount points can be made beside them; /dev, /proc, /tmp, /var/tmp, /run, /home and /root
 * are the container's own and there is no /sys. @home is the caller's home folder: hidden, and
 * $HOME in the container.
 */
int sl_container_add_root(struct sl_container *c, const char *rootfs, const char *home);

/* --bind SRC[:DST] or --bind-ro. */
int sl_container_add_bind(
	struct sl_container *c, const char *option, const char *arg, bool read_only);

/*
 * Start in the caller's own current directory, which is shown, read-only, if it lies in a place
 * that is hidden (unless it is a home folder itself). Before the binds.
 */
void sl_container_add_current_dir(struct sl_container *c);
/* --workdir PATH: a folder of the container. Behind the binds. */
int sl_container_set_workdir(struct sl_container *c, const char *path);

/* With --share-net and the host's root: name resolution. */
void sl_container_add_resolver(struct sl_container *c);

/*
 * Follow @path inside the container, symbolic links included, with what the mounts say. 0 with
 * *ret_host, the path on the host (the caller's) or NULL for a folder that exists only inside; or
 * -ENOENT, -ENOTDIR, -ELOOP, -ENOMEM. *ret_mount, if wanted, is the mount that it (or, if it does
 * not exist, the last folder on the way) lies in, or NULL for the root itself.
 */
int sl_container_resolve(const struct sl_container *c, const char *path, char **ret_host,
	const struct sl_mount **ret_mount);

/* Is @command there and executable? 0, SL_EXIT_NOT_FOUND or SL_EXIT_CANNOT_EXEC, said. */
int sl_container_check_command(const struct sl_container *c, const char *command);

/* Can this user make containers here at all? 0 or SL_EXIT_RUN_FAILED, said. */
int sl_container_check_host(void);

/*
 * Start @argv in the container. It dies with this process. @stdio_fd replaces stdin, stdout and
 * stderr as /dev/null and twice this fd if it is not negative. No other fd of ours is passed on.
 */
int sl_container_start(const struct sl_container *c, char *const *argv, int stdio_fd,
	struct sl_container_process *ret);
/*
 * fork(), with a guard between: 0 in the new process, which is killed when the guard dies; in the
 * caller the guard's pid, or -errno. The guard ends with the process, and in the same way; on
 * SIGTERM, or when the caller dies, it first kills that and all that comes of it.
 */
pid_t sl_container_fork(void);
/* Orphans of containers, should a guard be killed, come to this process from now on. */
void sl_container_adopt(void);
/* Kill it, wait for it, close what belongs to it. Safe to repeat. */
void sl_container_process_end(struct sl_container_process *p);

/*
 * After waitpid() gave @wait_status: the command's own exit status (128 + N for signal N), or one
 * of ours, said, when the command never ran.
 */
int sl_container_exit_status(struct sl_container_process *p, int wait_status, const char *command);

/* The parent of the process with this number, or -ESRCH. */
pid_t sl_container_parent(const char *pid);

/* The command's pid as this process sees it, or -ESRCH. */
pid_t sl_container_command_pid(struct sl_container_process *p);

/* A memfd with a BPF program that refuses to type into the caller's terminal, or -errno. */
int sl_container_seccomp(void);

/*
 * Move this process to a mount namespace of its own (in a user namespace of its own, if it has to)
 * and mount an empty tmpfs there; what is in it needs no cleaning up. *ret_path is the caller's.
 */
int sl_container_private_dir(char **ret_path);
