/* SPDX-License-Identifier: MIT */
/* One-line errors of functions whose caller does the logging, or hands them to somebody else. */
#include <stdarg.h>

#include "util/error.h"

int sl_error_line(char **ret_error, int result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(ret_error, fmt, ap) < 0) {
		*ret_error = NULL;
	}
	va_end(ap);
	return result;
}
