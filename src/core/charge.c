/* SPDX-License-Identifier: MIT */
/*
 * Accounting: a meter per session, a charge inside everything that a client caused. The meter's
 * used bytes are the sum of the live charges at every moment; nothing else changes them.
 */
#include <assert.h>

#include "core/charge.h"
#include "util/fault.h"

static int take(struct sl_meter *m, uint64_t bytes)
{
	if (bytes > m->limit_bytes || m->used_bytes > m->limit_bytes - bytes) {
		m->refused++;
		return SL_FAULT_NO_MEMORY;
	}
	m->used_bytes += bytes;
	if (m->used_bytes > m->peak_bytes) {
		m->peak_bytes = m->used_bytes;
	}
	return 0;
}

int sl_charge(struct sl_meter *m, uint64_t bytes, struct sl_charge *c)
{
	int r;

	assert(!c->meter);
	r = take(m, bytes);
	if (r != 0) {
		return r;
	}
	*c = (struct sl_charge){ .meter = m, .bytes = bytes };
	return 0;
}

int sl_charge_resize(struct sl_charge *c, uint64_t bytes)
{
	int r;

	assert(c->meter);
	if (bytes > c->bytes) {
		r = take(c->meter, bytes - c->bytes);
		if (r != 0) {
			return r;
		}
	} else {
		c->meter->used_bytes -= c->bytes - bytes;
	}
	c->bytes = bytes;
	return 0;
}

void sl_charge_fini(struct sl_charge *c)
{
	if (c->meter) {
		assert(c->meter->used_bytes >= c->bytes);
		c->meter->used_bytes -= c->bytes;
	}
	*c = (struct sl_charge){};
}

void sl_meter_fini(struct sl_meter *m)
{
	assert(m->used_bytes == 0);
	*m = (struct sl_meter){};
}
