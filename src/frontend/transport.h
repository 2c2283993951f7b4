/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * The byte stream under a stream front end. Two exist: a Unix socket (frontend/vtest) and memory
 * (frontend/memory, for tests and fuzzing). Neither blocks.
 */
struct sl_transport;

struct sl_transport_ops {
	/* Bytes read, 0 at the end, -EAGAIN, or another -errno when the connection is broken. */
	ssize_t (*recv)(struct sl_transport *t, void *buf, size_t size);
	/*
	 * Bytes taken, -EAGAIN, or another -errno. @fd, unless -1, travels with the first byte and
	 * stays the caller's.
	 */
	ssize_t (*send)(struct sl_transport *t, const struct iovec *iov, size_t n_iov, int fd);
	void (*free)(struct sl_transport *t);
};

struct sl_transport {
	const struct sl_transport_ops *ops;
};

/* A connected stream socket, made non-blocking; the transport owns @fd on success. */
int sl_transport_socket_new(int fd, struct sl_transport **ret);
