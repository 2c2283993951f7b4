/* SPDX-License-Identifier: MIT */
/* Scenes that GLES 2 can draw without textures: rasterisation and the per-fragment operations. */
#include "scenes.h"

static const char vs_flat[] = "attribute vec3 a_0;\n"
			      "void main() { gl_Position = vec4(a_0, 1.0); }\n";
static const char fs_colour[] = "precision mediump float;\n"
				"uniform vec4 colour;\n"
				"void main() { gl_FragColor = colour; }\n";
static const char vs_st[] = "attribute vec3 a_0;\n"
			    "attribute vec2 a_1;\n"
			    "varying vec2 st;\n"
			    "void main() { st = a_1; gl_Position = vec4(a_0, 1.0); }\n";
static const char fs_gradient[] = "precision mediump float;\n"
				  "varying vec2 st;\n"
				  "void main() { gl_FragColor = vec4(st, 1.0 - st.x, 0.5); }\n";

static void begin(bool depth)
{
	gl_target(SCENE_W, SCENE_H, depth);
	glClearColor(0.125f, 0.25f, 0.375f, 1.0f);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT | GL_STENCIL_BUFFER_BIT);
}

static void draw_scissor_viewport(struct capture *c)
{
	begin(false);
	gl_program(vs_st, fs_gradient, NULL);
	glEnable(GL_SCISSOR_TEST);
	for (int i = 0; i < 16; i++) {
		uint32_t h = gl_hash32((uint32_t)i + 1);
		int x = (i % 4) * 32, y = (i / 4) * 32;
		glScissor(x + 3, y + 5, 24 - (int)(h % 9), 20);
		glClearColor((float)(h >> 24) / 255.0f, (float)i / 16.0f, 0.5f, 1.0f);
		glClear(GL_COLOR_BUFFER_BIT);
		/* Partly outside the scissor, and for some tiles outside the target. */
		glViewport(x - 4, y + 8, 30, 33);
		gl_quad(-0.9f, -0.8f, 0.8f, 0.9f, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static const GLenum factors[] = {
	GL_ZERO,
	GL_ONE,
	GL_SRC_COLOR,
	GL_ONE_MINUS_SRC_COLOR,
	GL_DST_COLOR,
	GL_ONE_MINUS_DST_COLOR,
	GL_SRC_ALPHA,
	GL_ONE_MINUS_SRC_ALPHA,
	GL_DST_ALPHA,
	GL_ONE_MINUS_DST_ALPHA,
	GL_CONSTANT_COLOR,
	GL_ONE_MINUS_CONSTANT_COLOR,
	GL_CONSTANT_ALPHA,
	GL_ONE_MINUS_CONSTANT_ALPHA,
	GL_SRC_ALPHA_SATURATE,
};

static void draw_blend(struct capture *c)
{
	static const GLenum equations[] = { GL_FUNC_ADD, GL_FUNC_SUBTRACT,
		GL_FUNC_REVERSE_SUBTRACT };
	const int n = sizeof(factors) / sizeof(factors[0]);
	GLuint program;

	begin(false);
	program = gl_program(vs_st, fs_gradient, NULL);
	gl_quad(-1, -1, 1, 1, 0);
	program = gl_program(vs_flat, fs_colour, NULL);
	glEnable(GL_BLEND);
	glBlendColor(0.25f, 0.5f, 0.75f, 0.625f);
	for (int i = 0; i < n * n; i++) {
		int s = i % n, d = i / n;
		/* SRC_ALPHA_SATURATE is a source factor only in GLES 2. */
		GLenum dst = factors[d] == GL_SRC_ALPHA_SATURATE ? GL_ONE : factors[d];
		uint32_t h = gl_hash32((uint32_t)i);
		glBlendFuncSeparate(factors[s], dst, factors[(s + d) % n], GL_ONE);
		glBlendEquationSeparate(equations[i % 3], equations[(i / 3) % 3]);
		gl_uniform4f(program, "colour", (float)(h & 15) / 15.0f,
			(float)(h >> 4 & 15) / 15.0f, (float)(h >> 8 & 15) / 15.0f, 0.5f);
		glViewport(s * 8 + 4, d * 8 + 4, 7, 7);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_colour_mask(struct capture *c)
{
	GLuint program;

	begin(false);
	program = gl_program(vs_flat, fs_colour, NULL);
	for (int i = 0; i < 16; i++) {
		glColorMask(i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3 & 1);
		gl_uniform4f(program, "colour", 1.0f, 0.75f, 0.5f, 0.25f);
		glViewport((i % 4) * 32, (i / 4) * 32, 31, 31);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_depth(struct capture *c)
{
	static const GLenum funcs[] = { GL_NEVER, GL_LESS, GL_EQUAL, GL_LEQUAL, GL_GREATER,
		GL_NOTEQUAL, GL_GEQUAL, GL_ALWAYS };
	/* A plane that leans out of the screen, crossed by quads of constant depth. */
	static const float plane[] = { -1, -1, -1, 1, -1, 1, -1, 1, -0.5f, 1, 1, 0.5f };
	GLuint program, buffer;

	begin(true);
	program = gl_program(vs_flat, fs_colour, NULL);
	glEnable(GL_DEPTH_TEST);
	glDepthFunc(GL_LESS);
	gl_uniform4f(program, "colour", 1, 1, 1, 1);
	buffer = gl_buffer(GL_ARRAY_BUFFER, plane, sizeof(plane));
	gl_attribute(0, 3, 12, 0);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	glDeleteBuffers(1, &buffer);
	for (int i = 0; i < 8; i++) {
		float x = -1.0f + (float)i * 0.25f;
		glDepthFunc(funcs[i]);
		glDepthMask(i % 2 == 0);
		gl_uniform4f(program, "colour", (float)i / 8.0f, 0.25f, 0.5f, 1);
		gl_quad(x, -0.9f, x + 0.22f, 0.9f, 0.1f);
		glEnable(GL_POLYGON_OFFSET_FILL);
		glPolygonOffset(0, 64.0f * (float)(i - 4));
		gl_uniform4f(program, "colour", (float)i / 8.0f, 0.75f, 0.25f, 1);
		gl_quad(x, -0.4f, x + 0.22f, 0.4f, 0.1f);
		glDisable(GL_POLYGON_OFFSET_FILL);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_stencil(struct capture *c)
{
	static const GLenum ops[] = { GL_KEEP, GL_ZERO, GL_REPLACE, GL_INCR, GL_DECR, GL_INVERT,
		GL_INCR_WRAP, GL_DECR_WRAP };
	GLuint program;

	begin(true);
	program = gl_program(vs_flat, fs_colour, NULL);
	glEnable(GL_STENCIL_TEST);
	glColorMask(0, 0, 0, 0);
	for (int i = 0; i < 32; i++) {
		float x = -1.0f + (float)(i % 8) * 0.25f, y = -1.0f + (float)(i / 8) * 0.5f;
		glStencilFunc(GL_ALWAYS, i, 0xff);
		glStencilOp(ops[i % 8], ops[i / 4], ops[(i * 3) % 8]);
		glStencilMask(0xffu >> (i % 4));
		/* Overlaps its neighbours, and one of the two faces is culled from the count. */
		gl_quad(x, y, x + 0.4f, y + 0.75f, 0);
		glStencilOpSeparate(GL_FRONT, GL_KEEP, GL_KEEP, GL_INCR_WRAP);
		gl_quad(x + 0.3f, y, x, y + 0.3f, 0);
	}
	glColorMask(1, 1, 1, 1);
	glStencilOp(GL_KEEP, GL_KEEP, GL_KEEP);
	for (int i = 0; i < 256; i++) {
		glStencilFunc(GL_EQUAL, i, 0xff);
		gl_uniform4f(program, "colour", (float)i / 255.0f, (float)(i % 16) / 15.0f,
			(float)(i % 5) / 4.0f, 1);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_primitives(struct capture *c)
{
	static const GLenum modes[] = { GL_POINTS, GL_LINES, GL_LINE_STRIP, GL_LINE_LOOP,
		GL_TRIANGLES, GL_TRIANGLE_STRIP, GL_TRIANGLE_FAN };
	static const uint16_t indices[] = { 0, 3, 1, 4, 2, 5, 0, 2, 4 };
	/* A hexagon whose corners lie well inside pixels: no rule for ties is tested here. */
	static const float v[] = { -0.73f, 0.02f, -0.39f, 0.67f, 0.36f, 0.71f, 0.77f, 0.05f, 0.33f,
		-0.61f, -0.42f, -0.7f };
	GLuint program;

	begin(false);
	program = gl_program(vs_flat, fs_colour, NULL);
	gl_buffer(GL_ARRAY_BUFFER, v, sizeof(v));
	gl_attribute(0, 2, 8, 0);
	gl_buffer(GL_ELEMENT_ARRAY_BUFFER, indices, sizeof(indices));
	for (int i = 0; i < 14; i++) {
		glViewport((i % 4) * 32, (i / 4) * 32, 32, 32);
		gl_uniform4f(program, "colour", (float)i / 15.0f, 0.75f, 0.25f, 1);
		if (i < 7) {
			glDrawArrays(modes[i], 0, 6);
		} else {
			glDrawElements(modes[i - 7], 9, GL_UNSIGNED_SHORT, NULL);
		}
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_cull(struct capture *c)
{
	static const GLenum faces[] = { GL_FRONT, GL_BACK, GL_FRONT_AND_BACK };
	static const char fs[] = "precision mediump float;\n"
				 "void main() { gl_FragColor = gl_FrontFacing\n"
				 "  ? vec4(1.0, 0.0, 0.25, 1.0) : vec4(0.0, 1.0, 0.75, 1.0); }\n";

	begin(false);
	gl_program(vs_flat, fs, NULL);
	for (int i = 0; i < 16; i++) {
		glViewport((i % 4) * 32, (i / 4) * 32, 32, 32);
		if (i % 4 == 3) {
			glDisable(GL_CULL_FACE);
		} else {
			glEnable(GL_CULL_FACE);
			glCullFace(faces[i % 4]);
		}
		glFrontFace(i / 4 % 2 ? GL_CW : GL_CCW);
		gl_quad(-0.75f, -0.75f, 0, 0.75f, 0);
		gl_quad(0.75f, -0.5f, 0.125f, 0.5f, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_points(struct capture *c)
{
	static const char vs[] = "attribute vec3 a_0;\n"
				 "varying float n;\n"
				 "void main() { gl_Position = vec4(a_0.xy, 0.0, 1.0);\n"
				 "  gl_PointSize = a_0.z; n = a_0.z; }\n";
	static const char fs[] = "precision mediump float;\n"
				 "varying float n;\n"
				 "void main() {\n"
				 "  vec2 d = gl_PointCoord - 0.5;\n"
				 "  if (dot(d, d) > 0.25) { discard; }\n"
				 "  gl_FragColor = vec4(gl_PointCoord, n / 24.0, 1.0); }\n";
	float v[16][3];

	for (int i = 0; i < 16; i++) {
		v[i][0] = -0.75f + (float)(i % 4) * 0.5f;
		v[i][1] = -0.75f + (float)(i / 4) * 0.5f;
		v[i][2] = (float)(2 + i * 2 - i % 2);
	}
	begin(false);
	gl_program(vs, fs, NULL);
	gl_buffer(GL_ARRAY_BUFFER, v, sizeof(v));
	gl_attribute(0, 3, 12, 0);
	glDrawArrays(GL_POINTS, 0, 16);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_flow(struct capture *c)
{
	/* Loops, branches, arrays and matrices: much of what a shader translator must carry. */
	static const char fs[] = "precision highp float;\n"
				 "varying vec2 st;\n"
				 "uniform vec4 table[4];\n"
				 "uniform mat3 turn;\n"
				 "void main() {\n"
				 "  vec2 z = vec2(0.0), k = (turn * vec3(st, 1.0)).xy;\n"
				 "  int n = 0;\n"
				 "  for (int i = 0; i < 24; i++) {\n"
				 "    if (dot(z, z) > 4.0) { break; }\n"
				 "    z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + k;\n"
				 "    n = i;\n"
				 "  }\n"
				 "  vec4 colour = vec4(0.0);\n"
				 "  for (int i = 0; i < 4; i++) {\n"
				 "    if (n >= i * 6) { colour = table[i]; }\n"
				 "  }\n"
				 "  gl_FragColor = colour;\n"
				 "}\n";
	/* Column-major: st in 0..1 to -2..0.5, -1.25..1.25. */
	static const float turn[] = { 2.5f, 0, 0, 0, 2.5f, 0, -2.0f, -1.25f, 1 };
	static const float table[] = { 0.2f, 0.4f, 0.6f, 1, 0.8f, 0.2f, 0.4f, 1, 0, 1, 0.2f, 1, 0,
		0, 0.4f, 1 };
	GLuint program;

	begin(false);
	program = gl_program(vs_st, fs, NULL);
	glUniformMatrix3fv(glGetUniformLocation(program, "turn"), 1, GL_FALSE, turn);
	glUniform4fv(glGetUniformLocation(program, "table"), 4, table);
	gl_quad(-1, -1, 1, 1, 0);
	capture_pixels(c, SCENE_W, SCENE_H);
}

const struct scene scenes_basic[] = {
	{ "scissor-viewport", GL_API_ES2, false, draw_scissor_viewport },
	{ "blend", GL_API_ES2, false, draw_blend },
	{ "colour-mask", GL_API_ES2, false, draw_colour_mask },
	{ "depth", GL_API_ES2, false, draw_depth },
	{ "stencil", GL_API_ES2, false, draw_stencil },
	{ "primitives", GL_API_ES2, false, draw_primitives },
	{ "cull", GL_API_ES2, false, draw_cull },
	{ "points", GL_API_ES2, false, draw_points },
	{ "flow", GL_API_ES2, false, draw_flow },
	{ 0 },
};
