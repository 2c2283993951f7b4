/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "core/session.h"

/* The worker's side of the stats page (protocol/worker.h). */
struct sl_stats;

/* *ret_fd is the page's fd for the broker, the caller's. */
int sl_stats_new(struct sl_stats **ret, int *ret_fd);
struct sl_stats *sl_stats_free(struct sl_stats *s);

/* A turn of the loop begins at @now_ns, and ends. */
void sl_stats_busy(struct sl_stats *s, uint64_t now_ns);
void sl_stats_idle(struct sl_stats *s, const struct sl_session *session, uint64_t attached_ns);
