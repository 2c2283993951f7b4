/* SPDX-License-Identifier: MIT */
/*
 * Single measurements. CPU is taken over a window inside the run, when the scene is being drawn
 * and start-up is over: start-up is a figure of its own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/bench-vtest.h"
#include "cli/cli.h"
#include "util/fds.h"

/* From glmark2's start until its first scene is surely being drawn. */
#define SETTLE_S 0.8
/* The kernel counts CPU in ticks of 10 ms: shorter windows say nothing. */
#define MIN_WINDOW_S 0.5
/* What a run may take beyond its duration before it is given up. */
#define PATIENCE_S 30.0
#define MAX_SESSIONS 256

static const struct sl_bench_sample nothing = { NAN, NAN, NAN, NAN };

static uint64_t after_ns(uint64_t from_ns, double s)
{
	return from_ns + (uint64_t)(s * (double)SL_NSEC_PER_SEC);
}

struct window {
	pid_t roots[2];
	uint64_t begin_ns;
	double begin_cpu_s, cpu_per_s;
};

static void window_begin(struct window *w, const struct sl_bench_servers *s,
	enum sl_bench_column column, pid_t client)
{
	*w = (struct window){ .roots = { client, s->process[column].pid }, .cpu_per_s = NAN };
	w->begin_cpu_s = sl_bench_tree_cpu_s(w->roots, SL_ARRAY_LEN(w->roots));
	w->begin_ns = sl_now_ns();
}

static void window_end(struct window *w)
{
	double cpu_s = sl_bench_tree_cpu_s(w->roots, SL_ARRAY_LEN(w->roots)) - w->begin_cpu_s;
	double s = (double)(sl_now_ns() - w->begin_ns) / (double)SL_NSEC_PER_SEC;

	w->cpu_per_s = s >= MIN_WINDOW_S ? cpu_s / s : NAN;
}

/* Whoever rendered must be who the column says: falling back to something else is no result. */
static bool is_right_renderer(enum sl_bench_column column, const char *name)
{
	bool virgl = strcasestr(name, "virgl") != NULL;

	return column == SL_BENCH_NATIVE ? !virgl && strcasestr(name, "llvmpipe") : virgl;
}

static int start(struct sl_bench_process *p, const struct sl_bench_servers *s,
	enum sl_bench_column column, const char *const *command)
{
	struct sl_bench_argv a;

	sl_bench_container(s, column, command, &a);
	return sl_bench_spawn(p, a.argv, NULL, s->verbose);
}

static struct sl_bench_sample measure_glmark2(const struct sl_bench_servers *s,
	enum sl_bench_column column, const struct sl_bench_case *c, double duration_s)
{
	struct sl_bench_sample sample = nothing;
	struct sl_bench_process p;
	struct window w;
	char scene[128];
	const char *command[] = { "glmark2-es2", "--off-screen", "-s", "400x300", "-b", scene,
		NULL };
	const char *line, *at;
	uint64_t begin = sl_now_ns(), deadline = after_ns(begin, duration_s + PATIENCE_S);
	bool right = false;

	snprintf(scene, sizeof(scene), "%s:duration=%.2f", c->args[0], duration_s);
	if (!*s->display || start(&p, s, column, command) < 0) {
		return sample;
	}
	sl_bench_sleep_until(after_ns(begin, SETTLE_S));
	window_begin(&w, s, column, p.pid);
	sl_bench_sleep_until(after_ns(begin, duration_s));
	window_end(&w);
	while ((line = sl_bench_read_line(&p, deadline))) {
		if ((at = strstr(line, "GL_RENDERER:"))) {
			right = is_right_renderer(column, at + strlen("GL_RENDERER:"));
		} else if ((at = strstr(line, " FPS: ")) && right) {
			sample.rate = atof(at + strlen(" FPS: "));
		}
	}
	sl_bench_finish(&p, deadline);
	if (sample.rate > 0) {
		sample.cpu_ms = w.cpu_per_s * 1e3 / sample.rate;
	}
	return sample;
}

static struct sl_bench_sample parse_client(enum sl_bench_column column, const char *line)
{
	_cleanup_json_ json_t *o = json_loads(line, 0, NULL);
	struct sl_bench_sample sample = nothing;
	const char *renderer = json_string_value(json_object_get(o, "renderer"));
	double seconds = json_number_value(json_object_get(o, "seconds"));

	if (!renderer || !is_right_renderer(column, renderer) ||
		json_integer_value(json_object_get(o, "gl_error"))) {
		return sample;
	}
	if (seconds > 0) {
		sample.rate = json_number_value(json_object_get(o, "frames")) / seconds;
	}
	sample.first_frame_ms = json_number_value(json_object_get(o, "first_frame_ms"));
	if (column != SL_BENCH_NATIVE) {
		sample.connect_frame_ms =
			json_number_value(json_object_get(o, "connect_to_frame_ms"));
	}
	return sample;
}

static struct sl_bench_sample measure_client(const struct sl_bench_servers *s,
	enum sl_bench_column column, const struct sl_bench_case *c, const char *client,
	double duration_s)
{
	struct sl_bench_sample sample = nothing;
	struct sl_bench_process p;
	struct window w = { .cpu_per_s = NAN };
	char duration[32];
	const char *command[] = { client, c->args[0], duration, c->args[1], NULL };
	uint64_t deadline = after_ns(sl_now_ns(), duration_s + PATIENCE_S);
	const char *line;

	snprintf(duration, sizeof(duration), "--duration=%.3f", duration_s);
	if (start(&p, s, column, command) < 0) {
		return sample;
	}
	while ((line = sl_bench_read_line(&p, deadline))) {
		if (strcmp(line, "begin") == 0) {
			window_begin(&w, s, column, p.pid);
		} else if (strcmp(line, "end") == 0) {
			window_end(&w);
		} else if (*line == '{') {
			sample = parse_client(column, line);
		}
	}
	if (sl_bench_finish(&p, deadline) != 0) {
		return nothing;
	}
	if (sample.rate > 0) {
		sample.cpu_ms = w.cpu_per_s * 1e3 / sample.rate;
	}
	return sample;
}

struct sl_bench_sample sl_bench_measure(const struct sl_bench_servers *s,
	enum sl_bench_column column, const struct sl_bench_case *c, const char *client,
	double duration_s)
{
	return c->glmark2 ? measure_glmark2(s, column, c, duration_s)
			  : measure_client(s, column, c, client, duration_s);
}

/* All sessions up and their frame read back? */
static bool wait_ready(struct sl_bench_process *p, unsigned int n, uint64_t deadline)
{
	for (unsigned int i = 0; i < n; i++) {
		const char *line = sl_bench_read_line(&p[i], deadline);

		if (!line || strcmp(line, "ready") != 0) {
			return false;
		}
	}
	return true;
}

double sl_bench_measure_pss(const struct sl_bench_servers *s, enum sl_bench_column column,
	const char *client, unsigned int sessions)
{
	struct sl_bench_process p[MAX_SESSIONS];
	const char *const command[] = { client, "hold", NULL };
	unsigned int n = 0, wanted = SL_MIN(sessions, (unsigned int)MAX_SESSIONS);
	uint64_t deadline = after_ns(sl_now_ns(), PATIENCE_S + wanted);
	double mib = NAN;

	while (n < wanted && !sl_bench_interrupted() && start(&p[n], s, column, command) == 0) {
		n++;
	}
	if (n == wanted && wait_ready(p, n, deadline)) {
		mib = sl_bench_tree_pss_mib(s->process[column].pid) / n;
	}
	/* All are told to end before the first is waited for. */
	for (unsigned int i = 0; i < n; i++) {
		p[i].in = sl_close(p[i].in);
	}
	deadline = after_ns(sl_now_ns(), PATIENCE_S);
	for (unsigned int i = 0; i < n; i++) {
		sl_bench_finish(&p[i], deadline);
	}
	return mib;
}
