/* SPDX-License-Identifier: MIT */
/*
 * The one thing a namespace does not stop: a command that shares the caller's terminal could type
 * into it (TIOCSTI, or the console's paste buffer, TIOCLINUX) what the caller's shell then
 * executes. A session of its own would stop it too, but takes job control away.
 */
#include <errno.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "cli/container.h"

static int add_rules(scmp_filter_ctx ctx)
{
	static const unsigned int refused[] = { TIOCSTI, TIOCLINUX };
	int r = 0;

	/* Without its 32-bit twin the filter could be walked around; absent ones do no harm. */
#if defined(__x86_64__)
	r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
#elif defined(__aarch64__)
	r = seccomp_arch_add(ctx, SCMP_ARCH_ARM);
#endif
	if (r < 0 && r != -EEXIST) {
		return r;
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(refused); i++) {
		/* The kernel looks at 32 bits of the request only. */
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, refused[i]));
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int sl_container_seccomp(void)
{
	_cleanup_close_ int fd = memfd_create("sluice-seccomp", MFD_CLOEXEC);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = fd < 0 ? -errno : !ctx ? -ENOMEM : add_rules(ctx);

	if (r == 0) {
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	}
	if (r == 0) {
		r = seccomp_export_bpf(ctx, fd);
	}
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0) {
		r = -errno;
	}
	if (ctx) {
		seccomp_release(ctx);
	}
	return r < 0 ? r : TAKE_FD(fd);
}
