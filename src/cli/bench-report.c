/* SPDX-License-Identifier: MIT */
/* What a benchmark found: a table for people, one JSON object for programs. */
#include <math.h>
#include <stdio.h>

#include "cli/bench.h"
#include "cli/cli.h"

static const char *const names[SL_BENCH_N_COLUMNS] = {
	[SL_BENCH_NATIVE] = "native",
	[SL_BENCH_PEER] = "peer",
	[SL_BENCH_PEER_TUNED] = "peer_tuned",
	[SL_BENCH_SLUICE] = "sluice",
};

const char *sl_bench_column_name(enum sl_bench_column column)
{
	return names[column];
}

static double median(const struct sl_bench_row *row, enum sl_bench_column column)
{
	return sl_bench_median(row->values[column], row->n_rounds);
}

static struct sl_bench_ratio against_peer(const struct sl_bench_row *row)
{
	return sl_bench_ratio(
		row->values[SL_BENCH_SLUICE], row->values[SL_BENCH_PEER], row->n_rounds);
}

/* Of the first row of this kind. */
static double figure(const struct sl_bench_result *r, enum sl_bench_kind kind)
{
	for (size_t i = 0; i < r->n_rows; i++) {
		if (r->rows[i].kind == kind) {
			return median(&r->rows[i], SL_BENCH_SLUICE);
		}
	}
	return NAN;
}

static void print_value(double value)
{
	if (isnan(value)) {
		printf(" %10s", "-");
	} else {
		printf(" %10.*f", value < 10 ? 3 : value < 100 ? 1 : 0, value);
	}
}

static void print_row(const struct sl_bench_row *row)
{
	struct sl_bench_ratio ratio = against_peer(row);
	double spread = 0;

	printf("%-26s %-9s", row->name, row->unit);
	for (enum sl_bench_column c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		double s = sl_bench_spread(row->values[c], row->n_rounds);

		print_value(median(row, c));
		spread = isnan(s) ? spread : SL_MAX(spread, s);
	}
	printf(" %6.0f%%", spread * 100);
	if (ratio.pairs == 0) {
		printf("  -\n");
	} else if (isnan(ratio.low)) {
		printf("  %.2f\n", ratio.mean);
	} else {
		printf("  %.2f (%.2f to %.2f)\n", ratio.mean, ratio.low, ratio.high);
	}
}

static void print_geomean(const char *text, double value)
{
	if (isnan(value)) {
		printf("%-50s -\n", text);
	} else {
		printf("%-50s %.3f\n", text, value);
	}
}

int sl_bench_print_text(const struct sl_bench_result *r)
{
	printf("\n%-26s %-9s %10s %10s %10s %10s %7s  %s\n", "", "unit", "native", "peer",
		"peer tuned", "sluice", "spread", "sluice / peer (95 %)");
	for (size_t i = 0; i < r->n_rows; i++) {
		print_row(&r->rows[i]);
	}
	printf("\n");
	print_geomean("frames/s, sluice / native (geometric mean)",
		sl_bench_geomean(r, SL_BENCH_RATE, SL_BENCH_NATIVE));
	print_geomean("frames/s, sluice / peer", sl_bench_geomean(r, SL_BENCH_RATE, SL_BENCH_PEER));
	print_geomean("frames/s, sluice / peer with the same tunables",
		sl_bench_geomean(r, SL_BENCH_RATE, SL_BENCH_PEER_TUNED));
	print_geomean(
		"CPU per frame, sluice / peer", sl_bench_geomean(r, SL_BENCH_CPU, SL_BENCH_PEER));
	printf("Medians of %u rounds of %.3g s; spread: (largest - smallest) / median, of the "
	       "widest column.\n",
		r->rounds, r->duration_s);
	for (enum sl_bench_column c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		if (r->absent[c]) {
			printf("%s: %s\n", names[c], r->absent[c]);
		}
	}
	return fflush(stdout) == 0 ? SL_EXIT_OK : SL_EXIT_FAILURE;
}

/* JSON has no NAN. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *row_json(const struct sl_bench_row *row)
{
	struct sl_bench_ratio ratio = against_peer(row);
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", row->name, "unit", row->unit, "better",
		row->higher_is_better ? "higher" : "lower");

	for (enum sl_bench_column c = 0; o && c < SL_BENCH_N_COLUMNS; c++) {
		json_object_set_new(o, names[c], number(median(row, c)));
	}
	json_object_set_new(o, "ratio_low", number(ratio.low));
	json_object_set_new(o, "ratio_high", number(ratio.high));
	return o;
}

/* Every single value, so that a run can be judged again with other statistics. */
static json_t *samples_json(const struct sl_bench_result *r)
{
	json_t *samples = json_object();

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct sl_bench_row *row = &r->rows[i];
		json_t *columns = json_object();

		for (enum sl_bench_column c = 0; c < SL_BENCH_N_COLUMNS; c++) {
			json_t *values = json_array();

			for (unsigned int k = 0; k < row->n_rounds; k++) {
				json_array_append_new(values, number(row->values[c][k]));
			}
			json_object_set_new(columns, names[c], values);
		}
		json_object_set_new(samples, row->name, columns);
	}
	return samples;
}

static json_t *absent_json(const struct sl_bench_result *r)
{
	json_t *absent = json_object();

	for (enum sl_bench_column c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		if (r->absent[c]) {
			json_object_set_new(absent, names[c], json_string(r->absent[c]));
		}
	}
	return absent;
}

int sl_bench_print_json(const struct sl_bench_result *r)
{
	_cleanup_json_ json_t *o = json_object();
	json_t *rows = json_array();

	for (size_t i = 0; i < r->n_rows; i++) {
		json_array_append_new(rows, row_json(&r->rows[i]));
	}
	json_object_set_new(o, "bench", json_string(r->name));
	json_object_set_new(o, "rows", rows);
	json_object_set_new(o, "geomean_vs_native",
		number(sl_bench_geomean(r, SL_BENCH_RATE, SL_BENCH_NATIVE)));
	json_object_set_new(
		o, "geomean_vs_peer", number(sl_bench_geomean(r, SL_BENCH_RATE, SL_BENCH_PEER)));
	json_object_set_new(o, "geomean_vs_peer_tuned",
		number(sl_bench_geomean(r, SL_BENCH_RATE, SL_BENCH_PEER_TUNED)));
	json_object_set_new(o, "first_frame_ms", number(figure(r, SL_BENCH_START)));
	json_object_set_new(o, "connect_to_frame_ms", number(figure(r, SL_BENCH_CONNECT)));
	json_object_set_new(o, "pss_mib", number(figure(r, SL_BENCH_MEMORY)));
	json_object_set_new(o, "cpu_per_frame_vs_peer",
		number(sl_bench_geomean(r, SL_BENCH_CPU, SL_BENCH_PEER)));
	json_object_set_new(o, "rounds", json_integer(r->rounds));
	json_object_set_new(o, "duration_s", number(r->duration_s));
	json_object_set_new(o, "sessions", json_integer(r->sessions));
	json_object_set_new(o, "absent", absent_json(r));
	json_object_set_new(o, "samples", samples_json(r));
	return sl_cli_print_json(o);
}
