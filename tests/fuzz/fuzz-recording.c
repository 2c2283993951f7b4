/* SPDX-License-Identifier: MIT */
/* A recording file on arbitrary bytes, walked as a player does. */
#include <errno.h>
#include <stdlib.h>

#include "fuzz.h"
#include "protocol/recording.h"

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pos = SL_REC_FILE_BYTES, need = 0;
	struct sl_rec_record r;
	uint32_t kind;
	int e;

	if (sl_rec_parse_file(data, size, &kind) != 0) {
		return 0;
	}
	while ((e = sl_rec_parse(data + pos, size - pos, &r, &need)) == 0) {
		if (r.data + r.data_bytes > data + size || r.size_bytes > size - pos) {
			abort();
		}
		for (size_t i = 0; i < r.data_bytes; i++) {
			sink ^= r.data[i];
		}
		pos += r.size_bytes;
	}
	if (e == -EAGAIN && need <= size - pos) {
		abort();
	}
	return 0;
}
