/* SPDX-License-Identifier: MIT */
/*
 * The vtest codec on arbitrary bytes: a run of messages as a server would cut them, every span
 * that the codec hands out touched to its last byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "protocol/vtest.h"

static volatile uint8_t sink;

static void touch(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sink ^= p[i];
	}
}

static void walk_batches(const struct sl_vtest_message *m)
{
	for (uint32_t i = 0; i < m->submit2.n_batches; i++) {
		struct sl_vtest_batch b;

		sl_vtest_batch(m, i, &b);
		touch(sl_vtest_batch_commands(m, &b), (size_t)b.cmd_size * 4);
		for (uint32_t k = 0; k < b.sync_count; k++) {
			struct sl_vtest_point p;

			sl_vtest_batch_point(m, &b, k, &p);
			sink ^= (uint8_t)p.value;
		}
	}
}

static void walk(const struct sl_vtest_message *m)
{
	struct sl_vtest_reply reply;

	touch(m->body, (size_t)m->body_bytes);
	for (uint32_t v = 0; v <= SL_VTEST_VERSION; v++) {
		sl_vtest_reply_shape(m, v, &reply);
	}
	if (m->id == SL_VTEST_SUBMIT_CMD2) {
		walk_batches(m);
	}
	for (uint32_t i = 0; m->id == SL_VTEST_SYNC_WAIT && i < m->wait.n_points; i++) {
		struct sl_vtest_point p;

		sl_vtest_wait_point(m, i, &p);
		sink ^= (uint8_t)p.value;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An allocation of its own for every message, so that one byte too far is seen. */
	while (size > 0) {
		struct sl_vtest_message m;
		size_t need = 0, total;
		uint8_t *copy;
		int r = sl_vtest_parse_head(data, size, &m, &need);

		if (r == -EAGAIN && need <= size) {
			abort();
		}
		if (r != 0 || m.body_bytes > size - m.head_bytes) {
			break;
		}
		total = m.head_bytes + (size_t)m.body_bytes;
		copy = malloc(total);
		if (!copy) {
			abort();
		}
		memcpy(copy, data, total);
		if (sl_vtest_parse_body(copy, &m) == 0) {
			walk(&m);
		}
		free(copy);
		data += total;
		size -= total;
	}
	return 0;
}
