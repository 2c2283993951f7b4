/* SPDX-License-Identifier: MIT */
/*
 * Stage 2: a worker gives up what it still had from its zygote. The order is fixed by what each
 * step needs: the root changes while we may mount, the bounding set and the uid while we may set
 * them, and the capabilities go last.
 */
#include "config.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/worker.h"
#include "util/checked.h"
#include "util/cleanup.h"
#include "worker/confine.h"
#include "worker/landlock.h"

/* A GPU driver's own threads; a forked worker has one. Counted per user, so not too tight. */
#define MAX_THREADS 512
/*
 * Address space above what a session may be charged for: compiled shaders, command buffers, the
 * compiler's working memory, and the heap's slack.
 */
#define EXTRA_ADDRESS_BYTES (2ull << 30)
/* Shared memory smaller than this is never worth refusing. */
#define MIN_FILE_BYTES (64ull << 20)

static int enter_empty_root(const char **ret_what)
{
	*ret_what = "entering the empty root";
	if (chdir("/empty") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
		return -errno;
	}
	return 0;
}

static int drop_bounding_set(const char **ret_what)
{
	*ret_what = "emptying the capability bounding set";
	for (int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			/* Past the last capability of this kernel. */
			return errno == EINVAL && cap > 0 ? 0 : -errno;
		}
	}
	return 0;
}

static int become(uint32_t uid, const char **ret_what)
{
	*ret_what = "taking a uid of its own";
	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0) {
		return -errno;
	}
	return 0;
}

static int drop_capabilities(const char **ret_what)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	*ret_what = "dropping capabilities";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) {
		return -errno;
	}
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int limit(int resource, rlim_t value)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0) {
		return -errno;
	}
	/* Never above what we may have. Fds alone are wanted: their soft limit is often low. */
	l.rlim_max = SL_MIN(l.rlim_max, value);
	l.rlim_cur = resource == RLIMIT_NOFILE ? l.rlim_max : SL_MIN(l.rlim_cur, l.rlim_max);
	return setrlimit(resource, &l) < 0 ? -errno : 0;
}

static int set_limits(const char **ret_what)
{
	static const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, SL_CONFINE_MAX_FDS },
		{ RLIMIT_NPROC, MAX_THREADS },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NICE, 0 },
		{ RLIMIT_RTPRIO, 0 },
		{ RLIMIT_SIGPENDING, 64 },
	};
	int r = 0;

	*ret_what = "setting resource limits";
	for (size_t i = 0; i < SL_ARRAY_LEN(limits) && r == 0; i++) {
		r = limit(limits[i].resource, limits[i].value);
	}
	return r;
}

static int forget_privileges(const char **ret_what)
{
	*ret_what = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		return -errno;
	}
	return 0;
}

int sl_confine(const struct sl_confinement *c, uint32_t *layers, const char **ret_what)
{
	uint32_t have = SL_SANDBOX_NO_CAPS | SL_SANDBOX_NO_NEW_PRIVS | SL_SANDBOX_RLIMITS;
	int r = 0;

	if (c->empty_root) {
		r = enter_empty_root(ret_what);
		have |= SL_SANDBOX_EMPTY_ROOT;
	}
	r = r ?: drop_bounding_set(ret_what);
	if (c->uid != 0) {
		r = r ?: become(c->uid, ret_what);
		have |= SL_SANDBOX_OWN_UID;
	}
	r = r ?: drop_capabilities(ret_what);
	r = r ?: set_limits(ret_what);
	r = r ?: forget_privileges(ret_what);
	if (r < 0) {
		return r;
	}
	*ret_what = "Landlock";
	r = sl_landlock_restrict(!c->empty_root);
	if (r < 0 && r != -EOPNOTSUPP) {
		return r;
	}
	*layers |= have | (r == 0 ? SL_SANDBOX_LANDLOCK : 0);
	return 0;
}

/*
 * Address space in use. There is no /proc in here, so the kernel is asked with the limit itself:
 * the lowest one under which another page can still be mapped, to a MiB.
 */
#ifndef SLUICE_SANITIZED
static uint64_t address_space_used(void)
{
	uint64_t low = 0, high = 1ull << 47;
	struct rlimit saved, probe;

	if (getrlimit(RLIMIT_AS, &saved) < 0) {
		return 0;
	}
	probe = saved;
	while (high - low > (1u << 20)) {
		uint64_t middle = low + (high - low) / 2;
		void *p;

		probe.rlim_cur = SL_MIN((rlim_t)middle, saved.rlim_max);
		setrlimit(RLIMIT_AS, &probe);
		p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) {
			low = middle;
		} else {
			munmap(p, 4096);
			high = middle;
		}
	}
	setrlimit(RLIMIT_AS, &saved);
	return high;
}

static int limit_address_space(uint64_t mem_bytes)
{
	uint64_t total;

	if (!sl_add_u64(address_space_used(), EXTRA_ADDRESS_BYTES, &total) ||
		!sl_add_u64(total, mem_bytes, &total)) {
		return 0; /* a limit above everything is none */
	}
	return limit(RLIMIT_AS, (rlim_t)total);
}
#else
/* The sanitizers map terabytes for their shadow. */
static int limit_address_space(uint64_t mem_bytes)
{
	return 0;
}
#endif

int sl_confine_memory(uint64_t mem_bytes, bool grows)
{
	int r = 0;

	if (!grows) {
		r = limit(RLIMIT_FSIZE, (rlim_t)SL_MAX(mem_bytes, (uint64_t)MIN_FILE_BYTES));
	}
	return r ?: limit_address_space(mem_bytes);
}
