/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* The most fds that one message of any of our protocols carries. */
#define SL_MAX_FDS 8

/*
 * sendmsg() of @iov with up to SL_MAX_FDS fds, MSG_NOSIGNAL | MSG_DONTWAIT | @flags. The bytes
 * sent, or -errno. The fds stay the caller's.
 */
ssize_t sl_sendmsg_fds(
	int sock, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds, int flags);

/*
 * recvmsg() with MSG_CMSG_CLOEXEC | MSG_DONTWAIT | @flags. The bytes received (0: the peer has
 * closed) or -errno. Received fds are the caller's; fds beyond SL_MAX_FDS cannot arrive. With
 * SO_PASSCRED on, *ret_pid is the sender's pid as the kernel translates it (0 if it has none
 * here, -1 if no credentials came). -EBADMSG: a truncated message (its fds are closed).
 */
ssize_t sl_recvmsg_fds(int sock, void *buf, size_t size, int ret_fds[SL_MAX_FDS], size_t *ret_n_fds,
	pid_t *ret_pid, int flags);

void sl_close_many(int *fds, size_t n);

/* The size of the file in bytes, or -errno. */
int64_t sl_fd_size(int fd);

/*
 * A memfd of exactly @size zero bytes, sealed against shrinking, growing and further seals, so
 * that a mapping of it can never fault. The fd, or -errno.
 */
int sl_memfd_sealed(const char *name, uint64_t size);

/* A memfd with these bytes that nobody can change any more. The fd, or -errno. */
int sl_memfd_const(const char *name, const void *data, size_t size);
/* The size of a memfd that nobody can change any more; -EPROTO for any other file. */
int64_t sl_memfd_const_size(int fd);
/* All of a regular file's @size bytes from its beginning, whatever its position. 0 or -errno. */
int sl_pread_all(int fd, void *ret, size_t size);

int sl_set_nonblock(int fd, bool on);

/* All of a small text file, NUL-terminated; -EFBIG above @max bytes. The caller frees. */
int sl_read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/* Write @text to a new or truncated file in one write(); 0 or -errno. */
int sl_write_file(const char *path, const char *text);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t sl_now_ns(void);

#define SL_NSEC_PER_SEC 1000000000ull
#define SL_NSEC_PER_MSEC 1000000ull
#define SL_NSEC_PER_USEC 1000ull
#define SL_NEVER_NS UINT64_MAX
