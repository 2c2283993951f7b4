/* SPDX-License-Identifier: MIT */
/*
 * The broker's view of a packet from a hostile worker: the first byte says how many fds came
 * with it, the rest is the packet. Whatever passes the check must be safe to print.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union sl_ctl_message m = { 0 };
	size_t length = 0;

	if (size < 1 || sl_ctl_check(data + 1, size - 1, data[0] % 9) != 0) {
		return 0;
	}
	memcpy(&m, data + 1, size - 1);
	switch (m.h.type) {
	case SL_CTL_RENDERER:
		length = strlen(m.renderer.name) + strlen(m.renderer.api) +
			 strlen(m.renderer.library) + strlen(m.renderer.node);
		break;
	case SL_CTL_FAULT:
		length = strlen(m.fault.text);
		break;
	case SL_CTL_ATTACH:
		length = strlen(m.attach.domain);
		break;
	default:
		break;
	}
	if (size - 1 != sl_ctl_size(m.h.type) || length > size) {
		abort();
	}
	return 0;
}
