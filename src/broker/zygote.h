/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "util/list.h"

struct sl_launcher;
struct sl_pool;

/*
 * A zygote that a pool starts its workers from, and the spawns it owes us. Without zygote mode
 * each serves one spawn, so that no two workers share an address-space layout.
 */
struct sl_zygote {
	struct sl_list link; /* in the pool's zygotes */
	struct sl_pool *pool;
	struct sl_launcher *launcher;
	sd_event_source *channel, *process, *timer;
	struct sl_list owed; /* struct owed: slots asked for and not answered */
	unsigned int n_owed;
	bool one_shot;
	bool failed; /* said so in the present round of callbacks */
	bool dead;   /* to be freed once the launcher's callbacks have returned */
};

/* Start one. 0, or -errno with *ret_error (may be NULL), one line, the caller's. */
int sl_zygote_new(struct sl_pool *p, bool one_shot, struct sl_zygote **ret, char **ret_error);
struct sl_zygote *sl_zygote_free(struct sl_zygote *z);
/* Ask for a worker. 0 or -errno. */
int sl_zygote_spawn(struct sl_zygote *z);
/* A child of the broker has died: if it is this zygote, act; true then. */
bool sl_zygote_check(struct sl_zygote *z);
