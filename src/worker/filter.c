/* SPDX-License-Identifier: MIT */
/*
 * The system calls that a worker may make while it serves a client. An allow-list: what is not
 * named here ends the process (SIGSYS), so that an attempt is seen and not only refused.
 *
 * Refused with an error instead is what drivers and the C library try on good days and can do
 * without: looking for files (the answer is the one that the empty root would give; LLVM on arm64
 * looks for /proc/cpuinfo whenever it compiles), memory both writable and executable (Mesa falls
 * back, as it does under SELinux), and threads where there are none. llvmpipe's shaders are
 * written first and made executable after, so mprotect(READ|EXEC) has to stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/filter.h"

#define CALL(name) SCMP_SYS(name)

/* clang-format off */
/* Allowed with any arguments. Names that an architecture lacks are skipped by libseccomp. */
static const int plain[] = {
	/* the session: its socket, its channel, its log */
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(recvfrom), CALL(recvmsg),
	CALL(sendto), CALL(sendmsg), CALL(poll), CALL(ppoll), CALL(close), CALL(lseek),
	CALL(shutdown),
	/* shared memory */
	CALL(ftruncate), CALL(fallocate), CALL(fstat), CALL(munmap), CALL(mremap), CALL(madvise),
	CALL(brk), CALL(msync), CALL(mincore),
	/* fences and waits */
	CALL(eventfd2), CALL(futex), CALL(clock_gettime), CALL(clock_getres),
	CALL(clock_nanosleep), CALL(nanosleep), CALL(sched_yield), CALL(gettimeofday),
	CALL(pselect6), CALL(epoll_wait), CALL(epoll_pwait), CALL(restart_syscall),
	/* what the C library asks about this process itself */
	CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid),
	CALL(getegid), CALL(getrandom), CALL(sched_getaffinity), CALL(getcpu), CALL(sysinfo),
	CALL(uname), CALL(getrusage), CALL(times),
	/* signals: the SIGBUS and SIGALRM handlers */
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack),
	CALL(setitimer), CALL(alarm),
	/* the end */
	CALL(exit), CALL(exit_group),
};

/* Also, for a renderer that was not inherited. */
static const int own_renderer[] = {
	CALL(set_robust_list), CALL(rseq), CALL(epoll_ctl), CALL(epoll_create1), CALL(mlock),
	CALL(munlock), CALL(sched_setaffinity), CALL(sched_getscheduler), CALL(sched_getparam),
	CALL(dup), CALL(dup3), CALL(pread64), CALL(pwrite64), CALL(getdents64), CALL(membarrier),
};

static const struct {
	int call;
	uint16_t error;
} refused[] = {
	{ CALL(open), ENOENT }, { CALL(openat), ENOENT }, { CALL(access), ENOENT },
	{ CALL(faccessat), ENOENT }, { CALL(faccessat2), ENOENT }, { CALL(stat), ENOENT },
	{ CALL(lstat), ENOENT }, { CALL(statx), ENOSYS }, { CALL(readlink), ENOENT },
	{ CALL(readlinkat), ENOENT }, { CALL(getcwd), ENOENT }, { CALL(statfs), ENOENT },
	/* glibc tries it first for threads, and falls back to clone(). */
	{ CALL(clone3), ENOSYS },
	{ CALL(kcmp), EPERM },
	/* Mesa's shader cache would have its further threads give way to others. */
	{ CALL(sched_setscheduler), EPERM }, { CALL(setpriority), EPERM },
};

#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES)
#define NAMESPACE_FLAGS                                                                            \
	(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
		CLONE_NEWCGROUP)

#define IOCTL_TYPE(c) ((uint64_t)(c) << 8)

static int add_plain(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	}
	return r;
}

static int add_refused(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; i < SL_ARRAY_LEN(refused) && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(refused[i].error), refused[i].call, 0);
	}
	return r;
}

/* Writable or executable, never both; executable only without a file behind it. */
static int add_memory(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp only_exec =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_EXEC);
	const struct scmp_arg_cmp both =
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC);
	const struct scmp_arg_cmp anonymous =
		SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
	int r;

	r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mprotect), 1, no_exec);
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mprotect), 1, only_exec);
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), CALL(mprotect), 1, both);
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mmap), 1, no_exec);
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mmap), 2, only_exec, anonymous);
	return r ?: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), CALL(mmap), 1, both);
}

static int add_fcntl(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_ADD_SEALS,
		F_GET_SEALS, F_DUPFD_CLOEXEC };
	int r = 0;

	for (size_t i = 0; i < SL_ARRAY_LEN(commands) && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	}
	return r;
}

static int add_process(scmp_filter_ctx ctx)
{
	static const int options[] = { PR_SET_PDEATHSIG, PR_SET_NAME, PR_GET_DUMPABLE,
		PR_GET_NO_NEW_PRIVS };
	int r = 0;

	for (size_t i = 0; i < SL_ARRAY_LEN(options) && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(prctl), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)options[i]));
	}
	/* Names for mappings: newer C libraries try, and do not mind. */
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EINVAL), CALL(prctl), 1,
		SCMP_A0(SCMP_CMP_EQ, 0x53564d41 /* PR_SET_VMA */));
	/* Limits of its own, downwards: it has no capability to raise them. */
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	/* abort(): in its pid namespace this process is 1. */
	return r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(tgkill), 2, SCMP_A0(SCMP_CMP_EQ, 1),
		SCMP_A2(SCMP_CMP_EQ, SIGABRT));
}

static int add_files(scmp_filter_ctx ctx)
{
	int r;

	r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(memfd_create), 1,
		SCMP_A1(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING), 0));
	/* fstat() is this with an empty path; with a path, nothing is found in the empty root. */
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(newfstatat), 1,
		SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
	r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOENT), CALL(newfstatat), 1,
		SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, 0));
	/* isatty() */
	return r ?: seccomp_rule_add(
		ctx, SCMP_ACT_ERRNO(ENOTTY), CALL(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, TCGETS));
}

static int add_threads(scmp_filter_ctx ctx, uint32_t action)
{
	return seccomp_rule_add(ctx, action, CALL(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, THREAD_FLAGS | NAMESPACE_FLAGS, THREAD_FLAGS));
}

/* DRM's ioctls, and the NVIDIA driver's. */
static int add_device(scmp_filter_ctx ctx)
{
	static const char device_types[] = { 'd', 'F' };
	int r = 0;

	for (size_t i = 0; i < SL_ARRAY_LEN(device_types) && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, IOCTL_TYPE(0xff), IOCTL_TYPE(device_types[i])));
	}
	return r;
}

static int add_rules(scmp_filter_ctx ctx, enum sl_filter_kind kind)
{
	int r;

	r = add_plain(ctx, plain, SL_ARRAY_LEN(plain));
	r = r ?: add_refused(ctx);
	r = r ?: add_memory(ctx);
	r = r ?: add_fcntl(ctx);
	r = r ?: add_process(ctx);
	r = r ?: add_files(ctx);
	if (kind == SL_FILTER_INHERITED) {
		return r ?: add_threads(ctx, SCMP_ACT_ERRNO(EAGAIN));
	}
	r = r ?: add_plain(ctx, own_renderer, SL_ARRAY_LEN(own_renderer));
	r = r ?: add_threads(ctx, SCMP_ACT_ALLOW);
	return r ?: add_device(ctx);
}

/* clang-format on */
/* libseccomp writes its program to an fd. */
static int take_program(scmp_filter_ctx ctx, struct sl_filter *ret)
{
	_cleanup_close_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct sock_filter *code;
	int64_t size;
	int r;

	if (fd < 0) {
		return -errno;
	}
	r = seccomp_export_bpf(ctx, fd);
	size = r < 0 ? r : sl_fd_size(fd);
	if (size < 0) {
		return (int)size;
	}
	code = malloc((size_t)size);
	if (!code) {
		return -ENOMEM;
	}
	if (pread(fd, code, (size_t)size, 0) != size) {
		free(code);
		return -EIO;
	}
	*ret = (struct sl_filter){ .code = code, .n = (size_t)size / sizeof(*code) };
	return 0;
}

int sl_filter_compile(enum sl_filter_kind kind, struct sl_filter *ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx) {
		return -ENOMEM;
	}
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A binary tree, where libseccomp knows how: a dozen comparisons a call, not a hundred. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = r ?: add_rules(ctx, kind);
	r = r ?: take_program(ctx, ret);
	seccomp_release(ctx);
	return r;
}

void sl_filter_fini(struct sl_filter *f)
{
	free(f->code);
	*f = (struct sl_filter){ 0 };
}

int sl_filter_install(const struct sl_filter *f)
{
	const struct sock_fprog program = {
		.len = (unsigned short)f->n,
		.filter = f->code,
	};
	long r;

	if (f->n == 0 || f->n > BPF_MAXINSNS) {
		return -EINVAL;
	}
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	/* Positive: the thread that could not follow. */
	return r < 0 ? -errno : r > 0 ? -EBUSY : 0;
}
