/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * Accounting. A meter belongs to a session; every allocation that a client causes takes a charge
 * from it first and embeds that charge, whose _fini gives it back. A freed meter asserts that it
 * is back at zero.
 */
struct sl_meter {
	uint64_t used_bytes;
	uint64_t peak_bytes;
	uint64_t limit_bytes;
	uint64_t refused; /* how often the limit said no */
};

struct sl_charge {
	struct sl_meter *meter; /* NULL: nothing charged */
	uint64_t bytes;
};

/* 0, or SL_FAULT_NO_MEMORY. *c must be empty (zeroed). */
int sl_charge(struct sl_meter *m, uint64_t bytes, struct sl_charge *c);

/* Change an existing charge; on SL_FAULT_NO_MEMORY the old one stays. */
int sl_charge_resize(struct sl_charge *c, uint64_t bytes);

/* Give it back. Harmless on an empty charge. */
void sl_charge_fini(struct sl_charge *c);

/* The end of a meter: asserts that every charge has come back. */
void sl_meter_fini(struct sl_meter *m);
