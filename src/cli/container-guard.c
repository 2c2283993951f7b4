/* SPDX-License-Identifier: MIT */
/*
 * The guard: a process between us and a container, so that nothing of it outlives us. A
 * parent-death signal alone does not do: the kernel forgets it when bubblewrap changes its
 * credentials, and a parent that dies before it has been asked for again would not be missed. The
 * guard changes no credentials and so keeps its own; all that the container starts comes to it
 * when it is orphaned, and it goes when all of that has gone. It holds no file descriptors, takes
 * no part in the terminal's job, and does one thing: end the container on SIGTERM, which is us,
 * asking or dying. Where somebody kills the guard itself, what it leaves comes to us instead
 * (sl_container_process_end()).
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"

/* Get @sig when @parent, our parent, dies. It may have died already. */
static void bind_to(pid_t parent, int sig)
{
	if (prctl(PR_SET_PDEATHSIG, sig) < 0 || getppid() != parent) {
		_exit(SL_EXIT_RUN_FAILED);
	}
}

static void kill_children(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (*e->d_name >= '0' && *e->d_name <= '9' &&
			sl_container_parent(e->d_name) == getpid()) {
			kill((pid_t)atoi(e->d_name), SIGKILL);
		}
	}
}

/*
 * Until there are no children. A child's own children are ours before we see it die, so that none
 * of them is missed. *ret_status is left alone if @pid has been waited for already.
 */
static void end_all(pid_t pid, int *ret_status)
{
	int status;
	pid_t got;

	while ((got = waitpid(-1, &status, WNOHANG)) >= 0 || errno == EINTR) {
		if (got == 0) {
			kill_children();
			got = waitpid(-1, &status, 0);
		}
		if (got == pid) {
			*ret_status = status;
		}
	}
}

/* To our parent it looks as if it had waited for the container itself. */
static _noreturn_ void end_like(int status)
{
	sigset_t others;

	if (WIFSIGNALED(status)) {
		prctl(PR_SET_DUMPABLE, 0);
		signal(WTERMSIG(status), SIG_DFL);
		sigfillset(&others);
		sigdelset(&others, WTERMSIG(status));
		raise(WTERMSIG(status));
		sigprocmask(SIG_SETMASK, &others, NULL);
	}
	_exit(WEXITSTATUS(status));
}

static _noreturn_ void guard(pid_t pid)
{
	int sig = 0, status = SIGKILL;
	sigset_t wanted;

	close_range(0, ~0u, 0);
	setsid();
	prctl(PR_SET_NAME, "sluice-guard");
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGCHLD);
	while (sig != SIGTERM && waitpid(pid, &status, WNOHANG) != pid) {
		sigwait(&wanted, &sig);
	}
	end_all(pid, &status);
	end_like(status);
}

/* In the new process: the caller's child becomes the guard, its own child returns. */
static void become_guard(pid_t parent)
{
	pid_t self = getpid(), pid;

	bind_to(parent, SIGTERM);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid > 0) {
		guard(pid);
	}
	if (pid < 0) {
		sl_cli_error("container: %m: nothing was started; try again");
		_exit(SL_EXIT_RUN_FAILED);
	}
	bind_to(self, SIGKILL);
}

pid_t sl_container_fork(void)
{
	pid_t self = getpid(), pid;
	sigset_t all, old;
	int error;

	/* No moment in which the guard could be stopped or ended by a key. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		become_guard(self);
		return 0;
	}
	error = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? -error : pid;
}
