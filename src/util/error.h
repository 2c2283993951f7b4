/* SPDX-License-Identifier: MIT */
#pragma once

#include "util/cleanup.h"

/*
 * Say in *@ret_error (the caller's) what failed, in one line without its end, and return @result:
 * `return sl_error_line(ret_error, -EPERM, "%s: not yours", path)`. Out of memory it is NULL.
 */
int sl_error_line(char **ret_error, int result, const char *fmt, ...) _printf_(3, 4);
