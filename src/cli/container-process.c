/* SPDX-License-Identifier: MIT */
/*
 * A running bubblewrap: how it ended, and which process is the command, so that signals go to it
 * and not to the wrapper, which would only die and take the command along.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"
#include "util/fds.h"

/* The value of @key in the status pipe's objects so far, or -1. */
static json_int_t status_value(struct sl_container_process *p, const char *key)
{
	while (p->status_len < sizeof(p->status) - 1) {
		ssize_t n = read(p->status_fd, p->status + p->status_len,
			sizeof(p->status) - 1 - p->status_len);

		if (n <= 0) {
			break;
		}
		p->status_len += (size_t)n;
		p->status[p->status_len] = '\0';
	}
	for (const char *line = p->status; line && *line; line = strchr(line, '\n')) {
		_cleanup_json_ json_t *o = NULL;
		json_t *v;

		line += *line == '\n';
		o = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
		v = json_object_get(o, key);
		if (json_is_integer(v)) {
			return json_integer_value(v);
		}
	}
	return -1;
}

int sl_container_exit_status(struct sl_container_process *p, int wait_status, const char *command)
{
	json_int_t code = status_value(p, "exit-code");
	int left = 1;

	if (code >= 0) {
		return (int)code;
	}
	if (WIFSIGNALED(wait_status)) {
		return 128 + WTERMSIG(wait_status);
	}
	ioctl(p->setup_fd, FIONREAD, &left);
	if (left == 0) {
		sl_cli_error("%s: cannot be executed in this container: its interpreter or loader "
			     "is missing, or it is of another architecture",
			command);
		return SL_EXIT_CANNOT_EXEC;
	}
	if (WEXITSTATUS(wait_status) != SL_EXIT_RUN_FAILED) {
		sl_cli_error("container: bubblewrap could not make it: see its line above");
	}
	return SL_EXIT_RUN_FAILED;
}

pid_t sl_container_parent(const char *pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *behind;
	pid_t parent;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	if (sl_read_file_at(AT_FDCWD, path, 4096, &text, NULL) < 0) {
		return -ESRCH;
	}
	/* The name may contain anything, a ')' too: the last one ends it. */
	behind = strrchr(text, ')');
	return behind && sscanf(behind + 1, " %*c %d", &parent) == 1 ? parent : -ESRCH;
}

/* The command is process 2 of its pid namespace, bubblewrap's own child being process 1. */
static bool is_command(const char *pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *line, *last;

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	if (sl_read_file_at(AT_FDCWD, path, 16384, &text, NULL) < 0) {
		return false;
	}
	line = strstr(text, "\nNSpid:");
	if (!line) {
		return false;
	}
	line[1 + strcspn(line + 1, "\n")] = '\0';
	last = strrchr(line, '\t');
	return last && strcmp(last + 1, "2") == 0;
}

pid_t sl_container_command_pid(struct sl_container_process *p)
{
	json_int_t init = status_value(p, "child-pid");
	_cleanup_closedir_ DIR *d = init > 0 ? opendir("/proc") : NULL;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (*e->d_name >= '0' && *e->d_name <= '9' &&
			sl_container_parent(e->d_name) == init && is_command(e->d_name)) {
			return (pid_t)atoi(e->d_name);
		}
	}
	return -ESRCH;
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}

/* Whatever a guard that was killed left to us (sl_container_adopt()). */
static void end_orphan(struct sl_container_process *p, const char *key)
{
	json_int_t pid = status_value(p, key);
	char number[24];

	snprintf(number, sizeof(number), "%d", (int)pid);
	if (pid > 0 && sl_container_parent(number) == getpid()) {
		kill((pid_t)pid, SIGKILL);
		wait_for((pid_t)pid);
	}
}

void sl_container_process_end(struct sl_container_process *p)
{
	if (p->pid > 0) {
		kill(p->pid, SIGTERM);
		wait_for(p->pid);
	}
	if (p->status_fd >= 0) {
		end_orphan(p, "wrapper-pid");
		end_orphan(p, "child-pid");
	}
	p->pid = 0;
	p->status_fd = sl_close(p->status_fd);
	p->setup_fd = sl_close(p->setup_fd);
}

void sl_container_adopt(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}
