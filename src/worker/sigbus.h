/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* From now on a shared page that vanishes is replaced by a zero page. 0 or -errno. */
int sl_sigbus_install(void);
/* Whether that has happened: the session's memory is no longer what its client wrote. */
bool sl_sigbus_happened(void);
