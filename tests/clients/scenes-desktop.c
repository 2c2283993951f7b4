/* SPDX-License-Identifier: MIT */
/* Desktop GL: what a GLES client never asks of a server, from fixed function to geometry shaders.
 */
#include "desktop.h"
#include "scenes.h"

#include <string.h>

const struct desktop_gl *desktop_gl(void)
{
	static struct desktop_gl gl;
	static bool loaded;

	if (!loaded) {
#define LOAD(ret, name, args) gl.name = (ret(*) args)eglGetProcAddress("gl" #name);
		DESKTOP_GL(LOAD)
#undef LOAD
		loaded = true;
	}
	return &gl;
}

static void begin(void)
{
	gl_target(SCENE_W, SCENE_H, true);
	glClearColor(0.125f, 0.25f, 0.375f, 1.0f);
	glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT | GL_STENCIL_BUFFER_BIT);
}

static void draw_texture_1d(struct capture *c)
{
	static const char vs[] = "#version 120\n"
				 "attribute vec3 a_0; attribute vec2 a_1; varying vec2 st;\n"
				 "void main() { st = a_1; gl_Position = vec4(a_0, 1.0); }\n";
	static const char fs[] =
		"#version 120\n"
		"varying vec2 st; uniform sampler1D tex;\n"
		"void main() { gl_FragColor = texture1D(tex, st.x * 2.0 - 0.5); }\n";
	static const GLint wraps[] = { GL_REPEAT, GL_CLAMP_TO_EDGE, GL_MIRRORED_REPEAT };
	const struct desktop_gl *gl = desktop_gl();
	uint32_t texels[64], back[64];
	GLuint texture;

	begin();
	gl_program(vs, fs, NULL);
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_1D, texture);
	for (uint32_t level = 0; level < 7; level++) {
		for (uint32_t i = 0; i < 64; i++) {
			texels[i] = gl_hash32(i + level * 64);
		}
		gl->TexImage1D(GL_TEXTURE_1D, (GLint)level, GL_RGBA8, 64 >> level, 0, GL_RGBA,
			GL_UNSIGNED_BYTE, texels);
	}
	gl->TexSubImage1D(GL_TEXTURE_1D, 0, 5, 17, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	glTexParameteri(GL_TEXTURE_1D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	for (int i = 0; i < 6; i++) {
		glTexParameteri(GL_TEXTURE_1D, GL_TEXTURE_WRAP_S, wraps[i % 3]);
		glTexParameteri(GL_TEXTURE_1D, GL_TEXTURE_MIN_FILTER,
			i < 3 ? GL_NEAREST : GL_NEAREST_MIPMAP_NEAREST);
		glViewport(0, i * 21, i < 3 ? 128 : 32, 20);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
	gl->GetTexImage(GL_TEXTURE_1D, 0, GL_RGBA, GL_UNSIGNED_BYTE, back);
	capture_bytes(c, back, sizeof(back));
}

static void draw_rectangle(struct capture *c)
{
	static const char vs[] = "#version 120\n"
				 "attribute vec3 a_0; attribute vec2 a_1; varying vec2 st;\n"
				 "void main() { st = a_1 * vec2(17.0, 11.0);\n"
				 "  gl_Position = vec4(a_0, 1.0); }\n";
	static const char fs[] = "#version 120\n"
				 "#extension GL_ARB_texture_rectangle : require\n"
				 "varying vec2 st; uniform sampler2DRect tex;\n"
				 "void main() { gl_FragColor = texture2DRect(tex, st); }\n";
	uint32_t texels[17 * 11];
	GLuint texture;

	for (uint32_t i = 0; i < 17 * 11; i++) {
		texels[i] = gl_hash32(i + 500);
	}
	begin();
	gl_program(vs, fs, NULL);
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_RECTANGLE, texture);
	glTexImage2D(
		GL_TEXTURE_RECTANGLE, 0, GL_RGBA8, 17, 11, 0, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	glTexParameteri(GL_TEXTURE_RECTANGLE, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_RECTANGLE, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	gl_quad(-1, -1, 1, 1, 0);
	capture_pixels(c, SCENE_W, SCENE_H);
}

/* A fan in immediate mode, through a display list. */
static GLuint fan_list(const struct desktop_gl *gl)
{
	/* Corners well inside pixels, for lines and points: no rule for ties is tested here. */
	static const float xs[] = { 0.02f, 0.77f, 0.36f, -0.39f, -0.73f, -0.42f, 0.33f, 0.77f };
	static const float ys[] = { 0.01f, 0.065f, 0.71f, 0.67f, 0.02f, -0.715f, -0.61f, 0.065f };
	GLuint list = gl->GenLists(1);

	gl->NewList(list, GL_COMPILE);
	gl->Begin(GL_TRIANGLE_FAN);
	for (int i = 0; i < 8; i++) {
		gl->Color4f((float)(i % 2), (float)(i % 3) * 0.5f, (float)i / 7.0f, 1);
		gl->Normal3f(xs[i] * 0.5f, ys[i] * 0.5f, 0.75f);
		gl->TexCoord2f(xs[i] * 0.5f + 0.5f, ys[i] * 0.5f + 0.5f);
		gl->Vertex3f(xs[i], ys[i], ys[i] * 0.25f);
	}
	gl->End();
	gl->EndList();
	return list;
}

static void draw_polygon_mode(struct capture *c)
{
	static const GLenum modes[] = { GL_FILL, GL_LINE, GL_POINT };
	const struct desktop_gl *gl = desktop_gl();
	GLuint list;

	begin();
	list = fan_list(gl);
	for (int i = 0; i < 9; i++) {
		gl->PolygonMode(GL_FRONT_AND_BACK, modes[i % 3]);
		gl->ShadeModel(i / 3 == 1 ? GL_SMOOTH : GL_FLAT);
		glViewport((i % 3) * 42, (i / 3) * 42, 40, 40);
		if (i / 3 == 2) {
			/* As lines, a quad shows the diagonal of a server that has no quads. */
			gl->Begin(i % 3 ? GL_TRIANGLES : GL_QUADS);
			gl->Color4f(1, 0.5f, 0.25f, 1);
			gl->Vertex3f(-0.515f, -0.735f, 0);
			gl->Vertex3f(0.765f, -0.485f, 0);
			gl->Vertex3f(0.515f, 0.765f, 0);
			gl->Vertex3f(-0.735f, 0.515f, 0);
			gl->End();
		} else {
			gl->CallList(list);
		}
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_fixed_function(struct capture *c)
{
	static const GLint env[] = { GL_MODULATE, GL_DECAL, GL_ADD, GL_REPLACE };
	const struct desktop_gl *gl = desktop_gl();
	uint32_t texels[16];
	GLuint list;

	for (uint32_t i = 0; i < 16; i++) {
		texels[i] = gl_hash32(i + 600);
	}
	begin();
	list = fan_list(gl);
	gl_texture_2d(GL_RGBA8, 4, 4, GL_RGBA, GL_UNSIGNED_BYTE, texels);
	gl->MatrixMode(GL_MODELVIEW);
	gl->Lightfv(GL_LIGHT0, GL_POSITION, (const float[]){ 0.5f, 0.5f, 1, 0 });
	gl->Lightfv(GL_LIGHT0, GL_DIFFUSE, (const float[]){ 1, 0.75f, 0.5f, 1 });
	gl->Materialfv(GL_FRONT_AND_BACK, GL_DIFFUSE, (const float[]){ 0.5f, 0.75f, 1, 1 });
	gl->Fogi(GL_FOG_MODE, GL_LINEAR);
	gl->Fogf(GL_FOG_START, -0.5f);
	gl->Fogf(GL_FOG_END, 0.5f);
	gl->Fogfv(GL_FOG_COLOR, (const float[]){ 0.75f, 0.75f, 0.5f, 1 });
	for (int i = 0; i < 16; i++) {
		gl->TexEnvi(GL_TEXTURE_ENV, GL_TEXTURE_ENV_MODE, env[i % 4]);
		(i & 3 ? glEnable : glDisable)(GL_TEXTURE_2D);
		(i & 4 ? glEnable : glDisable)(GL_LIGHTING);
		(i & 4 ? glEnable : glDisable)(GL_LIGHT0);
		(i & 8 ? glEnable : glDisable)(GL_FOG);
		gl->LoadIdentity();
		gl->Scalef(1, i % 2 ? 1 : 0.75f, 1);
		glViewport((i % 4) * 32, (i / 4) * 32, 32, 32);
		gl->CallList(list);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_logic_op(struct capture *c)
{
	const struct desktop_gl *gl = desktop_gl();
	GLuint list;

	begin();
	list = fan_list(gl);
	for (GLenum i = 0; i < 16; i++) {
		/*
		 * libvirglrenderer hands an operation on only when logic operations are switched
		 * on, so a plain draw between two of them is part of the scene.
		 */
		glDisable(GL_COLOR_LOGIC_OP);
		glViewport((GLint)(i % 4) * 32, (GLint)(i / 4) * 32, 8, 8);
		gl->CallList(list);
		glEnable(GL_COLOR_LOGIC_OP);
		gl->LogicOp(0x1500 + i);
		glViewport((GLint)(i % 4) * 30, (GLint)(i / 4) * 30, 38, 38);
		gl->CallList(list);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_stipple_bitmap(struct capture *c)
{
	static const double plane[] = { 1, 0.5, 0, 0.26 };
	const struct desktop_gl *gl = desktop_gl();
	uint8_t stipple[128];
	GLuint list;

	for (uint32_t i = 0; i < 128; i++) {
		stipple[i] = (uint8_t)gl_hash32(i);
	}
	begin();
	list = fan_list(gl);
	gl->ShadeModel(GL_FLAT);
	glEnable(GL_POLYGON_STIPPLE);
	gl->PolygonStipple(stipple);
	glViewport(64, 64, 64, 64);
	gl->CallList(list);
	glDisable(GL_POLYGON_STIPPLE);
	gl->ClipPlane(GL_CLIP_PLANE0, plane);
	glEnable(GL_CLIP_PLANE0);
	glViewport(0, 64, 64, 64);
	gl->CallList(list);
	glDisable(GL_CLIP_PLANE0);
	glViewport(0, 0, SCENE_W, SCENE_H);
	gl->Color4f(1, 1, 0, 1);
	gl->RasterPos2f(-0.87f, -0.87f);
	gl->Bitmap(32, 24, 0, 0, 40, 0, stipple);
	gl->DrawPixels(16, 2, GL_RGBA, GL_UNSIGNED_BYTE, stipple);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static const char vs_core[] = "#version 150\n"
			      "in vec3 a_0; in vec2 a_1; out vec2 st;\n"
			      "void main() { st = a_1; gl_Position = vec4(a_0, 1.0); }\n";

static void draw_geometry_shader(struct capture *c)
{
	static const char vs[] = "#version 150\n"
				 "in vec2 a_0;\n"
				 "void main() { gl_Position = vec4(a_0, 0.0, 1.0); }\n";
	/* Written out: libvirglrenderer 0.10 gets Mesa 25's loop around EmitVertex() wrong. */
	static const char gs[] =
		"#version 150\n"
		"layout(points) in; layout(triangle_strip, max_vertices = 4) out;\n"
		"out vec3 colour;\n"
		"void corner(vec2 d) {\n"
		"  colour = vec3(d * 4.0, float(gl_PrimitiveIDIn) / 64.0);\n"
		"  gl_Position = gl_in[0].gl_Position + vec4(d, 0.0, 0.0); EmitVertex(); }\n"
		"void main() { corner(vec2(0.0)); corner(vec2(0.1875, 0.0));\n"
		"  corner(vec2(0.0, 0.1875)); corner(vec2(0.1875)); }\n";
	static const char fs[] = "#version 150\n"
				 "in vec3 colour; out vec4 o;\n"
				 "void main() { o = vec4(colour, 1.0); }\n";
	const struct gl_stage stages[] = { { GL_VERTEX_SHADER, vs }, { GL_GEOMETRY_SHADER, gs },
		{ GL_FRAGMENT_SHADER, fs } };
	float v[64][2];

	for (int i = 0; i < 64; i++) {
		v[i][0] = -1.0f + (float)(i % 8) * 0.25f;
		v[i][1] = -1.0f + (float)(i / 8) * 0.25f;
	}
	begin();
	gl_program_stages(stages, 3, NULL);
	gl_buffer(GL_ARRAY_BUFFER, v, sizeof(v));
	gl_attribute(0, 2, 8, 0);
	glDrawArrays(GL_POINTS, 0, 64);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_texture_buffer(struct capture *c)
{
	static const char fs[] =
		"#version 150\n"
		"in vec2 st; out vec4 o; uniform usamplerBuffer tex;\n"
		"void main() { ivec2 p = ivec2(gl_FragCoord.xy);\n"
		"  uint v = texelFetch(tex, (p.y * 128 + p.x) & 1023).r;\n"
		"  o = vec4(v & 255u, v >> 8 & 255u, v >> 16 & 255u, 255u) / 255.0; }\n";
	const struct desktop_gl *gl = desktop_gl();
	uint32_t data[1024];
	GLuint texture, buffer;

	for (uint32_t i = 0; i < 1024; i++) {
		data[i] = gl_hash32(i + 700);
	}
	if (!gl_has_extension("GL_ARB_texture_buffer_object") &&
		!gl_has_extension("GL_ARB_texture_buffer_range") && !gl->TexBuffer) {
		capture_unsupported(c, "no buffer textures");
		return;
	}
	begin();
	gl_program(vs_core, fs, NULL);
	buffer = gl_buffer(GL_TEXTURE_BUFFER, data, sizeof(data));
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_BUFFER, texture);
	gl->TexBuffer(GL_TEXTURE_BUFFER, GL_R32UI, buffer);
	gl_quad(-1, -1, 1, 1, 0);
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_queries(struct capture *c, bool exact)
{
	static const char fs[] = "#version 150\n"
				 "in vec2 st; out vec4 o; uniform vec4 paint;\n"
				 "void main() { o = paint; }\n";
	const struct desktop_gl *gl = desktop_gl();
	GLuint program, queries[8], counts[8];

	begin();
	program = gl_program(vs_core, fs, NULL);
	glEnable(GL_DEPTH_TEST);
	gl_uniform4f(program, "paint", 1, 1, 1, 1);
	gl_quad(-1, -1, 0, 1, -0.5f);
	glGenQueries(8, queries);
	for (int i = 0; i < 8; i++) {
		float x = -1.0f + (float)i * 0.25f;
		glBeginQuery(GL_SAMPLES_PASSED, queries[i]);
		gl_uniform4f(program, "paint", (float)i / 8.0f, 0.5f, 0, 1);
		gl_quad(x, -0.5f, x + 0.25f, 0, 0);
		glEndQuery(GL_SAMPLES_PASSED);
		gl->BeginConditionalRender(queries[i], GL_QUERY_WAIT);
		gl_uniform4f(program, "paint", 0, 1, (float)i / 8.0f, 1);
		gl_quad(x, 0.25f, x + 0.25f, 0.75f, -0.75f);
		gl->EndConditionalRender();
		glGetQueryObjectuiv(queries[i], GL_QUERY_RESULT, &counts[i]);
		counts[i] = exact ? counts[i] : !!counts[i];
	}
	capture_bytes(c, counts, sizeof(counts));
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_conditional(struct capture *c)
{
	draw_queries(c, false);
}

static void draw_sample_count(struct capture *c)
{
	draw_queries(c, true);
}

static const char vs_clip[] =
	"#version 150\n"
	"in vec3 a_0; in vec2 a_1; out vec2 st; flat out int id;\n"
	"void main() { st = a_1; id = gl_VertexID; gl_Position = vec4(a_0, 1.0);\n"
	"  gl_ClipDistance[0] = a_0.x + a_0.y * 0.5 + 0.52;\n"
	"  gl_ClipDistance[1] = 0.74 - a_0.x; }\n";
static const char fs_id[] = "#version 150\n"
			    "in vec2 st; flat in int id; out vec4 o;\n"
			    "void main() { o = vec4(float(id) / 3.0, 0.5, 1.0, 1.0); }\n";

static void draw_clip_distance(struct capture *c)
{
	begin();
	gl_program(vs_clip, fs_id, NULL);
	for (int i = 0; i < 4; i++) {
		(i & 1 ? glEnable : glDisable)(GL_CLIP_DISTANCE0);
		(i & 2 ? glEnable : glDisable)(GL_CLIP_DISTANCE0 + 1);
		glViewport((i % 2) * 64, (i / 2) * 64, 64, 64);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

static void draw_provoking_vertex(struct capture *c)
{
	const struct desktop_gl *gl = desktop_gl();

	begin();
	gl_program(vs_clip, fs_id, NULL);
	for (int i = 0; i < 2; i++) {
		gl->ProvokingVertex(i ? GL_FIRST_VERTEX_CONVENTION : GL_LAST_VERTEX_CONVENTION);
		glViewport(i * 64, 0, 64, 128);
		gl_quad(-1, -1, 1, 1, 0);
	}
	capture_pixels(c, SCENE_W, SCENE_H);
}

const struct scene scenes_compat[] = {
	{ "gl-texture-1d", GL_API_COMPAT, false, draw_texture_1d },
	{ "gl-texture-rectangle", GL_API_COMPAT, false, draw_rectangle },
	{ "gl-polygon-mode", GL_API_COMPAT, false, draw_polygon_mode, "no polygon mode in GLES" },
	{ "gl-fixed-function", GL_API_COMPAT, false, draw_fixed_function },
	{ "gl-logic-op", GL_API_COMPAT, false, draw_logic_op, "no logic operations in GLES" },
	{ "gl-stipple-bitmap", GL_API_COMPAT, false, draw_stipple_bitmap },
	{ 0 },
};

const struct scene scenes_core[] = {
	{ "gl-geometry-shader", GL_API_CORE, false, draw_geometry_shader },
	{ "gl-texture-buffer", GL_API_CORE, false, draw_texture_buffer },
	{ "gl-conditional-render", GL_API_CORE, false, draw_conditional },
	{ "gl-sample-count", GL_API_CORE, false, draw_sample_count, "no sample counts in GLES" },
	{ "gl-clip-distance", GL_API_CORE, false, draw_clip_distance },
	{ "gl-provoking-vertex", GL_API_CORE, false, draw_provoking_vertex,
		"no choice of the provoking vertex in GLES" },
	{ 0 },
};
