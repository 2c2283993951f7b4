/* SPDX-License-Identifier: MIT */
/*
 * What to tell the administrator when stage 1 of the sandbox cannot be built. Distributions and
 * container engines switch user namespaces off in several ways that fail alike (EPERM, late or
 * early), so the switches themselves are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/private.h"
#include "util/cleanup.h"
#include "util/fds.h"

/* A number from a file below @sys, or @missing. */
static long read_switch(const char *sys, const char *name, long missing)
{
	_cleanup_free_ char *path = NULL, *text = NULL;

	if (asprintf(&path, "%s/%s", sys, name) < 0) {
		path = NULL;
		return missing;
	}
	if (sl_read_file_at(AT_FDCWD, path, 64, &text, NULL) < 0) {
		return missing;
	}
	return strtol(text, NULL, 10);
}

static const char *userns_remedy(const char *sys, int error)
{
	if (read_switch(sys, "user/max_user_namespaces", 1) == 0 || error == ENOSPC) {
		return "raise sysctl user.max_user_namespaces";
	}
	if (read_switch(sys, "kernel/unprivileged_userns_clone", 1) == 0) {
		return "set sysctl kernel.unprivileged_userns_clone=1, or start sluiced as root";
	}
	if (read_switch(sys, "kernel/apparmor_restrict_unprivileged_userns", 0) == 1) {
		return "AppArmor restricts them: set sysctl "
		       "kernel.apparmor_restrict_unprivileged_userns=0 or give sluiced a profile "
		       "that allows userns";
	}
	if (error == EINVAL || error == ENOSYS) {
		return "this kernel has no CONFIG_USER_NS: use one that has";
	}
	return "inside a container, its seccomp profile must allow unshare and mount";
}

char *sl_start_remedy(const char *sys, const struct sl_start_report *report)
{
	const char *what = report->what, *why = strerror(report->error);
	char *line = NULL;
	int r;

	switch (report->step) {
	case SL_START_UNSHARE:
		r = asprintf(&line, "cannot make a user namespace for the sandbox (%s): %s: %s",
			what, why, userns_remedy(sys, report->error));
		break;
	case SL_START_IDS:
		r = asprintf(&line,
			"cannot map the sandbox's user (%s): %s: give sluiced CAP_SETUID and "
			"CAP_SETGID with uid 65534 mapped, or start it as an ordinary user",
			what, why);
		break;
	case SL_START_OPEN:
		r = asprintf(&line,
			"cannot give %s to the sandbox: %s: make it readable for sluiced, or take "
			"it out of the configuration",
			what, why);
		break;
	case SL_START_MOUNT:
	case SL_START_PIVOT:
		r = asprintf(&line, "cannot build the sandbox's root (%s): %s: %s", what, why,
			report->error == EPERM || report->error == EACCES
				? userns_remedy(sys, report->error)
				: "the host must have /proc and /usr");
		break;
	case SL_START_EXEC:
		r = asprintf(&line,
			"cannot run %s in the sandbox: %s: it must be executable for "
			"everybody, and its libraries lie under /usr",
			what, why);
		break;
	default:
		r = asprintf(&line, "cannot start the sandbox (%s): %s", what, why);
		break;
	}
	return r < 0 ? NULL : line;
}
