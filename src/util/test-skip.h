/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * For unit tests: say, as a TAP comment, why the rest of a test is left out. (cmocka's own skip()
 * prints "not ok", which test runners count as a failure.)
 */
static inline void sl_test_skipped(const char *why)
{
	printf("# skipped: %s\n", why);
	fflush(stdout);
}

/*
 * Whether the programs run under user-mode emulation (scripts/run-arm64), which has no seccomp, no
 * namespaces and no address space limits of its own, and a thread beside the program's.
 */
static inline bool sl_test_emulated(void)
{
	if (!getenv("SLUICE_EMULATED")) {
		return false;
	}
	sl_test_skipped("user-mode emulation has no kernel confinement");
	return true;
}
