/* SPDX-License-Identifier: MIT */
/*
 * What all commands share: error lines, help, and the reading of numbers. An error is one line
 * that names the object, the cause and the remedy.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/common.h"

static const char *given_directory;

void sl_cli_set_directory(const char *directory)
{
	given_directory = directory;
}

const char *sl_cli_directory(void)
{
	return given_directory;
}

bool sl_cli_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

unsigned int sl_cli_width(int fd)
{
	struct winsize ws;

	if (!isatty(fd)) {
		return 0;
	}
	return ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 ? ws.ws_col : 80;
}

/* One write, so that lines of several processes do not mix. @tail may be NULL. */
static void say(const char *colour, const char *tail, const char *fmt, va_list ap)
{
	char text[2048], line[2200];
	/* First, since looking for a terminal would replace the errno of a %m. */
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	bool coloured = sl_cli_colour(STDERR_FILENO);

	if (n < 0) {
		return;
	}
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			*p = ' ';
		}
	}
	n = snprintf(line, sizeof(line), "%ssluice:%s %s%s\n", coloured ? colour : "",
		coloured ? "\033[0m" : "", text, tail ? tail : "");
	n = SL_MIN(n, (int)sizeof(line) - 1);
	while (write(STDERR_FILENO, line, (size_t)n) < 0 && errno == EINTR) {
	}
}

void sl_cli_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("\033[1;31m", NULL, fmt, ap);
	va_end(ap);
}

void sl_cli_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("\033[1;33m", NULL, fmt, ap);
	va_end(ap);
}

int sl_cli_usage(const char *command, const char *fmt, ...)
{
	char tail[64];
	va_list ap;

	snprintf(tail, sizeof(tail), ": see sluice %s%s--help", command ? command : "",
		command ? " " : "");
	va_start(ap, fmt);
	say("\033[1;31m", tail, fmt, ap);
	va_end(ap);
	return SL_EXIT_USAGE;
}

int sl_cli_bad_option(const char *command, int argc, char **argv, int opt)
{
	const char *arg = optind > 0 && optind <= argc ? argv[optind - 1] : "";

	if (opt == ':') {
		return sl_cli_usage(command, "%s: this option needs an argument", arg);
	}
	/* A short option may stand inside a cluster: only optopt names it then. */
	if (optopt > 0 && optopt < 128 && strncmp(arg, "--", 2) != 0) {
		return sl_cli_usage(command, "-%c: unknown option", optopt);
	}
	if (optopt > 0) {
		return sl_cli_usage(command, "%s: this option takes no argument", arg);
	}
	return sl_cli_usage(command, "%s: unknown or ambiguous option", arg);
}

int sl_cli_help(const char *text)
{
	fputs(text, stdout);
	if (fflush(stdout) != 0) {
		sl_cli_error("stdout: %m: send the output elsewhere");
		return SL_EXIT_FAILURE;
	}
	return SL_EXIT_OK;
}

int sl_cli_parse_uint(const char *s, uint64_t max, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (*s < '0' || *s > '9') {
		return -EINVAL;
	}
	errno = 0;
	v = strtoull(s, &end, 10);
	if (*end) {
		return -EINVAL;
	}
	if (errno == ERANGE || v > max) {
		return -ERANGE;
	}
	*ret = v;
	return 0;
}

static int unit_shift(const char *unit, unsigned int *ret_shift)
{
	static const char letters[] = "KMGT";
	const char *at;

	*ret_shift = 0;
	if (*unit) {
		char c = *unit >= 'a' && *unit <= 'z' ? (char)(*unit - 32) : *unit;

		at = strchr(letters, c);
		if (at) {
			*ret_shift = (unsigned int)(at - letters + 1) * 10;
			unit++;
		}
	}
	return *unit == '\0' || strcmp(unit, "B") == 0 || (*ret_shift && strcmp(unit, "iB") == 0)
		       ? 0
		       : -EINVAL;
}

int sl_cli_parse_size(const char *s, uint64_t *ret_bytes)
{
	uint64_t whole = 0, part = 0, scale = 1;
	unsigned int shift;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(whole, 10u, &whole) ||
			__builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole)) {
			return -ERANGE;
		}
	}
	if (p == s) {
		return -EINVAL;
	}
	if (*p == '.') {
		/* Three places are more than anybody means. */
		for (p++; *p >= '0' && *p <= '9' && scale < 1000; p++, scale *= 10) {
			part = part * 10 + (uint64_t)(*p - '0');
		}
	}
	if (unit_shift(p, &shift) < 0) {
		return -EINVAL;
	}
	if (shift > 0 && whole >> (63 - shift)) {
		return -ERANGE;
	}
	*ret_bytes = (whole << shift) + (part << shift) / scale;
	return 0;
}
