/* SPDX-License-Identifier: MIT */
/*
 * Programs that a benchmark starts. They never outlive it: each has its own process group, is
 * stopped by group, and is told when this process dies. No wait here is without an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/bench.h"
#include "util/fds.h"

/* How often a wait looks whether it has been interrupted. */
#define TURN_NS (50 * SL_NSEC_PER_MSEC)
#define PATIENCE_NS (5 * SL_NSEC_PER_SEC)

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
}

void sl_bench_catch_signals(void)
{
	const struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
}

bool sl_bench_interrupted(void)
{
	return interrupted;
}

static void sleep_ns(uint64_t ns)
{
	const struct timespec t = { .tv_sec = (time_t)(ns / SL_NSEC_PER_SEC),
		.tv_nsec = (long)(ns % SL_NSEC_PER_SEC) };

	nanosleep(&t, NULL);
}

void sl_bench_sleep_until(uint64_t deadline_ns)
{
	uint64_t now;

	while (!interrupted && (now = sl_now_ns()) < deadline_ns) {
		sleep_ns(SL_MIN(deadline_ns - now, TURN_NS));
	}
}

static _noreturn_ void child(const char *const *argv, const struct sl_bench_variable *variables,
	int in, int out, bool verbose)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	if (!verbose) {
		dup2(null, STDERR_FILENO);
	}
	for (; variables && variables->name; variables++) {
		if (variables->value) {
			setenv(variables->name, variables->value, 1);
		} else {
			unsetenv(variables->name);
		}
	}
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

int sl_bench_spawn(struct sl_bench_process *p, const char *const *argv,
	const struct sl_bench_variable *variables, bool verbose)
{
	_cleanup_close_ int in_r = -1, in_w = -1, out_r = -1, out_w = -1;
	int in[2], out[2];

	*p = (struct sl_bench_process){ .pid = 0, .in = -1, .out = -1 };
	if (pipe2(in, O_CLOEXEC) < 0) {
		return -errno;
	}
	in_r = in[0];
	in_w = in[1];
	if (pipe2(out, O_CLOEXEC) < 0) {
		return -errno;
	}
	out_r = out[0];
	out_w = out[1];
	p->pid = fork();
	if (p->pid < 0) {
		p->pid = 0;
		return -errno;
	}
	if (p->pid == 0) {
		child(argv, variables, in_r, out_w, verbose);
	}
	/* Also here: whoever is first; a kill of the group must not come too early. */
	setpgid(p->pid, p->pid);
	p->in = TAKE_FD(in_w);
	p->out = TAKE_FD(out_r);
	return 0;
}

static char *take_line(struct sl_bench_process *p, char *end)
{
	static char line[sizeof(p->line)];
	size_t n = (size_t)(end - p->line);

	memcpy(line, p->line, n);
	line[n] = '\0';
	p->n_line -= n + 1;
	memmove(p->line, end + 1, p->n_line);
	return line;
}

const char *sl_bench_read_line(struct sl_bench_process *p, uint64_t deadline_ns)
{
	while (!interrupted && p->out >= 0) {
		struct pollfd fd = { .fd = p->out, .events = POLLIN };
		char *end = memchr(p->line, '\n', p->n_line);
		ssize_t n;

		if (end) {
			return take_line(p, end);
		}
		if (p->n_line == sizeof(p->line)) {
			p->n_line = 0; /* longer than any line that is looked for */
		}
		if (sl_now_ns() >= deadline_ns) {
			return NULL;
		}
		if (poll(&fd, 1, (int)(TURN_NS / SL_NSEC_PER_MSEC)) <= 0) {
			continue;
		}
		n = read(p->out, p->line + p->n_line, sizeof(p->line) - p->n_line);
		if (n <= 0) {
			return NULL;
		}
		p->n_line += (size_t)n;
	}
	return NULL;
}

static bool reap(struct sl_bench_process *p, uint64_t deadline_ns, int *ret_status)
{
	do {
		if (waitpid(p->pid, ret_status, WNOHANG) == p->pid) {
			return true;
		}
		sleep_ns(2 * SL_NSEC_PER_MSEC);
	} while (sl_now_ns() < deadline_ns);
	return false;
}

bool sl_bench_ended(struct sl_bench_process *p)
{
	int status;

	if (p->pid > 0 && waitpid(p->pid, &status, WNOHANG) != p->pid) {
		return false;
	}
	p->pid = 0;
	p->in = sl_close(p->in);
	p->out = sl_close(p->out);
	return true;
}

int sl_bench_finish(struct sl_bench_process *p, uint64_t deadline_ns)
{
	int status = -1;

	p->in = sl_close(p->in);
	if (p->pid <= 0) {
		return -1;
	}
	while (!reap(p, SL_MIN(deadline_ns, sl_now_ns() + TURN_NS), &status)) {
		if (interrupted || sl_now_ns() >= deadline_ns) {
			kill(-p->pid, SIGKILL);
			waitpid(p->pid, &status, 0);
			break;
		}
	}
	p->pid = 0;
	p->out = sl_close(p->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void sl_bench_stop(struct sl_bench_process *p)
{
	int status;

	p->in = sl_close(p->in);
	p->out = sl_close(p->out);
	if (p->pid <= 0) {
		return;
	}
	kill(p->pid, SIGTERM);
	if (!reap(p, sl_now_ns() + PATIENCE_NS, &status)) {
		kill(-p->pid, SIGKILL);
		waitpid(p->pid, &status, 0);
	}
	p->pid = 0;
}
