/* SPDX-License-Identifier: MIT */
#pragma once

#include "util/cleanup.h"

/* Values are syslog's, so that a journal can be told the level with a <N> prefix. */
enum sl_log_level {
	SL_LOG_ERR = 3,
	SL_LOG_WARNING = 4,
	SL_LOG_NOTICE = 5,
	SL_LOG_INFO = 6,
	SL_LOG_DEBUG = 7,
};

/*
 * Set once at start: who speaks ("sluiced", "worker 12"), the highest level printed, and whether
 * stderr is a journal (JOURNAL_STREAM), which wants <N> prefixes. @ident is copied.
 */
void sl_log_init(const char *ident, enum sl_log_level max_level);

/* Parse "err", "warning", "notice", "info", "debug"; -EINVAL otherwise. */
int sl_log_level_parse(const char *s, enum sl_log_level *ret);

enum sl_log_level sl_log_max_level(void);

/* One line to stderr: action, object, cause, consequence. Keeps errno. */
void sl_log(enum sl_log_level level, const char *fmt, ...) _printf_(2, 3);

#define sl_err(...) sl_log(SL_LOG_ERR, __VA_ARGS__)
#define sl_warn(...) sl_log(SL_LOG_WARNING, __VA_ARGS__)
#define sl_notice(...) sl_log(SL_LOG_NOTICE, __VA_ARGS__)
#define sl_info(...) sl_log(SL_LOG_INFO, __VA_ARGS__)
#define sl_debug(...) sl_log(SL_LOG_DEBUG, __VA_ARGS__)
