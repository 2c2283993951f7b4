/* SPDX-License-Identifier: MIT */
/*
 * Domains: a name, a socket, limits, sessions. Removing one closes its socket at once; the object
 * stays until its last session is gone, so that a stuck worker is still charged to somebody.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"
#include "broker/budget.h"
#include "broker/domain.h"
#include "broker/listener.h"
#include "broker/pool.h"
#include "broker/session.h"
#include "util/error.h"
#include "util/fds.h"

/* The path that clients connect to must fit their sockaddr_un. */
#define SUN_PATH_MAX 107
#define DEFAULT_MODE 0600

struct sl_domain *sl_domain_find(struct sl_broker *b, const char *name)
{
	struct sl_domain *d;

	sl_list_for_each (d, &b->domains, link) {
		if (!d->removing && strcmp(d->name, name) == 0) {
			return d;
		}
	}
	return NULL;
}

/* One that is on its way out under this name: its folder is still there. */
static bool is_leaving(struct sl_broker *b, const char *name)
{
	struct sl_domain *d;

	sl_list_for_each (d, &b->domains, link) {
		if (strcmp(d->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void on_connection(void *user, int fd)
{
	sl_bsession_accept(user, fd);
}

static struct sl_domain *domain_new(struct sl_broker *b, const char *name,
	const struct sl_control_limits *limits, const char *host_gl)
{
	struct sl_domain *d = calloc(1, sizeof(*d));

	if (!d) {
		return NULL;
	}
	*d = (struct sl_domain){ .broker = b, .record_fd = -1, .shaders = SL_SHADER_CACHE_NONE };
	snprintf(d->name, sizeof(d->name), "%s", name);
	sl_list_init(&d->link);
	sl_list_init(&d->sessions);
	d->given = *limits;
	d->limits = sl_budget_merge(limits, &b->config.limits);
	if (sl_pool_get(b, host_gl, &d->pool) < 0) {
		return sl_domain_free(d);
	}
	return d;
}

struct sl_domain *sl_domain_free(struct sl_domain *d)
{
	if (!d) {
		return NULL;
	}
	sl_listener_free(d->listener);
	sl_list_remove(&d->link);
	sl_close(d->record_fd);
	sl_shader_cache_fini(&d->shaders);
	if (d->broker->shared == d) {
		d->broker->shared = NULL;
	} else if (d->socket) {
		sl_directory_remove_domain(&d->broker->dir, d->name);
	}
	sl_cgroup_remove(&d->broker->cgroup, d->name);
	if (d->pool) {
		sl_pool_unref(d->pool);
	}
	free(d->socket);
	free(d);
	return NULL;
}

static void set_owner(struct sl_domain *d, const struct sl_control_request *r)
{
	d->uid = r->has_uid ? r->uid : geteuid();
	d->gid = r->has_gid ? r->gid : getegid();
	d->mode = r->has_mode ? r->mode : DEFAULT_MODE;
}

static int open_socket(struct sl_domain *d)
{
	struct sl_directory *dir = &d->broker->dir;
	_cleanup_free_ char *name = NULL;
	int fd, r;

	if (asprintf(&name, "domains/%s/vtest", d->name) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	d->socket = sl_directory_path(dir, name);
	if (!d->socket) {
		return -ENOMEM;
	}
	if (strlen(d->socket) > SUN_PATH_MAX) {
		return -ENAMETOOLONG;
	}
	r = sl_directory_add_domain(dir, d->name);
	if (r < 0) {
		return r;
	}
	fd = sl_directory_listen(dir, name, d->uid, d->gid, d->mode);
	if (fd < 0) {
		return fd;
	}
	return sl_listener_new(d->broker->event, fd, on_connection, d, &d->listener);
}

static enum sl_control_code check_add(
	struct sl_broker *b, const struct sl_control_request *r, int record_fd, char **ret_error)
{
	if (strcmp(r->name, SL_CONTROL_SHARED_DOMAIN) == 0) {
		return sl_error_line(ret_error, SL_CONTROL_INVALID,
			"domain %s: the name of the shared socket: choose another", r->name);
	}
	if (sl_domain_find(b, r->name)) {
		return sl_error_line(ret_error, SL_CONTROL_EXISTS,
			"domain %s exists: remove it first or choose another name", r->name);
	}
	if (is_leaving(b, r->name)) {
		return sl_error_line(ret_error, SL_CONTROL_BUSY,
			"domain %s is being removed, a session of it still ends: try again",
			r->name);
	}
	if (r->record && record_fd < 0) {
		return sl_error_line(ret_error, SL_CONTROL_INVALID,
			"record: no file descriptor came with the request: send one");
	}
	return SL_CONTROL_OK;
}

enum sl_control_code sl_domain_add(struct sl_broker *b, const struct sl_control_request *r,
	int record_fd, struct sl_peer *owner, struct sl_domain **ret, char **ret_error)
{
	_cleanup_close_ int fd = record_fd;
	enum sl_control_code code = check_add(b, r, record_fd, ret_error);
	struct sl_domain *d;
	int e;

	if (code != SL_CONTROL_OK) {
		return code;
	}
	d = domain_new(b, r->name, &r->limits, r->host_gl);
	if (!d) {
		return sl_error_line(ret_error, SL_CONTROL_FAILED, "out of memory");
	}
	set_owner(d, r);
	e = open_socket(d);
	if (e < 0) {
		sl_domain_free(d);
		return sl_error_line(ret_error, e == -EPERM ? SL_CONTROL_DENIED : SL_CONTROL_FAILED,
			"domain %s: its socket cannot be made: %s", r->name, strerror(-e));
	}
	/* Not on the shared socket: there programs of different owners meet. */
	d->shaders.max_bytes = b->config.shader_cache_bytes;
	d->ephemeral = r->ephemeral;
	d->owner = r->ephemeral ? owner : NULL;
	d->record_fd = r->record ? TAKE_FD(fd) : -1;
	sl_list_append(&b->domains, &d->link);
	sl_info("domain %s: added, %s", d->name, d->socket);
	sl_pool_fill(d->pool);
	sl_broker_changed(b);
	*ret = d;
	return SL_CONTROL_OK;
}

static int shared_group(const struct sl_config *c, gid_t *ret, char **ret_error)
{
	struct group *g;

	*ret = (gid_t)-1;
	if (!c->shared_group) {
		return 0;
	}
	errno = 0;
	g = getgrnam(c->shared_group);
	if (!g) {
		sl_error_line(ret_error, SL_CONTROL_FAILED,
			"shared-group: no group %s: make it or drop it", c->shared_group);
		return -ENOENT;
	}
	*ret = g->gr_gid;
	return 0;
}

int sl_domain_add_shared(struct sl_broker *b, int fd, char **ret_error)
{
	static const struct sl_control_limits none;
	struct sl_domain *d;
	gid_t gid;
	int r;

	r = shared_group(&b->config, &gid, ret_error);
	if (r < 0) {
		return r;
	}
	d = domain_new(b, SL_CONTROL_SHARED_DOMAIN, &none, NULL);
	if (!d) {
		return -ENOMEM;
	}
	b->shared = d;
	d->uid = geteuid();
	d->gid = gid == (gid_t)-1 ? getegid() : gid;
	d->mode = b->config.shared_mode;
	d->socket = sl_directory_path(&b->dir, "vtest");
	if (fd < 0) {
		fd = sl_directory_listen(&b->dir, "vtest", (uid_t)-1, gid, d->mode);
	}
	r = fd < 0 ? fd : sl_listener_new(b->event, fd, on_connection, d, &d->listener);
	if (r < 0 || !d->socket) {
		sl_error_line(ret_error, SL_CONTROL_FAILED,
			"%s/vtest: %s: choose another --directory", b->dir.path,
			strerror(r < 0 ? -r : ENOMEM));
		sl_domain_free(d);
		return r < 0 ? r : -ENOMEM;
	}
	sl_list_append(&b->domains, &d->link);
	return 0;
}

void sl_domain_remove(struct sl_domain *d, const char *reason)
{
	struct sl_bsession *s, *tmp;

	if (d->removing) {
		return;
	}
	d->removing = true;
	d->owner = NULL;
	d->listener = sl_listener_free(d->listener);
	if (d != d->broker->shared) {
		sl_directory_remove_domain(&d->broker->dir, d->name);
		sl_info("domain %s: removed", d->name);
	}
	/* Ending a waiting session may be the last thing that keeps the domain. */
	d->n_sessions++;
	sl_list_for_each_safe (s, tmp, &d->sessions, domain_link) {
		sl_bsession_end(s, reason);
	}
	d->n_sessions--;
	sl_domain_session_gone(d);
}

void sl_domain_session_gone(struct sl_domain *d)
{
	struct sl_broker *b = d->broker;

	if (d->removing && d->n_sessions == 0) {
		sl_domain_free(d);
		sl_broker_changed(b);
	}
}

void sl_domain_owner_gone(struct sl_broker *b, struct sl_peer *owner)
{
	struct sl_domain *d, *tmp;

	sl_list_for_each_safe (d, tmp, &b->domains, link) {
		if (d->owner == owner) {
			sl_domain_remove(d, "the connection that its domain lived by has closed");
		}
	}
}
