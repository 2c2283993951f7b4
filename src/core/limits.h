/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/*
 * What one session may cause. The broker decides them, ATTACH carries them (protocol/worker.h),
 * the session enforces them. All are hard limits.
 */
struct sl_limits {
	uint64_t mem_bytes;  /* all memory a session may cause, host and shared */
	uint32_t resources;  /* live resources */
	uint32_t contexts;   /* live contexts, sub-contexts included */
	uint32_t cmd_bytes;  /* one command buffer */
	uint32_t message_ms; /* from a message's first byte to its last */
	uint32_t syncs;      /* live sync objects */
};

#define SL_LIMIT_MEM_BYTES (1ull << 30)
/* glmark2 keeps under 100 and Firefox under 20,000; an entry costs us about 200 bytes. */
#define SL_LIMIT_RESOURCES 65536u
/* A context is 2 to 9 MiB in the renderer; a browser uses about 20. */
#define SL_LIMIT_CONTEXTS 64u
/* Mesa flushes at 256 KiB; inline transfers of the old protocol are separate. */
#define SL_LIMIT_CMD_BYTES (4u << 20)
#define SL_LIMIT_MESSAGE_MS 10000u
#define SL_LIMIT_SYNCS 4096u

/*
 * What the session charges for things that have no size of their own. A GL context with Mesa's
 * tables is 2.3 MiB (Mesa 22.3) to 9 MiB (25.0); a resource is our entry, the renderer's and GL's
 * object beside its pixels; an attachment is a list node here and a hash entry there.
 */
#define SL_COST_CONTEXT_BYTES (8ull << 20)
#define SL_COST_RESOURCE_BYTES 4096ull
#define SL_COST_ATTACH_BYTES 256ull
/* Pieces of one backing; QEMU and virtio drivers stay well below (4 KiB pages of 64 MiB). */
#define SL_MAX_IOVECS 16384u
/* Rings of one context, as vtest and virtio-gpu number them. */
#define SL_MAX_RINGS 64u

#define SL_LIMITS_DEFAULT                                                                          \
	((struct sl_limits){                                                                       \
		.mem_bytes = SL_LIMIT_MEM_BYTES,                                                   \
		.resources = SL_LIMIT_RESOURCES,                                                   \
		.contexts = SL_LIMIT_CONTEXTS,                                                     \
		.cmd_bytes = SL_LIMIT_CMD_BYTES,                                                   \
		.message_ms = SL_LIMIT_MESSAGE_MS,                                                 \
		.syncs = SL_LIMIT_SYNCS,                                                           \
	})
