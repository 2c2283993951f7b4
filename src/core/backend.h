/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * What a back end is: it executes, it knows nothing of transports, and it holds no policy. The
 * core calls it with ids it has checked and sizes it has priced. One back end instance serves one
 * session; all calls come from one thread.
 *
 * Returns are 0, a positive enum sl_fault (the client's work was refused), or a negative errno.
 * Completion is by callback: what submit() and the transfers began is complete, and data read is
 * valid, once a fence created after them has been reported through fence_done(). A back end whose
 * transfers are complete on return says so with SL_BACKEND_SYNC_READ, and one whose every call is
 * complete on return with SL_BACKEND_SYNC_ALL; then no fence need be made.
 */

struct sl_backend;

struct sl_renderer_info {
	char name[128];   /* GL_RENDERER: "llvmpipe (LLVM 15.0.6, 256 bits)"; "null" */
	char api[64];     /* "OpenGL 4.5 core", "OpenGL ES 3.2"; "" if none */
	char library[64]; /* "virglrenderer 0.10.4"; "built in" */
	char node[64];    /* render node in use, "surfaceless", or "" */
	bool software;
};

struct sl_box {
	uint32_t x, y, z, w, h, d; /* virtio 1.3 5.7.6.8, transfer_host_3d */
};

struct sl_transfer {
	struct sl_box box;
	uint32_t level;
	uint32_t stride_bytes;       /* 0: tight */
	uint32_t layer_stride_bytes; /* 0: tight */
	uint64_t offset_bytes;       /* into the iovecs */
};

/* virtio 1.3 5.7.6.8 resource_create_3d; array_size and the rest as virglrenderer names them. */
struct sl_resource_args {
	uint32_t target, format, bind;
	uint32_t width, height, depth;
	uint32_t array_size, last_level, nr_samples, flags;
};

enum sl_blob_mem {
	SL_BLOB_GUEST = 1,
	SL_BLOB_HOST3D = 2,
	SL_BLOB_HOST3D_GUEST = 3,
};

struct sl_blob_args {
	uint32_t mem;   /* enum sl_blob_mem */
	uint32_t flags; /* virtio-gpu's: 1 mappable, 2 shareable, 4 cross-device */
	uint64_t blob_id;
	uint64_t size_bytes;
};

/* What the back end tells the core. */
struct sl_backend_events {
	/* All fences of (ctx, ring) up to and including @fence_id have completed. */
	void (*fence_done)(void *user, uint32_t ctx_id, uint32_t ring, uint64_t fence_id);
	/* The renderer has failed this context; later work in it does nothing. */
	void (*context_lost)(void *user, uint32_t ctx_id);
};

enum {
	SL_BACKEND_SYNC_READ = 1u << 0,
	SL_BACKEND_SYNC_ALL = 1u << 1,
	SL_BACKEND_BLOB = 1u << 2, /* resource_create_blob and _export are there */
};

struct sl_backend_ops {
	const char *name;

	void (*free)(struct sl_backend *b);

	/* *ret_version and *ret_size are 0 for a capset that is not there. */
	void (*capset_info)(struct sl_backend *b, uint32_t capset, uint32_t *ret_version,
		uint32_t *ret_size_bytes);
	/* Fill @size zeroed bytes, not above what capset_info said. */
	int (*capset_fill)(
		struct sl_backend *b, uint32_t capset, uint32_t version, void *buf, size_t size);

	/* @capset 0: the back end's default context type. */
	int (*context_create)(
		struct sl_backend *b, uint32_t ctx_id, uint32_t capset, const char *name);
	void (*context_destroy)(struct sl_backend *b, uint32_t ctx_id);
	void (*context_attach)(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id);
	void (*context_detach)(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id);

	/*
	 * What a resource will cost in the renderer's memory, in bytes, before anything is made:
	 * all levels, layers, samples and planes. SL_FAULT_INVALID for arguments that no renderer
	 * accepts, and on overflow.
	 */
	int (*resource_price)(
		struct sl_backend *b, const struct sl_resource_args *args, uint64_t *ret_bytes);
	int (*resource_create)(
		struct sl_backend *b, uint32_t res_id, const struct sl_resource_args *args);
	int (*resource_create_blob)(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
		const struct sl_blob_args *args, const struct iovec *iov, uint32_t n_iov);
	/* A mappable fd of a HOST3D blob, the caller's; *ret_size in bytes. */
	int (*resource_export)(
		struct sl_backend *b, uint32_t res_id, int *ret_fd, uint64_t *ret_size);
	/* Backing pages; the array and the memory stay the core's and outlive the attachment. */
	int (*resource_attach)(
		struct sl_backend *b, uint32_t res_id, const struct iovec *iov, uint32_t n_iov);
	void (*resource_detach)(struct sl_backend *b, uint32_t res_id);
	void (*resource_destroy)(struct sl_backend *b, uint32_t res_id);

	/* @iov NULL: the attached backing pages. */
	int (*transfer_write)(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
		const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov);
	int (*transfer_read)(struct sl_backend *b, uint32_t ctx_id, uint32_t res_id,
		const struct sl_transfer *t, const struct iovec *iov, uint32_t n_iov);

	/*
	 * Walk a command stream before it runs, for what it would create or destroy: the bytes and
	 * contexts by which the session's memory would grow (the walk remembers, so that a later
	 * destroy gives back what its create took). The core charges the growth, then submits, or
	 * refuses. Optional: NULL when streams create nothing.
	 */
	int (*submit_price)(struct sl_backend *b, uint32_t ctx_id, const uint32_t *cmd, size_t n_dw,
		int64_t *ret_bytes, int32_t *ret_contexts);
	/* @cmd is ours (a private copy) and may be written to. */
	int (*submit)(struct sl_backend *b, uint32_t ctx_id, uint32_t *cmd, size_t n_dw);

	/* Ids rise within (ctx, ring). fence_done() may be called from inside this call. */
	int (*fence_create)(
		struct sl_backend *b, uint32_t ctx_id, uint32_t ring, uint64_t fence_id);
	/* Readable when poll() has something to report; -1 if nothing is ever asynchronous. */
	int (*poll_fd)(struct sl_backend *b);
	/*
	 * Called when everything that has come in is handled: start what waits to be started, and
	 * report finished fences. Returns how long the caller may wait before the next call, in
	 * nanoseconds: SL_NEVER_NS when the poll fd (or nothing) will tell.
	 */
	uint64_t (*poll)(struct sl_backend *b);
};

struct sl_backend {
	const struct sl_backend_ops *ops;
	struct sl_renderer_info info;
	uint32_t flags; /* SL_BACKEND_* */
	/* Set by the core when a session takes the back end (it may be made, warm, before that). */
	const struct sl_backend_events *events;
	void *events_user;
};
