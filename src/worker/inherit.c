/* SPDX-License-Identifier: MIT */
/*
 * What a renderer that was inherited by fork still shares with its siblings. Private memory is
 * copied, but a memfd that the driver opened in the zygote (llvmpipe's "allocation fd", since Mesa
 * 24.1) would be one file in all workers: memory through which two sessions could talk, or one
 * could change what the other's driver put there. The driver keeps the number, so closing it is no
 * answer; each worker gets a file of its own behind that number.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/inherit.h"

/* A zygote has about ten. */
#define MAX_FD 256

#ifdef SL_HOSTILE
static bool replaced[MAX_FD];
#endif

static int replace(int fd, off_t size)
{
	_cleanup_close_ int own = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (own < 0 || ftruncate(own, size) < 0 || dup3(own, fd, O_CLOEXEC) < 0) {
		return -errno;
	}
#ifdef SL_HOSTILE
	replaced[fd] = true;
#endif
	return 0;
}

int sl_inherit_detach(void)
{
	for (int fd = STDERR_FILENO + 1; fd < MAX_FD; fd++) {
		struct stat st;
		int r;

		/* Only a memfd has seals to ask for; other files of tmpfs have them, too. */
		if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0) {
			continue;
		}
		r = replace(fd, st.st_size);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

#ifdef SL_HOSTILE
bool sl_inherit_replaced(int fd)
{
	return fd >= 0 && fd < MAX_FD && replaced[fd];
}
#endif
