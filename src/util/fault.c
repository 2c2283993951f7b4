/* SPDX-License-Identifier: MIT */
/* The names of what a client can do wrong, as logs and `sluice ls` show them. */
#include "util/cleanup.h"
#include "util/fault.h"

const char *sl_fault_str(int fault)
{
	static const char *const names[SL_N_FAULTS] = {
		[SL_FAULT_NONE] = "no fault",
		[SL_FAULT_MALFORMED] = "malformed message",
		[SL_FAULT_UNKNOWN_ID] = "unknown id",
		[SL_FAULT_EXISTS] = "id already in use",
		[SL_FAULT_INVALID] = "invalid argument",
		[SL_FAULT_UNSUPPORTED] = "unsupported command",
		[SL_FAULT_LIMIT] = "limit exceeded",
		[SL_FAULT_NO_MEMORY] = "memory budget exceeded",
		[SL_FAULT_TIMEOUT] = "message not finished in time",
		[SL_FAULT_RENDERER] = "renderer error",
		[SL_FAULT_MEMORY_GONE] = "client memory vanished",
	};

	if (fault < 0 || fault >= SL_N_FAULTS) {
		return "unknown fault";
	}
	return names[fault];
}
