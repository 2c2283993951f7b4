/* SPDX-License-Identifier: MIT */
/*
 * While the program runs. Signals meant for it are handed on to it and to nothing else; what the
 * terminal sends reaches it directly where it shares the terminal, and is then not sent twice.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "util/fds.h"

/*
 * How often to look for the session and at the screen: often at first, for programs that are gone
 * in a moment, then ever less often.
 */
#define LOOK_MIN_NS (20 * SL_NSEC_PER_MSEC)
#define LOOK_MAX_NS SL_NSEC_PER_SEC
#define LOOK_SHARE 20u /* of the time that the program has run */

static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

struct loop {
	struct sl_run_gpu *gpu;
	struct sl_display *display;
	struct sl_screenshot *shot; /* NULL: none wanted */
	struct sl_container_process *process;
	bool shares_terminal;
	bool done;
	int wait_status;
	int early_signal; /* came before there was a program to send it to */
};

static void wanted_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < SL_ARRAY_LEN(forwarded); i++) {
		sigaddset(set, forwarded[i]);
	}
}

void sl_run_block_signals(void)
{
	sigset_t set;

	wanted_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void forward(struct loop *l, const struct signalfd_siginfo *si)
{
	int sig = (int)si->ssi_signo;
	pid_t pid;

	if (l->shares_terminal && si->ssi_code == SI_KERNEL &&
		(sig == SIGINT || sig == SIGQUIT || sig == SIGHUP)) {
		return;
	}
	pid = sl_container_command_pid(l->process);
	if (pid > 0) {
		kill(pid, sig);
	} else if (l->process->pid > 0 && sig != SIGUSR1 && sig != SIGUSR2) {
		l->early_signal = sig;
		kill(l->process->pid, SIGTERM);
	}
}

static void reap(struct loop *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == l->process->pid) {
			l->process->pid = 0;
			l->wait_status = status;
			l->done = true;
		} else if (pid == l->display->process.pid) {
			l->display->process.pid = 0;
			sl_cli_warn(
				"display: its server has ended; the program's windows are gone");
		}
	}
}

static void on_signal(struct loop *l, int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD) {
			reap(l);
		} else {
			forward(l, &si);
		}
	}
}

static void look(struct loop *l)
{
	sl_run_gpu_sample(l->gpu);
	if (l->shot && l->display->screen_fd >= 0) {
		sl_screenshot_take(l->shot, l->display->screen_fd);
	}
}

static uint64_t interval_ns(uint64_t elapsed_ns)
{
	uint64_t ns = SL_MAX(elapsed_ns / LOOK_SHARE, LOOK_MIN_NS);

	return SL_MIN(ns, LOOK_MAX_NS);
}

/* Nothing to look at any more: sleep until something happens. */
static int timeout_ms(const struct loop *l, uint64_t next_ns)
{
	uint64_t now = sl_now_ns();

	if (!l->shot && (!l->gpu->client || sl_run_gpu_known(l->gpu) || l->gpu->lost)) {
		return -1;
	}
	return now >= next_ns ? 0 : (int)((next_ns - now) / SL_NSEC_PER_MSEC) + 1;
}

static void wait_for_end(struct loop *l, int sig_fd, uint64_t start_ns)
{
	uint64_t next_ns = start_ns;

	while (!l->done) {
		struct pollfd fds[] = {
			{ .fd = sig_fd, .events = POLLIN },
			{ .fd = l->gpu->client && !l->gpu->lost ? sl_client_fd(l->gpu->client)
								: -1 },
		};

		if (poll(fds, SL_ARRAY_LEN(fds), timeout_ms(l, next_ns)) < 0 && errno != EINTR) {
			break;
		}
		if (fds[1].revents & (POLLHUP | POLLERR)) {
			sl_run_gpu_lost(l->gpu);
		}
		if (sl_now_ns() >= next_ns) {
			look(l);
			next_ns = sl_now_ns() + interval_ns(sl_now_ns() - start_ns);
		}
		on_signal(l, sig_fd);
	}
}

struct sl_run_result sl_run_loop(const struct sl_run_options *o, struct sl_run_gpu *g,
	struct sl_display *d, struct sl_screenshot *shot, struct sl_container_process *p)
{
	struct loop l = { .gpu = g,
		.display = d,
		.shot = o->screenshot ? shot : NULL,
		.process = p,
		.shares_terminal = isatty(STDIN_FILENO) };
	struct sl_run_result result = {};
	uint64_t start_ns = sl_now_ns();
	_cleanup_close_ int sig_fd = -1;
	sigset_t set;

	wanted_signals(&set);
	sig_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* A program that ended before the signalfd was there left its SIGCHLD pending. */
	wait_for_end(&l, sig_fd, start_ns);
	result.wall_ns = sl_now_ns() - start_ns;
	if (l.early_signal) {
		result.exit_status = 128 + l.early_signal;
	} else {
		result.exit_status = sl_container_exit_status(p, l.wait_status, o->argv[0]);
	}
	return result;
}
