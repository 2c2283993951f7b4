/* SPDX-License-Identifier: MIT */
/* The figures of `sluice bench`, against values worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/bench.h"

static void near(double have, double want)
{
	if (!(fabs(have - want) < 1e-3 * fabs(want) + 1e-9)) {
		fail_msg("%f is not %f", have, want);
	}
}

static void test_median_and_spread(void **state)
{
	const double odd[] = { 5, 1, 3 }, even[] = { 4, 1, NAN, 3, 2 };

	near(sl_bench_median(odd, 3), 3);
	near(sl_bench_median(even, 5), 2.5);
	near(sl_bench_spread(odd, 3), 4.0 / 3.0);
	assert_true(isnan(sl_bench_median(odd, 0)));
	assert_true(isnan(sl_bench_spread((const double[]){ NAN }, 1)));
}

static void test_ratio_is_paired(void **state)
{
	/* The machine halves its speed each round; the ratio does not notice. */
	const double ours[] = { 200, 100, 50 }, theirs[] = { 100, 50, 25 };
	struct sl_bench_ratio r = sl_bench_ratio(ours, theirs, 3);

	near(r.mean, 2);
	near(r.low, 2);
	near(r.high, 2);
	assert_int_equal(r.pairs, 3);
}

static void test_ratio_interval(void **state)
{
	/* Logs 0 and ln 4: mean ln 2, standard error ln 2, 12.706 of it each way. */
	const double ours[] = { 1, 4 }, theirs[] = { 1, 1 };
	struct sl_bench_ratio r = sl_bench_ratio(ours, theirs, 2);

	near(r.mean, 2);
	near(r.low, exp(log(2) * (1 - 12.706)));
	near(r.high, exp(log(2) * (1 + 12.706)));
}

static void test_ratio_leaves_gaps_out(void **state)
{
	const double ours[] = { 3, NAN, 0, 3 }, theirs[] = { 2, 2, 2, NAN };
	struct sl_bench_ratio r = sl_bench_ratio(ours, theirs, 4);

	assert_int_equal(r.pairs, 1);
	near(r.mean, 1.5);
	assert_true(isnan(r.low) && isnan(r.high));
	assert_true(isnan(sl_bench_ratio(ours, theirs + 3, 1).mean));
}

static void test_geomean_over_rows_of_a_kind(void **state)
{
	static struct sl_bench_result r;
	struct sl_bench_row *a = sl_bench_row(&r, SL_BENCH_RATE, "a");
	struct sl_bench_row *b = sl_bench_row(&r, SL_BENCH_RATE, "b");
	struct sl_bench_row *c = sl_bench_row(&r, SL_BENCH_CPU, "c");

	a->n_rounds = b->n_rounds = c->n_rounds = 1;
	a->values[SL_BENCH_SLUICE][0] = 4;
	a->values[SL_BENCH_PEER][0] = 1;
	b->values[SL_BENCH_SLUICE][0] = 1;
	b->values[SL_BENCH_PEER][0] = 1;
	c->values[SL_BENCH_SLUICE][0] = 100;
	c->values[SL_BENCH_PEER][0] = 1;
	near(sl_bench_geomean(&r, SL_BENCH_RATE, SL_BENCH_PEER), 2);
	assert_true(isnan(sl_bench_geomean(&r, SL_BENCH_RATE, SL_BENCH_NATIVE)));
	assert_ptr_equal(sl_bench_row(&r, SL_BENCH_RATE, "a"), a);
	assert_int_equal(r.n_rows, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median_and_spread),
		cmocka_unit_test(test_ratio_is_paired),
		cmocka_unit_test(test_ratio_interval),
		cmocka_unit_test(test_ratio_leaves_gaps_out),
		cmocka_unit_test(test_geomean_over_rows_of_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
