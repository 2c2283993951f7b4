/* SPDX-License-Identifier: MIT */
/*
 * sluice-bench-client: what `sluice bench` runs beside glmark2. It draws off screen without any
 * window system and isolates one cost at a time: many draws in a frame, a read-back in each
 * frame, an upload in each frame, and the time to the first frame. Every frame ends with
 * glFinish(), as an off-screen frame of glmark2 does, so that no column runs ahead of another.
 */
#include "gl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 400
#define HEIGHT 300
#define UPLOAD_SIZE 512 /* texels a side: 1 MiB a frame */

enum { EXIT_BENCH_OK = 0, EXIT_BENCH_FAILED = 1, EXIT_BENCH_USAGE = 2 };

struct bench {
	struct gl gl;
	GLint place;
	GLuint texture;
	unsigned int draws, n_frame;
	double duration_s;
	unsigned int max_frames; /* 0: the duration decides */
	uint32_t *texels;
	uint8_t *pixels;
};

struct mode {
	const char *name, *help;
	void (*frame)(struct bench *b);
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double connected_s; /* when this process connected to its GL server; 0: it did not */

/* In place of the C library's, for Mesa too: notes when the driver calls its server. */
int connect(int fd, const struct sockaddr *address, socklen_t length)
	__attribute__((visibility("default")));

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)address;
	const char *name = getenv("VTEST_SOCKET_NAME");

	if (connected_s == 0 && address->sa_family == AF_UNIX &&
		strcmp(un->sun_path, name ? name : "/tmp/.virgl_test") == 0) {
		connected_s = now_s();
	}
	return (int)syscall(SYS_connect, fd, address, length);
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static const char vertex[] =
	"attribute vec2 a_0;\n"
	"uniform vec4 place;\n"
	"varying vec2 st;\n"
	"void main() { st = a_0; gl_Position = vec4(a_0 * place.xy + place.zw,\n"
	"  0.0, 1.0); }\n";
static const char fragment[] = "precision mediump float;\n"
			       "uniform sampler2D tex;\n"
			       "varying vec2 st;\n"
			       "void main() { gl_FragColor = texture2D(tex, st); }\n";

static const char *set_up(struct bench *b)
{
	static const float corners[] = { 0, 0, 1, 0, 0, 1, 1, 1 };
	const char *why = gl_open(&b->gl);
	GLuint program;

	if (!why) {
		why = gl_context_begin(&b->gl, GL_API_ES2);
	}
	if (why) {
		return why;
	}
	if (!gl_target(WIDTH, HEIGHT, true)) {
		return "the framebuffer is not complete";
	}
	program = gl_program(vertex, fragment, NULL);
	if (!program) {
		return "the program does not link";
	}
	b->place = glGetUniformLocation(program, "place");
	for (uint32_t i = 0; i < UPLOAD_SIZE * UPLOAD_SIZE; i++) {
		b->texels[i] = gl_hash32(i);
	}
	b->texture = gl_texture_2d(
		GL_RGBA, UPLOAD_SIZE, UPLOAD_SIZE, GL_RGBA, GL_UNSIGNED_BYTE, b->texels);
	gl_buffer(GL_ARRAY_BUFFER, corners, sizeof(corners));
	gl_attribute(0, 2, 8, 0);
	glEnable(GL_DEPTH_TEST);
	return NULL;
}

/* Small textured quads in a grid, each with a uniform of its own: a draw call and little else. */
static void draw_many(struct bench *b)
{
	glClearColor(0, (float)(b->n_frame % 64) / 64.0f, 0.5f, 1);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
	for (unsigned int i = 0; i < b->draws; i++) {
		unsigned int k = i + b->n_frame;
		glUniform4f(b->place, 0.07f, 0.07f, (float)(k % 25) * 0.08f - 1.0f,
			(float)(k / 25 % 25) * 0.08f - 1.0f);
		glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	}
}

static void frame_draws(struct bench *b)
{
	draw_many(b);
	glFinish();
}

static void frame_readback(struct bench *b)
{
	draw_many(b);
	glReadPixels(0, 0, WIDTH, HEIGHT, GL_RGBA, GL_UNSIGNED_BYTE, b->pixels);
}

static void frame_upload(struct bench *b)
{
	b->texels[b->n_frame % (UPLOAD_SIZE * UPLOAD_SIZE)] ^= 0xffffffu;
	glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, UPLOAD_SIZE, UPLOAD_SIZE, GL_RGBA, GL_UNSIGNED_BYTE,
		b->texels);
	draw_many(b);
	glFinish();
}

static const struct mode modes[] = {
	{ "draws", "--draws=N quads a frame", frame_draws },
	{ "readback", "the same, and the frame read back", frame_readback },
	{ "upload", "a texture of 1 MiB uploaded, then drawn", frame_upload },
	{ "first-frame", "one frame, read back: how long since the program began", frame_readback },
	{ "hold", "one frame, read back; then wait until stdin ends", frame_readback },
};

/* The parent takes its own measurements between these two lines. */
static void mark(const char *what)
{
	puts(what);
	fflush(stdout);
}

static void wait_for_stdin(void)
{
	char byte;
	ssize_t n;

	do {
		n = read(STDIN_FILENO, &byte, 1);
	} while (n > 0 || (n < 0 && errno == EINTR));
}

static void timed(struct bench *b, const struct mode *m, double *ret_s, double *ret_cpu_s)
{
	double start = now_s(), cpu = cpu_s();

	for (b->n_frame = 0; b->max_frames == 0 || b->n_frame < b->max_frames; b->n_frame++) {
		if (b->max_frames == 0 && now_s() - start >= b->duration_s) {
			break;
		}
		m->frame(b);
	}
	*ret_s = now_s() - start;
	*ret_cpu_s = cpu_s() - cpu;
}

static int run(struct bench *b, const struct mode *m, double begin_s)
{
	const char *why = set_up(b);
	double first_s, connect_s = 0, seconds = 0, cpu = 0;
	bool once = strcmp(m->name, "first-frame") == 0 || strcmp(m->name, "hold") == 0;
	GLenum error;

	if (why) {
		fprintf(stderr, "sluice-bench-client: %s\n", why);
		return EXIT_BENCH_FAILED;
	}
	frame_readback(b);
	first_s = now_s() - begin_s;
	if (connected_s > 0) {
		connect_s = now_s() - connected_s;
	}
	if (strcmp(m->name, "hold") == 0) {
		mark("ready");
		wait_for_stdin();
	} else if (!once) {
		/* Shaders, caches and allocators settle before anything is counted. */
		for (int i = 0; i < 10; i++) {
			m->frame(b);
		}
		mark("begin");
		timed(b, m, &seconds, &cpu);
		mark("end");
	}
	error = gl_take_error();
	printf("{\"mode\": \"%s\", \"draws\": %u, \"renderer\": \"%s\", \"frames\": %u, "
	       "\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"first_frame_ms\": %.3f, "
	       "\"connect_to_frame_ms\": %.3f, \"gl_error\": %u}\n",
		m->name, b->draws, (const char *)glGetString(GL_RENDERER), once ? 1 : b->n_frame,
		seconds, once ? cpu_s() : cpu, first_s * 1e3, connect_s * 1e3, error);
	return error == GL_NO_ERROR ? EXIT_BENCH_OK : EXIT_BENCH_FAILED;
}

static void usage(FILE *to)
{
	fprintf(to, "usage: sluice-bench-client MODE [--draws=N] [--duration=SECONDS | "
		    "--frames=N]\n"
		    "Draws off screen and prints a JSON object. Modes:\n");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		fprintf(to, "  %-12s %s\n", modes[i].name, modes[i].help);
	}
}

static const struct mode *parse(int argc, char **argv, struct bench *b)
{
	static const struct option options[] = {
		{ "draws", required_argument, NULL, 'd' },
		{ "duration", required_argument, NULL, 't' },
		{ "frames", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			b->draws = (unsigned int)atoi(optarg);
			break;
		case 't':
			b->duration_s = atof(optarg);
			break;
		case 'f':
			b->max_frames = (unsigned int)atoi(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_BENCH_OK);
		default:
			return NULL;
		}
	}
	for (size_t i = 0; optind + 1 == argc && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[optind], modes[i].name) == 0) {
			return &modes[i];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static uint32_t texels[UPLOAD_SIZE * UPLOAD_SIZE];
	static uint8_t pixels[WIDTH * HEIGHT * 4];
	struct bench b = { .draws = 10, .duration_s = 2, .texels = texels, .pixels = pixels };
	const struct mode *m;
	double begin_s = now_s();
	int status;

	m = parse(argc, argv, &b);
	if (!m) {
		usage(stderr);
		return EXIT_BENCH_USAGE;
	}
	status = run(&b, m, begin_s);
	gl_context_end(&b.gl);
	gl_close(&b.gl);
	return status;
}
