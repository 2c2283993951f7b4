/* SPDX-License-Identifier: MIT */
/*
 * bubblewrap: told what to do through a memfd, started so that it cannot outlive us, watched
 * through its status pipe. Whether a failure was its own or the command's is read off two facts:
 * it reports an exit code only for a command that was executed, and it takes the byte in the
 * setup pipe once the mounts are made.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"
#include "util/fds.h"

/* The file descriptors bubblewrap gets, moved there in the child. */
enum { FD_ARGS = 3, FD_STATUS, FD_BLOCK, FD_SECCOMP, FD_END };

static void put(FILE *f, const char *s)
{
	fwrite(s, 1, strlen(s) + 1, f);
}

static void put_mount(FILE *f, const struct sl_mount *m)
{
	static const char *const option[] = {
		[SL_MOUNT_RO_BIND] = "--ro-bind",
		[SL_MOUNT_BIND] = "--bind",
		[SL_MOUNT_TMPFS] = "--tmpfs",
		[SL_MOUNT_DIR] = "--dir",
		[SL_MOUNT_SYMLINK] = "--symlink",
		[SL_MOUNT_DEV] = "--dev",
		[SL_MOUNT_PROC] = "--proc",
	};

	if (m->kind == SL_MOUNT_TMPFS || m->kind == SL_MOUNT_DIR) {
		size_t len = strlen(m->dst);
		bool shared = len >= 4 && strcmp(m->dst + len - 4, "/tmp") == 0;

		put(f, "--perms");
		put(f, m->kind == SL_MOUNT_DIR ? "0700" : shared ? "1777" : "0755");
	}
	put(f, option[m->kind]);
	if (m->src) {
		put(f, m->src);
	}
	put(f, m->dst);
}

static void put_env(FILE *f, const char *env)
{
	const char *value = strchr(env, '=');

	put(f, "--setenv");
	fwrite(env, 1, (size_t)(value - env), f);
	fputc('\0', f);
	put(f, value + 1);
}

static void put_options(FILE *f, const struct sl_container *c, bool new_session)
{
	static const char *const always[] = { "--unshare-user", "--unshare-pid", "--unshare-ipc",
		"--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--cap-drop", "ALL",
		"--clearenv" };

	for (size_t i = 0; i < SL_ARRAY_LEN(always); i++) {
		put(f, always[i]);
	}
	if (!c->share_net) {
		put(f, "--unshare-net");
	}
	if (new_session) {
		put(f, "--new-session");
	}
	if (c->hostname) {
		put(f, "--hostname");
		put(f, c->hostname);
	}
	for (size_t i = 0; i < c->n_env; i++) {
		put_env(f, c->env[i]);
	}
	for (size_t i = 0; i < c->n_mounts; i++) {
		put_mount(f, &c->mounts[i]);
	}
	put(f, "--remount-ro");
	put(f, "/");
	put(f, "--chdir");
	put(f, c->workdir ? c->workdir : "/");
}

static void put_fd(FILE *f, const char *option, int fd)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", fd);
	put(f, option);
	put(f, number);
}

static int encode(const struct sl_container *c, bool new_session)
{
	_cleanup_close_ int fd = memfd_create("sluice-container", MFD_CLOEXEC);
	_cleanup_fclose_ FILE *f = NULL;

	if (fd < 0) {
		return -errno;
	}
	f = fdopen(dup(fd), "w");
	if (!f) {
		return -errno;
	}
	put_options(f, c, new_session);
	put_fd(f, "--json-status-fd", FD_STATUS);
	put_fd(f, "--block-fd", FD_BLOCK);
	put_fd(f, "--seccomp", FD_SECCOMP);
	if (fflush(f) != 0 || lseek(fd, 0, SEEK_SET) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

/* Put @fds at FD_ARGS and above, whatever their numbers are now, and everything else away. */
static bool move_fds(const int fds[FD_END - FD_ARGS])
{
	int high[FD_END - FD_ARGS];

	for (int i = 0; i < FD_END - FD_ARGS; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_END);
		if (high[i] < 0) {
			return false;
		}
	}
	for (int i = 0; i < FD_END - FD_ARGS; i++) {
		if (dup2(high[i], FD_ARGS + i) < 0) {
			return false;
		}
	}
	return close_range(FD_END, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

static bool redirect(int stdio_fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(stdio_fd, STDOUT_FILENO) >= 0 &&
	       dup2(stdio_fd, STDERR_FILENO) >= 0;
}

static _noreturn_ void become_bwrap(char **argv, const int fds[FD_END - FD_ARGS], int stdio_fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if ((stdio_fd < 0 || redirect(stdio_fd)) && move_fds(fds) &&
		dprintf(FD_STATUS, "{\"wrapper-pid\": %d}\n", (int)getpid()) > 0) {
		execvp(argv[0], argv);
	}
	if (errno == ENOENT) {
		sl_cli_error("bwrap: not installed: install the Debian package bubblewrap");
	} else {
		sl_cli_error("bwrap: %m: check the Debian package bubblewrap");
	}
	_exit(SL_EXIT_RUN_FAILED);
}

static char **bwrap_argv(char *const *argv, char number[16])
{
	static char name[] = "bwrap", args[] = "--args", end[] = "--";
	size_t n = 0;
	char **full;

	while (argv[n]) {
		n++;
	}
	full = calloc(n + 5, sizeof(*full));
	if (full) {
		snprintf(number, 16, "%d", FD_ARGS);
		full[0] = name;
		full[1] = args;
		full[2] = number;
		full[3] = end;
		memcpy(full + 4, argv, n * sizeof(*full));
	}
	return full;
}

/* A terminal to read from is one that the command may want job control on. */
static bool has_terminal(int stdio_fd)
{
	return stdio_fd < 0 && isatty(STDIN_FILENO);
}

static int make_pipes(int status[2], int setup[2])
{
	if (pipe2(status, O_CLOEXEC) < 0 || pipe2(setup, O_CLOEXEC) < 0 ||
		write(setup[1], "", 1) != 1) {
		return -errno;
	}
	return sl_set_nonblock(status[0], true);
}

static int start(const struct sl_container *c, char *const *argv, int stdio_fd,
	struct sl_container_process *ret)
{
	int status[2] = { -1, -1 }, setup[2] = { -1, -1 };
	_cleanup_close_ int args = encode(c, !has_terminal(stdio_fd));
	_cleanup_close_ int seccomp = sl_container_seccomp();
	char number[16];
	_cleanup_free_ char **full = bwrap_argv(argv, number);
	pid_t pid = 0;
	int r = make_pipes(status, setup);

	if (r == 0) {
		r = c->out_of_memory || !full ? -ENOMEM : args < 0 ? args : SL_MIN(seccomp, 0);
	}
	if (r == 0) {
		pid = sl_container_fork();
		if (pid == 0) {
			become_bwrap(full, (const int[]){ args, status[1], setup[0], seccomp },
				stdio_fd);
		}
		r = SL_MIN(pid, 0);
	}
	sl_close(status[1]);
	sl_close(setup[1]);
	if (r < 0) {
		sl_close(status[0]);
		sl_close(setup[0]);
		return r;
	}
	*ret = (struct sl_container_process){
		.pid = pid, .status_fd = status[0], .setup_fd = setup[0]
	};
	return 0;
}

int sl_container_start(const struct sl_container *c, char *const *argv, int stdio_fd,
	struct sl_container_process *ret)
{
	int r = start(c, argv, stdio_fd, ret);

	if (r < 0) {
		sl_cli_error("container: %s: nothing was started; try again", strerror(-r));
		return SL_EXIT_RUN_FAILED;
	}
	return SL_EXIT_OK;
}
