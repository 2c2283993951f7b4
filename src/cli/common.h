/* SPDX-License-Identifier: MIT */
#pragma once

/* Remember `sluice --directory DIR`; borrowed. For main.c. */
void sl_cli_set_directory(const char *directory);
