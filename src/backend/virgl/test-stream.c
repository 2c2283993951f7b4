/* SPDX-License-Identifier: MIT */
/* Pricing streams: what is charged, what is given back and when, and streams that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "backend/virgl/protocol.h"
#include "backend/virgl/stream.h"
#include "core/limits.h"
#include "util/cleanup.h"
#include "util/fault.h"

#define CREATE(obj, handle) VIRGL_CMD(VIRGL_CREATE_OBJECT, obj, 1), handle
#define DESTROY(handle) VIRGL_CMD(VIRGL_DESTROY_OBJECT, 0, 1), handle
#define SUB(cmd, id) VIRGL_CMD(cmd, 0, 1), id
#define SHADER(handle, bytes, tokens)                                                              \
	VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_SHADER, 5), handle, 0, bytes, tokens, 0

static uint64_t megabyte(void *user, uint32_t res_id)
{
	return res_id == 3 ? 1 << 20 : 0;
}

static bool has_room(void *user, uint32_t res_id, size_t bytes)
{
	return res_id == 3 && bytes <= 64;
}

static const struct sl_stream_host host = {
	.res_price = megabyte, .res_has_room = has_room, .last_format = 313
};

struct priced {
	int r;
	int64_t bytes;
	int32_t contexts;
};

static struct priced price_n(struct sl_stream *s, const uint32_t *cmd, size_t n)
{
	struct priced p = {};

	p.r = sl_stream_price(s, cmd, n, &host, &p.bytes, &p.contexts);
	return p;
}

#define PRICE(s, ...)                                                                              \
	price_n(s, (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

/* Price and run. */
#define RUN(s, ...)                                                                                \
	({                                                                                         \
		struct priced _p = PRICE(s, __VA_ARGS__);                                          \
		if (_p.r == 0) {                                                                   \
			sl_stream_commit(s, true);                                                 \
		}                                                                                  \
		_p;                                                                                \
	})

static int setup(void **state)
{
	struct sl_stream *s = malloc(sizeof(*s));

	*state = s;
	return sl_stream_init(s);
}

static int teardown(void **state)
{
	sl_stream_fini(*state);
	free(*state);
	return 0;
}

static void test_plain_drawing_costs_nothing(void **state)
{
	struct priced p = RUN(*state, VIRGL_CMD(VIRGL_CLEAR, 0, 8), 4, 0, 0, 0, 0, 0, 0, 0,
		VIRGL_CMD(VIRGL_NOP, 0, 0));

	assert_int_equal(p.r, 0);
	assert_int_equal(p.bytes, 0);
	assert_int_equal(p.contexts, 0);
	assert_int_equal(price_n(*state, NULL, 0).r, 0);
}

static void test_a_destroy_is_given_back_after_it_ran(void **state)
{
	struct priced made = RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 5), CREATE(VIRGL_OBJ_BLEND, 6));

	assert_true(made.bytes > 0);
	assert_int_equal(RUN(*state, DESTROY(5), DESTROY(6)).bytes, 0);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -made.bytes);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, 0);
	/* There is nothing left to destroy. */
	assert_int_equal(RUN(*state, DESTROY(5)).bytes, 0);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, 0);
}

static void test_a_refused_stream_is_forgotten(void **state)
{
	int64_t one = RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 1)).bytes;

	/* Priced and not run: neither its creations nor its destroys count. */
	assert_int_equal(PRICE(*state, CREATE(VIRGL_OBJ_SURFACE, 2), DESTROY(1)).bytes, one);
	assert_int_equal(PRICE(*state, SUB(VIRGL_CREATE_SUB_CTX, 9), SUB(VIRGL_SET_SUB_CTX, 9),
				 CREATE(VIRGL_OBJ_SURFACE, 2))
				 .contexts,
		1);
	assert_int_equal(RUN(*state, DESTROY(2)).bytes, 0);
	assert_int_equal(RUN(*state, DESTROY(1)).bytes, 0);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -one);
}

static void test_credit_waits_for_a_stream_that_is_admitted(void **state)
{
	int64_t one = RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 1)).bytes;

	RUN(*state, DESTROY(1));
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -one);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -one);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -one);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, 0);
}

static void test_a_stream_that_stopped_earns_nothing(void **state)
{
	struct sl_stream *s = *state;

	RUN(s, CREATE(VIRGL_OBJ_SURFACE, 1));
	assert_int_equal(PRICE(s, DESTROY(1)).r, 0);
	sl_stream_commit(s, false);
	assert_int_equal(RUN(s, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, 0);
}

static void test_create_and_destroy_in_one_stream_are_charged_first(void **state)
{
	int64_t one = PRICE(*state, CREATE(VIRGL_OBJ_SURFACE, 1)).bytes;
	struct priced p = RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 1), DESTROY(1),
		CREATE(VIRGL_OBJ_SURFACE, 1), DESTROY(1));

	assert_int_equal(p.bytes, 2 * one);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -2 * one);
}

static void test_a_handle_used_twice_adds_up(void **state)
{
	int64_t one = RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 1)).bytes;

	assert_int_equal(RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 1)).bytes, one);
	RUN(*state, DESTROY(1));
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -2 * one);
	/* Handle 0 is no handle. */
	assert_int_equal(RUN(*state, CREATE(VIRGL_OBJ_SURFACE, 0)).bytes, 0);
}

static void test_shaders_cost_what_they_claim(void **state)
{
	int64_t small = RUN(*state, SHADER(1, 200, 50)).bytes;
	int64_t large = RUN(*state, SHADER(2, 100200, 50)).bytes;

	assert_true(small >= 65536);
	assert_in_range(large - small, 100000, 100000 * 64);
	/* The renderer allocates what the first piece announces, however large. */
	assert_true(RUN(*state, SHADER(3, 0x7fffffff, 50)).bytes > 0x7fffffff);
	assert_true(PRICE(*state, SHADER(4, 200, 0xffffffff)).bytes > 0xffffffffll);
	/* Further pieces are paid for. */
	assert_int_equal(RUN(*state, SHADER(3, 0x80000000u | 400, 50)).bytes, 0);
}

static void test_sub_contexts(void **state)
{
	struct priced p = RUN(*state, SUB(VIRGL_CREATE_SUB_CTX, 1), SUB(VIRGL_CREATE_SUB_CTX, 1),
		SUB(VIRGL_CREATE_SUB_CTX, 0), SUB(VIRGL_CREATE_SUB_CTX, 2));

	assert_int_equal(p.contexts, 2);
	assert_int_equal(p.bytes, 2 * SL_COST_CONTEXT_BYTES);
	/* 0 stays; an unknown one is not there. */
	p = RUN(*state, SUB(VIRGL_DESTROY_SUB_CTX, 0), SUB(VIRGL_DESTROY_SUB_CTX, 7),
		SUB(VIRGL_DESTROY_SUB_CTX, 2), SUB(VIRGL_DESTROY_SUB_CTX, 2));
	assert_int_equal(p.contexts, 0);
	p = RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0));
	assert_int_equal(p.contexts, -1);
	assert_int_equal(p.bytes, -(int64_t)SL_COST_CONTEXT_BYTES);
}

static void test_objects_belong_to_their_sub_context(void **state)
{
	int64_t one = PRICE(*state, CREATE(VIRGL_OBJ_SURFACE, 5)).bytes;

	RUN(*state, SUB(VIRGL_CREATE_SUB_CTX, 1), SUB(VIRGL_SET_SUB_CTX, 1),
		CREATE(VIRGL_OBJ_SURFACE, 5));
	/* The current one is remembered between streams; an unknown one does not change it. */
	RUN(*state, SUB(VIRGL_SET_SUB_CTX, 99), CREATE(VIRGL_OBJ_SURFACE, 6));
	RUN(*state, SUB(VIRGL_SET_SUB_CTX, 0), DESTROY(5), DESTROY(6));
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, 0);
	/* The sub-context takes its objects along. */
	RUN(*state, SUB(VIRGL_SET_SUB_CTX, 1), SUB(VIRGL_DESTROY_SUB_CTX, 1),
		CREATE(VIRGL_OBJ_SURFACE, 5));
	assert_int_equal(RUN(*state, DESTROY(5)).bytes, -2 * one - (int64_t)SL_COST_CONTEXT_BYTES);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -one);
}

static void test_a_sub_context_made_and_destroyed_at_once(void **state)
{
	struct priced p = PRICE(*state, SUB(VIRGL_CREATE_SUB_CTX, 1), SUB(VIRGL_SET_SUB_CTX, 1),
		CREATE(VIRGL_OBJ_SURFACE, 5), SUB(VIRGL_DESTROY_SUB_CTX, 1),
		SUB(VIRGL_CREATE_SUB_CTX, 1));

	assert_int_equal(p.contexts, 2);
	/* Undone, then done. */
	p = RUN(*state, SUB(VIRGL_CREATE_SUB_CTX, 1), SUB(VIRGL_SET_SUB_CTX, 1),
		CREATE(VIRGL_OBJ_SURFACE, 5), SUB(VIRGL_DESTROY_SUB_CTX, 1),
		SUB(VIRGL_CREATE_SUB_CTX, 1));
	assert_int_equal(p.contexts, 2);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).contexts, -1);
}

static void test_lengths_that_do_not_add_up(void **state)
{
	assert_int_equal(
		PRICE(*state, VIRGL_CMD(VIRGL_CLEAR, 0, 8), 4, 0, 0).r, SL_FAULT_MALFORMED);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_NOP, 0, 1)).r, SL_FAULT_MALFORMED);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_NOP, 0, 0xffff)).r, SL_FAULT_MALFORMED);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_BLEND, 0)).r,
		SL_FAULT_MALFORMED);
	assert_int_equal(
		PRICE(*state, VIRGL_CMD(VIRGL_DESTROY_OBJECT, 0, 0)).r, SL_FAULT_MALFORMED);
	assert_int_equal(
		PRICE(*state, VIRGL_CMD(VIRGL_CREATE_SUB_CTX, 0, 0)).r, SL_FAULT_MALFORMED);
	/* What was before the bad command is undone too. */
	assert_int_equal(PRICE(*state, CREATE(VIRGL_OBJ_SURFACE, 1), VIRGL_CMD(0, 0, 9)).r,
		SL_FAULT_MALFORMED);
	assert_int_equal(RUN(*state, DESTROY(1)).bytes, 0);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, 0);
}

static void test_video_is_not_passed_on(void **state)
{
	for (uint32_t c = VIRGL_FIRST_VIDEO; c <= VIRGL_LAST_VIDEO; c++) {
		assert_int_equal(PRICE(*state, VIRGL_CMD(c, 0, 0)).r, SL_FAULT_UNSUPPORTED);
	}
}

static void test_pipe_resources_are_priced_like_resources(void **state)
{
	assert_in_range(PRICE(*state, VIRGL_CMD(VIRGL_PIPE_RESOURCE_CREATE, 0, 11), 2, 1, 2, 1024,
				1024, 1, 1, 0, 0, 0, 7)
				.bytes,
		4 << 20, (4 << 20) + 65536);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_PIPE_RESOURCE_CREATE, 0, 11), 3, 412, 2,
				 32768, 32768, 32768, 1, 0, 0, 0, 7)
				 .r,
		SL_FAULT_NO_MEMORY);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_PIPE_RESOURCE_CREATE, 0, 2), 2, 1).r,
		SL_FAULT_MALFORMED);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_PIPE_RESOURCE_CREATE, 0, 11), 99, 1, 2, 1024,
				 1024, 1, 1, 0, 0, 0, 7)
				 .r,
		SL_FAULT_INVALID);
}

static void test_multisampled_surfaces_cost_their_samples(void **state)
{
	const uint32_t cmd[] = { VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_MSAA_SURFACE, 6), 1, 3, 1,
		0, 0, 4 };
	int64_t bytes = 0;
	int32_t contexts;

	assert_int_equal(sl_stream_price(*state, cmd, 7, &host, &bytes, &contexts), 0);
	assert_in_range(bytes, 4 << 20, (4 << 20) + 65536);
}

static void test_views_of_unknown_formats_are_refused(void **state)
{
	static const uint32_t good[] = { 1, 67, 136, 166, 313, 2u << 24 | 67 };
	static const uint32_t bad[] = { 0, 73, 86, 307, 314, 0xffffff, 2u << 24 | 321 };

	for (size_t i = 0; i < SL_ARRAY_LEN(good); i++) {
		assert_int_equal(
			PRICE(*state, VIRGL_CMD(VIRGL_CREATE_OBJECT, 6, 6), 1, 3, good[i], 0, 0, 0)
				.r,
			0);
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(bad); i++) {
		assert_int_equal(
			PRICE(*state, VIRGL_CMD(VIRGL_CREATE_OBJECT, 6, 6), 1, 3, bad[i], 0, 0, 0)
				.r,
			SL_FAULT_INVALID);
	}
}

static void test_images_of_unknown_formats_are_refused(void **state)
{
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_SET_SHADER_IMAGES, 0, 12), 1, 0, 67, 1, 0, 0,
				 3, 0, 0, 0, 0, 0)
				 .r,
		0);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_SET_SHADER_IMAGES, 0, 12), 1, 0, 67, 1, 0, 0,
				 3, 0xffffffff, 0, 0, 0, 0)
				 .r,
		SL_FAULT_INVALID);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_SET_SHADER_IMAGES, 0, 3), 1, 0, 73).r,
		SL_FAULT_INVALID);
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_SET_SHADER_IMAGES, 0, 2), 1, 0).r, 0);
}

static void test_memory_info_needs_room_for_its_answer(void **state)
{
	assert_int_equal(PRICE(*state, VIRGL_CMD(VIRGL_GET_MEMORY_INFO, 0, 1), 3).r, 0);
	assert_int_equal(
		PRICE(*state, VIRGL_CMD(VIRGL_GET_MEMORY_INFO, 0, 1), 4).r, SL_FAULT_INVALID);
	assert_int_equal(
		PRICE(*state, VIRGL_CMD(VIRGL_GET_MEMORY_INFO, 0, 0)).r, SL_FAULT_MALFORMED);
}

static void test_queries_are_noticed(void **state)
{
	struct sl_stream *s = *state;

	assert_int_equal(PRICE(s, VIRGL_CMD(VIRGL_NOP, 0, 0)).r, 0);
	assert_false(s->queries);
	assert_int_equal(PRICE(s, VIRGL_CMD(VIRGL_GET_QUERY_RESULT, 0, 2), 1, 1).r, 0);
	assert_true(s->queries);
}

static void test_a_flood_of_sub_contexts_ends_early(void **state)
{
	size_t n = 100000;
	uint32_t *cmd = malloc(n * 8);

	for (uint32_t i = 0; i < n; i++) {
		cmd[2 * i] = VIRGL_CMD(VIRGL_CREATE_SUB_CTX, 0, 1);
		cmd[2 * i + 1] = i + 1;
	}
	assert_int_equal(price_n(*state, cmd, 2 * n).r, SL_FAULT_LIMIT);
	free(cmd);
	assert_int_equal(RUN(*state, SUB(VIRGL_CREATE_SUB_CTX, 1)).contexts, 1);
}

static void test_many_objects(void **state)
{
	size_t n = 200000;
	uint32_t *cmd = malloc(n * 8);
	struct priced p, q;

	for (uint32_t i = 0; i < n; i++) {
		cmd[2 * i] = VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_BLEND, 1);
		cmd[2 * i + 1] = i + 1;
	}
	p = price_n(*state, cmd, 2 * n);
	q = price_n(*state, cmd, 2 * n); /* after undoing the first */
	assert_int_equal(p.bytes, q.bytes);
	sl_stream_commit(*state, true);
	for (uint32_t i = 0; i < n; i++) {
		cmd[2 * i] = VIRGL_CMD(VIRGL_DESTROY_OBJECT, 0, 1);
	}
	assert_int_equal(price_n(*state, cmd, 2 * n).bytes, 0);
	sl_stream_commit(*state, true);
	assert_int_equal(RUN(*state, VIRGL_CMD(VIRGL_NOP, 0, 0)).bytes, -p.bytes);
	free(cmd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_plain_drawing_costs_nothing),
		T(test_a_destroy_is_given_back_after_it_ran),
		T(test_a_refused_stream_is_forgotten),
		T(test_credit_waits_for_a_stream_that_is_admitted),
		T(test_a_stream_that_stopped_earns_nothing),
		T(test_create_and_destroy_in_one_stream_are_charged_first),
		T(test_a_handle_used_twice_adds_up),
		T(test_shaders_cost_what_they_claim),
		T(test_sub_contexts),
		T(test_objects_belong_to_their_sub_context),
		T(test_a_sub_context_made_and_destroyed_at_once),
		T(test_lengths_that_do_not_add_up),
		T(test_video_is_not_passed_on),
		T(test_pipe_resources_are_priced_like_resources),
		T(test_multisampled_surfaces_cost_their_samples),
		T(test_views_of_unknown_formats_are_refused),
		T(test_images_of_unknown_formats_are_refused),
		T(test_memory_info_needs_room_for_its_answer),
		T(test_queries_are_noticed),
		T(test_a_flood_of_sub_contexts_ends_early),
		T(test_many_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
