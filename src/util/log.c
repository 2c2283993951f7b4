/* SPDX-License-Identifier: MIT */
/*
 * Logging to stderr, one write per line so that lines of several processes do not interleave.
 * The level and the name are the only mutable globals of the daemon. A client's text may reach a
 * log line: control characters are replaced, so that it cannot forge lines or drive a terminal.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "util/log.h"

static enum sl_log_level max_level = SL_LOG_INFO;
static char ident[64] = "sluice";
static int to_journal;

void sl_log_init(const char *name, enum sl_log_level level)
{
	snprintf(ident, sizeof(ident), "%s", name);
	max_level = level;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

enum sl_log_level sl_log_max_level(void)
{
	return max_level;
}

int sl_log_level_parse(const char *s, enum sl_log_level *ret)
{
	static const struct {
		const char *name;
		enum sl_log_level level;
	} names[] = {
		{ "err", SL_LOG_ERR },
		{ "warning", SL_LOG_WARNING },
		{ "notice", SL_LOG_NOTICE },
		{ "info", SL_LOG_INFO },
		{ "debug", SL_LOG_DEBUG },
	};

	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (strcmp(s, names[i].name) == 0) {
			*ret = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

void sl_log(enum sl_log_level level, const char *fmt, ...)
{
	int saved = errno, n = 0, m;
	char line[1024];
	va_list ap;

	if (level > max_level) {
		return;
	}
	if (to_journal) {
		n = snprintf(line, sizeof(line), "<%d>", level);
	}
	m = snprintf(line + n, sizeof(line) - (size_t)n, "%s: ", ident);
	n += m;
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (m < 0) {
		m = 0;
	}
	n = SL_MIN(n + m, (int)sizeof(line) - 2);
	for (int i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < 0x20 || c == 0x7f) {
			line[i] = '?';
		}
	}
	line[n++] = '\n';
	while (write(STDERR_FILENO, line, (size_t)n) < 0 && errno == EINTR) {
	}
	errno = saved;
}
