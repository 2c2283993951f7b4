/* SPDX-License-Identifier: MIT */
/*
 * Scenes that sample textures: formats, wrapping, levels, dimensions, samplers. Sizes are chosen so
 * that no pixel's centre falls on the border of two texels, where versions of Mesa choose apart.
 */
#include "scenes.h"

#include <string.h>

static const char vs2[] =
	"attribute vec3 a_0;\n"
	"attribute vec2 a_1;\n"
	"varying vec2 st;\n"
	"uniform vec4 map;\n"
	"void main() { st = a_1 * map.xy + map.zw; gl_Position = vec4(a_0, 1.0); }\n";
static const char fs2[] = "precision mediump float;\n"
			  "varying vec2 st;\n"
			  "uniform sampler2D tex;\n"
			  "void main() { gl_FragColor = texture2D(tex, st); }\n";
static const char vs3[] = "#version 300 es\n"
			  "in vec3 a_0;\n"
			  "in vec2 a_1;\n"
			  "out vec2 st;\n"
			  "void main() { st = a_1; gl_Position = vec4(a_0, 1.0); }\n";

static void begin(void)
{
	gl_target(SCENE_W, SCENE_H, false);
	glClearColor(0.125f, 0.25f, 0.375f, 1.0f);
	glClear(GL_COLOR_BUFFER_BIT);
}

/* A pattern of n words, different in every @seed. */
static void pattern(uint32_t *to, int n, uint32_t seed)
{
	for (int i = 0; i < n; i++) {
		to[i] = gl_hash32(seed * 65536u + (uint32_t)i);
	}
}

static void draw_wrap(struct capture *c)
{
	static const GLenum wraps[] = { GL_REPEAT, GL_CLAMP_TO_EDGE, GL_MIRRORED_REPEAT };
	uint32_t texels[8 * 8];
	GLuint program;

	begin();
	pattern(texels, 64, 1);
	program = gl_program(vs2, fs2, NULL);
	gl_uniform4f(program, "map", 3.0f, 3.0f, -1.0f, -1.0f);
	gl_texture_2d(GL_RGBA, 8, 8, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	for (int i = 0; i < 9; i++) {
		glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, (GLint)wraps[i % 3]);
		glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, (GLint)wraps[i / 3]);
		glViewport((i % 3) * 42, (i / 3) * 42, 40, 40);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_formats(struct capture *c)
{
	static const struct {
		GLenum format, type;
	} formats[] = {
		{ GL_RGBA, GL_UNSIGNED_BYTE },
		{ GL_RGB, GL_UNSIGNED_BYTE },
		{ GL_RGB, GL_UNSIGNED_SHORT_5_6_5 },
		{ GL_RGBA, GL_UNSIGNED_SHORT_4_4_4_4 },
		{ GL_RGBA, GL_UNSIGNED_SHORT_5_5_5_1 },
		{ GL_LUMINANCE, GL_UNSIGNED_BYTE },
		{ GL_ALPHA, GL_UNSIGNED_BYTE },
		{ GL_LUMINANCE_ALPHA, GL_UNSIGNED_BYTE },
	};
	uint32_t texels[16 * 16];
	GLuint program;

	begin();
	program = gl_program(vs2, fs2, NULL);
	gl_uniform4f(program, "map", 1, 1, 0, 0);
	for (int i = 0; i < 8; i++) {
		GLuint texture;
		pattern(texels, 256, (uint32_t)i + 10);
		texture = gl_texture_2d(
			formats[i].format, 16, 16, formats[i].format, formats[i].type, texels);
		/* Then a part again, at odd offsets, from another row length. */
		pattern(texels, 256, (uint32_t)i + 20);
		glTexSubImage2D(
			GL_TEXTURE_2D, 0, 3, 5, 7, 9, formats[i].format, formats[i].type, texels);
		glViewport((i % 4) * 32, (i / 4) * 64, 32, 64);
		gl_quad(-1, -1, 1, 1, 0);
		glDeleteTextures(1, &texture);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_mipmap_levels(struct capture *c)
{
	uint32_t texels[64 * 64];
	GLuint program;

	begin();
	program = gl_program(vs2, fs2, NULL);
	gl_uniform4f(program, "map", 1, 1, 0, 0);
	gl_texture_2d(GL_RGBA, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	for (int level = 0; level < 7; level++) {
		pattern(texels, (64 >> level) * (64 >> level), (uint32_t)level + 30);
		glTexImage2D(GL_TEXTURE_2D, level, GL_RGBA, 64 >> level, 64 >> level, 0, GL_RGBA,
			GL_UNSIGNED_BYTE, texels);
	}
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST_MIPMAP_NEAREST);
	/* Each viewport is a level's own size, so that which level is meant is not in doubt. */
	for (int level = 0, x = 0; level < 7; x += 64 >> level, level++) {
		glViewport(x, 0, 64 >> level, 64 >> level);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_mipmap_linear(struct capture *c)
{
	static const GLenum filters[] = { GL_LINEAR, GL_LINEAR_MIPMAP_NEAREST,
		GL_NEAREST_MIPMAP_LINEAR, GL_LINEAR_MIPMAP_LINEAR };
	uint32_t texels[64 * 64];
	GLuint program;

	begin();
	program = gl_program(vs2, fs2, NULL);
	pattern(texels, 64 * 64, 40);
	gl_texture_2d(GL_RGBA, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	glGenerateMipmap(GL_TEXTURE_2D);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_LINEAR);
	for (int i = 0; i < 16; i++) {
		glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, (GLint)filters[i % 4]);
		gl_uniform4f(program, "map", 0.375f + (float)(i / 4) * 0.5f, 0.5f, 0.125f, 0.25f);
		glViewport((i % 4) * 32, (i / 4) * 32, 32, 32);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_cube(struct capture *c)
{
	static const char vs[] = "attribute vec3 a_0;\n"
				 "attribute vec2 a_1;\n"
				 "varying vec2 st;\n"
				 "void main() { st = a_1; gl_Position = vec4(a_0, 1.0); }\n";
	static const char fs[] = "precision highp float;\n"
				 "varying vec2 st;\n"
				 "uniform samplerCube tex;\n"
				 "uniform vec4 axis;\n"
				 "void main() { vec2 p = st * 2.0 - 1.0;\n"
				 "  vec3 d = axis.w < 0.5 ? vec3(axis.x, p) : axis.w < 1.5\n"
				 "    ? vec3(p.x, axis.x, p.y) : vec3(p, axis.x);\n"
				 "  gl_FragColor = textureCube(tex, d); }\n";
	uint32_t texels[16 * 16];
	GLuint program, texture;

	begin();
	program = gl_program(vs, fs, NULL);
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_CUBE_MAP, texture);
	glTexParameteri(GL_TEXTURE_CUBE_MAP, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_CUBE_MAP, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	for (GLenum face = 0; face < 6; face++) {
		pattern(texels, 256, 50 + face);
		glTexImage2D(GL_TEXTURE_CUBE_MAP_POSITIVE_X + face, 0, GL_RGBA, 16, 16, 0, GL_RGBA,
			GL_UNSIGNED_BYTE, texels);
	}
	for (int face = 0; face < 6; face++) {
		gl_uniform4f(program, "axis", face % 2 ? -1.0f : 1.0f, 0, 0, (float)(face / 2));
		glViewport((face % 3) * 32, (face / 3) * 32, 32, 32);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

/* A 3D texture or an array of 2D ones: four slices beside each other, and four coordinates. */
static void draw_layers(struct capture *c, GLenum target, const char *fs)
{
	uint32_t texels[16 * 16 * 4];
	GLuint program, texture;

	begin();
	program = gl_program(vs3, fs, NULL);
	pattern(texels, 16 * 16 * 4, target);
	glGenTextures(1, &texture);
	glBindTexture(target, texture);
	glTexStorage3D(target, 1, GL_RGBA8, 16, 16, 4);
	glTexSubImage3D(target, 0, 0, 0, 0, 16, 16, 4, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	pattern(texels, 16 * 16 * 4, target + 1);
	glTexSubImage3D(target, 0, 3, 2, 1, 5, 7, 2, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	glTexParameteri(target, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(target, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	for (int i = 0; i < 16; i++) {
		gl_uniform1f(program, "slice", (float)(i % 4));
		glViewport((i % 4) * 32, (i / 4) * 32, 32, 32);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_3d(struct capture *c)
{
	draw_layers(c, GL_TEXTURE_3D,
		"#version 300 es\n"
		"precision highp float; precision highp sampler3D;\n"
		"in vec2 st; out vec4 o; uniform sampler3D tex; uniform float slice;\n"
		"void main() { o = texture(tex, vec3(st, (slice + 0.5) / 4.0)); }\n");
}

static void draw_array(struct capture *c)
{
	draw_layers(c, GL_TEXTURE_2D_ARRAY,
		"#version 300 es\n"
		"precision highp float; precision highp sampler2DArray;\n"
		"in vec2 st; out vec4 o; uniform sampler2DArray tex; uniform float slice;\n"
		"void main() { o = texture(tex, vec3(st, slice)); }\n");
}

static void draw_integer_texture(struct capture *c)
{
	static const char fs[] =
		"#version 300 es\n"
		"precision highp float; precision highp usampler2D;\n"
		"in vec2 st; out vec4 o; uniform usampler2D tex;\n"
		"void main() { ivec2 p = ivec2(gl_FragCoord.xy) & 15;\n"
		"  uvec4 v = texelFetch(tex, p, 0) ^ (texelFetch(tex, p.yx, 0) >> 3u);\n"
		"  o = vec4(v & 255u) / 255.0; }\n";
	uint32_t texels[16 * 16 * 4];

	begin();
	gl_program(vs3, fs, NULL);
	pattern(texels, 16 * 16 * 4, 60);
	gl_texture_2d(GL_RGBA32UI, 16, 16, GL_RGBA_INTEGER, GL_UNSIGNED_INT, texels);
	gl_quad(-1, -1, 1, 1, 0);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_shadow(struct capture *c)
{
	static const char fs[] = "#version 300 es\n"
				 "precision highp float; precision highp sampler2DShadow;\n"
				 "in vec2 st; out vec4 o; uniform sampler2DShadow tex;\n"
				 "void main() { float lit = texture(tex, vec3(st, 0.5));\n"
				 "  o = vec4(lit, st, 1.0); }\n";
	static const GLenum funcs[] = { GL_LEQUAL, GL_GEQUAL, GL_LESS, GL_GREATER };
	uint16_t depths[16 * 16];

	begin();
	gl_program(vs3, fs, NULL);
	for (int i = 0; i < 256; i++) {
		depths[i] = (uint16_t)gl_hash32((uint32_t)i + 70);
	}
	gl_texture_2d(GL_DEPTH_COMPONENT16, 16, 16, GL_DEPTH_COMPONENT, GL_UNSIGNED_SHORT, depths);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_COMPARE_MODE, GL_COMPARE_REF_TO_TEXTURE);
	for (int i = 0; i < 4; i++) {
		glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_COMPARE_FUNC, (GLint)funcs[i]);
		glViewport((i % 2) * 64, (i / 2) * 64, 64, 64);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static const char fs3[] = "#version 300 es\n"
			  "precision highp float;\n"
			  "in vec2 st; out vec4 o; uniform sampler2D tex;\n"
			  "void main() { o = texture(tex, st); }\n";
/*
 * Texels of thirds, told apart coarsely: GL leaves open how a conversion rounds, and llvmpipe's own
 * shortcuts differ there from what it does for a translated shader.
 */
static const char fs_coarse[] =
	"#version 300 es\n"
	"precision highp float;\n"
	"in vec2 st; out vec4 o; uniform sampler2D tex;\n"
	"void main() { o = floor(texture(tex, st) * 4.0 + 0.125) / 4.0; }\n";

static void thirds(uint32_t *to, int n, uint32_t seed, GLenum type)
{
	for (int i = 0; i < n; i++) {
		uint32_t h = gl_hash32(seed * 65536u + (uint32_t)i), v = 0;
		for (int k = 0; k < 4; k++, h >>= 2) {
			if (type == GL_UNSIGNED_INT_2_10_10_10_REV) {
				v |= (h & 3) * (k < 3 ? 341u : 1u) << (k * 10);
			} else {
				v |= (h & 3) * (type == GL_BYTE ? 42u : 85u) << (k * 8);
			}
		}
		to[i] = v;
	}
}

static void draw_swizzle(struct capture *c)
{
	static const GLint swizzles[][4] = { { GL_RED, GL_GREEN, GL_BLUE, GL_ALPHA },
		{ GL_BLUE, GL_GREEN, GL_RED, GL_ONE }, { GL_ALPHA, GL_ZERO, GL_RED, GL_GREEN },
		{ GL_ONE, GL_RED, GL_RED, GL_BLUE } };
	static const GLenum names[] = { GL_TEXTURE_SWIZZLE_R, GL_TEXTURE_SWIZZLE_G,
		GL_TEXTURE_SWIZZLE_B, GL_TEXTURE_SWIZZLE_A };
	static const GLenum internal[] = { GL_RGBA8, GL_SRGB8_ALPHA8, GL_RGB10_A2, GL_RGBA8_SNORM };
	static const GLenum types[] = { GL_UNSIGNED_BYTE, GL_UNSIGNED_BYTE,
		GL_UNSIGNED_INT_2_10_10_10_REV, GL_BYTE };
	uint32_t texels[16 * 16];

	begin();
	for (int i = 0; i < 16; i++) {
		gl_program(vs3, i / 4 ? fs_coarse : fs3, NULL);
		thirds(texels, 256, (uint32_t)i + 80, types[i / 4]);
		gl_texture_2d(internal[i / 4], 16, 16, GL_RGBA, types[i / 4], texels);
		for (int k = 0; k < 4; k++) {
			glTexParameteri(GL_TEXTURE_2D, names[k], swizzles[i % 4][k]);
		}
		glViewport((i % 4) * 32, (i / 4) * 32, 32, 32);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_samplers(struct capture *c)
{
	static const GLint wraps[] = { GL_REPEAT, GL_MIRRORED_REPEAT, GL_REPEAT, GL_CLAMP_TO_EDGE };
	uint32_t texels[8 * 8];
	GLuint program, samplers[4];

	begin();
	program = gl_program(vs3, fs3, NULL);
	for (GLuint unit = 0; unit < 4; unit++) {
		glActiveTexture(GL_TEXTURE0 + unit);
		pattern(texels, 64, 90 + unit);
		gl_texture_2d(GL_RGBA8, 8, 8, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	}
	/* The samplers override the textures' own nearest filter and clamped edges. */
	glGenSamplers(4, samplers);
	for (GLuint i = 0; i < 4; i++) {
		GLint filter = i / 2 ? GL_LINEAR : GL_NEAREST;
		glSamplerParameteri(samplers[i], GL_TEXTURE_MIN_FILTER, filter);
		glSamplerParameteri(samplers[i], GL_TEXTURE_MAG_FILTER, filter);
		glSamplerParameteri(samplers[i], GL_TEXTURE_WRAP_S, wraps[i]);
		glBindSampler(i, samplers[i]);
		gl_uniform1i(program, "tex", (GLint)i);
		glViewport((GLint)(i % 2) * 64, (GLint)(i / 2) * 64, 64, 64);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_copy_texture(struct capture *c)
{
	uint32_t texels[32 * 32];
	GLuint program, texture;

	begin();
	program = gl_program(vs2, fs2, NULL);
	gl_uniform4f(program, "map", 1, 1, 0, 0);
	pattern(texels, 32 * 32, 95);
	gl_texture_2d(GL_RGBA, 32, 32, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	glViewport(0, 0, 32, 32);
	gl_quad(-1, -1, 1, 1, 0);
	texture = gl_texture_2d(GL_RGBA, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	glCopyTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, 8, 8, 64, 64, 0);
	glCopyTexSubImage2D(GL_TEXTURE_2D, 0, 20, 24, 4, 2, 17, 19);
	glViewport(48, 40, 64, 64);
	gl_quad(-1, -1, 1, 1, 0);
	glDeleteTextures(1, &texture);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_compressed(struct capture *c)
{
	/* Any 16 bytes are a valid ETC2 + EAC block, so random ones exercise every mode. */
	uint32_t blocks[8 * 8 * 4];
	GLuint program, texture;

	begin();
	program = gl_program(vs2, fs2, NULL);
	gl_uniform4f(program, "map", 1, 1, 0, 0);
	pattern(blocks, 8 * 8 * 4, 99);
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glCompressedTexImage2D(
		GL_TEXTURE_2D, 0, GL_COMPRESSED_RGBA8_ETC2_EAC, 32, 32, 0, sizeof(blocks), blocks);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	gl_quad(-1, -1, 1, 1, 0);
	capture_pixels(c, SCENE_W, SCENE_H);
}

const struct scene scenes_texture[] = {
	{ "texture-wrap", GL_API_ES2, false, draw_wrap },
	{ "texture-formats", GL_API_ES2, false, draw_formats },
	{ "mipmap-levels", GL_API_ES2, false, draw_mipmap_levels },
	{ "mipmap-linear", GL_API_ES2, true, draw_mipmap_linear },
	{ "cube-map", GL_API_ES2, false, draw_cube },
	{ "copy-texture", GL_API_ES2, false, draw_copy_texture },
	{ "texture-3d", GL_API_ES3, false, draw_3d },
	{ "texture-array", GL_API_ES3, false, draw_array },
	{ "integer-texture", GL_API_ES3, false, draw_integer_texture },
	{ "shadow-sampler", GL_API_ES3, false, draw_shadow },
	{ "swizzle-formats", GL_API_ES3, false, draw_swizzle },
	{ "samplers", GL_API_ES3, true, draw_samplers },
	{ "compressed-etc2", GL_API_ES3, false, draw_compressed },
	{ 0 },
};
