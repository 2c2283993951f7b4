/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/container.h"

/* --display=host: bind the caller's own X11 and Wayland sockets in. 0 or an exit status, said. */
int sl_display_add_host(struct sl_container *c);
