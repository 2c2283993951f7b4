/* SPDX-License-Identifier: MIT */
/* Configuration keys, budgets, the watchdog's judgement, slots. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/broker.h"
#include "broker/budget.h"
#include "broker/domain.h"
#include "broker/settings.h"
#include "broker/watchdog.h"
#include "core/limits.h"
#include "util/fds.h"

static void good(struct sl_config *c, const char *key, const char *value)
{
	char *error = NULL;

	assert_int_equal(sl_config_set(c, key, value, &error), 0);
	assert_null(error);
}

static void bad(const char *key, const char *value)
{
	struct sl_config c;
	char *error = NULL;

	sl_config_init(&c);
	assert_int_equal(sl_config_set(&c, key, value, &error), -EINVAL);
	assert_non_null(strstr(error, key));
	free(error);
	sl_config_fini(&c);
}

static void test_keys(void **state)
{
	struct sl_config c;

	sl_config_init(&c);
	good(&c, "directory", "/a");
	good(&c, "directory", "/b");
	assert_string_equal(c.directory, "/b");
	good(&c, "shared", "off");
	assert_false(c.shared);
	good(&c, "shared", "yes");
	assert_true(c.shared);
	good(&c, "shared-mode", "660");
	assert_int_equal(c.shared_mode, 0660);
	good(&c, "mem", "2G");
	assert_true(c.limits.mem_bytes == 2ull << 30);
	good(&c, "cmd", "64K");
	assert_int_equal(c.limits.cmd_bytes, 65536);
	good(&c, "llvmpipe-threads", "3");
	assert_int_equal(c.llvmpipe_threads, 3);
	good(&c, "llvmpipe-threads", "auto");
	assert_int_equal(c.llvmpipe_threads, -1);
	good(&c, "bind", "/x");
	good(&c, "bind", "/y");
	assert_string_equal(c.binds[0], "/x");
	assert_string_equal(c.binds[1], "/y");
	assert_null(c.binds[2]);
	good(&c, "cgroup", "off");
	assert_int_equal(c.cgroup, SL_CGROUP_OFF);
	good(&c, "log-level", "debug");
	assert_int_equal(c.log_level, SL_LOG_DEBUG);
	good(&c, "host-gl", "es");
	assert_string_equal(c.host_gl, "es");
	sl_config_fini(&c);
}

static void test_bad_values(void **state)
{
	bad("frobnicate", "1");
	bad("directory", "");
	bad("shared", "maybe");
	bad("shared", "");
	bad("shared", "o");
	bad("shared-mode", "4755");
	bad("shared-mode", "68");
	bad("warm", "-1");
	bad("warm", "257");
	bad("warm", "1x");
	bad("mem", "1.5G");
	bad("mem", "G");
	bad("mem", "9999999999T");
	bad("cmd", "4G");
	bad("host-gl", "on|core");
	bad("llvmpipe-threads", "many");
	bad("contexts", "4294967296");
}

static void test_limits_are_those_of_the_core(void **state)
{
	const struct sl_limits core = SL_LIMITS_DEFAULT;
	const struct sl_control_limits ours = SL_BUDGET_DEFAULT;

	assert_true(core.mem_bytes == ours.mem_bytes);
	assert_int_equal(core.resources, ours.resources);
	assert_int_equal(core.contexts, ours.contexts);
	assert_int_equal(core.cmd_bytes, ours.cmd_bytes);
	assert_int_equal(core.message_ms, ours.message_ms);
	assert_int_equal(core.syncs, ours.syncs);
}

static void test_merge(void **state)
{
	const struct sl_control_limits defaults = SL_BUDGET_DEFAULT;
	const struct sl_control_limits given = {
		.given = SL_CONTROL_LIMIT_MEM | SL_CONTROL_LIMIT_SESSIONS,
		.mem_bytes = 5,
		.sessions = 6,
		.contexts = 7,
	};
	struct sl_control_limits r = sl_budget_merge(&given, &defaults);

	assert_int_equal(r.mem_bytes, 5);
	assert_int_equal(r.sessions, 6);
	assert_int_equal(r.contexts, defaults.contexts);
}

static void test_admission(void **state)
{
	struct sl_broker b = { .config.sessions_total = 10 };
	struct sl_domain d = { .limits.sessions = 2 };
	char buf[96];

	assert_null(sl_budget_admit(&b, &d, buf, sizeof(buf)));
	d.n_sessions = 2;
	assert_true(sl_budget_full(&d));
	/* As many may wait, in case one of these ends. */
	assert_null(sl_budget_admit(&b, &d, buf, sizeof(buf)));
	d.n_sessions = 4;
	d.n_queued = 2;
	assert_true(sl_budget_full(&d));
	assert_non_null(sl_budget_admit(&b, &d, buf, sizeof(buf)));
	/* Those that wait hold no place. */
	d.n_sessions = 3;
	assert_false(sl_budget_full(&d));
	d.n_sessions = d.n_queued = 0;
	b.n_sessions = 10;
	assert_non_null(sl_budget_admit(&b, &d, buf, sizeof(buf)));
}

#define S SL_NSEC_PER_SEC
#define BOUND (60 * S)

static bool stuck(struct sl_watch *w, uint64_t now, uint64_t busy, uint64_t heartbeat)
{
	const struct sl_ctl_stats_page st = { .busy_since_ns = busy, .heartbeat = heartbeat };

	return sl_watchdog_stuck(w, &st, now, BOUND);
}

static void test_watchdog_patience(void **state)
{
	struct sl_watch w = { .since_ns = 1000 * S };

	/* Idle for ever is fine. */
	assert_false(stuck(&w, 1000 * S, 0, 1));
	assert_false(stuck(&w, 9000 * S, 0, 1));
	/* One call, up to the bound and beyond it. */
	assert_false(stuck(&w, 9001 * S, 9001 * S, 2));
	assert_false(stuck(&w, 9060 * S, 9001 * S, 2));
	assert_true(stuck(&w, 9062 * S, 9001 * S, 2));
	/* Many short calls. */
	for (uint64_t t = 10000; t < 10200; t++) {
		assert_false(stuck(&w, t * S, t * S, t));
	}
}

static void test_watchdog_does_not_believe_all(void **state)
{
	struct sl_watch w = { .since_ns = 1000 * S };
	bool caught = false;

	/* A call that begins in the future: our own clock counts. */
	assert_false(stuck(&w, 1000 * S, UINT64_MAX, 1));
	assert_false(stuck(&w, 1060 * S, UINT64_MAX, 1));
	assert_true(stuck(&w, 1061 * S, UINT64_MAX, 1));
	/* A heartbeat that moves all the time buys one more bound. */
	w = (struct sl_watch){ .since_ns = 2000 * S };
	for (uint64_t t = 2000; t < 2122; t++) {
		caught = stuck(&w, t * S, 2000 * S, t);
		assert_true(!caught || t > 2060);
	}
	assert_true(caught);
}

static void test_slots(void **state)
{
	struct sl_slots s = {};

	for (uint32_t i = 0; i < 200; i++) {
		assert_int_equal(sl_slots_take(&s), i);
	}
	sl_slots_release(&s, 130);
	sl_slots_release(&s, 7);
	assert_int_equal(sl_slots_take(&s), 7);
	assert_int_equal(sl_slots_take(&s), 130);
	assert_int_equal(sl_slots_take(&s), 200);
	free(s.bits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_limits_are_those_of_the_core),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_admission),
		cmocka_unit_test(test_watchdog_patience),
		cmocka_unit_test(test_watchdog_does_not_believe_all),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
