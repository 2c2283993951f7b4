/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/vtest.h"

/* Playing a recorded session to a vtest server. */

struct sl_replay_command {
	uint64_t count, total_ns, max_ns;
};

/* What came of it. Times are from sending a message to having all of its reply. */
struct sl_replay_result {
	uint64_t messages, bytes_sent, bytes_received, memory_bytes;
	uint64_t wall_ns, recorded_ns;
	uint64_t other_ids; /* resources that got another id than in the recording */
	struct sl_replay_command commands[SL_VTEST_N_IDS]; /* 0: what does not parse */
	bool ended;                                        /* before the recording did */
	char why[160];                                     /* then: where and how */
};

/*
 * Play @f (at its beginning) to the server at @socket. 0 with *ret, also when the server ended the
 * session; -EPROTO for what is no recording, -EPROTONOSUPPORT for one of another version, or the
 * -errno of the file or of connecting.
 */
int sl_replay_play(FILE *f, const char *socket, struct sl_replay_result *ret);
