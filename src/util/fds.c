/* SPDX-License-Identifier: MIT */
/*
 * File descriptors and the messages that carry them. Everything made here is CLOEXEC, nothing
 * here blocks, and SIGPIPE is never raised.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fds.h"

int sl_close(int fd)
{
	int saved = errno;

	if (fd >= 0) {
		close(fd);
	}
	errno = saved;
	return -1;
}

void sl_close_many(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = sl_close(fds[i]);
	}
}

ssize_t sl_sendmsg_fds(
	int sock, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds, int flags)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * SL_MAX_FDS)];
	} control = {};
	struct msghdr mh = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n_iov };
	ssize_t n;

	if (n_fds > SL_MAX_FDS) {
		return -E2BIG;
	}
	if (n_fds > 0) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void take_control(struct msghdr *mh, int *fds, size_t *n_fds, pid_t *pid)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET) {
			continue;
		}
		if (c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < n; i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
				if (*n_fds < SL_MAX_FDS) {
					fds[(*n_fds)++] = fd;
				} else {
					sl_close(fd);
				}
			}
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			*pid = cred.pid;
		}
	}
}

ssize_t sl_recvmsg_fds(int sock, void *buf, size_t size, int ret_fds[SL_MAX_FDS], size_t *ret_n_fds,
	pid_t *ret_pid, int flags)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * SL_MAX_FDS) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	int fds[SL_MAX_FDS];
	size_t n_fds = 0;
	pid_t pid = -1;
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	take_control(&mh, fds, &n_fds, &pid);
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		sl_close_many(fds, n_fds);
		return -EBADMSG;
	}
	if (ret_fds) {
		memcpy(ret_fds, fds, sizeof(int) * n_fds);
		*ret_n_fds = n_fds;
	} else {
		sl_close_many(fds, n_fds);
	}
	if (ret_pid) {
		*ret_pid = pid;
	}
	return n;
}

int64_t sl_fd_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

int sl_memfd_sealed(const char *name, uint64_t size)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		return -errno;
	}
	if (size > INT64_MAX || ftruncate(fd, (off_t)size) < 0) {
		return size > INT64_MAX ? -EFBIG : -errno;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

#define CONST_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int sl_memfd_const(const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		return -errno;
	}
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		done += n < 0 ? 0 : (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, CONST_SEALS | F_SEAL_SEAL) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

int64_t sl_memfd_const_size(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	/* Of no other kind of file are there seals. */
	if (seals < 0 || (seals & CONST_SEALS) != CONST_SEALS) {
		return -EPROTO;
	}
	return sl_fd_size(fd);
}

int sl_pread_all(int fd, void *ret, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (char *)ret + done, size - done, (off_t)done);

		if (n == 0) {
			return -EIO;
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		done += n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

int sl_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0) {
		return -errno;
	}
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int sl_read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, size = 0;

	if (fd < 0) {
		return -errno;
	}
	for (;;) {
		ssize_t n;

		if (len + 1 >= size) {
			char *grown;

			if (len >= max) {
				return -EFBIG;
			}
			size = SL_MAX(size * 2, (size_t)4096);
			grown = realloc(buf, size);
			if (!grown) {
				return -ENOMEM;
			}
			buf = grown;
		}
		n = read(fd, buf + len, size - len - 1);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
	}
	if (len > max) {
		return -EFBIG;
	}
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_len) {
		*ret_len = len;
	}
	return 0;
}

int sl_write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0) {
		return -errno;
	}
	do {
		n = write(fd, text, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return -errno;
	}
	return (size_t)n == len ? 0 : -EIO;
}

uint64_t sl_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SL_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}
