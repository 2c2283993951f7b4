/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "broker/settings.h"

/*
 * A cgroup (v2) per domain, below the broker's own: OWN/domain-NAME. Best effort: where the
 * broker's cgroup was delegated to it (systemd's Delegate=yes), else nothing is touched.
 */
struct sl_cgroup {
	char *path; /* of the broker's own at start, in the file system; NULL: not used */
	bool moved; /* the broker moved itself into OWN/broker, to enable controllers */
};

void sl_cgroup_init(struct sl_cgroup *cg, enum sl_config_cgroup mode);
void sl_cgroup_fini(struct sl_cgroup *cg);
/* Move a worker into its domain's group, making that first. Failure is logged, not fatal. */
void sl_cgroup_attach(struct sl_cgroup *cg, const char *domain, pid_t pid);
void sl_cgroup_remove(struct sl_cgroup *cg, const char *domain);
