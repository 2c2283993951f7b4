/* SPDX-License-Identifier: MIT */
/*
 * Command streams through the pricing walk. The input is a series of streams, each with what
 * becomes of it: it runs, it is refused, or the renderer stops in it. Whatever a client sends, the
 * session's balance is never negative, a refused stream leaves no trace, and pricing a stream
 * twice gives the same price.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/virgl/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum fate { RUNS, REFUSED, STOPS, N_FATES };

struct balance {
	int64_t bytes, contexts;
};

static uint64_t res_price(void *user, uint32_t res_id)
{
	return res_id % 7 * 1000000;
}

static bool res_has_room(void *user, uint32_t res_id, size_t bytes)
{
	return res_id % 2;
}

static const struct sl_stream_host host = {
	.res_price = res_price, .res_has_room = res_has_room, .last_format = 313
};

static int price(struct sl_stream *s, const uint32_t *cmd, size_t n, struct balance *ret)
{
	int32_t contexts = 0;
	int64_t bytes = 0;
	int r = sl_stream_price(s, cmd, n, &host, &bytes, &contexts);

	*ret = (struct balance){ bytes, contexts };
	return r;
}

static void one_stream(
	struct sl_stream *s, const uint32_t *cmd, size_t n, enum fate fate, struct balance *total)
{
	struct balance first, second;
	int r = price(s, cmd, n, &first), again = price(s, cmd, n, &second);

	if (r < 0 || again < 0) {
		return; /* out of memory */
	}
	if (r != again || first.bytes != second.bytes || first.contexts != second.contexts) {
		abort();
	}
	if (r != 0 || fate == REFUSED) {
		return;
	}
	total->bytes += first.bytes;
	total->contexts += first.contexts;
	if (total->bytes < 0 || total->contexts < 0) {
		abort();
	}
	sl_stream_commit(s, fate == RUNS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct balance total = {};
	struct sl_stream s;

	if (sl_stream_init(&s) < 0) {
		return 0;
	}
	/* Two bytes of length in words, one of fate. */
	while (size >= 3) {
		size_t n = (size_t)data[0] | (size_t)data[1] << 8;
		enum fate fate = (enum fate)(data[2] % N_FATES);
		uint32_t *cmd;

		data += 3;
		size -= 3;
		n = n > size / 4 ? size / 4 : n;
		/* Exactly as long as it is, so that reading past its end is seen. */
		cmd = malloc(n * 4 + (n == 0));
		if (!cmd) {
			break;
		}
		memcpy(cmd, data, n * 4);
		one_stream(&s, cmd, n, fate, &total);
		free(cmd);
		data += n * 4;
		size -= n * 4;
	}
	sl_stream_fini(&s);
	return 0;
}
