/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/control.h"
#include "util/log.h"

/*
 * What sluiced is told: compiled defaults, then sluice.conf, then --config, then options. Every
 * key of the file is a long option of the same name; config.c has the one table of both, and
 * sluice.conf(5) documents each.
 */
enum sl_config_cgroup { SL_CGROUP_AUTO, SL_CGROUP_ON, SL_CGROUP_OFF };

struct sl_config {
	/* [broker] */
	char *directory; /* NULL: the default one */
	enum sl_log_level log_level;
	bool shared;
	mode_t shared_mode;
	char *shared_group; /* NULL: the broker's own */
	uint64_t watchdog_s, grace_ms, idle_exit_s;
	enum sl_config_cgroup cgroup;
	/* [renderer] */
	char *backend; /* "virgl" or "null" */
	char *host_gl, *render_node, *egl_library, *gles_library;
	char **binds; /* NULL-terminated, or NULL */
	int llvmpipe_threads;
	/* [workers] */
	uint64_t warm, spawns, waiting;
	bool zygote;
	bool sandbox;
	uint64_t uid_base, uid_count;
	char *worker;       /* NULL: found beside this program */
	char **worker_args; /* NULL-terminated, or NULL */
	/* [limits] */
	struct sl_control_limits limits; /* .given unused: all are set */
	uint64_t sessions_total;
	uint64_t shader_cache_bytes; /* of a domain; 0: none */
};

void sl_config_init(struct sl_config *c);
void sl_config_fini(struct sl_config *c);

/*
 * Read a file over what is there. 0; -errno with *ret_error, one line (the caller's). With
 * @may_miss a file that does not exist changes nothing.
 */
int sl_config_read(struct sl_config *c, const char *path, bool may_miss, char **ret_error);

/* Set one key, of any section. 0, or -EINVAL with *ret_error, one line. */
int sl_config_set(struct sl_config *c, const char *key, const char *value, char **ret_error);

/* Checks that need more than one key. */
int sl_config_check(const struct sl_config *c, char **ret_error);

/* The keys in order, for --help and getopt; NULL behind the last. */
const char *sl_config_key(unsigned int i, const char **ret_argument, const char **ret_help);
