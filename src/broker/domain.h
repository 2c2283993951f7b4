/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "broker/shaders.h"
#include "protocol/control.h"
#include "protocol/worker.h"
#include "util/list.h"

struct sl_broker;
struct sl_bsession;
struct sl_listener;
struct sl_peer;
struct sl_pool;

/* Sums over a domain's sessions that have ended. */
struct sl_domain_totals {
	uint64_t sessions, lost;
	uint64_t submits, commands, transfer_bytes, bytes_in, faults, mem_refused, shader_hits;
	uint64_t peak_bytes;     /* the highest sum over live ones that was seen */
	uint64_t first_frame_ns; /* of the first session that drew */
	uint64_t last_session;   /* id, 0: none yet */
};

/* An isolation domain: a container, a VM, a login session; known by its socket. */
struct sl_domain {
	struct sl_list link; /* in the broker's domains */
	struct sl_broker *broker;
	struct sl_pool *pool;
	char name[SL_CONTROL_NAME_MAX + 1];
	struct sl_listener *listener; /* NULL once it is being removed */
	char *socket;                 /* path */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	struct sl_control_limits given, limits; /* as asked for; with the defaults filled in */
	struct sl_list sessions;
	unsigned int n_sessions, n_queued; /* those that wait for a place are among both */
	struct sl_peer *owner;             /* ephemeral: goes with this connection; else NULL */
	bool ephemeral;
	bool removing; /* freed when its last session has gone */
	int record_fd; /* for the first session; -1 */
	struct sl_shader_cache shaders;
	struct sl_domain_totals totals;
	char last_fault[256];
};

/* The domain of this name that is not being removed, or NULL. */
struct sl_domain *sl_domain_find(struct sl_broker *b, const char *name);

/*
 * Make a domain and its socket from a checked domain.add request. @record_fd (-1: none) is taken
 * over, also on failure; @owner is the connection that an ephemeral one lives by. SL_CONTROL_OK,
 * or a code with *ret_error (the caller's).
 */
enum sl_control_code sl_domain_add(struct sl_broker *b, const struct sl_control_request *r,
	int record_fd, struct sl_peer *owner, struct sl_domain **ret, char **ret_error);
/* The shared socket's; @fd is an activated socket or -1. 0, or -errno and a line. */
int sl_domain_add_shared(struct sl_broker *b, int fd, char **ret_error);

/* Close its socket at once and end its sessions; it goes with the last of them. */
void sl_domain_remove(struct sl_domain *d, const char *reason);
/* A session of it has been unlinked. May free it. */
void sl_domain_session_gone(struct sl_domain *d);
/* Remove all that an ephemeral owner leaves. */
void sl_domain_owner_gone(struct sl_broker *b, struct sl_peer *owner);
struct sl_domain *sl_domain_free(struct sl_domain *d);

/* Add an ended session's figures. */
void sl_domain_account(struct sl_domain *d, const struct sl_bsession *s,
	const struct sl_ctl_stats_page *st, bool lost);
/* Look at the live ones' memory, for peak_bytes. */
void sl_domain_sample(struct sl_domain *d);

json_t *sl_domain_json(const struct sl_domain *d);
json_t *sl_domain_usage_json(struct sl_domain *d);
