/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "protocol/worker.h"
#include "util/list.h"

struct sl_broker;
struct sl_pool;
struct sl_bsession;

/*
 * One worker process, as the broker sees it: its channel, its pidfd, its stats page. What it sends
 * is hostile (its client may own it by then): checked, bounded, rate-limited.
 */
enum sl_child_state {
	SL_CHILD_STARTING, /* until READY */
	SL_CHILD_WARM,
	SL_CHILD_TAKEN,  /* has a session */
	SL_CHILD_ENDING, /* asked to leave */
	SL_CHILD_KILLED, /* SIGKILL sent */
	SL_CHILD_STUCK,  /* ... and not obeyed: in uninterruptible sleep, in its driver */
};

struct sl_child {
	struct sl_list link; /* in the pool's children */
	struct sl_broker *broker;
	struct sl_pool *pool;
	struct sl_bsession *session; /* NULL before ATTACH */
	enum sl_child_state state;
	uint32_t slot;
	pid_t pid;
	int channel, pidfd;
	sd_event_source *channel_source, *pidfd_source, *timer;
	unsigned int reap_tries;
	const volatile struct sl_ctl_stats_page *stats; /* NULL until HELLO */
	struct sl_ctl_renderer renderer;                /* name "" until RENDERER came */
	bool was_ready, said_bye;
	bool caches_shaders;  /* it says that it can use an archive of compiled shaders */
	bool owes_shaders;    /* has its domain's archive, and may send one with its additions */
	char last_words[256]; /* its fatal FAULT, cleaned by the log when shown */
};

/* A worker that has just been spawned; takes both fds, also on failure. 0 or -errno. */
int sl_child_new(struct sl_pool *pool, uint32_t slot, int channel, int pidfd, pid_t pid,
	struct sl_child **ret);
/* Forget it (it must be dead, or the broker is going away). */
struct sl_child *sl_child_free(struct sl_child *c);

/* Ask it to leave; SIGKILL after the grace. */
void sl_child_end(struct sl_child *c);
void sl_child_kill(struct sl_child *c);
/* Look whether it has died, now; true if so (it is then freed). */
bool sl_child_check(struct sl_child *c);

/* A private copy of the stats page; zeros when there is none yet. */
void sl_child_stats(const struct sl_child *c, struct sl_ctl_stats_page *ret);

/* How a process ended. */
struct sl_exit_info {
	bool known; /* false: it was not our child (yet) when it died */
	bool signalled;
	int status; /* the exit status or the signal */
};
/* "exited with status 1", "killed by SIGSYS" ... */
const char *sl_exit_describe(const struct sl_exit_info *e, char *buf, size_t size);
