/* SPDX-License-Identifier: MIT */
/* Scenes about geometry and buffers in GLES 3: instances, uniforms, feedback, queries, fences. */
#include "scenes.h"

#include <string.h>

static const char fs_colour[] = "#version 300 es\n"
				"precision highp float;\n"
				"in vec4 colour; out vec4 o;\n"
				"void main() { o = colour; }\n";

static void begin(void)
{
	gl_target(SCENE_W, SCENE_H, true);
	glClearColor(0.125f, 0.25f, 0.375f, 1.0f);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT | GL_STENCIL_BUFFER_BIT);
}

static void draw_instancing(struct capture *c)
{
	static const char vs[] = "#version 300 es\n"
				 "in vec2 a_0; in vec2 a_1; in vec4 a_2;\n"
				 "out vec4 colour;\n"
				 "void main() { float k = float(gl_InstanceID % 4) * 0.25;\n"
				 "  colour = vec4(a_2.rgb, 1.0) + vec4(0.0, k * 0.5, 0.0, 0.0);\n"
				 "  gl_Position = vec4(a_0 * 0.0625 + a_1 + float(gl_VertexID) * "
				 "0.0, 0.0, 1.0); }\n";
	static const float corner[] = { -1, -1, 1, -1, 0, 1 };
	float offsets[64][2];
	uint8_t colours[16][4];

	for (int i = 0; i < 64; i++) {
		offsets[i][0] = -0.875f + (float)(i % 8) * 0.25f;
		offsets[i][1] = -0.875f + (float)(i / 8) * 0.25f;
		memcpy(colours[i / 4], &(uint32_t){ gl_hash32((uint32_t)i / 4) }, 4);
	}
	begin();
	gl_program(vs, fs_colour, NULL);
	gl_buffer(GL_ARRAY_BUFFER, corner, sizeof(corner));
	gl_attribute(0, 2, 8, 0);
	gl_buffer(GL_ARRAY_BUFFER, offsets, sizeof(offsets));
	gl_attribute(1, 2, 8, 0);
	glVertexAttribDivisor(1, 1);
	gl_buffer(GL_ARRAY_BUFFER, colours, sizeof(colours));
	glEnableVertexAttribArray(2);
	glVertexAttribPointer(2, 4, GL_UNSIGNED_BYTE, GL_TRUE, 4, NULL);
	glVertexAttribDivisor(2, 4);
	glDrawArraysInstanced(GL_TRIANGLES, 0, 3, 64);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_ubo(struct capture *c)
{
	static const char vs[] =
		"#version 300 es\n"
		"layout(std140) uniform place { mat4 move[4]; };\n"
		"uniform int n; in vec3 a_0; in vec2 a_1; out vec2 st;\n"
		"void main() { st = a_1; gl_Position = move[n] * vec4(a_0, 1.0); }\n";
	static const char fs[] =
		"#version 300 es\n"
		"precision highp float;\n"
		"layout(std140) uniform paint { vec4 base; vec3 slope; float gain; ivec4 bits; };\n"
		"in vec2 st; out vec4 o;\n"
		"void main() { o = base + vec4(slope * st.x, 0.0) * gain;\n"
		"  if ((bits.y & 1) == 1) { o = o.brga; } }\n";
	struct {
		float base[4], slope[3], gain;
		int32_t bits[4];
	} paint[2] = {
		{ { 0.25f, 0, 0.5f, 1 }, { 0.5f, 0.25f, 0 }, 1, { 0, 0, 0, 0 } },
		{ { 0, 0.75f, 0.25f, 1 }, { 0.5f, -0.5f, 0.5f }, 0.5f, { 0, 1, 0, 0 } },
	};
	float move[4][16] = { { 0 } };
	uint8_t padded[512] = { 0 };
	GLuint program;

	for (int i = 0; i < 4; i++) {
		move[i][0] = move[i][5] = 0.375f;
		move[i][10] = move[i][15] = 1;
		move[i][12] = i % 2 ? 0.5f : -0.5f;
		move[i][13] = i / 2 ? 0.5f : -0.5f;
	}
	memcpy(padded, &paint[0], sizeof(paint[0]));
	memcpy(padded + 256, &paint[1], sizeof(paint[1]));
	begin();
	program = gl_program(vs, fs, NULL);
	glUniformBlockBinding(program, glGetUniformBlockIndex(program, "place"), 1);
	glUniformBlockBinding(program, glGetUniformBlockIndex(program, "paint"), 3);
	gl_buffer(GL_UNIFORM_BUFFER, move, sizeof(move));
	glBindBufferBase(GL_UNIFORM_BUFFER, 1, gl_buffer(GL_UNIFORM_BUFFER, move, sizeof(move)));
	gl_buffer(GL_UNIFORM_BUFFER, padded, sizeof(padded));
	GLint buffer = 0;
	glGetIntegerv(GL_UNIFORM_BUFFER_BINDING, &buffer);
	for (int i = 0; i < 4; i++) {
		gl_uniform1i(program, "n", i);
		glBindBufferRange(GL_UNIFORM_BUFFER, 3, (GLuint)buffer, i % 2 * 256, 48);
		gl_quad(-1, -1, 1, 1, 0);
	}
	/* Change a part of the buffer between two draws that use it. */
	glBufferSubData(GL_UNIFORM_BUFFER, 0, 16, (const float[]){ 1, 1, 0, 1 });
	gl_uniform1i(program, "n", 0);
	glBindBufferRange(GL_UNIFORM_BUFFER, 3, (GLuint)buffer, 0, 48);
	gl_quad(-0.5f, -0.5f, 0.5f, 0.5f, 0);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_feedback(struct capture *c)
{
	static const char vs[] = "#version 300 es\n"
				 "in vec4 a_0; out vec4 twice; flat out uvec2 ids;\n"
				 "void main() { twice = a_0 * 2.0 + 1.0; ids = uvec2(gl_VertexID, "
				 "gl_VertexID * 3);\n"
				 "  gl_Position = a_0; gl_PointSize = 1.0; }\n";
	static const char fs[] = "#version 300 es\n"
				 "precision highp float;\n"
				 "in vec4 twice; flat in highp uvec2 ids; out vec4 o;\n"
				 "void main() { o = vec4(1.0, float(ids.x) / 64.0, 0.5, 1.0); }\n";
	static const char *const varyings[] = { "twice", "ids", NULL };
	float in[64][4];
	GLuint query, written = 0, buffer;

	for (int i = 0; i < 64; i++) {
		in[i][0] = -0.875f + (float)(i % 8) * 0.25f;
		in[i][1] = -0.875f + (float)(i / 8) * 0.25f;
		in[i][2] = 0;
		in[i][3] = 1;
	}
	begin();
	gl_program(vs, fs, varyings);
	gl_buffer(GL_ARRAY_BUFFER, in, sizeof(in));
	gl_attribute(0, 4, 16, 0);
	buffer = gl_buffer(GL_TRANSFORM_FEEDBACK_BUFFER, NULL, 64 * 24);
	glBindBufferBase(GL_TRANSFORM_FEEDBACK_BUFFER, 0, buffer);
	glGenQueries(1, &query);
	glBeginQuery(GL_TRANSFORM_FEEDBACK_PRIMITIVES_WRITTEN, query);
	glBeginTransformFeedback(GL_POINTS);
	glDrawArrays(GL_POINTS, 0, 40);
	glPauseTransformFeedback();
	glDrawArrays(GL_POINTS, 40, 8);
	glResumeTransformFeedback();
	glDrawArrays(GL_POINTS, 48, 16);
	glEndTransformFeedback();
	glEndQuery(GL_TRANSFORM_FEEDBACK_PRIMITIVES_WRITTEN);
	glGetQueryObjectuiv(query, GL_QUERY_RESULT, &written);
	capture_bytes(c, &written, sizeof(written));
	capture_buffer(c, GL_TRANSFORM_FEEDBACK_BUFFER, 56 * 24);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_occlusion(struct capture *c)
{
	static const char vs[] = "#version 300 es\n"
				 "in vec3 a_0; out vec4 colour; uniform vec4 paint;\n"
				 "void main() { colour = paint; gl_Position = vec4(a_0, 1.0); }\n";
	GLuint queries[8], program, results[8];

	begin();
	program = gl_program(vs, fs_colour, NULL);
	glEnable(GL_DEPTH_TEST);
	gl_uniform4f(program, "paint", 1, 1, 1, 1);
	gl_quad(-1, -1, 0, 1, -0.5f);
	glGenQueries(8, queries);
	for (int i = 0; i < 8; i++) {
		float x = -1.0f + (float)i * 0.25f;
		GLenum target = i % 2 ? GL_ANY_SAMPLES_PASSED : GL_ANY_SAMPLES_PASSED_CONSERVATIVE;
		glBeginQuery(target, queries[i]);
		gl_uniform4f(program, "paint", (float)i / 8.0f, 0.5f, 0, 1);
		/* Behind the wall at the left, in the open at the right. */
		gl_quad(x, -0.5f, x + 0.2f, 0.5f, 0);
		glEndQuery(target);
	}
	for (int i = 0; i < 8; i++) {
		glGetQueryObjectuiv(queries[i], GL_QUERY_RESULT, &results[i]);
		results[i] = !!results[i];
	}
	capture_bytes(c, results, sizeof(results));
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_vertex_formats(struct capture *c)
{
	static const char vs[] =
		"#version 300 es\n"
		"in vec2 a_0; in vec4 a_1; in ivec4 a_2; uniform vec4 place;\n"
		"out vec4 colour;\n"
		"void main() { colour = vec4(abs(a_1.rgb) + vec3(a_2.xyz & 63) / 255.0, 1.0);\n"
		"  gl_Position = vec4(a_0 * place.xy + place.zw, 0.0, 1.0); }\n";
	static const float corners[] = { -1, -1, 1, -1, -1, 1, 1, 1 };
	static const struct {
		GLenum type;
		GLint n;
		GLboolean normalised;
	} formats[] = {
		{ GL_UNSIGNED_BYTE, 4, GL_TRUE },
		{ GL_BYTE, 4, GL_TRUE },
		{ GL_UNSIGNED_SHORT, 4, GL_TRUE },
		{ GL_SHORT, 3, GL_TRUE },
		{ GL_INT_2_10_10_10_REV, 4, GL_TRUE },
		{ GL_UNSIGNED_INT_2_10_10_10_REV, 4, GL_TRUE },
		{ GL_UNSIGNED_BYTE, 3, GL_TRUE },
		{ GL_UNSIGNED_SHORT, 2, GL_TRUE },
	};
	uint32_t data[64];
	GLuint program;

	for (uint32_t i = 0; i < 64; i++) {
		data[i] = gl_hash32(i + 1000);
	}
	begin();
	program = gl_program(vs, fs_colour, NULL);
	gl_buffer(GL_ARRAY_BUFFER, corners, sizeof(corners));
	gl_attribute(0, 2, 8, 0);
	gl_buffer(GL_ARRAY_BUFFER, data, sizeof(data));
	glEnableVertexAttribArray(1);
	glEnableVertexAttribArray(2);
	glVertexAttribIPointer(2, 4, GL_BYTE, 4, (const void *)128);
	for (int i = 0; i < 8; i++) {
		glVertexAttribPointer(1, formats[i].n, formats[i].type, formats[i].normalised, 8,
			(const void *)(size_t)(i * 8));
		gl_uniform4f(program, "place", 0.2f, 0.4f, -0.75f + (float)(i % 4) * 0.5f,
			i / 4 ? 0.5f : -0.5f);
		/* One flat colour for each: interpolation is another scene's matter. */
		glVertexAttribDivisor(1, 1);
		glVertexAttribDivisor(2, 1);
		glDrawArraysInstanced(GL_TRIANGLE_STRIP, 0, 4, 1);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_restart(struct capture *c)
{
	static const char vs[] =
		"#version 300 es\n"
		"in vec2 a_0; flat out uint id;\n"
		"void main() { id = uint(gl_VertexID); gl_Position = vec4(a_0, 0.0, 1.0); }\n";
	static const char fs[] =
		"#version 300 es\n"
		"precision highp float;\n"
		"flat in highp uint id; out vec4 o;\n"
		"void main() { o = vec4(float(id & 3u) / 3.0, float(id >> 2u) / 7.0,\n"
		"  0.5, 1.0); }\n";
	float v[32][2];
	uint16_t indices[48];
	int n = 0;

	for (int i = 0; i < 32; i++) {
		v[i][0] = -0.9375f + (float)(i % 8) * 0.25f;
		v[i][1] = -0.9375f + (float)(i / 8) * 0.5f;
	}
	for (uint16_t i = 0; i < 8; i++) {
		const uint16_t strip[] = { i, (uint16_t)(i + 8), (uint16_t)(i + 1),
			(uint16_t)(i + 9), 0xffff };
		memcpy(indices + n, strip, sizeof(strip));
		n += i % 2 ? 5 : 4;
	}
	begin();
	gl_program(vs, fs, NULL);
	glEnable(GL_PRIMITIVE_RESTART_FIXED_INDEX);
	gl_buffer(GL_ARRAY_BUFFER, v, sizeof(v));
	gl_attribute(0, 2, 8, 0);
	gl_buffer(GL_ELEMENT_ARRAY_BUFFER, indices, (size_t)n * 2);
	glDrawElements(GL_TRIANGLE_STRIP, n, GL_UNSIGNED_SHORT, NULL);
	glDrawRangeElements(GL_LINE_STRIP, 0, 16, n - 8, GL_UNSIGNED_SHORT, (const void *)8);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_map_stream(struct capture *c)
{
	/* A buffer rewritten between draws in every way that there is to do it. */
	static const char vs[] =
		"#version 300 es\n"
		"in vec2 a_0; in vec4 a_1; out vec4 colour;\n"
		"void main() { colour = a_1; gl_Position = vec4(a_0, 0.0, 1.0); }\n";
	static const GLbitfield access[] = { GL_MAP_WRITE_BIT,
		GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_BUFFER_BIT,
		GL_MAP_WRITE_BIT | GL_MAP_INVALIDATE_RANGE_BIT,
		GL_MAP_WRITE_BIT | GL_MAP_FLUSH_EXPLICIT_BIT };
	float v[3][6];
	GLuint copy;

	begin();
	gl_program(vs, fs_colour, NULL);
	copy = gl_buffer(GL_COPY_WRITE_BUFFER, NULL, 1024);
	gl_buffer(GL_ARRAY_BUFFER, NULL, 1024);
	gl_attribute(0, 2, 24, 0);
	gl_attribute(1, 4, 24, 8);
	for (int i = 0; i < 64; i++) {
		float x = -1.0f + (float)(i % 8) * 0.25f, y = -1.0f + (float)(i / 8) * 0.25f;
		for (int k = 0; k < 3; k++) {
			uint32_t h = gl_hash32((uint32_t)i);
			const float one[] = { x + (k == 1 ? 0.25f : 0), y + (k == 2 ? 0.25f : 0),
				(float)(h & 255) / 255.0f, (float)(h >> 8 & 255) / 255.0f, 0.5f,
				1 };
			memcpy(v[k], one, sizeof(one));
		}
		if (i % 5 == 4) {
			glBufferSubData(GL_ARRAY_BUFFER, 0, sizeof(v), v);
		} else {
			GLbitfield how = access[i % 5 % 4];
			void *to = glMapBufferRange(GL_ARRAY_BUFFER, 0, sizeof(v), how);
			if (to) {
				memcpy(to, v, sizeof(v));
				if (how & GL_MAP_FLUSH_EXPLICIT_BIT) {
					glFlushMappedBufferRange(GL_ARRAY_BUFFER, 0, sizeof(v));
				}
				glUnmapBuffer(GL_ARRAY_BUFFER);
			}
		}
		glDrawArrays(GL_TRIANGLES, 0, 3);
	}
	glCopyBufferSubData(GL_ARRAY_BUFFER, GL_COPY_WRITE_BUFFER, 0, 64, sizeof(v));
	capture_buffer(c, GL_COPY_WRITE_BUFFER, 64 + sizeof(v) / 2);
	glDeleteBuffers(1, &copy);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_fences(struct capture *c)
{
	static const char vs[] = "#version 300 es\n"
				 "in vec3 a_0; out vec4 colour; uniform vec4 paint;\n"
				 "void main() { colour = paint; gl_Position = vec4(a_0, 1.0); }\n";
	GLuint program, signalled = 0;

	begin();
	program = gl_program(vs, fs_colour, NULL);
	for (int i = 0; i < 16; i++) {
		GLsync sync;
		gl_uniform4f(program, "paint", (float)i / 15.0f, 0.5f, (float)(i % 4) / 3.0f, 1);
		gl_quad(-1.0f + (float)i * 0.125f, -1, -0.9f + (float)i * 0.125f, 1, 0);
		sync = glFenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
		GLenum got = glClientWaitSync(sync, GL_SYNC_FLUSH_COMMANDS_BIT, 10000000000ull);
		signalled += got == GL_ALREADY_SIGNALED || got == GL_CONDITION_SATISFIED;
		glDeleteSync(sync);
	}
	glFinish();
	capture_bytes(c, &signalled, sizeof(signalled));
	capture_pixels(c, SCENE_W, SCENE_H);
}

const struct scene scenes_es3[] = {
	{ "instancing", GL_API_ES3, false, draw_instancing },
	{ "uniform-buffers", GL_API_ES3, false, draw_ubo },
	{ "transform-feedback", GL_API_ES3, false, draw_feedback },
	{ "occlusion-query", GL_API_ES3, false, draw_occlusion },
	{ "vertex-formats", GL_API_ES3, false, draw_vertex_formats },
	{ "primitive-restart", GL_API_ES3, false, draw_restart },
	{ "map-stream", GL_API_ES3, false, draw_map_stream },
	{ "fences", GL_API_ES3, false, draw_fences },
	{ 0 },
};
