/* SPDX-License-Identifier: MIT */
/*
 * Slots: small numbers for workers, each used by one worker at a time, so that no two of them
 * share a uid of the configured range.
 */
#include <stdlib.h>

#include "broker/broker.h"

uint32_t sl_slots_take(struct sl_slots *s)
{
	uint64_t *grown;

	for (uint32_t i = 0; i < s->n / 64; i++) {
		if (s->bits[i] != UINT64_MAX) {
			uint32_t bit = (uint32_t)__builtin_ctzll(~s->bits[i]);

			s->bits[i] |= 1ull << bit;
			return i * 64 + bit;
		}
	}
	grown = realloc(s->bits, (s->n / 64 + 1) * sizeof(*grown));
	if (!grown) {
		return UINT32_MAX;
	}
	s->bits = grown;
	s->bits[s->n / 64] = 1;
	s->n += 64;
	return s->n - 64;
}

void sl_slots_release(struct sl_slots *s, uint32_t slot)
{
	s->bits[slot / 64] &= ~(1ull << slot % 64);
}
