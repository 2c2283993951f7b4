/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/*
 * Deny files, TCP and signals to others as far as this kernel's Landlock can. With @read_root,
 * what the root holds may still be read and its devices used. For this thread and those it makes.
 * 0, -EOPNOTSUPP where there is no Landlock, or another -errno. Needs no_new_privs.
 */
int sl_landlock_restrict(bool read_root);
