/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What desktop GL has beyond GLES, for the scenes that use it: constants with their values of
 * the GL registry, and entry points looked up when the first such scene runs.
 */
#include "gl.h"

#define GL_TEXTURE_1D 0x0DE0
#define GL_TEXTURE_RECTANGLE 0x84F5
#define GL_POINT 0x1B00
#define GL_LINE 0x1B01
#define GL_FILL 0x1B02
#define GL_QUADS 0x0007
#define GL_POLYGON 0x0009
#define GL_MODELVIEW 0x1700
#define GL_PROJECTION 0x1701
#define GL_LIGHTING 0x0B50
#define GL_LIGHT0 0x4000
#define GL_POSITION 0x1203
#define GL_DIFFUSE 0x1201
#define GL_SPECULAR 0x1202
#define GL_SHININESS 0x1601
#define GL_SMOOTH 0x1D01
#define GL_FLAT 0x1D00
#define GL_COMPILE 0x1300
#define GL_POLYGON_STIPPLE 0x0B42
#define GL_COLOR_LOGIC_OP 0x0BF2
#define GL_CLIP_PLANE0 0x3000
#define GL_CLIP_DISTANCE0 0x3000
#define GL_FOG 0x0B60
#define GL_FOG_MODE 0x0B65
#define GL_FOG_START 0x0B63
#define GL_FOG_END 0x0B64
#define GL_FOG_COLOR 0x0B66
#define GL_TEXTURE_ENV 0x2300
#define GL_TEXTURE_ENV_MODE 0x2200
#define GL_MODULATE 0x2100
#define GL_DECAL 0x2101
#define GL_ADD 0x0104
#define GL_COMBINE 0x8570
#define GL_GEOMETRY_SHADER 0x8DD9
#define GL_TEXTURE_BUFFER 0x8C2A
#define GL_PRIMITIVE_RESTART 0x8F9D
#define GL_QUERY_WAIT 0x8E13
#define GL_SAMPLES_PASSED 0x8914
#define GL_LAST_VERTEX_CONVENTION 0x8E4E
#define GL_FIRST_VERTEX_CONVENTION 0x8E4D

/* X(return type, name, arguments) */
#define DESKTOP_GL(X)                                                                              \
	X(void, TexImage1D, (GLenum, GLint, GLint, GLsizei, GLint, GLenum, GLenum, const void *))  \
	X(void, TexSubImage1D, (GLenum, GLint, GLint, GLsizei, GLenum, GLenum, const void *))      \
	X(void, GetTexImage, (GLenum, GLint, GLenum, GLenum, void *))                              \
	X(void, PolygonMode, (GLenum, GLenum))                                                     \
	X(void, LogicOp, (GLenum))                                                                 \
	X(void, Begin, (GLenum))                                                                   \
	X(void, End, (void))                                                                       \
	X(void, Vertex3f, (GLfloat, GLfloat, GLfloat))                                             \
	X(void, Color4f, (GLfloat, GLfloat, GLfloat, GLfloat))                                     \
	X(void, Normal3f, (GLfloat, GLfloat, GLfloat))                                             \
	X(void, TexCoord2f, (GLfloat, GLfloat))                                                    \
	X(void, MatrixMode, (GLenum))                                                              \
	X(void, LoadIdentity, (void))                                                              \
	X(void, Scalef, (GLfloat, GLfloat, GLfloat))                                               \
	X(void, Translatef, (GLfloat, GLfloat, GLfloat))                                           \
	X(void, Lightfv, (GLenum, GLenum, const GLfloat *))                                        \
	X(void, Materialfv, (GLenum, GLenum, const GLfloat *))                                     \
	X(void, ShadeModel, (GLenum))                                                              \
	X(GLuint, GenLists, (GLsizei))                                                             \
	X(void, NewList, (GLuint, GLenum))                                                         \
	X(void, EndList, (void))                                                                   \
	X(void, CallList, (GLuint))                                                                \
	X(void, PolygonStipple, (const GLubyte *))                                                 \
	X(void, ClipPlane, (GLenum, const double *))                                               \
	X(void, Fogf, (GLenum, GLfloat))                                                           \
	X(void, Fogi, (GLenum, GLint))                                                             \
	X(void, Fogfv, (GLenum, const GLfloat *))                                                  \
	X(void, TexEnvi, (GLenum, GLenum, GLint))                                                  \
	X(void, DrawPixels, (GLsizei, GLsizei, GLenum, GLenum, const void *))                      \
	X(void, Bitmap, (GLsizei, GLsizei, GLfloat, GLfloat, GLfloat, GLfloat, const GLubyte *))   \
	X(void, RasterPos2f, (GLfloat, GLfloat))                                                   \
	X(void, TexBuffer, (GLenum, GLenum, GLuint))                                               \
	X(void, BeginConditionalRender, (GLuint, GLenum))                                          \
	X(void, EndConditionalRender, (void))                                                      \
	X(void, ProvokingVertex, (GLenum))                                                         \
	X(void, PrimitiveRestartIndex, (GLuint))

#define DESKTOP_FIELD(ret, name, args) ret(*name) args;
struct desktop_gl {
	DESKTOP_GL(DESKTOP_FIELD)
};

/* The entry points; the same for every context of one display. */
const struct desktop_gl *desktop_gl(void);
