/* SPDX-License-Identifier: MIT */
/*
 * A real worker and the compiled shaders that it is given: it uses good ones, leaves its own, and
 * goes on with none where they are bad, whether the archive is, or only what is in its entries.
 * The client is a recorded session. Usage: sandbox-shaders WORKER RECORDING
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/recording.h"
#include "protocol/shaders.h"
#include "sandbox-harness.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define MAX_RECORDING_BYTES (1 << 20)
#define MAX_ARCHIVE_BYTES (16 << 20)

struct recording {
	char *data;
	size_t size;
};

/* Its messages alone, one behind the other. */
static void load(const char *path, struct recording *ret)
{
	size_t pos = SL_REC_FILE_BYTES, need, size, n = 0;
	struct sl_rec_record r;
	uint32_t kind;
	char *text;

	if (sl_read_file_at(AT_FDCWD, path, MAX_RECORDING_BYTES, &text, &size) < 0 ||
		sl_rec_parse_file((uint8_t *)text, size, &kind) != 0) {
		h_bail("%s: no recording", path);
	}
	while (sl_rec_parse((uint8_t *)text + pos, size - pos, &r, &need) == 0) {
		pos += r.size_bytes;
		if (r.type == SL_REC_MESSAGE) {
			memmove(text + n, r.data, r.data_bytes);
			n += r.data_bytes;
		}
	}
	*ret = (struct recording){ text, n };
}

/* Throw away what there is to read; -1 at the end, else whether there was something. */
static int drain(int fd)
{
	char buf[65536];
	int fds[SL_MAX_FDS];
	size_t n_fds = 0;
	struct iovec iov = { buf, sizeof(buf) };
	ssize_t n = sl_recvmsg_fds(fd, iov.iov_base, iov.iov_len, fds, &n_fds, NULL, 0);

	sl_close_many(fds, n > 0 ? n_fds : 0);
	return n > 0 ? 1 : n == -EAGAIN ? 0 : -1;
}

/* Send all of it and wait until nothing more comes; whether the worker is still there then. */
static bool play(int fd, const struct recording *rec)
{
	size_t sent = 0;
	int r = 0;

	while (r >= 0) {
		struct pollfd p = { .fd = fd,
			.events = (short)(POLLIN | (sent < rec->size ? POLLOUT : 0)) };

		if (poll(&p, 1, sent < rec->size ? H_TIMEOUT_MS : 2000) == 0) {
			return sent == rec->size;
		}
		if (p.revents & (POLLIN | POLLHUP)) {
			r = drain(fd);
		}
		if (p.revents & POLLOUT) {
			ssize_t n = send(fd, rec->data + sent, rec->size - sent,
				MSG_DONTWAIT | MSG_NOSIGNAL);

			sent += n > 0 ? (size_t)n : 0;
		}
	}
	return false;
}

struct result {
	bool served, ended_well;
	uint64_t hits;
	uint32_t n_left; /* shaders */
	int archive_fd;  /* of them, or -1 */
};

static uint32_t count(int fd)
{
	_cleanup_free_ void *archive = NULL;
	int64_t size = sl_memfd_const_size(fd);
	struct sl_shaders_header h;

	archive = size > 0 && size <= MAX_ARCHIVE_BYTES ? malloc((size_t)size) : NULL;
	if (!archive || sl_pread_all(fd, archive, (size_t)size) < 0 ||
		sl_shaders_check(archive, (size_t)size, &h) < 0) {
		h_bail("what the worker has left is no archive");
	}
	return h.n_entries;
}

/* One session with this archive (-1: none), which stays the caller's. */
static struct result session(struct sl_launcher *l, const struct recording *rec, int archive_fd)
{
	struct result r = { .archive_fd = -1 };
	struct h_worker w = { 0 };
	struct h_exit e;
	int pair[2];

	h_spawn(l, 0, &w);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		h_bail("socketpair: %s", strerror(errno));
	}
	h_attach_shaders(&w, pair[1], "shaders", archive_fd);
	close(pair[1]);
	r.served = h_pump(&w, h_is_attached) && play(pair[0], rec);
	r.hits = w.stats->shader_hits;
	close(pair[0]);
	r.ended_well = h_pump(&w, h_said_bye);
	e = h_wait(&w);
	r.ended_well &= !e.signalled && e.status == 0;
	if (w.left_shaders) {
		r.archive_fd = w.shaders_fd;
		r.n_left = count(w.shaders_fd);
	}
	h_close(&w);
	return r;
}

/* A copy of an archive with something done to it. */
static int changed(int fd, void (*change)(uint8_t *archive, size_t size))
{
	size_t size = (size_t)sl_fd_size(fd);
	_cleanup_free_ uint8_t *archive = malloc(size);
	int copy;

	if (!archive || sl_pread_all(fd, archive, size) < 0) {
		h_bail("cannot read an archive");
	}
	change(archive, size);
	copy = sl_memfd_const("test", archive, size);
	if (copy < 0) {
		h_bail("memfd: %s", strerror(-copy));
	}
	return copy;
}

static void break_header(uint8_t *archive, size_t size)
{
	archive[8]++; /* n_entries */
}

/* Every byte of every entry: nothing that Mesa knows again. */
static void break_all(uint8_t *archive, size_t size)
{
	struct sl_shader s;
	size_t cursor = 0;

	while (sl_shaders_next(archive, &cursor, &s)) {
		memset((uint8_t *)s.data, 0xa5, s.size_bytes);
	}
}

/* The end of every entry: what Mesa's checksum is for. */
static void break_end(uint8_t *archive, size_t size)
{
	struct sl_shader s;
	size_t cursor = 0;

	while (sl_shaders_next(archive, &cursor, &s)) {
		((uint8_t *)s.data)[s.size_bytes - 1] ^= 0x55;
	}
}

static int empty(void)
{
	struct sl_shaders_header h;

	sl_shaders_begin(&h);
	return sl_memfd_const("test", &h, sizeof(h));
}

static void check(const char *what, const struct result *r, bool leaves, bool hits)
{
	h_ok(r->served, "%s: the session is served", what);
	h_ok(r->ended_well, "%s: the worker ends as it should", what);
	h_ok((r->n_left > 0) == leaves, "%s: %u shaders are left", what, r->n_left);
	h_ok((r->hits > 0) == hits, "%s: %llu are found", what, (unsigned long long)r->hits);
}

int main(int argc, char **argv)
{
	struct sl_launch_options o = { .llvmpipe_threads = 2 };
	struct recording rec;
	struct sl_launcher *l;
	struct result first, r;
	int fd;

	if (argc != 3) {
		h_bail("usage: %s WORKER RECORDING", argv[0]);
	}
	o.worker_path = argv[1];
	load(argv[2], &rec);
	l = h_launch(&o);
	r = session(l, &rec, -1);
	check("without an archive", &r, false, false);
	fd = empty();
	first = session(l, &rec, fd);
	check("an empty one", &first, true, false);
	close(fd);
	r = session(l, &rec, first.archive_fd);
	h_ok(r.served && r.ended_well && r.hits > 0, "its own archive: %llu are found",
		(unsigned long long)r.hits);
	sl_close(r.archive_fd);
	fd = changed(first.archive_fd, break_header);
	r = session(l, &rec, fd);
	check("a broken archive", &r, false, false);
	close(fd);
	fd = changed(first.archive_fd, break_all);
	r = session(l, &rec, fd);
	h_ok(r.served && r.ended_well, "entries of rubbish: the session is served");
	sl_close(r.archive_fd);
	close(fd);
	fd = changed(first.archive_fd, break_end);
	r = session(l, &rec, fd);
	h_ok(r.served && r.ended_well, "entries with a wrong end: the session is served");
	sl_close(r.archive_fd);
	close(fd);
	sl_close(first.archive_fd);
	sl_launcher_free(l);
	free(rec.data);
	return h_done();
}
