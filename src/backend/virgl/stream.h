/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/idtable.h"
#include "util/list.h"

/*
 * A walk over virgl command streams, before the renderer sees them: what do they create? One
 * tracker per context; it remembers objects by (sub-context, handle), so that a later destroy
 * gives back what its create took.
 *
 * Creations are priced in full before the stream runs. What it destroys is given back with the
 * price of the next one, after the renderer has really done it: so a stream can neither exceed the
 * budget half-way nor be paid for a destroy that it never reached.
 */
struct sl_stream_sub {
	struct sl_list link;
	uint32_t id;
	bool live; /* false: destroyed by a stream that is not committed yet */
	uint64_t bytes;
	struct sl_idtable objects; /* prices, encoded */
};

struct sl_stream_change;

struct sl_stream {
	struct sl_list subs; /* few: Mesa has one per GL context of the client */
	struct sl_stream_sub *current;
	struct sl_stream_sub *base; /* sub-context 0, always there */
	uint32_t n_subs;
	/* What the last priced stream would change, to be undone if it does not run. */
	struct sl_stream_change *changes;
	size_t n_changes, n_changes_max;
	struct sl_stream_sub *current_before;
	bool pending;
	/* Destroyed by streams that ran, not yet given back; and by the pending one. */
	uint64_t credit_bytes, freed_bytes;
	uint32_t credit_subs, freed_subs;
	bool queries; /* the pending stream asks for query results */
};

/* What the walk must ask of the renderer whose stream it is. */
struct sl_stream_host {
	/* The price of the pixels of a resource, or 0 if it is unknown: for multisampled surfaces.
	 */
	uint64_t (*res_price)(void *user, uint32_t res_id);
	/* Whether the context has this resource, with so much memory in its first piece of backing.
	 */
	bool (*res_has_room)(void *user, uint32_t res_id, size_t bytes);
	/* The highest format that the renderer knows a description of. */
	uint32_t last_format;
	void *user;
};

/* 0 or -ENOMEM. */
int sl_stream_init(struct sl_stream *s);
void sl_stream_fini(struct sl_stream *s);

/*
 * Walk @cmd. 0, SL_FAULT_MALFORMED (lengths that do not add up), SL_FAULT_UNSUPPORTED (commands
 * that this back end must not pass on), another fault of a creation in it, or -ENOMEM. On 0 the
 * outputs are the growth in bytes and in sub-contexts, which may be negative.
 */
int sl_stream_price(struct sl_stream *s, const uint32_t *cmd, size_t n_dw,
	const struct sl_stream_host *host, int64_t *ret_bytes, int32_t *ret_contexts);

/* Whether renderers that know formats up to @last describe this one; not all numbers are taken. */
bool sl_stream_format_known(uint32_t format, uint32_t last);

/*
 * The stream priced last was charged and given to the renderer, which executed all of it or
 * stopped somewhere. Without this call the next sl_stream_price() undoes it.
 */
void sl_stream_commit(struct sl_stream *s, bool executed);
