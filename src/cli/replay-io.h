/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A client's connection to a vtest server. Functions return 0 or -errno, -ETIMEDOUT too. */
struct sl_replay_io {
	int fd;
	uint8_t *reply; /* what sl_replay_receive() got last */
	size_t reply_size;
	uint64_t bytes_sent, bytes_received;
};

/* @io is initialised in any case and goes to _fini(). */
int sl_replay_connect(struct sl_replay_io *io, const char *path);
void sl_replay_io_fini(struct sl_replay_io *io);

int sl_replay_wait(int fd, short events);
int sl_replay_send(struct sl_replay_io *io, const uint8_t *data, size_t size);
/* Exactly @size bytes into io->reply; -EMSGSIZE for more than any reply has. */
int sl_replay_receive(struct sl_replay_io *io, uint64_t size);
/* One byte and the fd that comes with it: the fd, the caller's. */
int sl_replay_receive_fd(struct sl_replay_io *io);
