/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/worker.h"

/*
 * Starting renderer processes, for the broker. A launcher owns one zygote: a process in a sandbox
 * (stage 1) that has loaded the renderer and forks a worker for each request. The broker is the
 * parent of neither in the end, but their subreaper; it watches workers by pidfd.
 */
struct sl_launch_options {
	const char *worker_path; /* sluice-worker; NULL: beside this program, else libexecdir */
	const char *host_gl;     /* "on", "core", "es" */
	const char *render_node; /* path, or NULL for surfaceless */
	const char *egl_library, *gles_library;
	const char *const *binds; /* NULL-terminated: more paths the renderer needs, read-only */
	int llvmpipe_threads;     /* -1: automatic */
	bool null_backend;        /* tests: no GL at all */
	bool no_sandbox;          /* development and tests only; said loudly in the log */
	uid_t uid_base;           /* with uid_count: host uids for workers; 0: none */
	uint32_t uid_count;
	const char *const *worker_args; /* NULL-terminated, appended (hostile tests), or NULL */
};

struct sl_launcher;

/* Start the zygote. *ret_error is one line with the remedy, the caller's; may be NULL on -errno. */
int sl_launcher_new(const struct sl_launch_options *o, struct sl_launcher **ret, char **ret_error);
/* Ends the zygote, not its workers. */
struct sl_launcher *sl_launcher_free(struct sl_launcher *l);

/* To watch: its channel (readable), and its process. */
int sl_launcher_fd(const struct sl_launcher *l);
int sl_launcher_pidfd(const struct sl_launcher *l);
pid_t sl_launcher_pid(const struct sl_launcher *l);

/* Ask for one worker; the answer comes through sl_launcher_process(). */
int sl_launcher_spawn(struct sl_launcher *l, uint32_t slot);

struct sl_launcher_events {
	/* The callee takes both fds. */
	void (*spawned)(void *user, uint32_t slot, int channel_fd, int pidfd, pid_t pid);
	void (*renderer)(void *user, const struct sl_ctl_renderer *r);
	/* The zygote could not start or spawn; @fatal: it is going away. */
	void (*failed)(void *user, bool fatal, const char *text);
};

/* Handle what has arrived. 0, or -EPIPE when the zygote is gone. */
int sl_launcher_process(struct sl_launcher *l, const struct sl_launcher_events *ev, void *user);
