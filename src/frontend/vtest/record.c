/* SPDX-License-Identifier: MIT */
/*
 * Recording what a client sends. Messages are written whole. Shared memory is the other half of a
 * session's input: before a message that may read it, the pages that have changed since they were
 * last recorded are written too. Which resources a command buffer reads is the renderer's
 * knowledge, so every word in it that is a handle with shared memory counts; comparing too much
 * costs time in a session that is being recorded anyway, and writes nothing. What a read-back of
 * the session put there is not written either: a player's own read-back does.
 *
 * Memory of HOST3D blobs is the renderer's own and is not recorded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/format.h"
#include "frontend/vtest/vtest-private.h"
#include "protocol/recording.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define PAGE_BYTES 4096u

/* One resource's shared memory and a hash of each page as it was last written. */
struct shadow {
	const uint8_t *map;
	size_t bytes;
	uint64_t seen; /* number of the message that last compared it */
	uint64_t hashes[];
};

struct sl_vt_recorder {
	int fd;
	uint64_t began_ns, message;
	struct sl_idtable shadows;
};

static int write_all(int fd, struct iovec *iov, int n)
{
	while (n > 0) {
		ssize_t w = writev(fd, iov, n);

		if (w < 0 && errno == EINTR) {
			continue;
		}
		if (w < 0) {
			return -errno;
		}
		for (; n > 0 && (size_t)w >= iov->iov_len; iov++, n--) {
			w -= (ssize_t)iov->iov_len;
		}
		if (n > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + w;
			iov->iov_len -= (size_t)w;
		}
	}
	return 0;
}

static int write_record(struct sl_vt_recorder *rec, uint32_t type, const void *head,
	size_t head_bytes, const void *data, size_t bytes)
{
	uint8_t header[SL_REC_HEADER_BYTES];
	struct iovec iov[] = {
		{ header, sizeof(header) },
		{ (void *)head, head_bytes },
		{ (void *)data, bytes },
	};

	sl_rec_encode_header(
		header, type, (uint32_t)(head_bytes + bytes), sl_now_ns() - rec->began_ns);
	return write_all(rec->fd, iov, SL_ARRAY_LEN(iov));
}

int sl_vtest_record(struct sl_vtest *v, int fd)
{
	uint8_t file[SL_REC_FILE_BYTES];
	struct iovec iov = { file, sizeof(file) };
	struct sl_vt_recorder *rec;
	int r;

	if (v->recorder) {
		return -EALREADY;
	}
	rec = calloc(1, sizeof(*rec));
	if (!rec) {
		return -ENOMEM;
	}
	rec->fd = fd;
	rec->began_ns = sl_now_ns();
	sl_rec_encode_file(file, SL_REC_KIND_VTEST);
	r = write_all(fd, &iov, 1);
	if (r < 0) {
		free(rec);
		return r;
	}
	v->recorder = rec;
	return 0;
}

struct sl_vt_recorder *sl_vt_recorder_free(struct sl_vt_recorder *rec)
{
	struct shadow *s;
	size_t cursor = 0;

	if (rec) {
		while ((s = sl_idtable_next(&rec->shadows, &cursor, NULL))) {
			free(s);
		}
		sl_idtable_fini(&rec->shadows);
		free(rec);
	}
	return NULL;
}

static size_t n_pages(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Recording is best effort: without a shadow the messages are still complete. */
void sl_vt_record_backing(struct sl_vtest *v, uint32_t res_id, const void *map, size_t bytes)
{
	struct shadow *s;

	if (!v->recorder) {
		return;
	}
	s = calloc(1, sizeof(*s) + n_pages(bytes) * sizeof(s->hashes[0]));
	if (!s) {
		return;
	}
	s->map = map;
	s->bytes = bytes;
	if (sl_idtable_insert(&v->recorder->shadows, res_id, s) < 0) {
		free(s);
	}
}

void sl_vt_record_unref(struct sl_vtest *v, uint32_t res_id)
{
	if (v->recorder) {
		free(sl_idtable_remove(&v->recorder->shadows, res_id));
	}
}

/* Never 0, so that a page that was never written differs from any. */
static uint64_t hash_bytes(const uint8_t *p, size_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ n, w = 0;

	for (; n >= sizeof(w); p += sizeof(w), n -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, p, n);
	h = (h ^ w) * 0xff51afd7ed558ccdu;
	return h ^ h >> 32 ? h ^ h >> 32 : 1;
}

/* The client may write while we look; what is seen then is one of the values it had. */
static uint64_t read_page(
	const struct shadow *s, size_t i, uint8_t copy[PAGE_BYTES], size_t *ret_bytes)
{
	*ret_bytes = SL_MIN(s->bytes - i * PAGE_BYTES, (size_t)PAGE_BYTES);
	memcpy(copy, s->map + i * PAGE_BYTES, *ret_bytes);
	return hash_bytes(copy, *ret_bytes);
}

static int record_memory(struct sl_vt_recorder *rec, uint32_t res_id, struct shadow *s)
{
	if (s->seen == rec->message) {
		return 0;
	}
	s->seen = rec->message;
	for (size_t i = 0; i < n_pages(s->bytes); i++) {
		uint8_t copy[PAGE_BYTES], head[SL_REC_MEMORY_HEAD_BYTES];
		size_t n;
		uint64_t h = read_page(s, i, copy, &n);
		int r;

		if (h == s->hashes[i]) {
			continue;
		}
		s->hashes[i] = h;
		sl_rec_encode_memory(head, res_id, i * PAGE_BYTES);
		r = write_record(rec, SL_REC_MEMORY, head, sizeof(head), copy, n);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* Pages that a read-back writes whole, *ret_first to the result; none if it leaves gaps. */
static size_t written_pages(const struct sl_vtest *v, const struct shadow *s, uint32_t res_id,
	const struct sl_transfer *t, size_t *ret_first)
{
	const struct sl_resource_args *a = sl_session_resource_args(v->session, res_id);
	uint64_t bytes, end;

	*ret_first = 0;
	if (!a || sl_transfer_extent(a, t, &bytes) != 0 || t->box.w < a->width >> t->level ||
		t->box.d != 1) {
		return 0;
	}
	end = t->offset_bytes + bytes;
	*ret_first = n_pages((size_t)t->offset_bytes);
	return end >= s->bytes ? n_pages(s->bytes) : (size_t)end / PAGE_BYTES;
}

/* A page that a player has as it is before, it has afterwards; any other: never written. */
void sl_vt_record_readback(
	struct sl_vtest *v, uint32_t res_id, const struct sl_transfer *t, bool done)
{
	struct shadow *s = v->recorder ? sl_idtable_get(&v->recorder->shadows, res_id) : NULL;
	size_t i = 0, end = s ? written_pages(v, s, res_id, t, &i) : 0;

	for (; i < end; i++) {
		if (s->hashes[i] != 0) {
			uint8_t copy[PAGE_BYTES];
			size_t n;
			uint64_t h = read_page(s, i, copy, &n);

			s->hashes[i] = done || h == s->hashes[i] ? h : 0;
		}
	}
}

static int record_handle(struct sl_vt_recorder *rec, uint32_t res_id)
{
	struct shadow *s = sl_idtable_get(&rec->shadows, res_id);

	return s ? record_memory(rec, res_id, s) : 0;
}

static int record_inputs(struct sl_vt_recorder *rec, const struct sl_vtest_message *m)
{
	int r = 0;

	if (m->id == SL_VTEST_TRANSFER_PUT2) {
		return record_handle(rec, m->transfer.handle);
	}
	if (m->id != SL_VTEST_SUBMIT_CMD && m->id != SL_VTEST_SUBMIT_CMD2) {
		return 0;
	}
	for (uint64_t i = 0; r == 0 && m->body && i + 4 <= m->body_bytes; i += 4) {
		uint32_t word;

		memcpy(&word, m->body + i, sizeof(word));
		r = record_handle(rec, word);
	}
	return r;
}

/*
 * A recording that cannot be written ends, the session goes on: a full disk is not the client's
 * doing, and a short recording still plays.
 */
static void give_up(struct sl_vtest *v, int r)
{
	if (r < 0) {
		v->recorder = sl_vt_recorder_free(v->recorder);
	}
}

void sl_vt_record_message(
	struct sl_vtest *v, const struct sl_vtest_message *m, const uint8_t *begin)
{
	int r;

	if (!v->recorder || (m->body_bytes > 0 && !m->body)) {
		/* A refused body was never taken in, so there is no whole message to write. */
		return;
	}
	v->recorder->message++;
	r = record_inputs(v->recorder, m);
	if (r == 0) {
		r = write_record(v->recorder, SL_REC_MESSAGE, NULL, 0, begin,
			m->head_bytes + (size_t)m->body_bytes);
	}
	give_up(v, r);
}

void sl_vt_record_created(struct sl_vtest *v, uint32_t res_id)
{
	uint8_t head[SL_REC_MEMORY_HEAD_BYTES];

	if (v->recorder) {
		sl_rec_encode_memory(head, res_id, 0);
		give_up(v, write_record(v->recorder, SL_REC_CREATED, head, SL_REC_CREATED_BYTES,
				   NULL, 0));
	}
}
