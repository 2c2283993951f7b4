/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "protocol/worker.h"

struct sl_broker;

/* Start looking at the workers' stats pages, as often as the configured bound needs. */
int sl_watchdog_start(struct sl_broker *b);

/* What was seen of one worker at the last look. */
struct sl_watch {
	uint64_t heartbeat, busy_since_ns;
	uint64_t since_ns; /* our clock when this pair was first seen */
};

/*
 * Is this worker stuck in one renderer call for longer than @bound_ns? Pure. Its own claim of
 * when the call began counts, if that is in the past; else the time for which we have seen
 * nothing move does.
 */
bool sl_watchdog_stuck(
	struct sl_watch *w, const struct sl_ctl_stats_page *st, uint64_t now_ns, uint64_t bound_ns);
