/* SPDX-License-Identifier: MIT */
/*
 * Landlock: a second wall behind seccomp, which judges what is reached and not how. The header of
 * the build machine may be older than the kernel, so the ABI is spelt out here: each version adds
 * rights, and asking for one that the kernel does not know is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "worker/landlock.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define QUERY_VERSION 1u
#define RULE_PATH_BENEATH 1

/* include/uapi/linux/landlock.h, as of ABI 6 */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

struct path_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} _packed_;

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_IOCTL_DEV (1ull << 15)

#define NET_BOTH 3ull   /* bind and connect TCP */
#define SCOPE_BOTH 3ull /* abstract Unix sockets, signals */

/* How many file rights each ABI knows, counted from bit 0. */
static uint64_t fs_rights(long abi)
{
	static const int bits[] = { 0, 13, 14, 15, 15, 16 };
	int n = bits[SL_MIN(abi, (long)SL_ARRAY_LEN(bits) - 1)];

	return (1ull << n) - 1;
}

static int allow_root(int ruleset, uint64_t handled)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct path_attr rule = {
		.allowed_access = handled & (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR |
						    FS_WRITE_FILE | FS_IOCTL_DEV),
		.parent_fd = root,
	};

	if (root < 0) {
		return -errno;
	}
	/* Every mount is read-only, so writing reaches device nodes only. */
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno
											: 0;
}

int sl_landlock_restrict(bool read_root)
{
	_cleanup_close_ int fd = -1;
	struct ruleset_attr attr = { 0 };
	size_t size = sizeof(attr.handled_access_fs);
	long abi;
	int r = 0;

	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, QUERY_VERSION);
	if (abi <= 0) {
		return -EOPNOTSUPP;
	}
	attr.handled_access_fs = fs_rights(abi);
	if (abi >= 4) {
		attr.handled_access_net = NET_BOTH;
		size += sizeof(attr.handled_access_net);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_BOTH;
		size += sizeof(attr.scoped);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0) {
		return -errno;
	}
	if (read_root) {
		r = allow_root(fd, attr.handled_access_fs);
	}
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
		r = -errno;
	}
	return r;
}
