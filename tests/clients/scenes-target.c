/* SPDX-License-Identifier: MIT */
/* Scenes about what is drawn to and how it is read back: framebuffers, formats, samples, PBOs. */
#include "scenes.h"

#include <string.h>

static const char vs[] = "#version 300 es\n"
			 "in vec3 a_0;\n"
			 "in vec2 a_1;\n"
			 "out vec2 st;\n"
			 "void main() { st = a_1; gl_Position = vec4(a_0, 1.0); }\n";
static const char fs_gradient[] = "#version 300 es\n"
				  "precision highp float;\n"
				  "in vec2 st; out vec4 o;\n"
				  "void main() { o = vec4(st, 1.0 - st.y, 1.0); }\n";

static bool complete(struct capture *c)
{
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE) {
		return true;
	}
	capture_unsupported(c, "the framebuffer is not complete");
	return false;
}

static void draw_fbo_chain(struct capture *c)
{
	static const char fs[] =
		"#version 300 es\n"
		"precision highp float;\n"
		"in vec2 st; out vec4 o; uniform sampler2D tex; uniform float k;\n"
		"void main() { ivec2 p = ivec2(gl_FragCoord.xy);\n"
		"  vec4 a = texelFetch(tex, p, 0);\n"
		"  vec4 b = texelFetch(tex, (p * 3 + 5) & 63, 0);\n"
		"  o = vec4(b.gb, a.r, 1.0) * k + vec4(0.0, 0.0, 0.0, 1.0 - k); }\n";
	GLuint textures[2], fbos[2], program;

	for (int i = 0; i < 2; i++) {
		textures[i] = gl_texture_2d(GL_RGBA8, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
		fbos[i] = gl_framebuffer(textures[i]);
	}
	if (!complete(c)) {
		return;
	}
	glViewport(0, 0, 64, 64);
	glBindFramebuffer(GL_FRAMEBUFFER, fbos[0]);
	gl_program(vs, fs_gradient, NULL);
	gl_quad(-1, -1, 1, 1, 0);
	program = gl_program(vs, fs, NULL);
	gl_uniform1f(program, "k", 1.0f);
	/* Each pass reads what the one before it wrote, and every other one is read back. */
	for (int i = 1; i <= 8; i++) {
		glBindFramebuffer(GL_FRAMEBUFFER, fbos[i % 2]);
		glBindTexture(GL_TEXTURE_2D, textures[(i + 1) % 2]);
		gl_quad(-1, -1, 1, 1, 0);
		if (i % 2 == 0) {
			capture_pixels(c, 64, 64);
		}
	}
}

static void draw_mrt(struct capture *c)
{
	static const char fs[] =
		"#version 300 es\n"
		"precision highp float;\n"
		"in vec2 st;\n"
		"layout(location = 0) out vec4 o0; layout(location = 1) out vec4 o1;\n"
		"layout(location = 2) out vec4 o2; layout(location = 3) out vec4 o3;\n"
		"void main() { o0 = vec4(st, 0.0, 1.0); o1 = vec4(0.0, st, 1.0);\n"
		"  o2 = vec4(st.yx, 1.0, 0.5); o3 = vec4(1.0 - st, 0.25, 1.0); }\n";
	static const GLenum buffers[] = { GL_COLOR_ATTACHMENT0, GL_COLOR_ATTACHMENT1,
		GL_COLOR_ATTACHMENT2, GL_COLOR_ATTACHMENT3 };
	GLuint fbo;

	glGenFramebuffers(1, &fbo);
	glBindFramebuffer(GL_FRAMEBUFFER, fbo);
	for (int i = 0; i < 4; i++) {
		GLuint texture = gl_texture_2d(i == 2 ? GL_RGB565 : GL_RGBA8, 64, 64,
			i == 2 ? GL_RGB : GL_RGBA,
			i == 2 ? GL_UNSIGNED_SHORT_5_6_5 : GL_UNSIGNED_BYTE, NULL);
		glFramebufferTexture2D(GL_FRAMEBUFFER, buffers[i], GL_TEXTURE_2D, texture, 0);
	}
	glDrawBuffers(4, buffers);
	if (!complete(c)) {
		return;
	}
	for (int i = 0; i < 4; i++) {
		glClearBufferfv(GL_COLOR, i, (const float[]){ 0.25f * (float)i, 0.5f, 0.75f, 1 });
	}
	glViewport(8, 8, 48, 48);
	gl_program(vs, fs, NULL);
	gl_quad(-1, -1, 1, 1, 0);
	for (int i = 0; i < 4; i++) {
		glReadBuffer(buffers[i]);
		capture_pixels(c, 64, 64);
	}
}

static void draw_integer_target(struct capture *c)
{
	static const char fs_u[] =
		"#version 300 es\n"
		"precision highp float; precision highp int;\n"
		"in vec2 st; out uvec4 o;\n"
		"void main() { uvec2 p = uvec2(gl_FragCoord.xy);\n"
		"  o = uvec4(p * 2654435761u, p.x ^ p.y, 4294967295u - p.x); }\n";
	static const char fs_i[] = "#version 300 es\n"
				   "precision highp float; precision highp int;\n"
				   "in vec2 st; out ivec4 o;\n"
				   "void main() { ivec2 p = ivec2(gl_FragCoord.xy);\n"
				   "  o = ivec4(p * 509 - 16000, -p.x * p.y, p.x - p.y); }\n";
	static const struct {
		GLenum internal, format, type;
		bool is_signed;
	} formats[] = {
		{ GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT, false },
		{ GL_RGBA32I, GL_RGBA_INTEGER, GL_INT, true },
		{ GL_RGBA16UI, GL_RGBA_INTEGER, GL_UNSIGNED_SHORT, false },
		{ GL_RGBA16I, GL_RGBA_INTEGER, GL_SHORT, true },
		{ GL_RGBA8UI, GL_RGBA_INTEGER, GL_UNSIGNED_BYTE, false },
		{ GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT, false },
	};

	glViewport(0, 0, 64, 64);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		GLuint texture = gl_texture_2d(
			formats[i].internal, 64, 64, formats[i].format, formats[i].type, NULL);
		gl_framebuffer(texture);
		if (!complete(c)) {
			return;
		}
		if (formats[i].is_signed) {
			glClearBufferiv(GL_COLOR, 0, (const GLint[]){ -7, 11, -13, 17 });
		} else {
			glClearBufferuiv(GL_COLOR, 0, (const GLuint[]){ 7, 11, 13, 17 });
		}
		gl_program(vs, formats[i].is_signed ? fs_i : fs_u, NULL);
		gl_quad(-0.75f, -0.75f, 0.75f, 0.875f, 0);
		/* GLES promises RGBA of 32 bits for every integer format. */
		capture_typed(c, 64, 64, GL_RGBA_INTEGER,
			formats[i].is_signed ? GL_INT : GL_UNSIGNED_INT, 16);
	}
}

static void draw_float_target(struct capture *c)
{
	/* Sums of powers of two: exact in half floats, whatever the order of evaluation. */
	static const char fs[] = "#version 300 es\n"
				 "precision highp float;\n"
				 "in vec2 st; out vec4 o;\n"
				 "void main() { vec2 p = floor(gl_FragCoord.xy);\n"
				 "  o = vec4(p * 0.25 - 8.0, p.x * 16.0, -p.y * 0.015625); }\n";
	static const GLenum internal[] = { GL_RGBA32F, GL_RGBA16F, GL_R32F, GL_R11F_G11F_B10F };
	static const GLenum format[] = { GL_RGBA, GL_RGBA, GL_RED, GL_RGB };

	if (!gl_has_extension("GL_EXT_color_buffer_float")) {
		capture_unsupported(c, "no GL_EXT_color_buffer_float");
		return;
	}
	glViewport(0, 0, 64, 64);
	for (int i = 0; i < 4; i++) {
		gl_framebuffer(gl_texture_2d(internal[i], 64, 64, format[i], GL_FLOAT, NULL));
		if (!complete(c)) {
			return;
		}
		glClearBufferfv(GL_COLOR, 0, (const float[]){ -2, 1024, 0.5f, 3 });
		gl_program(vs, fs, NULL);
		gl_quad(-0.75f, -0.75f, 0.75f, 0.875f, 0);
		capture_typed(c, 64, 64, GL_RGBA, GL_FLOAT, 16);
	}
}

/* A multisampled renderbuffer as the target; what it holds is resolved into a texture later. */
static GLuint multisampled(GLenum internal, int samples)
{
	GLuint fbo, rb;

	glGenFramebuffers(1, &fbo);
	glBindFramebuffer(GL_FRAMEBUFFER, fbo);
	glGenRenderbuffers(1, &rb);
	glBindRenderbuffer(GL_RENDERBUFFER, rb);
	glRenderbufferStorageMultisample(GL_RENDERBUFFER, samples, internal, SCENE_W, SCENE_H);
	glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, rb);
	return fbo;
}

static void draw_msaa(struct capture *c)
{
	static const float fan[] = { 0, 0, 0, 0.9f, 0.13f, 0, 0.55f, 0.8f, 0, -0.3f, 0.95f, 0,
		-0.85f, 0.35f, 0, -0.7f, -0.6f, 0, 0.1f, -0.93f, 0, 0.77f, -0.41f, 0 };
	GLuint ms, resolved;

	ms = multisampled(GL_RGBA8, 4);
	if (!complete(c)) {
		return;
	}
	glViewport(0, 0, SCENE_W, SCENE_H);
	glClearColor(0.1f, 0.2f, 0.3f, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	gl_program(vs, fs_gradient, NULL);
	gl_buffer(GL_ARRAY_BUFFER, fan, sizeof(fan));
	gl_attribute(0, 3, 12, 0);
	glDisableVertexAttribArray(1);
	glVertexAttrib2f(1, 0.875f, 0.25f);
	glDrawArrays(GL_TRIANGLE_FAN, 0, 8);
	gl_quad(-0.5f, -0.37f, 0.21f, 0.11f, 0);
	glEnable(GL_SAMPLE_COVERAGE);
	glSampleCoverage(0.5f, GL_TRUE);
	gl_quad(0.0f, 0.0f, 0.71f, 0.61f, 0);
	glDisable(GL_SAMPLE_COVERAGE);
	resolved = gl_target(SCENE_W, SCENE_H, false);
	glBindFramebuffer(GL_READ_FRAMEBUFFER, ms);
	glBindFramebuffer(GL_DRAW_FRAMEBUFFER, resolved);
	glBlitFramebuffer(
		0, 0, SCENE_W, SCENE_H, 0, 0, SCENE_W, SCENE_H, GL_COLOR_BUFFER_BIT, GL_NEAREST);
	glBindFramebuffer(GL_READ_FRAMEBUFFER, resolved);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_blit(struct capture *c)
{
	GLuint from, to;

	from = gl_target(SCENE_W, SCENE_H, true);
	gl_program(vs, fs_gradient, NULL);
	gl_quad(-1, -1, 1, 1, 0);
	to = gl_target(SCENE_W, SCENE_H, true);
	glClearColor(0.5f, 0, 0.5f, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	glBindFramebuffer(GL_READ_FRAMEBUFFER, from);
	glBindFramebuffer(GL_DRAW_FRAMEBUFFER, to);
	/* The same size, mirrored, scaled by a whole number, and across the border. */
	glBlitFramebuffer(0, 0, 60, 60, 0, 0, 60, 60, GL_COLOR_BUFFER_BIT, GL_NEAREST);
	glBlitFramebuffer(0, 0, 60, 60, 128, 0, 68, 60, GL_COLOR_BUFFER_BIT, GL_NEAREST);
	glBlitFramebuffer(30, 40, 45, 55, 0, 66, 60, 126, GL_COLOR_BUFFER_BIT, GL_NEAREST);
	glBlitFramebuffer(100, 100, 140, 140, 80, 80, 120, 120, GL_COLOR_BUFFER_BIT, GL_NEAREST);
	glBindFramebuffer(GL_READ_FRAMEBUFFER, to);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_pbo(struct capture *c)
{
	static const char fs[] = "#version 300 es\n"
				 "precision highp float;\n"
				 "in vec2 st; out vec4 o; uniform sampler2D tex;\n"
				 "void main() { o = texture(tex, st); }\n";
	uint32_t texels[64 * 64];
	GLuint upload, read;

	for (uint32_t i = 0; i < 64 * 64; i++) {
		texels[i] = gl_hash32(i + 7);
	}
	gl_target(64, 64, false);
	gl_program(vs, fs, NULL);
	upload = gl_buffer(GL_PIXEL_UNPACK_BUFFER, texels, sizeof(texels));
	gl_texture_2d(GL_RGBA8, 48, 48, GL_RGBA, GL_UNSIGNED_BYTE, (const void *)(4 * 64));
	glPixelStorei(GL_UNPACK_ROW_LENGTH, 64);
	glTexSubImage2D(
		GL_TEXTURE_2D, 0, 8, 8, 24, 24, GL_RGBA, GL_UNSIGNED_BYTE, (const void *)(4 * 65));
	glPixelStorei(GL_UNPACK_ROW_LENGTH, 0);
	glBindBuffer(GL_PIXEL_UNPACK_BUFFER, 0);
	glDeleteBuffers(1, &upload);
	gl_quad(-1, -1, 1, 1, 0);
	/* Two reads into one buffer, at offsets, mapped afterwards. */
	read = gl_buffer(GL_PIXEL_PACK_BUFFER, NULL, 2 * 64 * 64 * 4);
	glReadPixels(0, 0, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	gl_quad(-0.5f, -0.5f, 0.5f, 0.5f, 0);
	glReadPixels(0, 0, 64, 64, GL_RGBA, GL_UNSIGNED_BYTE, (void *)(64 * 64 * 4));
	capture_buffer(c, GL_PIXEL_PACK_BUFFER, 2 * 64 * 64 * 4);
	glDeleteBuffers(1, &read);
}

static void draw_slices(struct capture *c)
{
	GLuint texture, fbo;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D_ARRAY, texture);
	glTexStorage3D(GL_TEXTURE_2D_ARRAY, 2, GL_RGBA8, 32, 32, 4);
	glGenFramebuffers(1, &fbo);
	glBindFramebuffer(GL_FRAMEBUFFER, fbo);
	gl_program(vs, fs_gradient, NULL);
	for (int i = 0; i < 8; i++) {
		int size = 32 >> (i / 4);
		glFramebufferTextureLayer(
			GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, texture, i / 4, i % 4);
		if (!complete(c)) {
			return;
		}
		glViewport(0, 0, size, size);
		glClearBufferfv(GL_COLOR, 0, (const float[]){ (float)i / 8.0f, 0.5f, 0, 1 });
		gl_quad(-0.5f, -1.0f + (float)i * 0.125f, 0.5f, 0.5f, 0);
		capture_pixels(c, size, size);
	}
}

const struct scene scenes_target[] = {
	{ "fbo-chain", GL_API_ES3, false, draw_fbo_chain },
	{ "mrt", GL_API_ES3, false, draw_mrt },
	{ "integer-target", GL_API_ES3, false, draw_integer_target },
	{ "float-target", GL_API_ES3, false, draw_float_target },
	{ "msaa-resolve", GL_API_ES3, true, draw_msaa },
	{ "blit", GL_API_ES3, false, draw_blit },
	{ "pbo", GL_API_ES3, false, draw_pbo },
	{ "layer-slices", GL_API_ES3, false, draw_slices },
	{ 0 },
};
