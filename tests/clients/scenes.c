/* SPDX-License-Identifier: MIT */
/*
 * sluice-scenes: draws small scenes without a window and says what came out, a hash and on demand
 * the bytes themselves. The same program run natively and through a server must say the same.
 * Every scene has a context of its own, so that one cannot lean on what another left behind.
 */
#include "scenes.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_SCENES_OK = 0, EXIT_SCENES_FAILED = 1, EXIT_SCENES_USAGE = 2, EXIT_SCENES_NO_EGL = 3 };

static const struct scene *const groups[] = { scenes_basic, scenes_texture, scenes_target,
	scenes_es3, scenes_es31, scenes_compat, scenes_core };

struct options {
	const char *only; /* comma-separated names, or NULL for all */
	const char *dump;
	bool list, json, hold;
	int repeat;
};

static uint64_t fnv64(const uint8_t *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ p[i]) * 0x100000001b3ull;
	}
	return h;
}

static bool wanted(const struct options *o, const char *name)
{
	size_t length = strlen(name);

	if (!o->only) {
		return true;
	}
	for (const char *at = o->only; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || !at[length])) {
			return true;
		}
	}
	return false;
}

static int dump(const struct options *o, const struct scene *s, const struct capture *c)
{
	char path[4096];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s.raw", o->dump, s->name);
	f = fopen(path, "wb");
	if (!f) {
		fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
		return -1;
	}
	ok = fwrite(c->data, 1, c->size, f) == c->size;
	return fclose(f) == 0 && ok ? 0 : -1;
}

struct outcome {
	const char *status; /* "ok", "unsupported", "error" */
	const char *reason; /* of an unsupported scene, or "" */
	GLenum error;
	uint64_t hash;
	size_t size;
};

static struct outcome draw(struct gl *gl, const struct options *o, const struct scene *s)
{
	struct outcome out = { .status = "ok", .reason = "" };
	struct capture c = { 0 };
	const char *why = gl_context_begin(gl, s->api);

	if (why) {
		out.status = "unsupported";
		out.reason = why;
		return out;
	}
	s->draw(&c);
	out.error = gl_take_error();
	if (c.unsupported) {
		out.status = "unsupported";
		out.reason = c.unsupported;
	} else if (out.error != GL_NO_ERROR || (o->dump && dump(o, s, &c) < 0)) {
		out.status = "error";
	}
	out.hash = fnv64(c.data, c.size);
	out.size = c.size;
	capture_fini(&c);
	gl_context_end(gl);
	return out;
}

static void print(const struct options *o, const struct scene *s, struct outcome out, bool first)
{
	const char *rule = s->filtered ? "filtered" : "exact";

	if (o->json) {
		printf("%s\n  {\"scene\": \"%s\", \"api\": \"%s\", \"rule\": \"%s\", \"status\": "
		       "\"%s\", "
		       "\"reason\": \"%s\", \"gl_host_only\": \"%s\", \"gl_error\": %u, \"bytes\": "
		       "%zu, "
		       "\"hash\": \"%016" PRIx64 "\"}",
			first ? "" : ",", s->name, gl_api_name(s->api), rule, out.status,
			out.reason, s->gl_host_only ? s->gl_host_only : "", out.error, out.size,
			out.hash);
		return;
	}
	printf("%-24s %-7s %-12s", s->name, gl_api_name(s->api), out.status);
	if (strcmp(out.status, "ok") == 0) {
		printf(" %016" PRIx64 " %zu bytes\n", out.hash, out.size);
	} else if (out.error) {
		printf(" GL error 0x%04x\n", out.error);
	} else {
		printf(" %s\n", out.reason);
	}
}

static int run(struct gl *gl, const struct options *o)
{
	int drawn = 0, failed = 0;

	if (o->json) {
		printf("{\"scenes\": [");
	}
	for (int round = 0; round < o->repeat; round++) {
		for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
			for (const struct scene *s = groups[g]; s->name; s++) {
				if (!wanted(o, s->name)) {
					continue;
				}
				struct outcome out = draw(gl, o, s);
				print(o, s, out, drawn++ == 0);
				failed += strcmp(out.status, "error") == 0;
				fflush(stdout);
			}
		}
	}
	if (o->json) {
		printf("\n], \"drawn\": %d, \"failed\": %d}\n", drawn, failed);
	}
	if (drawn == 0) {
		fprintf(stderr, "no such scene: %s (--list names them)\n", o->only);
		return EXIT_SCENES_USAGE;
	}
	return failed ? EXIT_SCENES_FAILED : EXIT_SCENES_OK;
}

/* With the session open, wait until stdin ends: so many of us can draw at the same time. */
static const char *hold(struct gl *gl)
{
	const char *why = gl_context_begin(gl, GL_API_ES2);
	char byte;

	gl_context_end(gl);
	if (!why) {
		puts("ready");
		fflush(stdout);
		while (read(STDIN_FILENO, &byte, 1) > 0) {
		}
	}
	return why;
}

static void list(void)
{
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (const struct scene *s = groups[g]; s->name; s++) {
			printf("%s %s %s\n", s->name, gl_api_name(s->api),
				s->filtered ? "filtered" : "exact");
		}
	}
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: sluice-scenes [--scene=NAME,...] [--dump=DIR] [--json] [--repeat=N] "
		"[--hold]\n"
		"       sluice-scenes --list\n"
		"Draws the scenes and prints a hash of what was read back for each. With --hold\n"
		"it opens its session, prints \"ready\" and waits until stdin ends.\n"
		"Exit status: 0 all drawn, 1 a scene had a GL error, 2 usage, 3 no EGL.\n");
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "scene", required_argument, NULL, 's' },
		{ "dump", required_argument, NULL, 'd' },
		{ "repeat", required_argument, NULL, 'r' }, { "list", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' }, { "hold", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->only = optarg;
			break;
		case 'd':
			o->dump = optarg;
			break;
		case 'r':
			o->repeat = atoi(optarg);
			break;
		case 'l':
			o->list = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'w':
			o->hold = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SCENES_OK);
		default:
			return -1;
		}
	}
	return optind == argc && o->repeat > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options o = { .repeat = 1 };
	struct gl gl;
	const char *why;
	int status;

	if (parse(argc, argv, &o) < 0) {
		usage(stderr);
		return EXIT_SCENES_USAGE;
	}
	if (o.list) {
		list();
		return EXIT_SCENES_OK;
	}
	why = gl_open(&gl);
	if (!why && o.hold) {
		why = hold(&gl);
	}
	if (why) {
		fprintf(stderr, "sluice-scenes: %s\n", why);
		return EXIT_SCENES_NO_EGL;
	}
	status = run(&gl, &o);
	gl_close(&gl);
	return status;
}
