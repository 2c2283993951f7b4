/* SPDX-License-Identifier: MIT */
/*
 * The control channel between the broker and its children. A worker may belong to its client by
 * the time it writes here, so nothing of a packet is used before sl_ctl_check() has passed it:
 * exact size, exact number of fds for the type, terminated strings. What a checked message means
 * is its receiver's business.
 */
#include <errno.h>
#include <string.h>

#include "protocol/worker.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define STRING(type, member)                                                                       \
	{                                                                                          \
		offsetof(struct type, member), sizeof(((struct type *)0)->member)                  \
	}

/* Per type: its size and its strings; a size of 0 is a number without a body yet. */
static const struct {
	size_t size;
	struct {
		size_t offset, size;
	} strings[4];
} types[SL_CTL_N_TYPES] = {
	[SL_CTL_HELLO] = { sizeof(struct sl_ctl_hello) },
	[SL_CTL_RENDERER] = {
		sizeof(struct sl_ctl_renderer),
		{
			STRING(sl_ctl_renderer, name),
			STRING(sl_ctl_renderer, api),
			STRING(sl_ctl_renderer, library),
			STRING(sl_ctl_renderer, node),
		},
	},
	[SL_CTL_READY] = { sizeof(struct sl_ctl_plain) },
	[SL_CTL_SPAWN] = { sizeof(struct sl_ctl_spawn) },
	[SL_CTL_SPAWNED] = { sizeof(struct sl_ctl_spawned) },
	[SL_CTL_ATTACH] = { sizeof(struct sl_ctl_attach), { STRING(sl_ctl_attach, domain) } },
	[SL_CTL_ATTACHED] = { sizeof(struct sl_ctl_plain) },
	[SL_CTL_FAULT] = { sizeof(struct sl_ctl_fault), { STRING(sl_ctl_fault, text) } },
	[SL_CTL_BYE] = { sizeof(struct sl_ctl_plain) },
	[SL_CTL_SHUTDOWN] = { sizeof(struct sl_ctl_plain) },
	[SL_CTL_SHADERS] = { sizeof(struct sl_ctl_plain) },
};

size_t sl_ctl_size(enum sl_ctl_type type)
{
	return (unsigned int)type < SL_CTL_N_TYPES ? types[type].size : 0;
}

void sl_ctl_init(union sl_ctl_message *m, enum sl_ctl_type type, uint32_t n_fds)
{
	memset(m, 0, sizeof(*m));
	m->h = (struct sl_ctl_header){
		.magic = SL_CTL_MAGIC,
		.version = SL_CTL_VERSION,
		.type = (uint16_t)type,
		.size_bytes = (uint32_t)sl_ctl_size(type),
		.n_fds = n_fds,
	};
}

/* How many fds this message must carry: a missing one must not be found out by its user. */
static size_t fds_of(const union sl_ctl_message *m)
{
	switch (m->h.type) {
	case SL_CTL_HELLO:
		return m->hello.role == SL_CTL_ROLE_WORKER ? 1 : 0;
	case SL_CTL_SPAWNED:
		return 2;
	case SL_CTL_ATTACH:
		return 1u + !!(m->attach.flags & SL_CTL_ATTACH_RECORD) +
		       !!(m->attach.flags & SL_CTL_ATTACH_SHADERS);
	case SL_CTL_SHADERS:
		return 1;
	default:
		return 0;
	}
}

static bool strings_end(const union sl_ctl_message *m)
{
	const char *bytes = (const char *)m;

	for (size_t i = 0; i < SL_ARRAY_LEN(types[0].strings); i++) {
		size_t offset = types[m->h.type].strings[i].offset;
		size_t size = types[m->h.type].strings[i].size;

		if (size > 0 && !memchr(bytes + offset, '\0', size)) {
			return false;
		}
	}
	return true;
}

int sl_ctl_check(const void *packet, size_t size, size_t n_fds)
{
	union sl_ctl_message m;

	if (size < sizeof(m.h) || size > sizeof(m)) {
		return -EPROTO;
	}
	/* The packet may lie at any address. */
	memcpy(&m, packet, size);
	if (m.h.magic != SL_CTL_MAGIC) {
		return -EPROTO;
	}
	if (m.h.version != SL_CTL_VERSION) {
		return -EPROTONOSUPPORT;
	}
	if (sl_ctl_size(m.h.type) == 0 || size != sl_ctl_size(m.h.type) || m.h.size_bytes != size) {
		return -EPROTO;
	}
	if (m.h.n_fds != n_fds || n_fds != fds_of(&m) || !strings_end(&m)) {
		return -EPROTO;
	}
	return 0;
}

int sl_ctl_send(int sock, const union sl_ctl_message *m, const int *fds)
{
	struct iovec iov = { .iov_base = (void *)m, .iov_len = m->h.size_bytes };
	ssize_t n = sl_sendmsg_fds(sock, &iov, 1, fds, m->h.n_fds, 0);

	if (n < 0) {
		return n == -ECONNRESET ? -EPIPE : (int)n;
	}
	/* SOCK_SEQPACKET sends all or nothing. */
	return (size_t)n == m->h.size_bytes ? 0 : -EIO;
}

int sl_ctl_recv(int sock, union sl_ctl_message *ret, int ret_fds[], size_t *ret_n_fds)
{
	int fds[SL_MAX_FDS];
	union sl_ctl_message m;
	size_t n_fds = 0;
	ssize_t n;
	int r;

	n = sl_recvmsg_fds(sock, &m, sizeof(m), fds, &n_fds, NULL, 0);
	if (n == -EBADMSG) {
		return -EPROTO;
	}
	if (n == 0 || n == -ECONNRESET) {
		sl_close_many(fds, n_fds);
		return -EPIPE;
	}
	if (n < 0) {
		return (int)n;
	}
	r = sl_ctl_check(&m, (size_t)n, n_fds);
	if (r < 0) {
		sl_close_many(fds, n_fds);
		return r;
	}
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, &m, (size_t)n);
	if (ret_fds) {
		memcpy(ret_fds, fds, sizeof(int) * n_fds);
		*ret_n_fds = n_fds;
	} else {
		sl_close_many(fds, n_fds);
	}
	return 0;
}
