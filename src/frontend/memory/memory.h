/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/transport.h"

/*
 * An in-process transport: two byte queues and the fds that were sent. The front end gets the
 * transport; the test keeps the struct sl_memory and plays the client. Not for production.
 */
struct sl_memory;

struct sl_memory_options {
	size_t max_recv;     /* at most this many bytes per recv(), 0: no bound */
	size_t max_pending;  /* unread reply bytes before send() says -EAGAIN, 0: no bound */
	bool discard_output; /* for fuzzing: replies and fds go nowhere */
};

/* The transport and the client's end, each freed on its own, in any order. */
int sl_memory_new(const struct sl_memory_options *o, struct sl_memory **ret_client,
	struct sl_transport **ret_transport);
struct sl_memory *sl_memory_free(struct sl_memory *m);

/* Queue bytes from the client; copied. 0 or -ENOMEM. */
int sl_memory_write(struct sl_memory *m, const void *data, size_t size);
/* The client will write no more: the front end reads the end after what is queued. */
void sl_memory_shutdown(struct sl_memory *m);
/* Bytes that the front end has not read yet. */
size_t sl_memory_unread(const struct sl_memory *m);

/*
 * Read reply bytes as recvmsg() would: it stops before a byte that carries an fd unless that is
 * the first one, whose fd then goes to *ret_fd (the caller's; -1 for none; closed when @ret_fd is
 * NULL, as read() does). Bytes read, 0 when there are none.
 */
size_t sl_memory_read(struct sl_memory *m, void *buf, size_t size, int *ret_fd);
size_t sl_memory_pending(const struct sl_memory *m);
/* send() calls so far, to see how replies were coalesced. */
unsigned int sl_memory_sends(const struct sl_memory *m);
/* Whether the front end has freed its transport. */
bool sl_memory_hung_up(const struct sl_memory *m);
