/* SPDX-License-Identifier: MIT */
/* The player's connection: every wait is bounded, every size checked before it is believed. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/replay-io.h"
#include "util/cleanup.h"
#include "util/fds.h"

/* Longer than any watchdog: who does not answer in this time never will. */
#define REPLY_TIMEOUT_MS 60000
/* A reply that says more than this is no reply: capability sets are a few KiB. */
#define REPLY_MAX_BYTES (64u << 20)

int sl_replay_wait(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&pfd, 1, REPLY_TIMEOUT_MS);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

int sl_replay_send(struct sl_replay_io *io, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = send(io->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int r = sl_replay_wait(io->fd, POLLOUT);

			if (r < 0) {
				return r;
			}
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (n > 0) {
			data += n;
			size -= (size_t)n;
			io->bytes_sent += (uint64_t)n;
		}
	}
	return 0;
}

int sl_replay_receive(struct sl_replay_io *io, uint64_t size)
{
	size_t have = 0;

	if (size > REPLY_MAX_BYTES) {
		return -EMSGSIZE;
	}
	if (size > io->reply_size) {
		uint8_t *reply = realloc(io->reply, size);

		if (!reply) {
			return -ENOMEM;
		}
		io->reply = reply;
		io->reply_size = size;
	}
	while (have < size) {
		int r = sl_replay_wait(io->fd, POLLIN);
		ssize_t n = r < 0 ? 0 : recv(io->fd, io->reply + have, size - have, MSG_DONTWAIT);

		if (r < 0) {
			return r;
		}
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			return n == 0 ? -ECONNRESET : -errno;
		}
		have += n > 0 ? (size_t)n : 0;
	}
	io->bytes_received += size;
	return 0;
}

int sl_replay_receive_fd(struct sl_replay_io *io)
{
	int fds[SL_MAX_FDS];
	size_t n_fds = 0;
	uint8_t byte;
	ssize_t n;
	int r;

	do {
		r = sl_replay_wait(io->fd, POLLIN);
		n = r < 0 ? r : sl_recvmsg_fds(io->fd, &byte, 1, fds, &n_fds, NULL, 0);
	} while (n == -EAGAIN);
	if (n <= 0) {
		return n == 0 ? -ECONNRESET : (int)n;
	}
	if (n_fds != 1) {
		sl_close_many(fds, n_fds);
		return -EBADMSG;
	}
	return fds[0];
}

int sl_replay_connect(struct sl_replay_io *io, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	*io = (struct sl_replay_io){ .fd = -1 };
	if (strlen(path) >= sizeof(sa.sun_path)) {
		return -ENAMETOOLONG;
	}
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		return -errno;
	}
	io->fd = TAKE_FD(fd);
	return 0;
}

void sl_replay_io_fini(struct sl_replay_io *io)
{
	sl_close(io->fd);
	free(io->reply);
}
