/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <stddef.h>

/*
 * The control channel between the broker and its children: a SOCK_SEQPACKET pair, one message a
 * packet, host byte order (both ends are the same machine and build; the version says so). Fds
 * travel with the packet. The broker reads a worker's messages as hostile input: sl_ctl_check()
 * before anything else.
 *
 *   zygote:  HELLO, then for each SPAWN one SPAWNED (fds: the worker's channel, its pidfd) or
 *            FAULT; RENDERER once initialised.
 *   worker:  HELLO (fd: its stats page), RENDERER, READY; then ATTACH from the broker
 *            (fds: the client's socket, a recording file if flagged, the domain's archive of
 *            compiled shaders if flagged), ATTACHED; FAULT, SHADERS (fd: an archive of what the
 *            session has added; once, only if it was given one) and BYE before it exits. SHUTDOWN
 *            asks it to leave.
 *   OPEN_NODE / NODE, GRANT / REFUSE / RELEASE, STASH are reserved numbers here: DRM and VM
 *   sessions use them.
 */
#define SL_CTL_VERSION 2u
#define SL_CTL_MAGIC 0x53434c53u /* "SLCS" */

enum sl_ctl_type {
	SL_CTL_HELLO = 1,
	SL_CTL_RENDERER,
	SL_CTL_READY,
	SL_CTL_SPAWN,
	SL_CTL_SPAWNED,
	SL_CTL_ATTACH,
	SL_CTL_ATTACHED,
	SL_CTL_FAULT,
	SL_CTL_BYE,
	SL_CTL_SHUTDOWN,
	SL_CTL_OPEN_NODE,
	SL_CTL_NODE,
	SL_CTL_GRANT,
	SL_CTL_REFUSE,
	SL_CTL_RELEASE,
	SL_CTL_STASH,
	SL_CTL_SHADERS,
	SL_CTL_N_TYPES,
};

struct sl_ctl_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t size_bytes; /* the whole packet */
	uint32_t n_fds;
};

struct sl_ctl_hello {
	struct sl_ctl_header h;
	uint32_t capabilities; /* SL_CTL_CAP_* */
	uint32_t role;         /* enum sl_ctl_role */
};

enum sl_ctl_role { SL_CTL_ROLE_ZYGOTE = 1, SL_CTL_ROLE_WORKER = 2 };

enum {
	SL_CTL_CAP_VTEST = 1u << 0,
	SL_CTL_CAP_RECORD = 1u << 1,
	SL_CTL_CAP_SHADERS = 1u << 2,
};

struct sl_ctl_renderer {
	struct sl_ctl_header h;
	char name[128];
	char api[64];
	char library[64];
	char node[64];
	uint32_t software;
	uint32_t layers; /* SL_SANDBOX_*: what stage 1 and 2 achieved */
};

/* Layers of the sandbox, as they were achieved; shown by `sluice ls --json` and tested. */
enum {
	SL_SANDBOX_USERNS = 1u << 0,
	SL_SANDBOX_MOUNTNS = 1u << 1,
	SL_SANDBOX_NETNS = 1u << 2,
	SL_SANDBOX_IPCNS = 1u << 3,
	SL_SANDBOX_PIDNS = 1u << 4,
	SL_SANDBOX_UTSNS = 1u << 5,
	SL_SANDBOX_NO_CAPS = 1u << 6,
	SL_SANDBOX_NO_NEW_PRIVS = 1u << 7,
	SL_SANDBOX_RLIMITS = 1u << 8,
	SL_SANDBOX_LANDLOCK = 1u << 9,
	SL_SANDBOX_SECCOMP = 1u << 10,
	SL_SANDBOX_EMPTY_ROOT = 1u << 11,
	SL_SANDBOX_OWN_UID = 1u << 12,
};

struct sl_ctl_spawn {
	struct sl_ctl_header h;
	uint32_t slot; /* chooses the worker's uid where a range is mapped */
};

struct sl_ctl_spawned {
	struct sl_ctl_header h;
	uint32_t slot;
	int32_t pid; /* in the broker's pid namespace */
};

enum sl_ctl_frontend { SL_CTL_FRONTEND_VTEST = 1 };

enum { SL_CTL_ATTACH_RECORD = 1u << 0, SL_CTL_ATTACH_SHADERS = 1u << 1 };

struct sl_ctl_attach {
	struct sl_ctl_header h;
	uint64_t session_id;
	uint32_t frontend; /* enum sl_ctl_frontend */
	uint32_t flags;    /* SL_CTL_ATTACH_* */
	char domain[64];
	/* struct sl_limits, spelt out: protocol does not depend on core. */
	uint64_t mem_bytes;
	uint32_t resources, contexts, cmd_bytes, message_ms, syncs;
	uint32_t reserved;
};

struct sl_ctl_fault {
	struct sl_ctl_header h;
	uint32_t fault; /* enum sl_fault, 0 for a fault of the host */
	uint32_t fatal;
	char text[256];
};

/* Messages without a body: READY, ATTACHED, BYE, SHUTDOWN, SHADERS. */
struct sl_ctl_plain {
	struct sl_ctl_header h;
};

union sl_ctl_message {
	struct sl_ctl_header h;
	struct sl_ctl_hello hello;
	struct sl_ctl_renderer renderer;
	struct sl_ctl_spawn spawn;
	struct sl_ctl_spawned spawned;
	struct sl_ctl_attach attach;
	struct sl_ctl_fault fault;
	struct sl_ctl_plain plain;
};

/*
 * The stats page: a memfd of one page that the worker writes and the broker only reads, and does
 * not believe blindly (values are shown, never used as sizes or indices; the heartbeat only makes
 * a watchdog patient up to its bound).
 */
struct sl_ctl_stats_page {
	uint64_t heartbeat; /* rises with every turn of the worker's loop */
	uint64_t
		busy_since_ns; /* CLOCK_MONOTONIC when the present renderer call began, 0 if idle */
	uint64_t submits, commands, transfer_bytes, bytes_in, faults, stall_ns;
	uint64_t mem_bytes, mem_peak_bytes, mem_refused;
	uint64_t first_frame_ns; /* ATTACH to the first completed read-back or fence, 0: none yet */
	uint32_t resources, contexts, last_fault, reserved;
	uint64_t shader_hits; /* shaders that an earlier session had compiled */
};

/* Fill the header of a message of this type (size from the type). */
void sl_ctl_init(union sl_ctl_message *m, enum sl_ctl_type type, uint32_t n_fds);
/* Bytes of a message of this type, 0 if the type has no body defined yet. */
size_t sl_ctl_size(enum sl_ctl_type type);
/*
 * Check a received packet: magic, version, type, exact size, number of fds, every string
 * terminated. 0, -EPROTO, or -EPROTONOSUPPORT for another version.
 */
int sl_ctl_check(const void *packet, size_t size, size_t n_fds);
/* Send or receive one message; -EAGAIN, -EPIPE, -EPROTO..., 0 on success. */
int sl_ctl_send(int sock, const union sl_ctl_message *m, const int *fds);
int sl_ctl_recv(int sock, union sl_ctl_message *ret, int ret_fds[], size_t *ret_n_fds);
