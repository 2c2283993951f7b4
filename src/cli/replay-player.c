/* SPDX-License-Identifier: MIT */
/*
 * A vtest client that has no will of its own. Each message is sent as it was recorded and its reply
 * read before the next one, whatever is in it: what does not parse is sent too, since that is what
 * bug reports are about. Recordings and servers are both treated as hostile: sizes are checked
 * against what is really there, and every wait is bounded (replay-io.c).
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/replay-io.h"
#include "cli/replay.h"
#include "protocol/recording.h"
#include "util/cleanup.h"
#include "util/fds.h"
#include "util/idtable.h"

struct memory {
	uint8_t *map;
	size_t bytes;
};

struct player {
	struct sl_replay_io io;
	uint32_t version;
	uint32_t last_id; /* the id that the last resource got here, for CREATED */
	struct sl_idtable memories;
	struct sl_replay_result *result;
	uint8_t *buf; /* for records */
	size_t size, len, at;
};

/* The session is over: say why, once. Returns -ECONNRESET, which stops the player. */
static int ended(struct player *p, const char *fmt, ...) _printf_(2, 3);

static int ended(struct player *p, const char *fmt, ...)
{
	va_list ap;

	p->result->ended = true;
	va_start(ap, fmt);
	vsnprintf(p->result->why, sizeof(p->result->why), fmt, ap);
	va_end(ap);
	return -ECONNRESET;
}

static void memory_free(struct memory *m)
{
	if (m) {
		munmap(m->map, m->bytes);
		free(m);
	}
}

static uint32_t reply_word(const struct player *p, uint64_t bytes)
{
	uint32_t w = 0;

	if (bytes >= sizeof(w)) {
		memcpy(&w, p->io.reply, sizeof(w));
	}
	return w;
}

/* Keep a resource's shared memory, to write the recording's into. */
static void map_memory(struct player *p, uint32_t res_id, int fd)
{
	int64_t size = sl_fd_size(fd);
	struct memory *m = size > 0 ? calloc(1, sizeof(*m)) : NULL;

	if (!m) {
		return;
	}
	m->bytes = (size_t)size;
	m->map = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m->map == MAP_FAILED) {
		free(m);
		return;
	}
	memory_free(sl_idtable_remove(&p->memories, res_id));
	if (sl_idtable_insert(&p->memories, res_id, m) < 0) {
		memory_free(m);
	}
}

static bool makes_resource(uint32_t id)
{
	return id == SL_VTEST_RESOURCE_CREATE || id == SL_VTEST_RESOURCE_CREATE2 ||
	       id == SL_VTEST_RESOURCE_CREATE_BLOB;
}

static void take_headed(struct player *p, const struct sl_vtest_message *m, uint64_t bytes)
{
	if (m->id == SL_VTEST_PROTOCOL_VERSION) {
		p->version = reply_word(p, bytes);
	} else if (makes_resource(m->id)) {
		p->last_id = reply_word(p, bytes);
	}
}

static int take_fd(struct player *p, const struct sl_vtest_message *m)
{
	_cleanup_close_ int fd = sl_replay_receive_fd(&p->io);

	if (fd < 0) {
		return fd;
	}
	if (m->id == SL_VTEST_SYNC_WAIT) {
		return sl_replay_wait(fd, POLLIN);
	}
	map_memory(p, p->last_id, fd);
	return 0;
}

static int read_reply(struct player *p, const struct sl_vtest_message *m)
{
	struct sl_vtest_reply shape;
	uint64_t bytes = 0;
	int r = 0;

	sl_vtest_reply_shape(m, p->version, &shape);
	if (makes_resource(m->id) && m->id != SL_VTEST_RESOURCE_CREATE_BLOB) {
		p->last_id = m->create.handle;
	}
	if (shape.headed) {
		r = sl_replay_receive(&p->io, SL_VTEST_HEADER_BYTES);
		if (r == 0 && sl_vtest_decode_reply(p->io.reply, m->id, &bytes) != 0) {
			r = -EBADMSG;
		}
		r = r < 0 ? r : sl_replay_receive(&p->io, bytes);
		if (r == 0) {
			take_headed(p, m, bytes);
		}
	}
	if (r == 0 && shape.raw_bytes > 0) {
		r = sl_replay_receive(&p->io, shape.raw_bytes);
	}
	if (r == 0 && shape.fd) {
		r = take_fd(p, m);
	}
	return r;
}

static const char *reason(int r)
{
	switch (r) {
	case -ECONNRESET:
	case -EPIPE:
		return "the server closed the connection";
	case -ETIMEDOUT:
		return "no answer came in time";
	case -EBADMSG:
	case -EMSGSIZE:
		return "the answer makes no sense";
	default:
		return strerror(-r);
	}
}

static void account(struct player *p, uint32_t id, uint64_t ns)
{
	struct sl_replay_command *c = &p->result->commands[id < SL_VTEST_N_IDS ? id : 0];

	c->count++;
	c->total_ns += ns;
	c->max_ns = SL_MAX(c->max_ns, ns);
}

static int play_message(struct player *p, const struct sl_rec_record *rec)
{
	struct sl_vtest_message m = {};
	uint64_t start_ns = sl_now_ns();
	size_t need;
	bool parsed = sl_vtest_parse_head(rec->data, rec->data_bytes, &m, &need) == 0 &&
		      m.head_bytes + m.body_bytes == rec->data_bytes;
	int r = sl_replay_send(&p->io, rec->data, rec->data_bytes);

	p->result->messages++;
	if (r == 0 && parsed) {
		r = read_reply(p, &m);
	}
	if (r == 0 && parsed && m.id == SL_VTEST_RESOURCE_UNREF) {
		memory_free(sl_idtable_remove(&p->memories, m.resource.handle));
	}
	account(p, parsed ? m.id : 0, sl_now_ns() - start_ns);
	return r < 0 ? ended(p, "message %llu (%s): %s", (unsigned long long)p->result->messages,
			       parsed ? sl_vtest_id_str(m.id) : "not understood", reason(r))
		     : 0;
}

static int play_memory(struct player *p, const struct sl_rec_record *rec)
{
	struct memory *m = sl_idtable_get(&p->memories, rec->resource);

	if (!m || rec->offset > m->bytes || rec->data_bytes > m->bytes - rec->offset) {
		return ended(p,
			"before message %llu: resource %u has %s memory here than in the "
			"recording",
			(unsigned long long)p->result->messages + 1, rec->resource,
			m ? "less" : "other or no");
	}
	memcpy(m->map + rec->offset, rec->data, rec->data_bytes);
	p->result->memory_bytes += rec->data_bytes;
	return 0;
}

static int play_record(struct player *p, const struct sl_rec_record *rec)
{
	p->result->recorded_ns = rec->time_ns;
	switch (rec->type) {
	case SL_REC_MESSAGE:
		return play_message(p, rec);
	case SL_REC_MEMORY:
		return play_memory(p, rec);
	default:
		p->result->other_ids += rec->resource != p->last_id;
		return 0;
	}
}

/* Make @need bytes from p->at on be there. 1, 0 at the end of the file, or -errno. */
static int fill(struct player *p, FILE *f, size_t need)
{
	if (p->at > 0) {
		memmove(p->buf, p->buf + p->at, p->len - p->at);
	}
	p->len -= p->at;
	p->at = 0;
	while (p->len < need) {
		/* Grown step by step: a header may promise what the file does not hold. */
		size_t want = SL_MIN(need - p->len, (size_t)1 << 20), n;

		if (p->len + want > p->size) {
			size_t size = SL_MAX(p->size * 2, p->len + want);
			uint8_t *buf = realloc(p->buf, size);

			if (!buf) {
				return -ENOMEM;
			}
			p->buf = buf;
			p->size = size;
		}
		n = fread(p->buf + p->len, 1, want, f);
		p->len += n;
		if (n < want) {
			return ferror(f) ? -EIO : 0;
		}
	}
	return 1;
}

/* The next record, 1; 0 at the end; or -errno. One that is cut off is the end. */
static int next_record(struct player *p, FILE *f, struct sl_rec_record *ret)
{
	size_t need = SL_REC_HEADER_BYTES;
	int r;

	for (;;) {
		r = sl_rec_parse(p->buf + p->at, p->len - p->at, ret, &need);
		if (r != -EAGAIN) {
			break;
		}
		r = fill(p, f, need);
		if (r <= 0) {
			return r;
		}
	}
	if (r == 0) {
		p->at += ret->size_bytes;
	}
	return r < 0 ? r : 1;
}

/* The last messages may have had no reply: ask something harmless, so that their end is seen. */
static int check_alive(struct player *p)
{
	uint8_t message[SL_VTEST_HEAD_MAX_BYTES];
	const uint32_t words[] = { 0, 0 };
	struct sl_rec_record rec = { .type = SL_REC_MESSAGE, .data = message };

	rec.data_bytes =
		sl_vtest_encode(message, sizeof(message), SL_VTEST_RESOURCE_BUSY_WAIT, words, 2);
	return play_message(p, &rec);
}

static int play(struct player *p, FILE *f)
{
	struct sl_rec_record rec;
	uint32_t kind;
	int r = fill(p, f, SL_REC_FILE_BYTES);

	if (r <= 0) {
		return r < 0 ? r : -EPROTO;
	}
	r = sl_rec_parse_file(p->buf, p->len, &kind);
	p->at = SL_REC_FILE_BYTES;
	while (r >= 0) {
		r = next_record(p, f, &rec);
		if (r <= 0) {
			break;
		}
		r = play_record(p, &rec);
	}
	if (r == 0 && p->result->messages > 0) {
		r = check_alive(p);
		p->result->messages--;
	}
	return r == -ECONNRESET && p->result->ended ? 0 : r;
}

static void player_fini(struct player *p)
{
	size_t cursor = 0;
	struct memory *m;
	uint32_t id;

	while ((m = sl_idtable_next(&p->memories, &cursor, &id))) {
		memory_free(m);
	}
	sl_idtable_fini(&p->memories);
	sl_replay_io_fini(&p->io);
	free(p->buf);
}

int sl_replay_play(FILE *f, const char *socket, struct sl_replay_result *ret)
{
	struct player p = { .result = ret };
	uint64_t start_ns = sl_now_ns();
	int r = sl_replay_connect(&p.io, socket);

	*ret = (struct sl_replay_result){};
	if (r == 0) {
		r = play(&p, f);
	}
	ret->bytes_sent = p.io.bytes_sent;
	ret->bytes_received = p.io.bytes_received;
	ret->wall_ns = sl_now_ns() - start_ns;
	player_fini(&p);
	return r;
}
