/* SPDX-License-Identifier: MIT */
/*
 * A whole session: front end and core on the null back end. The first byte chooses how it runs
 * (version, synchronous fences or not, how reads are cut, whether replies are read), the rest is
 * what the client sends. The session asserts at its end that every charge was given back.
 */
#include <stdlib.h>

#include "frontend/memory/vtest-rig.h"
#include "fuzz.h"

enum {
	MODE_VERSION = 3, /* 0 to 3; 1 ends as 0 */
	MODE_ASYNC = 1 << 2,
	MODE_SHORT = 1 << 3,  /* reads of 7 bytes */
	MODE_UNREAD = 1 << 4, /* a client that does not read much */
	MODE_RAW = 1 << 5,    /* no handshake */
	MODE_SMALL = 1 << 6,  /* a budget that is soon spent */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_vtest_rig_options o = SL_VTEST_RIG_DEFAULT;
	struct sl_vtest_rig rig;
	uint8_t mode;

	if (size == 0) {
		return 0;
	}
	mode = data[0];
	o.async = mode & MODE_ASYNC;
	o.memory.max_recv = mode & MODE_SHORT ? 7 : 0;
	o.memory.max_pending = mode & MODE_UNREAD ? 600 : 0;
	o.memory.discard_output = !(mode & MODE_UNREAD);
	o.limits.mem_bytes = mode & MODE_SMALL ? 10u << 20 : 64u << 20;
	o.limits.cmd_bytes = 1u << 20;
	o.limits.resources = 64;
	o.limits.syncs = 64;
	if (sl_vtest_rig_init(&rig, &o) < 0) {
		abort();
	}
	if (!(mode & MODE_RAW)) {
		sl_vtest_rig_handshake(&rig, mode & MODE_VERSION);
	}
	if (sl_memory_write(rig.client, data + 1, size - 1) < 0) {
		abort();
	}
	sl_memory_shutdown(rig.client);
	sl_vtest_rig_run(&rig);
	sl_vtest_rig_fini(&rig);
	return 0;
}
