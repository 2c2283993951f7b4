/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/*
 * Replace every memfd that came with the fork, above stderr, by an empty one of this process's own
 * of the same size and at the same number. For a process with one thread, before it makes any memfd
 * itself. 0 or -errno; on failure the process must not go on.
 */
int sl_inherit_detach(void);

#ifdef SL_HOSTILE
/* Whether @fd is one of those put in place of an inherited one. */
bool sl_inherit_replaced(int fd);
#endif
