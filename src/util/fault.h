/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a client did wrong. Functions that judge a client's input return 0, a positive
 * enum sl_fault (the client's doing), or a negative errno (the host's doing).
 */
enum sl_fault {
	SL_FAULT_NONE = 0,
	SL_FAULT_MALFORMED,   /* a message that does not parse */
	SL_FAULT_UNKNOWN_ID,  /* a resource, context, sync or ring that does not exist here */
	SL_FAULT_EXISTS,      /* an id that is taken */
	SL_FAULT_INVALID,     /* parses, but a value makes no sense (box, format, flags) */
	SL_FAULT_UNSUPPORTED, /* a command or capset that this session does not have */
	SL_FAULT_LIMIT,       /* a count or size above a limit of the session */
	SL_FAULT_NO_MEMORY,   /* the session's memory budget is spent */
	SL_FAULT_TIMEOUT,     /* a message begun and not finished in time */
	SL_FAULT_RENDERER,    /* the renderer refused the work or lost its context */
	SL_FAULT_MEMORY_GONE, /* client memory vanished under a mapping (SIGBUS) */
	SL_N_FAULTS,
};

/* A short English phrase: "malformed message". */
const char *sl_fault_str(int fault);
