/* SPDX-License-Identifier: MIT */
/*
 * Mutated recordings of real sessions against the front end, in one process on the null back end:
 * fast enough for tens of thousands in a test run, under the sanitizers. A session that ends in
 * any way is well; a crash, a lost charge (the session asserts) or a session that takes long is
 * not. With --write=DIR the mutated byte streams are written out instead, for live servers.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/memory/vtest-rig.h"
#include "protocol/recording.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define MAX_FILE_BYTES (64u << 20)
#define MAX_MESSAGES 4096
/* A null session of this size takes under 10 ms, under sanitizers too. */
#define SLOW_NS (5 * SL_NSEC_PER_SEC)

struct message {
	const uint8_t *data;
	size_t size;
};

struct source {
	struct message m[MAX_MESSAGES];
	size_t n;
};

static uint64_t rng_state;
static uint64_t n_handled, n_ended_well;

/* xorshift64*: the run is repeatable from its seed. */
static uint32_t rnd(uint32_t below)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return below ? (uint32_t)((rng_state * 0x2545f4914f6cdd1dull) >> 33) % below : 0;
}

static int load(const char *path, struct source *s)
{
	size_t size, pos = SL_REC_FILE_BYTES, need;
	struct sl_rec_record r;
	uint32_t kind;
	char *data;

	if (sl_read_file_at(AT_FDCWD, path, MAX_FILE_BYTES, &data, &size) < 0 ||
		sl_rec_parse_file(data, size, &kind) < 0) {
		return -EINVAL;
	}
	/* The data stays for the run: messages point into it. */
	while (s->n < MAX_MESSAGES && sl_rec_parse(data + pos, size - pos, &r, &need) == 0) {
		if (r.type == SL_REC_MESSAGE) {
			s->m[s->n++] = (struct message){ r.data, r.data_bytes };
		}
		pos += r.size_bytes;
	}
	return s->n > 0 ? 0 : -EINVAL;
}

static void mutate_bytes(uint8_t *p, size_t n)
{
	static const uint32_t evil[] = { 0, 1, 2, 4095, 4096, 0x7fffffff, 0x80000000, 0xfffffffe,
		0xffffffff, 16384, 0x10000, 64 };
	uint32_t w;

	switch (rnd(4)) {
	case 0:
		p[rnd((uint32_t)n)] ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		p[rnd((uint32_t)n)] = (uint8_t)rnd(256);
		break;
	default:
		if (n >= 4) {
			w = rnd(8) ? evil[rnd(SL_ARRAY_LEN(evil))] : rnd(UINT32_MAX);
			memcpy(p + rnd((uint32_t)(n / 4)) * 4, &w, 4);
		}
		break;
	}
}

/* One session's bytes: messages kept, lost, doubled, swapped, cut or filled with noise. */
static size_t mutate(const struct source *s, uint8_t *out, size_t max)
{
	/* From one fault in every other message to a few in a session: both find things. */
	uint32_t rate = 2u << rnd(8), start = rnd(16) ? 0 : rnd((uint32_t)s->n);
	size_t size = 0;

	for (size_t i = start; i < s->n; i++) {
		const struct message *m = &s->m[i];
		size_t n, copies = 1;

		if (rnd(rate) == 0) {
			copies = rnd(3);
			m = rnd(3) ? m : &s->m[rnd((uint32_t)s->n)];
		}
		for (; copies > 0 && size + m->size <= max; copies--) {
			n = m->size;
			memcpy(out + size, m->data, n);
			if (rnd(rate) == 0) {
				/* Headers and fixed words are where it matters most. */
				mutate_bytes(out + size, rnd(2) ? SL_MIN(n, (size_t)52) : n);
			}
			if (rnd(rate * 20) == 0) {
				n = rnd((uint32_t)n + 1);
			}
			size += n;
		}
	}
	return size;
}

static int play(const uint8_t *data, size_t size)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	uint64_t began = sl_now_ns();
	struct sl_session_stats stats;
	struct sl_vtest_rig rig;
	size_t pos = 0;
	int r;

	o.async = rnd(2);
	o.memory.max_recv = rnd(4) ? 0 : 1 + rnd(5000);
	o.memory.discard_output = true;
	o.limits.mem_bytes = rnd(2) ? 256u << 20 : 24u << 20;
	if (sl_vtest_rig_init(&rig, &o) < 0) {
		abort();
	}
	while (pos < size && sl_vtest_rig_run(&rig) == SL_VTEST_OPEN) {
		size_t n = SL_MIN(size - pos, (size_t)1 + rnd(100000));

		if (sl_memory_write(rig.client, data + pos, n) < 0) {
			abort();
		}
		pos += n;
	}
	sl_memory_shutdown(rig.client);
	r = sl_vtest_rig_run(&rig);
	if (r == SL_VTEST_OPEN) {
		fprintf(stderr, "a session did not end with its client\n");
		abort();
	}
	sl_session_stats(rig.session, &stats);
	n_handled += stats.commands;
	n_ended_well += r == SL_VTEST_CLOSED;
	sl_vtest_rig_fini(&rig);
	return sl_now_ns() - began > SLOW_NS ? -ETIME : 0;
}

static void write_out(const char *dir, unsigned long i, const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%06lu", dir, i);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "write", required_argument, NULL, 'w' },
		{},
	};
	static uint8_t out[8u << 20];
	static struct source sources[16];
	unsigned long count = 1000, seed = 1;
	const char *dir = NULL;
	size_t n = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			dir = optarg;
			break;
		default:
			return 2;
		}
	}
	for (; optind < argc && n < SL_ARRAY_LEN(sources); optind++, n++) {
		if (load(argv[optind], &sources[n]) < 0) {
			fprintf(stderr, "%s: no recording\n", argv[optind]);
			return 1;
		}
	}
	if (n == 0) {
		fputs("usage: mutate [--count=N] [--seed=N] [--write=DIR] RECORDING...\n", stderr);
		return 2;
	}
	for (unsigned long i = 0; i < count; i++) {
		size_t size;

		/* Each session from its own seed, so that one can be repeated alone. */
		rng_state = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
		rnd(0);
		size = mutate(&sources[i % n], out, sizeof(out));
		if (dir) {
			write_out(dir, i, out, size);
		} else if (play(out, size) < 0) {
			fprintf(stderr, "session %lu (--seed=%lu --count=1) took too long\n", i,
				seed + i);
			return 1;
		}
	}
	printf("%lu mutated sessions from %zu recordings, seed %lu: %llu messages handled, "
	       "%llu sessions reached their end\n",
		count, n, seed, (unsigned long long)n_handled, (unsigned long long)n_ended_well);
	return 0;
}
