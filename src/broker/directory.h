/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * The broker's directory: `lock` (flock, our pid), `control`, `vtest`, `domains/NAME/vtest`. Who
 * holds the lock owns everything in it, so whatever is found there at start is stale.
 */
struct sl_directory {
	char *path; /* absolute */
	int fd, lock_fd;
};

/* The default for this user: /run/sluice or $XDG_RUNTIME_DIR/sluice. 0, or -errno and a line. */
int sl_directory_default(char **ret_path, char **ret_error);

/*
 * Make or take the directory, lock it, remove what a dead broker left. 0; -EBUSY when another
 * broker has it; -errno. *ret_error is one line (the caller's).
 */
int sl_directory_open(struct sl_directory *d, const char *path, char **ret_error);
/* Remove the lock and, when they are empty, the folders that are ours. */
void sl_directory_close(struct sl_directory *d);

/*
 * A listening socket at @name, which is relative ("control", "domains/web/vtest"). Owner and mode
 * are in place before anybody can reach it. (uid_t)-1 and (gid_t)-1 leave the broker's own. The
 * fd, or -errno.
 */
int sl_directory_listen(
	struct sl_directory *d, const char *name, uid_t uid, gid_t gid, mode_t mode);
void sl_directory_remove(struct sl_directory *d, const char *name);

/* domains/NAME, and its removal with all that we put into it. 0 or -errno. */
int sl_directory_add_domain(struct sl_directory *d, const char *name);
void sl_directory_remove_domain(struct sl_directory *d, const char *name);

/* path/name, the caller's. NULL when out of memory. */
char *sl_directory_path(const struct sl_directory *d, const char *name);
