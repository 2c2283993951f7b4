/* SPDX-License-Identifier: MIT */
/*
 * Tables for people and their twin for programs: both print the same JSON rows, so they cannot
 * disagree. Text comes from elsewhere (a client's comm): control characters never reach the
 * terminal.
 */
#include <string.h>

#include "cli/cli.h"

#define CELL_MAX 256
#define COLUMNS_MAX 32

void sl_cli_format_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	double v = (double)bytes;
	int u = -1;

	while (v >= 1024 && units[u + 1]) {
		v /= 1024;
		u++;
	}
	if (u < 0) {
		snprintf(buf, size, "%llu", (unsigned long long)bytes);
	} else {
		snprintf(buf, size, v < 100 ? "%.1f%c" : "%.0f%c", v, units[u]);
	}
}

void sl_cli_format_duration(uint64_t ns, char *buf, size_t size)
{
	unsigned long long s = ns / 1000000000ull;

	if (s < 60) {
		snprintf(buf, size, "%llus", s);
	} else if (s < 3600) {
		snprintf(buf, size, "%llum%02llus", s / 60, s % 60);
	} else if (s < 86400) {
		snprintf(buf, size, "%lluh%02llum", s / 3600, s / 60 % 60);
	} else {
		snprintf(buf, size, "%llud%02lluh", s / 86400, s / 3600 % 24);
	}
}

static void format_cell(const struct sl_column *col, const json_t *v, char *buf)
{
	json_int_t i = json_integer_value(v);

	if (!v || json_is_null(v)) {
		strcpy(buf, "-");
	} else if (json_is_string(v)) {
		snprintf(buf, CELL_MAX, "%s", json_string_value(v));
	} else if (json_is_boolean(v)) {
		strcpy(buf, json_is_true(v) ? "yes" : "no");
	} else if (col->format == SL_FORMAT_BYTES && json_is_integer(v)) {
		sl_cli_format_bytes((uint64_t)i, buf, CELL_MAX);
	} else if (col->format == SL_FORMAT_DURATION_NS && json_is_integer(v)) {
		sl_cli_format_duration((uint64_t)i, buf, CELL_MAX);
	} else if (json_is_integer(v)) {
		snprintf(buf, CELL_MAX, "%" JSON_INTEGER_FORMAT, i);
	} else if (json_is_real(v)) {
		snprintf(buf, CELL_MAX, "%.2f", json_real_value(v));
	} else {
		strcpy(buf, "?");
	}
	for (char *p = buf; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			*p = '?';
		}
	}
}

/* Characters, not bytes: a continuation byte of UTF-8 takes no room. */
static size_t display_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++) {
		n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

/* Cut @s to @width characters, at a character's boundary. */
static void cut(char *s, size_t width)
{
	size_t n = 0;

	for (; *s; s++) {
		if (((unsigned char)*s & 0xc0) != 0x80 && n++ == width) {
			*s = '\0';
			return;
		}
	}
}

static bool right_aligned(enum sl_format f)
{
	return f == SL_FORMAT_BYTES || f == SL_FORMAT_COUNT || f == SL_FORMAT_DURATION_NS;
}

static void print_cell(
	const struct sl_column *col, char *text, size_t width, bool last, size_t room)
{
	size_t have;

	if (last && room > 0) {
		cut(text, room);
	}
	have = display_width(text);
	if (right_aligned(col->format) && have < width) {
		printf("%*s", (int)(width - have), "");
	}
	fputs(text, stdout);
	if (!last) {
		size_t pad = right_aligned(col->format) || have >= width ? 0 : width - have;

		printf("%*s", (int)pad + 2, "");
	}
}

static void print_row(const struct sl_column *columns, size_t n, const size_t *widths,
	size_t terminal, const json_t *row)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		bool last = i + 1 == n;
		char cell[CELL_MAX];

		if (row) {
			format_cell(&columns[i], json_object_get(row, columns[i].key), cell);
		} else {
			snprintf(cell, sizeof(cell), "%s", columns[i].title);
		}
		print_cell(&columns[i], cell, widths[i], last,
			terminal > used ? terminal - used
			: terminal      ? 1
					: 0);
		used += widths[i] + 2;
	}
	putchar('\n');
}

int sl_cli_print_table(const struct sl_column *columns, size_t n_columns, const json_t *rows)
{
	size_t widths[COLUMNS_MAX], terminal = sl_cli_width(STDOUT_FILENO), i, at;
	bool bold = sl_cli_colour(STDOUT_FILENO);
	const json_t *row;
	char cell[CELL_MAX];

	n_columns = SL_MIN(n_columns, (size_t)COLUMNS_MAX);
	for (i = 0; i < n_columns; i++) {
		widths[i] = display_width(columns[i].title);
		json_array_foreach(rows, at, row)
		{
			format_cell(&columns[i], json_object_get(row, columns[i].key), cell);
			widths[i] = SL_MAX(widths[i], display_width(cell));
		}
	}
	fputs(bold ? "\033[1m" : "", stdout);
	print_row(columns, n_columns, widths, terminal, NULL);
	fputs(bold ? "\033[0m" : "", stdout);
	json_array_foreach(rows, at, row)
	{
		print_row(columns, n_columns, widths, terminal, row);
	}
	return sl_cli_help("");
}

int sl_cli_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	return sl_cli_help("\n");
}
