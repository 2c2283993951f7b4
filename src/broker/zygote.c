/* SPDX-License-Identifier: MIT */
/*
 * The broker's side of a launcher: what was asked for, by when it must be there, and the death of
 * the zygote. A zygote that dies takes nothing with it: its workers live on, spawns that it owed
 * are asked for again by the pool.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "broker/broker.h"
#include "broker/pool.h"
#include "broker/zygote.h"
#include "launcher/launcher.h"
#include "util/fds.h"

/* The renderer's initialisation may precede the first answer: see child.c. */
#define SPAWN_TIMEOUT_US (60 * 1000000ull)

struct owed {
	struct sl_list link;
	uint32_t slot;
};

static void forget(struct sl_zygote *z, struct owed *o, bool release)
{
	if (release) {
		sl_slots_release(&z->pool->broker->slots, o->slot);
	}
	sl_list_remove(&o->link);
	z->n_owed--;
	free(o);
}

static struct owed *find_owed(struct sl_zygote *z, uint32_t slot)
{
	struct owed *o;

	sl_list_for_each (o, &z->owed, link) {
		if (o->slot == slot) {
			return o;
		}
	}
	return NULL;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *user);

/* One clock for all that is owed: it begins anew with every answer. */
static void rearm(struct sl_zygote *z)
{
	sl_event_source_unrefp(&z->timer);
	if (z->n_owed > 0) {
		sd_event_add_time_relative(z->pool->broker->event, &z->timer, CLOCK_MONOTONIC,
			SPAWN_TIMEOUT_US, 1000, on_timeout, z);
	}
}

/* Free it and let the pool decide; @text may be NULL when nothing failed. */
static void end(struct sl_zygote *z, const char *text)
{
	struct sl_pool *p = z->pool;

	sl_zygote_free(z);
	if (text) {
		sl_pool_failed(p, text);
	} else {
		sl_pool_fill(p);
	}
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *user)
{
	struct sl_zygote *z = user;

	end(z, "the zygote does not answer");
	return 0;
}

static void spawned(void *user, uint32_t slot, int channel, int pidfd, pid_t pid)
{
	struct sl_zygote *z = user;
	struct owed *o = find_owed(z, slot);
	struct sl_child *c;
	int r;

	if (!o) {
		sl_close(channel);
		sl_close(pidfd);
		return;
	}
	forget(z, o, false);
	rearm(z);
	r = sl_child_new(z->pool, slot, channel, pidfd, pid, &c);
	if (r < 0) {
		sl_slots_release(&z->pool->broker->slots, slot);
		sl_err("worker %d: cannot be watched: %s", (int)pid, strerror(-r));
		return;
	}
	sl_list_append(&z->pool->children, &c->link);
	sl_debug("worker %d started", (int)pid);
	if (z->one_shot) {
		z->dead = true;
	}
}

static void renderer(void *user, const struct sl_ctl_renderer *r)
{
	struct sl_zygote *z = user;

	sl_pool_renderer(z->pool, r);
}

static void failed(void *user, bool fatal, const char *text)
{
	struct sl_zygote *z = user;

	free(z->pool->last_error);
	z->pool->last_error = strdup(text);
	sl_err("zygote: %s", text);
	/* Which spawn failed is not said: none of those owed can be counted on. */
	while (!sl_list_empty(&z->owed)) {
		forget(z, sl_list_entry(z->owed.next, struct owed, link), true);
	}
	z->failed = true;
	if (fatal || z->one_shot) {
		z->dead = true;
	}
}

static void process(struct sl_zygote *z)
{
	static const struct sl_launcher_events events = {
		.spawned = spawned,
		.renderer = renderer,
		.failed = failed,
	};
	int r;

	z->failed = false;
	r = sl_launcher_process(z->launcher, &events, z);
	if (r < 0 && !z->failed && !z->dead) {
		end(z, r == -EPIPE ? "the zygote has ended" : "the zygote's channel is broken");
	} else if (z->dead || r < 0) {
		end(z, z->failed ? z->pool->last_error : NULL);
	} else if (z->failed) {
		sl_pool_failed(z->pool, z->pool->last_error);
	}
}

static int on_channel(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	process(user);
	return 0;
}

bool sl_zygote_check(struct sl_zygote *z)
{
	struct pollfd p = { .fd = sl_launcher_pidfd(z->launcher), .events = POLLIN };

	if (p.fd < 0 || poll(&p, 1, 0) <= 0) {
		return false;
	}
	/* Its last words first: process() ends it when the channel has ended too. */
	end(z, "the zygote has died");
	return true;
}

static int on_process(sd_event_source *s, int fd, uint32_t revents, void *user)
{
	sl_zygote_check(user);
	return 0;
}

static void fill_options(const struct sl_pool *p, struct sl_launch_options *o)
{
	const struct sl_config *c = &p->broker->config;

	*o = (struct sl_launch_options){
		.worker_path = c->worker,
		.host_gl = p->host_gl,
		.render_node = c->render_node,
		.egl_library = c->egl_library,
		.gles_library = c->gles_library,
		.binds = (const char *const *)c->binds,
		.llvmpipe_threads = c->llvmpipe_threads,
		.null_backend = c->backend && strcmp(c->backend, "null") == 0,
		.no_sandbox = !c->sandbox,
		.uid_base = (uid_t)c->uid_base,
		.uid_count = (uint32_t)c->uid_count,
		.worker_args = (const char *const *)c->worker_args,
	};
}

static int watch(struct sl_zygote *z)
{
	sd_event *event = z->pool->broker->event;
	int r;

	r = sd_event_add_io(
		event, &z->channel, sl_launcher_fd(z->launcher), EPOLLIN, on_channel, z);
	if (r >= 0) {
		r = sd_event_add_io(
			event, &z->process, sl_launcher_pidfd(z->launcher), EPOLLIN, on_process, z);
	}
	if (r >= 0) {
		r = sd_event_source_set_priority(z->process, SD_EVENT_PRIORITY_NORMAL + 1);
	}
	return r;
}

int sl_zygote_new(struct sl_pool *p, bool one_shot, struct sl_zygote **ret, char **ret_error)
{
	struct sl_zygote *z = calloc(1, sizeof(*z));
	struct sl_launch_options options;
	int r;

	if (!z) {
		return -ENOMEM;
	}
	z->pool = p;
	z->one_shot = one_shot;
	sl_list_init(&z->link);
	sl_list_init(&z->owed);
	fill_options(p, &options);
	r = sl_launcher_new(&options, &z->launcher, ret_error);
	if (r == 0) {
		r = watch(z);
	}
	if (r < 0) {
		sl_zygote_free(z);
		return r;
	}
	sl_list_append(&p->zygotes, &z->link);
	*ret = z;
	return 0;
}

struct sl_zygote *sl_zygote_free(struct sl_zygote *z)
{
	if (!z) {
		return NULL;
	}
	while (!sl_list_empty(&z->owed)) {
		forget(z, sl_list_entry(z->owed.next, struct owed, link), true);
	}
	sl_list_remove(&z->link);
	sl_event_source_unrefp(&z->channel);
	sl_event_source_unrefp(&z->process);
	sl_event_source_unrefp(&z->timer);
	sl_launcher_free(z->launcher);
	free(z);
	return NULL;
}

int sl_zygote_spawn(struct sl_zygote *z)
{
	struct sl_slots *slots = &z->pool->broker->slots;
	struct owed *o = calloc(1, sizeof(*o));
	int r;

	if (!o) {
		return -ENOMEM;
	}
	o->slot = sl_slots_take(slots);
	if (o->slot == UINT32_MAX) {
		free(o);
		return -ENOMEM;
	}
	sl_list_append(&z->owed, &o->link);
	z->n_owed++;
	r = sl_launcher_spawn(z->launcher, o->slot);
	if (r < 0) {
		forget(z, o, true);
		return r;
	}
	rearm(z);
	return 0;
}
