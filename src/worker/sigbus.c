/* SPDX-License-Identifier: MIT */
/*
 * Pages that vanish under a mapping: a file that was cut, or a host without memory for it. Jumping
 * out of GL is no option (it holds locks and half-written state), so the access is allowed to end
 * on a zero page put in its place, and the loop ends the session afterwards.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/sigbus.h"

/* A signal handler has no other way to know or to tell. */
static volatile sig_atomic_t happened;
static uintptr_t page_bytes;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(page_bytes - 1);
	int saved = errno;

	/* Anything but a missing page, and the same access again ends the process. */
	if (info->si_code != BUS_ADRERR ||
		mmap((void *)page, page_bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
		signal(SIGBUS, SIG_DFL);
	}
	happened = 1;
	errno = saved;
}

int sl_sigbus_install(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	return sigaction(SIGBUS, &sa, NULL) < 0 ? -errno : 0;
}

bool sl_sigbus_happened(void)
{
	return happened;
}
