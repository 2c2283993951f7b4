/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "launcher/launcher.h"

/* The fds that a zygote finds open, besides 0 to 2. */
enum {
	SL_ZYGOTE_CHANNEL_FD = 3,
	SL_ZYGOTE_NODE_FD = 4,    /* the render node, if there is one */
	SL_ZYGOTE_REPORT_FD = 5,  /* close-on-exec: to its launcher, until the program runs */
	SL_ZYGOTE_PROGRAM_FD = 6, /* the program, to start itself over */
	SL_ZYGOTE_N_FDS,
};

/* Everything that is decided, opened and allocated before the zygote's process is made. */
struct sl_start {
	const struct sl_launch_options *options;
	char **argv, **envp;
	int program_fd;
	int channel_fd; /* the zygote's end */
	int node_fd;
	int report_fd; /* the child's end of the report channel */
	int null_fd;
	bool root; /* started by root: the zygote becomes uid nobody */
};

/* What the child tells its launcher before the program runs; both ends are this code. */
enum sl_start_step {
	SL_START_UNSHARED = 1, /* not an error: waits for its id maps */
	SL_START_FDS,
	SL_START_GROUPS,
	SL_START_UNSHARE,
	SL_START_IDS,
	SL_START_OPEN,
	SL_START_MOUNT,
	SL_START_PIVOT,
	SL_START_EXEC,
};

struct sl_start_report {
	int step; /* enum sl_start_step */
	int error;
	char what[232]; /* the path or the call that failed */
};

/* command.c: the program, its arguments and its environment. Errors as sl_launcher_new(). */
int sl_command_find(const struct sl_launch_options *o, char **ret_path, char **ret_error);
int sl_command_argv(
	const struct sl_launch_options *o, const char *program, uint32_t layers, char ***ret);
int sl_command_env(char *const *environment, char ***ret);
void sl_command_strv_free(char **v);

/* child.c: runs in the new process, never returns. */
void sl_child_main(const struct sl_start *s) __attribute__((noreturn));
/* Tell the launcher and exit. */
void sl_child_fail(enum sl_start_step step, int error, const char *what) __attribute__((noreturn));

/* root.c: also in the child. Open what is to be bound, later mount it and make it the root. */
struct sl_root;
struct sl_root *sl_root_open(const struct sl_launch_options *o);
void sl_root_build(struct sl_root *r);

/* remedy.c: why a step failed and what to do, one line, the caller's. @sys: "/proc/sys". */
char *sl_start_remedy(const char *sys, const struct sl_start_report *report);

/* start.c: make the process. *ret_pid is a child of the caller. */
int sl_start_run(struct sl_start *s, pid_t *ret_pid, char **ret_error);
