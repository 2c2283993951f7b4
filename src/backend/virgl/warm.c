/* SPDX-License-Identifier: MIT */
/*
 * A first frame that no client sees: one triangle through the same commands that a client sends,
 * read back. It makes the GL driver load and start its compiler, which is most of what a first
 * frame costs, and it shows that the renderer works. The context is thrown away with its state.
 */
#include <string.h>

#include "backend/virgl/protocol.h"
#include "backend/virgl/virgl-private.h"
#include "core/format.h"
#include "util/cleanup.h"

#define FORMAT_BGRA 1
#define FORMAT_R8 64
#define FORMAT_RGBA32F 31
#define BIND_RENDER_TARGET 2u
#define BIND_VERTEX_BUFFER 16u
#define SIDE_PX 16
/* Ids of a client that is not there yet. */
#define RES_COLOR 1u
#define RES_VERTICES 2u

/* Object handles. */
enum { H_SURFACE = 1, H_BLEND, H_DSA, H_RASTERIZER, H_ELEMENTS, H_VS, H_FS };

static const char vs[] = "VERT\n"
			 "DCL IN[0]\n"
			 "DCL IN[1]\n"
			 "DCL OUT[0], POSITION\n"
			 "DCL OUT[1], GENERIC[0]\n"
			 "  0: MOV OUT[0], IN[0]\n"
			 "  1: MOV OUT[1], IN[1]\n"
			 "  2: END\n";
static const char fs[] = "FRAG\n"
			 "DCL IN[0], GENERIC[0], PERSPECTIVE\n"
			 "DCL OUT[0], COLOR\n"
			 "  0: MOV OUT[0], IN[0]\n"
			 "  1: END\n";

struct out {
	uint32_t words[512];
	size_t n;
};

static void put(struct out *o, uint32_t w)
{
	if (o->n < SL_ARRAY_LEN(o->words)) {
		o->words[o->n++] = w;
	}
}

static void put_f(struct out *o, float f)
{
	uint32_t w;

	memcpy(&w, &f, sizeof(w));
	put(o, w);
}

static void put_many(struct out *o, size_t n, const uint32_t *w)
{
	for (size_t i = 0; i < n; i++) {
		put(o, w[i]);
	}
}

#define PUT(o, cmd, obj, ...)                                                                      \
	do {                                                                                       \
		const uint32_t _w[] = { __VA_ARGS__ };                                             \
		put(o, VIRGL_CMD(cmd, obj, SL_ARRAY_LEN(_w)));                                     \
		put_many(o, SL_ARRAY_LEN(_w), _w);                                                 \
	} while (0)

static void put_shader(struct out *o, uint32_t handle, uint32_t type, const char *text)
{
	uint32_t bytes = (uint32_t)strlen(text) + 1, n = (bytes + 3) / 4;
	uint32_t padded[128] = {};

	memcpy(padded, text, bytes);
	put(o, VIRGL_CMD(VIRGL_CREATE_OBJECT, VIRGL_OBJ_SHADER, VIRGL_SHADER_HEADER_LEN + n));
	put(o, handle);
	put(o, type);
	put(o, bytes);
	put(o, 300); /* tokens, at most */
	put(o, 0);   /* no stream output */
	put_many(o, n, padded);
	PUT(o, VIRGL_BIND_SHADER, 0, handle, type);
}

static void put_state(struct out *o)
{
	PUT(o, VIRGL_CREATE_OBJECT, VIRGL_OBJ_SURFACE, H_SURFACE, RES_COLOR, FORMAT_BGRA, 0, 0);
	PUT(o, VIRGL_SET_FRAMEBUFFER, 0, 1, 0, H_SURFACE);
	PUT(o, VIRGL_CREATE_OBJECT, VIRGL_OBJ_BLEND, H_BLEND, 0, 0, 0xfu << 27, 0, 0, 0, 0, 0, 0,
		0);
	PUT(o, VIRGL_BIND_OBJECT, VIRGL_OBJ_BLEND, H_BLEND);
	PUT(o, VIRGL_CREATE_OBJECT, VIRGL_OBJ_DSA, H_DSA, 0, 0, 0, 0);
	PUT(o, VIRGL_BIND_OBJECT, VIRGL_OBJ_DSA, H_DSA);
	/* Depth clip, half-pixel centres, bottom edge rule. */
	PUT(o, VIRGL_CREATE_OBJECT, VIRGL_OBJ_RASTERIZER, H_RASTERIZER, 1u << 1 | 3u << 29, 0, 0, 0,
		0, 0, 0, 0);
	PUT(o, VIRGL_BIND_OBJECT, VIRGL_OBJ_RASTERIZER, H_RASTERIZER);
	PUT(o, VIRGL_CREATE_OBJECT, VIRGL_OBJ_VERTEX_ELEMENTS, H_ELEMENTS, 0, 0, 0, FORMAT_RGBA32F,
		16, 0, 0, FORMAT_RGBA32F);
	PUT(o, VIRGL_BIND_OBJECT, VIRGL_OBJ_VERTEX_ELEMENTS, H_ELEMENTS);
	PUT(o, VIRGL_SET_VERTEX_BUFFERS, 0, 32, 0, RES_VERTICES);
	put(o, VIRGL_CMD(VIRGL_SET_VIEWPORT, 0, 7));
	put(o, 0);
	for (int i = 0; i < 2; i++) { /* scale, then translation */
		put_f(o, SIDE_PX / 2.0f);
		put_f(o, SIDE_PX / 2.0f);
		put_f(o, 0.5f);
	}
}

static void put_draw(struct out *o)
{
	put_shader(o, H_VS, 0, vs);
	put_shader(o, H_FS, 1, fs);
	PUT(o, VIRGL_CLEAR, 0, 4, 0, 0, 0, 0, 0, 0, 0); /* colour buffer 0, to transparent black */
	/* One triangle list of three vertices, one instance. */
	PUT(o, VIRGL_DRAW, 0, 0, 3, 4, 0, 1, 0, 0, 0, 0, 0, 2, 0);
}

static bool make_resources(uint32_t ctx)
{
	struct virgl_renderer_resource_create_args color = {
		.handle = RES_COLOR,
		.target = SL_TARGET_2D,
		.format = FORMAT_BGRA,
		.bind = BIND_RENDER_TARGET,
		.width = SIDE_PX,
		.height = SIDE_PX,
		.depth = 1,
		.array_size = 1,
	};
	struct virgl_renderer_resource_create_args vertices = {
		.handle = RES_VERTICES,
		.target = SL_TARGET_BUFFER,
		.format = FORMAT_R8,
		.bind = BIND_VERTEX_BUFFER,
		.width = 96,
		.height = 1,
		.depth = 1,
		.array_size = 1,
	};

	if (virgl_renderer_resource_create(&color, NULL, 0) != 0 ||
		virgl_renderer_resource_create(&vertices, NULL, 0) != 0) {
		return false;
	}
	virgl_renderer_ctx_attach_resource((int)ctx, RES_COLOR);
	virgl_renderer_ctx_attach_resource((int)ctx, RES_VERTICES);
	return true;
}

/* A triangle that covers the whole target, all in one colour: every pixel must have it. */
static bool draw(uint32_t ctx)
{
	static const float vertex[3][8] = {
		{ -1, -1, 0, 1, 0, 1, 0, 1 },
		{ 3, -1, 0, 1, 0, 1, 0, 1 },
		{ -1, 3, 0, 1, 0, 1, 0, 1 },
	};
	uint32_t pixels[SIDE_PX * SIDE_PX] = {};
	struct iovec in = { (void *)vertex, sizeof(vertex) }, out = { pixels, sizeof(pixels) };
	struct sl_box all = { .w = SIDE_PX, .h = SIDE_PX, .d = 1 };
	struct sl_box bytes = { .w = sizeof(vertex), .h = 1, .d = 1 };
	struct out o = { .n = 0 };

	put_state(&o);
	put_draw(&o);
	if (virgl_renderer_transfer_write_iov(
		    RES_VERTICES, ctx, 0, 0, 0, (struct virgl_box *)&bytes, 0, &in, 1) != 0 ||
		virgl_renderer_submit_cmd(o.words, (int)ctx, (int)o.n) != 0 ||
		virgl_renderer_transfer_read_iov(
			RES_COLOR, ctx, 0, 0, 0, (struct virgl_box *)&all, 0, &out, 1) != 0) {
		return false;
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(pixels); i++) {
		const uint8_t *p = (const uint8_t *)&pixels[i];

		if (p[0] != 0 || p[1] != 0xff || p[2] != 0 || p[3] != 0xff) {
			return false;
		}
	}
	return true;
}

bool virgl_warm_up(uint32_t lib_ctx)
{
	bool ok = make_resources(lib_ctx) && draw(lib_ctx);

	virgl_renderer_resource_unref(RES_COLOR);
	virgl_renderer_resource_unref(RES_VERTICES);
	return ok;
}

void virgl_make_first_sub_ctx(uint32_t lib_ctx)
{
	/* Mesa numbers them from 1, and making one that exists does nothing. */
	uint32_t create[] = { VIRGL_CMD(VIRGL_CREATE_SUB_CTX, 0, 1), 1 };

	virgl_renderer_submit_cmd(create, (int)lib_ctx, SL_ARRAY_LEN(create));
}
