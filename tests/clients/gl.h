/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl31.h>

/*
 * What the test clients share: a surfaceless EGL context of any of the client APIs, and short
 * ways to say the few things that every scene says.
 */
enum gl_api {
	GL_API_ES2,
	GL_API_ES3,
	GL_API_ES31,
	GL_API_COMPAT,
	GL_API_CORE,
	GL_N_APIS,
};

struct gl {
	EGLDisplay display;
	EGLContext context;
	enum gl_api api;
};

/* A short name of the API, as --list prints it: "es2", "es3", "es31", "compat", "core". */
const char *gl_api_name(enum gl_api api);

/* Open and initialise the display; NULL, or why it failed (a constant). */
const char *gl_open(struct gl *gl);
void gl_close(struct gl *gl);

/* Make a new context current, without a surface; NULL, or why there is none (a constant). */
const char *gl_context_begin(struct gl *gl, enum gl_api api);
void gl_context_end(struct gl *gl);

bool gl_has_extension(const char *name);

/* The first error that is pending, after taking all of them. */
GLenum gl_take_error(void);

/*
 * Compile and link; attribute "a_0" .. "a_7" are bound to their numbers. @varyings is a
 * NULL-terminated list for transform feedback, or NULL. 0 after a message on stderr.
 */
GLuint gl_program(const char *vertex, const char *fragment, const char *const *varyings);

/* The same with a geometry shader or a compute shader: any of the sources may be NULL. */
struct gl_stage {
	GLenum type;
	const char *source;
};
GLuint gl_program_stages(const struct gl_stage *stages, size_t n, const char *const *varyings);

/* A texture of one level with nearest filtering and clamped edges, left bound to @target. */
GLuint gl_texture_2d(GLenum internal, int w, int h, GLenum format, GLenum type, const void *data);

/* A framebuffer with one colour texture, left bound; 0 if it is not complete. */
GLuint gl_framebuffer(GLuint colour);

/* As above with an RGBA8 texture of w x h and a depth and stencil buffer; viewport set. */
GLuint gl_target(int w, int h, bool depth);

/* A buffer object with this data, left bound to @target. */
GLuint gl_buffer(GLenum target, const void *data, size_t size);

/* Enable attribute @index as @n floats from the bound array buffer. */
void gl_attribute(GLuint index, int n, size_t stride, size_t offset);

/* Two triangles over x0,y0 .. x1,y1 in clip space at depth z: a_0 = xyz, a_1 = st in 0..1. */
void gl_quad(float x0, float y0, float x1, float y1, float z);

void gl_uniform1i(GLuint program, const char *name, int v);
void gl_uniform1f(GLuint program, const char *name, float v);
void gl_uniform4f(GLuint program, const char *name, float x, float y, float z, float w);

/* A colour of a fixed sequence, for patterns: the same on every machine. */
uint32_t gl_hash32(uint32_t n);
