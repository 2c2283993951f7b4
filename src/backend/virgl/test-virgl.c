/* SPDX-License-Identifier: MIT */
/*
 * The renderer itself, through sessions: pixels, contexts in turn, both GL APIs, forked copies,
 * refusals. libvirglrenderer is one state per process, so every test runs in a child of its own;
 * where there is no EGL at all everything is skipped.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/virgl/protocol.h"
#include "backend/virgl/virgl.h"
#include "core/session.h"
#include "util/test-skip.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/fds.h"

#define SIDE 64

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* Run @body in a child; the test passes if it returns. */
static void in_child(void (*body)(enum sl_host_gl mode), enum sl_host_gl mode)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		alarm(60);
		body(mode);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct sl_virgl_options options(enum sl_host_gl mode)
{
	return (struct sl_virgl_options){
		.host_gl = mode, .render_node_fd = -1, .llvmpipe_threads = 0
	};
}

static struct sl_backend *backend(enum sl_host_gl mode)
{
	struct sl_virgl_options o = options(mode);
	struct sl_backend *b = NULL;
	char *error = NULL;
	int r = sl_virgl_new(&o, &b, &error);

	if (r < 0) {
		fprintf(stderr, "%s\n", error ? error : "no reason given");
	}
	CHECK(r == 0);
	return b;
}

static struct sl_session *session(struct sl_backend *b)
{
	struct sl_session *s = NULL;

	CHECK(sl_session_new(1, &SL_LIMITS_DEFAULT, b, &s) == 0);
	return s;
}

/* A context with a render target (its id is the context's) in sub-context 1, as Mesa does. */
static void add_target(struct sl_session *s, uint32_t ctx)
{
	struct sl_resource_args a = { .target = 2,
		.format = 1,
		.bind = 2,
		.width = SIDE,
		.height = SIDE,
		.depth = 1,
		.array_size = 1 };
	uint32_t cmd[] = {
		VIRGL_CMD(VIRGL_CREATE_SUB_CTX, 0, 1),
		1,
		VIRGL_CMD(VIRGL_SET_SUB_CTX, 0, 1),
		1,
		VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_SURFACE, 5),
		1,
		ctx,
		1,
		0,
		0,
		VIRGL_CMD(VIRGL_SET_FRAMEBUFFER, 0, 3),
		1,
		0,
		1,
	};

	CHECK(sl_session_context_create(s, ctx, 0, "test") == 0);
	CHECK(sl_session_resource_create(s, ctx, &a, 0, NULL) == 0);
	CHECK(sl_session_context_attach(s, ctx, ctx) == 0);
	CHECK(sl_session_submit(s, ctx, cmd, SL_ARRAY_LEN(cmd)) == 0);
}

/* Each colour is 0 or 1. */
static void clear(struct sl_session *s, uint32_t ctx, float r, float g, float b)
{
	uint32_t cmd[] = { VIRGL_CMD(VIRGL_CLEAR, 0, 8), 4, 0, 0, 0, 0, 0, 0, 0 };
	float color[4] = { r, g, b, 1 };

	memcpy(&cmd[2], color, sizeof(color));
	CHECK(sl_session_submit(s, ctx, cmd, SL_ARRAY_LEN(cmd)) == 0);
}

static uint32_t pixel(struct sl_session *s, uint32_t ctx, uint32_t x, uint32_t y)
{
	uint32_t pixels[SIDE * SIDE] = {};
	struct iovec iov = { pixels, sizeof(pixels) };
	struct sl_transfer t = { .box = { 0, 0, 0, SIDE, SIDE, 1 } };
	const uint8_t *p = (const uint8_t *)&pixels[y * SIDE + x];

	CHECK(sl_session_transfer_read(s, ctx, ctx, &t, &iov, 1) == 0);
	return (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0]; /* BGRA in memory */
}

static void body_clear(enum sl_host_gl mode)
{
	struct sl_backend *b = backend(mode);
	struct sl_session *s = session(b);
	uint32_t version, size;

	CHECK(b->info.software);
	CHECK(strstr(b->info.api, mode == SL_HOST_GL_ES ? "OpenGL ES" : "OpenGL "));
	CHECK(strncmp(b->info.library, "virglrenderer ", 14) == 0);
	CHECK(strcmp(b->info.node, "surfaceless") == 0);
	sl_session_capset_info(s, 1, &version, &size);
	CHECK(version == 1 && size == 308);
	sl_session_capset_info(s, 2, &version, &size);
	CHECK(version == 2 && size > 1000);
	add_target(s, 1);
	clear(s, 1, 1, 0, 1);
	CHECK(pixel(s, 1, 20, 30) == 0xff00ff);
	clear(s, 1, 0, 1, 0);
	CHECK(pixel(s, 1, SIDE - 1, 0) == 0x00ff00);
	sl_session_free(s);
}

static void test_clear_on_gl(void **state)
{
	in_child(body_clear, SL_HOST_GL_CORE);
}

static void test_clear_on_gles(void **state)
{
	in_child(body_clear, SL_HOST_GL_ES);
}

static void test_on_prefers_desktop_gl(void **state)
{
	in_child(body_clear, SL_HOST_GL_ON);
}

static void body_contexts(enum sl_host_gl mode)
{
	struct sl_session *s = session(backend(mode));
	struct sl_wait w = {};

	for (uint32_t c = 1; c <= 3; c++) {
		add_target(s, c);
	}
	/* No framebuffer is set again: each context must find its own, after creations too. */
	for (int i = 0; i < 20; i++) {
		clear(s, 1, 1, 0, 0);
		clear(s, 2, 0, 1, 0);
		CHECK(sl_session_wait_resource(s, 1, 1, &w) == 0);
		clear(s, 3, 0, 0, 1);
		CHECK(sl_session_wait_ring(s, 2, 0, &w) == 0);
		if (i % 5 == 0) {
			CHECK(sl_session_context_create(s, 9, 2, "passing") == 0);
		}
		if (i % 5 == 1) {
			CHECK(sl_session_context_destroy(s, 9) == 0);
		}
		CHECK(pixel(s, 2, 5, 5) == 0x00ff00);
		CHECK(pixel(s, 1, 5, 5) == 0xff0000);
		CHECK(pixel(s, 3, 5, 5) == 0x0000ff);
		clear(s, 2, 1, 1, 1);
		CHECK(pixel(s, 2, 5, 5) == 0xffffff);
	}
	sl_session_free(s);
}

static void test_contexts_in_turn(void **state)
{
	in_child(body_contexts, SL_HOST_GL_CORE);
	in_child(body_contexts, SL_HOST_GL_ES);
}

static void body_fork(enum sl_host_gl mode)
{
	struct sl_backend *b = backend(mode);
	pid_t pids[2];

	if (!sl_virgl_forkable(b)) {
		fprintf(stderr, "not forkable here\n");
		_exit(1);
	}
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct sl_session *s = session(b);

			for (int k = 0; k < 10; k++) {
				/* A second context is made in the copy itself. */
				if (k < 2) {
					add_target(s, (uint32_t)k + 1);
				}
				clear(s, 1, i == 0, i == 1, 0);
				CHECK(pixel(s, 1, 3, 3) == (i == 0 ? 0xff0000 : 0x00ff00));
			}
			sl_session_free(s);
			_exit(0);
		}
	}
	for (int i = 0; i < 2; i++) {
		int status = -1;

		CHECK(waitpid(pids[i], &status, 0) == pids[i]);
		CHECK(status == 0);
	}
}

static void body_second(enum sl_host_gl mode)
{
	struct sl_backend *b = backend(mode), *second = NULL;
	struct sl_virgl_options o = options(mode);
	char *error = NULL;

	CHECK(sl_virgl_new(&o, &second, &error) == -EBUSY);
	CHECK(error && strchr(error, '\n') == NULL);
	free(error);
	b->ops->free(b);
}

static void test_copies_render_each_for_itself(void **state)
{
	if (sl_test_emulated()) {
		return;
	}
	in_child(body_fork, SL_HOST_GL_CORE);
	in_child(body_fork, SL_HOST_GL_ES);
}

static void test_one_instance_per_process(void **state)
{
	in_child(body_second, SL_HOST_GL_CORE);
}

static void body_bad(enum sl_host_gl mode)
{
	struct sl_session *s = session(backend(mode));
	uint32_t unknown[] = { VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_SURFACE, 5), 7, 77, 1, 0,
		0 };
	uint32_t video[] = { VIRGL_CMD(VIRGL_FIRST_VIDEO, 0, 7), 1, 1, 1, 1, 1, 64, 64 };
	struct sl_resource_args huge = { .target = 2,
		.format = 1,
		.bind = 2,
		.width = 16384,
		.height = 16384,
		.depth = 1,
		.array_size = 1,
		.nr_samples = 4 };
	uint32_t poisoned = 0;

	add_target(s, 1);
	add_target(s, 2);
	CHECK(sl_session_submit(s, 1, video, SL_ARRAY_LEN(video)) == SL_FAULT_UNSUPPORTED);
	CHECK(sl_session_resource_create(s, 0, &huge, 0, NULL) == SL_FAULT_NO_MEMORY);
	CHECK(sl_session_resource_poison(s, 0, &poisoned) == 0);
	CHECK(sl_session_context_attach(s, 1, poisoned) == 0);
	clear(s, 1, 1, 0, 0);
	/* A stream that names the poisoned resource does not lose its context. */
	unknown[2] = poisoned;
	CHECK(sl_session_submit(s, 1, unknown, SL_ARRAY_LEN(unknown)) == 0);
	clear(s, 1, 0, 1, 0);
	CHECK(pixel(s, 1, 1, 1) == 0x00ff00);
	/* One that names nothing may: the other context is unharmed. */
	unknown[2] = 77;
	sl_session_submit(s, 1, unknown, SL_ARRAY_LEN(unknown));
	clear(s, 2, 0, 0, 1);
	CHECK(pixel(s, 2, 1, 1) == 0x0000ff);
	sl_session_free(s);
}

static void test_bad_commands_stay_in_their_context(void **state)
{
	in_child(body_bad, SL_HOST_GL_CORE);
}

static void body_query(enum sl_host_gl mode)
{
	struct sl_session *s = session(backend(mode));
	struct sl_resource_args a = { .target = 0,
		.format = 64,
		.bind = 1u << 17,
		.width = 16,
		.height = 1,
		.depth = 1,
		.array_size = 1 };
	uint32_t state[4] = {};
	struct iovec iov = { state, sizeof(state) };
	struct sl_wait w = {};
	uint32_t cmd[] = {
		VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_QUERY, 4),
		9,
		0,
		0,
		5,
		VIRGL_CMD(19, 0, 1),
		9, /* begin */
		VIRGL_CMD(20, 0, 1),
		9, /* end */
		VIRGL_CMD(VIRGL_GET_QUERY_RESULT, 0, 2),
		9,
		1,
	};

	add_target(s, 1);
	CHECK(sl_session_resource_create(s, 5, &a, 0, NULL) == 0);
	CHECK(sl_session_context_attach(s, 1, 5) == 0);
	CHECK(sl_session_resource_attach(s, 5, &iov, 1, NULL, NULL) == 0);
	CHECK(sl_session_submit(s, 1, cmd, SL_ARRAY_LEN(cmd)) == 0);
	for (int i = 0; i < 1000 && sl_session_resource_busy(s, 1, 5) == 1; i++) {
		usleep(100);
	}
	CHECK(sl_session_wait_resource(s, 1, 5, &w) == 0);
	CHECK(state[0] == 1); /* done */
	sl_session_free(s);
}

/* Streams that have killed old versions of the library: refused, or survived. */
static void body_killers(enum sl_host_gl mode)
{
	struct sl_session *s = session(backend(mode));
	struct sl_resource_args a = { .target = 0,
		.format = 64,
		.bind = 1u << 17,
		.width = 16,
		.height = 1,
		.depth = 1,
		.array_size = 1 };
	uint32_t info[] = { VIRGL_CMD(VIRGL_GET_MEMORY_INFO, 0, 1), 5 };
	uint32_t small[4] = {};
	struct iovec iov = { small, sizeof(small) };

	add_target(s, 1);
	CHECK(sl_session_submit(s, 1, info, 2) == SL_FAULT_INVALID); /* no such resource */
	CHECK(sl_session_resource_create(s, 5, &a, 0, NULL) == 0);
	CHECK(sl_session_submit(s, 1, info, 2) == SL_FAULT_INVALID); /* not attached */
	CHECK(sl_session_context_attach(s, 1, 5) == 0);
	CHECK(sl_session_submit(s, 1, info, 2) == SL_FAULT_INVALID); /* no backing */
	CHECK(sl_session_resource_attach(s, 5, &iov, 1, NULL, NULL) == 0);
	CHECK(sl_session_submit(s, 1, info, 2) == SL_FAULT_INVALID); /* too little of it */
	for (uint32_t f = 300; f < 330; f++) {
		uint32_t view[] = { VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_SAMPLER_VIEW, 6), 9, 1,
			f, 0, 0, 0 };

		a.format = f;
		sl_session_submit(s, 1, view, SL_ARRAY_LEN(view));
		if (sl_session_resource_create(s, 100 + f, &a, 0, NULL) == 0) {
			sl_session_context_attach(s, 1, 100 + f);
			view[2] = 100 + f;
			sl_session_submit(s, 1, view, SL_ARRAY_LEN(view));
		}
	}
	sl_session_free(s);
}

static void test_streams_that_killed_the_library(void **state)
{
	in_child(body_killers, SL_HOST_GL_CORE);
}

static void test_query_results_arrive(void **state)
{
	in_child(body_query, SL_HOST_GL_CORE);
	in_child(body_query, SL_HOST_GL_ES);
}

static void test_host_gl_names(void **state)
{
	enum sl_host_gl v;

	assert_int_equal(sl_host_gl_parse("es", &v), 0);
	assert_int_equal(v, SL_HOST_GL_ES);
	assert_int_equal(sl_host_gl_parse("on", &v), 0);
	assert_int_equal(sl_host_gl_parse("ES", &v), -EINVAL);
	assert_string_equal(sl_host_gl_str(SL_HOST_GL_CORE), "core");
	assert_true(strlen(sl_virgl_library_version()) > 2);
}

static void body_missing_library(enum sl_host_gl mode)
{
	struct sl_virgl_options o = options(mode);
	struct sl_backend *b;
	char *error = NULL;

	o.egl_library = "/nonexistent/libEGL.so.1";
	CHECK(sl_virgl_preload(&o, &error) == -ENOENT);
	CHECK(error && strstr(error, "/nonexistent") && !strchr(error, '\n'));
	free(error);
	CHECK(sl_virgl_new(&o, &b, &error) == -ENOENT);
	CHECK(error && strstr(error, "/nonexistent"));
	free(error);
}

static void test_a_missing_library_is_named(void **state)
{
	in_child(body_missing_library, SL_HOST_GL_CORE);
}

/* Hide the desktop GL libraries beside libvirglrenderer, in a mount namespace of this process. */
static bool hide_desktop_gl(void)
{
	static const char *const names[] = { "libGL.so.1", "libOpenGL.so.0", "libGLX.so.0" };
	void *lib = dlopen("libvirglrenderer.so.1", RTLD_NOW | RTLD_NOLOAD);
	struct link_map *map;
	const char *slash;
	char path[4096];

	if (!lib || dlinfo(lib, RTLD_DI_LINKMAP, &map) < 0 ||
		!(slash = strrchr(map->l_name, '/')) ||
		(unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return false;
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - map->l_name), map->l_name,
			names[i]);
		if (access(path, F_OK) == 0 && mount("/dev/null", path, NULL, MS_BIND, NULL) < 0) {
			return false;
		}
	}
	return true;
}

static void body_gles_alone(enum sl_host_gl mode)
{
	struct sl_virgl_options o = options(SL_HOST_GL_CORE);
	struct sl_backend *b;
	char *error = NULL;

	if (!hide_desktop_gl()) {
		fprintf(stderr, "cannot hide libraries here: not tested\n");
		return;
	}
	CHECK(sl_virgl_new(&o, &b, &error) == -ENOENT);
	CHECK(error && strstr(error, "--host-gl=es") && !strchr(error, '\n'));
	free(error);
	body_clear(mode);
}

static void test_gles_alone_suffices(void **state)
{
	in_child(body_gles_alone, SL_HOST_GL_ES);
}

/* Whether there is anything to test: asked in a child, which may also die of it. */
static bool have_egl(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		struct sl_virgl_options o = options(SL_HOST_GL_ON);
		struct sl_backend *b;
		char *error = NULL;
		int r = sl_virgl_new(&o, &b, &error);

		if (r < 0) {
			printf("1..0 # SKIP %s\n", error ? error : "no renderer");
			fflush(stdout);
		}
		_exit(r < 0 ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return status == 0 || !WIFEXITED(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_gl_names),
		cmocka_unit_test(test_clear_on_gl),
		cmocka_unit_test(test_clear_on_gles),
		cmocka_unit_test(test_on_prefers_desktop_gl),
		cmocka_unit_test(test_contexts_in_turn),
		cmocka_unit_test(test_copies_render_each_for_itself),
		cmocka_unit_test(test_one_instance_per_process),
		cmocka_unit_test(test_bad_commands_stay_in_their_context),
		cmocka_unit_test(test_streams_that_killed_the_library),
		cmocka_unit_test(test_query_results_arrive),
		cmocka_unit_test(test_a_missing_library_is_named),
		cmocka_unit_test(test_gles_alone_suffices),
	};

	if (!have_egl()) {
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
