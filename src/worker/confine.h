/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Mesa keeps thousands of small buffers for a second before it frees them, each with a memfd that
 * staging memory holds (up to half of this); beyond that a client is told that there are too many.
 */
#define SL_CONFINE_MAX_FDS 8192

struct sl_confinement {
	bool empty_root; /* the renderer needs no files any more */
	uint32_t uid;    /* inside; 0: stay what we are */
};

/*
 * Stage 2 of the sandbox, all but seccomp, for a process with one thread: threads that a driver
 * makes later inherit it. Adds to *layers. 0, or -errno with *ret_what.
 */
int sl_confine(const struct sl_confinement *c, uint32_t *layers, const char **ret_what);

/*
 * The limits that depend on the session, a backup to its meter: address space and file size.
 * With @grows, files may grow beyond it (a recording).
 */
int sl_confine_memory(uint64_t mem_bytes, bool grows);
