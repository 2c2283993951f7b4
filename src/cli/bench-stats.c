/* SPDX-License-Identifier: MIT */
/*
 * The statistics of `sluice bench`. Machines drift while they are measured, so columns are
 * compared within a round, never across rounds: the figure is the geometric mean of the rounds'
 * ratios, and its interval is Student's on their logarithms.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

/* Two-sided 95 % quantiles of Student's t, by degrees of freedom from 1. */
static const double student95[] = {
	12.706,
	4.303,
	3.182,
	2.776,
	2.571,
	2.447,
	2.365,
	2.306,
	2.262,
	2.228,
	2.201,
	2.179,
	2.160,
	2.145,
	2.131,
	2.120,
	2.110,
	2.101,
	2.093,
	2.086,
	2.080,
	2.074,
	2.069,
	2.064,
	2.060,
	2.056,
	2.052,
	2.048,
	2.045,
	2.042,
};
/* Beyond the table the normal distribution's is near enough. */
#define NORMAL95 1.960

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static size_t sorted(const double *values, size_t n, double *ret)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && kept < SL_BENCH_MAX_ROUNDS; i++) {
		if (!isnan(values[i])) {
			ret[kept++] = values[i];
		}
	}
	qsort(ret, kept, sizeof(*ret), compare);
	return kept;
}

double sl_bench_median(const double *values, size_t n)
{
	double s[SL_BENCH_MAX_ROUNDS];
	size_t kept = sorted(values, n, s);

	if (kept == 0) {
		return NAN;
	}
	return kept % 2 ? s[kept / 2] : (s[kept / 2 - 1] + s[kept / 2]) / 2;
}

double sl_bench_spread(const double *values, size_t n)
{
	double s[SL_BENCH_MAX_ROUNDS];
	size_t kept = sorted(values, n, s);

	return kept ? (s[kept - 1] - s[0]) / sl_bench_median(s, kept) : NAN;
}

struct sl_bench_ratio sl_bench_ratio(const double *a, const double *b, size_t n)
{
	struct sl_bench_ratio r = { .mean = NAN, .low = NAN, .high = NAN };
	double logs[SL_BENCH_MAX_ROUNDS], sum = 0, squares = 0, half;

	for (size_t i = 0; i < n && i < SL_BENCH_MAX_ROUNDS; i++) {
		/* A value of 0 is a clock too coarse for what was measured: no ratio. */
		if (a[i] > 0 && b[i] > 0) {
			logs[r.pairs] = log(a[i] / b[i]);
			sum += logs[r.pairs++];
		}
	}
	if (r.pairs == 0) {
		return r;
	}
	sum /= (double)r.pairs;
	r.mean = exp(sum);
	if (r.pairs < 2) {
		return r;
	}
	for (size_t i = 0; i < r.pairs; i++) {
		squares += (logs[i] - sum) * (logs[i] - sum);
	}
	half = r.pairs - 2 < SL_ARRAY_LEN(student95) ? student95[r.pairs - 2] : NORMAL95;
	half *= sqrt(squares / (double)(r.pairs - 1) / (double)r.pairs);
	r.low = exp(sum - half);
	r.high = exp(sum + half);
	return r;
}

double sl_bench_geomean(
	const struct sl_bench_result *r, enum sl_bench_kind kind, enum sl_bench_column column)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->n_rows; i++) {
		const struct sl_bench_row *row = &r->rows[i];
		struct sl_bench_ratio ratio;

		if (row->kind != kind) {
			continue;
		}
		ratio = sl_bench_ratio(
			row->values[SL_BENCH_SLUICE], row->values[column], row->n_rounds);
		if (ratio.pairs) {
			sum += log(ratio.mean);
			n++;
		}
	}
	return n ? exp(sum / (double)n) : NAN;
}

static const struct {
	const char *unit;
	bool higher;
} kinds[] = {
	[SL_BENCH_RATE] = { "frames/s", true },
	[SL_BENCH_CPU] = { "ms/frame", false },
	[SL_BENCH_START] = { "ms", false },
	[SL_BENCH_CONNECT] = { "ms", false },
	[SL_BENCH_MEMORY] = { "MiB", false },
};

struct sl_bench_row *sl_bench_row(
	struct sl_bench_result *r, enum sl_bench_kind kind, const char *name)
{
	struct sl_bench_row *row;

	for (size_t i = 0; i < r->n_rows; i++) {
		if (strcmp(r->rows[i].name, name) == 0) {
			return &r->rows[i];
		}
	}
	if (r->n_rows == SL_BENCH_MAX_ROWS) {
		return NULL;
	}
	row = &r->rows[r->n_rows++];
	*row = (struct sl_bench_row){
		.unit = kinds[kind].unit, .kind = kind, .higher_is_better = kinds[kind].higher
	};
	strncpy(row->name, name, sizeof(row->name) - 1);
	for (size_t c = 0; c < SL_BENCH_N_COLUMNS; c++) {
		for (size_t i = 0; i < SL_BENCH_MAX_ROUNDS; i++) {
			row->values[c][i] = NAN;
		}
	}
	return row;
}
