/* SPDX-License-Identifier: MIT */
/*
 * A broker to talk to: the one that runs, or one started for the occasion. A private broker is not
 * our property: others may find and use it, so it lives in a session of its own and ends by
 * itself when it has been idle.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "cli/cli.h"
#include "cli/run.h"
#include "util/fds.h"

/* Idle this long, a private broker ends. Two runs in a row may share one. */
#define IDLE_EXIT "--idle-exit=1"
#define START_TIMEOUT_NS (15 * SL_NSEC_PER_SEC)
#define POLL_NS (5 * SL_NSEC_PER_MSEC)
/* sluiced(8): another broker has the directory. It may be one that another run just started. */
#define BROKER_EXIT_RUNNING 3

static bool executable_in(char path[PATH_MAX], const char *dir, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX && access(path, X_OK) == 0;
}

/* Beside this program first: in a build tree or an unusual prefix that is the one that fits. */
static bool find_sluiced(char path[PATH_MAX])
{
	const char *env = getenv("SLUICE_LIBEXECDIR");
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (env && *env && executable_in(path, env, "sluiced")) {
		return true;
	}
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		*slash = '\0';
		if (executable_in(path, self, "sluiced") ||
			executable_in(path, self, "../broker/sluiced")) {
			return true;
		}
	}
	return executable_in(path, SLUICE_BINDIR, "sluiced") ||
	       executable_in(path, SLUICE_LIBEXECDIR, "sluiced");
}

static _noreturn_ void become_sluiced(
	const char *path, const char *directory, bool null, int log_fd)
{
	_cleanup_free_ char *option = NULL;
	int dev_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (dev_null >= 0) {
		dup2(dev_null, STDIN_FILENO);
		/* Who waits for our stdout to end must not wait for the broker. */
		dup2(log_fd >= 0 ? log_fd : dev_null, STDOUT_FILENO);
	}
	if (log_fd >= 0) {
		dup2(log_fd, STDERR_FILENO);
	}
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	if (asprintf(&option, "--directory=%s", directory) >= 0) {
		execl(path, path, option, IDLE_EXIT, null ? "--backend=null" : NULL, (char *)NULL);
	}
	_exit(1);
}

void sl_run_broker_last_line(int log_fd, char *buf, size_t size)
{
	off_t end = log_fd >= 0 ? lseek(log_fd, 0, SEEK_END) : 0;
	off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
	ssize_t n = log_fd >= 0 ? pread(log_fd, buf, size - 1, from) : 0;
	char *line;

	buf[n > 0 ? n : 0] = '\0';
	while (n > 0 && buf[n - 1] == '\n') {
		buf[--n] = '\0';
	}
	line = strrchr(buf, '\n');
	if (line) {
		memmove(buf, line + 1, strlen(line));
	}
}

static int start_failed(int log_fd, const char *directory, const char *cause)
{
	char line[512];

	sl_run_broker_last_line(log_fd, line, sizeof(line));
	sl_cli_error("%s: no broker answers and a private one %s: %s", directory, cause,
		*line ? line : "start sluiced by hand to see why");
	return SL_EXIT_RUN_FAILED;
}

/* Connect, quietly, until it works or the broker that was started has ended. */
static int wait_for_broker(pid_t pid, const char *directory, int log_fd, struct sl_client **ret)
{
	uint64_t deadline_ns = sl_now_ns() + START_TIMEOUT_NS;
	int status;

	while (sl_now_ns() < deadline_ns) {
		_cleanup_free_ char *error = NULL;

		if (sl_client_connect(directory, ret, &error) == 0) {
			return SL_EXIT_OK;
		}
		if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid) {
			if (!WIFEXITED(status) || WEXITSTATUS(status) != BROKER_EXIT_RUNNING) {
				return start_failed(log_fd, directory, "did not start");
			}
			pid = 0;
		}
		nanosleep(&(struct timespec){ .tv_nsec = POLL_NS }, NULL);
	}
	return start_failed(log_fd, directory, "did not answer in time");
}

static int start_private(
	const char *directory, bool null, bool verbose, struct sl_client **ret, int *ret_log_fd)
{
	_cleanup_close_ int log_fd = verbose ? -1 : memfd_create("sluiced-log", MFD_CLOEXEC);
	char path[PATH_MAX];
	pid_t pid;
	int r;

	if (!find_sluiced(path)) {
		sl_cli_error("sluiced: not found beside this program nor in %s: install it, or "
			     "start it yourself",
			SLUICE_BINDIR);
		return SL_EXIT_RUN_FAILED;
	}
	pid = fork();
	if (pid < 0) {
		sl_cli_error("sluiced: %m: no broker could be started; try again");
		return SL_EXIT_RUN_FAILED;
	}
	if (pid == 0) {
		become_sluiced(path, directory, null, log_fd);
	}
	r = wait_for_broker(pid, directory, log_fd, ret);
	if (r == SL_EXIT_OK) {
		*ret_log_fd = TAKE_FD(log_fd);
	}
	return r;
}

/* Where there is no place of our own by default: one that nobody could have prepared. */
static char *random_directory(void)
{
	uint64_t n;
	char *s;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n) ||
		asprintf(&s, "/tmp/sluice-%016llx", (unsigned long long)n) < 0) {
		return NULL;
	}
	return s;
}

static char *choose_directory(const char *given)
{
	_cleanup_free_ char *d = NULL, *error = NULL;
	char *absolute, cwd[PATH_MAX];

	if (!given) {
		given = sl_cli_directory();
	}
	d = given ? strdup(given) : NULL;
	if (!given && sl_client_default_directory(&d, &error) < 0) {
		return random_directory();
	}
	if (!d || *d == '/') {
		return TAKE_PTR(d);
	}
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&absolute, "%s/%s", cwd, d) < 0) {
		return NULL;
	}
	return absolute;
}

int sl_run_broker(const char *directory, bool verbose, struct sl_client **ret, int *ret_log_fd)
{
	_cleanup_free_ char *dir = choose_directory(directory), *error = NULL;
	int r;

	*ret_log_fd = -1;
	if (!dir) {
		sl_cli_error("--directory: out of memory: nothing was started");
		return SL_EXIT_RUN_FAILED;
	}
	r = sl_client_connect(dir, ret, &error);
	if (r == 0) {
		return SL_EXIT_OK;
	}
	/* Not there, stale, or just leaving: then a new one takes its place. */
	if (r == -ENOENT || r == -ECONNREFUSED || r == -ECONNRESET) {
		return start_private(dir, false, verbose, ret, ret_log_fd);
	}
	sl_cli_error("%s", error ? error : "out of memory");
	return SL_EXIT_RUN_FAILED;
}

int sl_run_broker_null(bool verbose, struct sl_client **ret, int *ret_log_fd)
{
	_cleanup_free_ char *dir = random_directory();

	*ret_log_fd = -1;
	if (!dir) {
		sl_cli_error("--null: no directory for the broker: %m: try again");
		return SL_EXIT_RUN_FAILED;
	}
	return start_private(dir, true, verbose, ret, ret_log_fd);
}
