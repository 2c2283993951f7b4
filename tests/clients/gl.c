/* SPDX-License-Identifier: MIT */
/*
 * EGL and GL helpers of the test clients. Only libEGL and libGLESv2 are linked: desktop GL goes
 * through the same entry points, which dispatch on the current context, and what GLES lacks comes
 * from eglGetProcAddress(). So one program, built on the older Debian, runs in a root of the
 * newer one.
 */
#include "gl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	EGLenum bind;
	EGLint major, minor, profile;
} apis[GL_N_APIS] = {
	[GL_API_ES2] = { "es2", EGL_OPENGL_ES_API, 2, 0, 0 },
	[GL_API_ES3] = { "es3", EGL_OPENGL_ES_API, 3, 0, 0 },
	[GL_API_ES31] = { "es31", EGL_OPENGL_ES_API, 3, 1, 0 },
	[GL_API_COMPAT] = { "compat", EGL_OPENGL_API, 2, 1, 0 },
	[GL_API_CORE] = { "core", EGL_OPENGL_API, 3, 2, EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT },
};

const char *gl_api_name(enum gl_api api)
{
	return apis[api].name;
}

const char *gl_open(struct gl *gl)
{
	*gl = (struct gl){ .display = EGL_NO_DISPLAY, .context = EGL_NO_CONTEXT };
	gl->display =
		eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
	if (gl->display == EGL_NO_DISPLAY) {
		return "no surfaceless EGL platform";
	}
	return eglInitialize(gl->display, NULL, NULL) ? NULL : "eglInitialize failed";
}

void gl_close(struct gl *gl)
{
	if (gl->display != EGL_NO_DISPLAY) {
		eglTerminate(gl->display);
	}
	eglReleaseThread();
}

const char *gl_context_begin(struct gl *gl, enum gl_api api)
{
	EGLint attributes[] = {
		EGL_CONTEXT_MAJOR_VERSION,
		apis[api].major,
		EGL_CONTEXT_MINOR_VERSION,
		apis[api].minor,
		apis[api].profile ? EGL_CONTEXT_OPENGL_PROFILE_MASK : EGL_NONE,
		apis[api].profile,
		EGL_NONE,
	};

	gl->api = api;
	if (!eglBindAPI(apis[api].bind)) {
		return "the client API is not offered";
	}
	gl->context = eglCreateContext(gl->display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
	if (gl->context == EGL_NO_CONTEXT) {
		return "no context of this version";
	}
	if (!eglMakeCurrent(gl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, gl->context)) {
		gl_context_end(gl);
		return "eglMakeCurrent without a surface failed";
	}
	if (api == GL_API_CORE) {
		/* The core profile draws nothing without one; the context takes it along. */
		GLuint array = 0;
		glGenVertexArrays(1, &array);
		glBindVertexArray(array);
	}
	return NULL;
}

void gl_context_end(struct gl *gl)
{
	if (gl->context == EGL_NO_CONTEXT) {
		return;
	}
	eglMakeCurrent(gl->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
	eglDestroyContext(gl->display, gl->context);
	gl->context = EGL_NO_CONTEXT;
}

bool gl_has_extension(const char *name)
{
	GLint n = 0;

	/* Every context from GLES 3 and GL 3 on counts them; older ones are not asked here. */
	glGetIntegerv(GL_NUM_EXTENSIONS, &n);
	for (GLint i = 0; i < n; i++) {
		if (strcmp((const char *)glGetStringi(GL_EXTENSIONS, (GLuint)i), name) == 0) {
			return true;
		}
	}
	return false;
}

GLenum gl_take_error(void)
{
	GLenum first = glGetError();

	/* A lost context would report errors for ever: stop at a number no scene reaches. */
	for (int i = 0; i < 64 && first != GL_NO_ERROR && glGetError() != GL_NO_ERROR; i++) {
	}
	return first;
}

static GLuint compile(GLenum type, const char *source)
{
	GLuint shader = glCreateShader(type);
	GLint ok = 0;
	char log[1024] = "";

	glShaderSource(shader, 1, &source, NULL);
	glCompileShader(shader);
	glGetShaderiv(shader, GL_COMPILE_STATUS, &ok);
	if (!ok) {
		glGetShaderInfoLog(shader, sizeof(log), NULL, log);
		fprintf(stderr, "shader does not compile: %s\n%s\n", log, source);
	}
	return shader;
}

GLuint gl_program_stages(const struct gl_stage *stages, size_t n, const char *const *varyings)
{
	GLuint program = glCreateProgram();
	GLint ok = 0;
	char log[1024] = "", name[8];
	GLsizei n_varyings = 0;

	for (size_t i = 0; i < n; i++) {
		GLuint shader = compile(stages[i].type, stages[i].source);
		glAttachShader(program, shader);
		glDeleteShader(shader);
	}
	for (GLuint i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "a_%u", i);
		glBindAttribLocation(program, i, name);
	}
	while (varyings && varyings[n_varyings]) {
		n_varyings++;
	}
	if (n_varyings) {
		glTransformFeedbackVaryings(program, n_varyings, varyings, GL_INTERLEAVED_ATTRIBS);
	}
	glLinkProgram(program);
	glGetProgramiv(program, GL_LINK_STATUS, &ok);
	if (!ok) {
		glGetProgramInfoLog(program, sizeof(log), NULL, log);
		fprintf(stderr, "program does not link: %s\n", log);
		glDeleteProgram(program);
		return 0;
	}
	glUseProgram(program);
	return program;
}

GLuint gl_program(const char *vertex, const char *fragment, const char *const *varyings)
{
	const struct gl_stage stages[] = {
		{ GL_VERTEX_SHADER, vertex },
		{ GL_FRAGMENT_SHADER, fragment },
	};

	return gl_program_stages(stages, 2, varyings);
}

GLuint gl_texture_2d(GLenum internal, int w, int h, GLenum format, GLenum type, const void *data)
{
	GLuint texture = 0;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glPixelStorei(GL_UNPACK_ALIGNMENT, 1);
	glTexImage2D(GL_TEXTURE_2D, 0, (GLint)internal, w, h, 0, format, type, data);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
	glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
	return texture;
}

GLuint gl_framebuffer(GLuint colour)
{
	GLuint fbo = 0;

	glGenFramebuffers(1, &fbo);
	glBindFramebuffer(GL_FRAMEBUFFER, fbo);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, colour, 0);
	return glCheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE ? fbo : 0;
}

GLuint gl_target(int w, int h, bool depth)
{
	GLuint rb = 0;
	GLuint texture = gl_texture_2d(GL_RGBA, w, h, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	GLuint fbo = gl_framebuffer(texture);

	if (depth) {
		glGenRenderbuffers(1, &rb);
		glBindRenderbuffer(GL_RENDERBUFFER, rb);
		glRenderbufferStorage(GL_RENDERBUFFER, GL_DEPTH24_STENCIL8, w, h);
		glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_DEPTH_ATTACHMENT, GL_RENDERBUFFER, rb);
		glFramebufferRenderbuffer(
			GL_FRAMEBUFFER, GL_STENCIL_ATTACHMENT, GL_RENDERBUFFER, rb);
	}
	glBindTexture(GL_TEXTURE_2D, 0);
	glViewport(0, 0, w, h);
	glDisable(GL_DITHER);
	return fbo;
}

GLuint gl_buffer(GLenum target, const void *data, size_t size)
{
	GLuint buffer = 0;

	glGenBuffers(1, &buffer);
	glBindBuffer(target, buffer);
	glBufferData(target, (GLsizeiptr)size, data, GL_STATIC_DRAW);
	return buffer;
}

void gl_attribute(GLuint index, int n, size_t stride, size_t offset)
{
	glEnableVertexAttribArray(index);
	glVertexAttribPointer(index, n, GL_FLOAT, GL_FALSE, (GLsizei)stride, (const void *)offset);
}

void gl_quad(float x0, float y0, float x1, float y1, float z)
{
	const float v[] = {
		x0,
		y0,
		z,
		0,
		0,
		x1,
		y0,
		z,
		1,
		0,
		x0,
		y1,
		z,
		0,
		1,
		x1,
		y1,
		z,
		1,
		1,
	};
	GLuint buffer = gl_buffer(GL_ARRAY_BUFFER, v, sizeof(v));

	gl_attribute(0, 3, 5 * sizeof(float), 0);
	gl_attribute(1, 2, 5 * sizeof(float), 3 * sizeof(float));
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	glDeleteBuffers(1, &buffer);
}

void gl_uniform1i(GLuint program, const char *name, int v)
{
	glUniform1i(glGetUniformLocation(program, name), v);
}

void gl_uniform1f(GLuint program, const char *name, float v)
{
	glUniform1f(glGetUniformLocation(program, name), v);
}

void gl_uniform4f(GLuint program, const char *name, float x, float y, float z, float w)
{
	glUniform4f(glGetUniformLocation(program, name), x, y, z, w);
}

uint32_t gl_hash32(uint32_t n)
{
	n ^= n >> 16;
	n *= 0x7feb352du;
	n ^= n >> 15;
	n *= 0x846ca68bu;
	return n ^ n >> 16;
}
