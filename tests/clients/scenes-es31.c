/* SPDX-License-Identifier: MIT */
/* What GLES 3.1 adds, where it is offered: compute, storage buffers, images, indirect draws. */
#include "scenes.h"

#include <string.h>

static void draw_compute(struct capture *c)
{
	static const char cs[] =
		"#version 310 es\n"
		"layout(local_size_x = 64) in;\n"
		"layout(std430, binding = 0) buffer data { uint v[]; };\n"
		"shared uint part[64];\n"
		"void main() { uint i = gl_GlobalInvocationID.x, k = gl_LocalInvocationIndex;\n"
		"  part[k] = v[i] ^ (i * 2654435761u);\n"
		"  barrier();\n"
		"  v[i] = part[63u - k] + gl_WorkGroupID.x; }\n";
	const struct gl_stage stages[] = { { GL_COMPUTE_SHADER, cs } };
	uint32_t data[1024];
	GLint blocks = 0;

	glGetIntegerv(GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS, &blocks);
	if (blocks < 1) {
		capture_unsupported(c, "no storage blocks in compute shaders");
		return;
	}
	for (uint32_t i = 0; i < 1024; i++) {
		data[i] = gl_hash32(i);
	}
	gl_program_stages(stages, 1, NULL);
	glBindBufferBase(GL_SHADER_STORAGE_BUFFER, 0,
		gl_buffer(GL_SHADER_STORAGE_BUFFER, data, sizeof(data)));
	glDispatchCompute(16, 1, 1);
	glMemoryBarrier(GL_BUFFER_UPDATE_BARRIER_BIT);
	capture_buffer(c, GL_SHADER_STORAGE_BUFFER, sizeof(data));
}

static void draw_image_store(struct capture *c)
{
	static const char cs[] = "#version 310 es\n"
				 "precision highp int; precision highp uimage2D;\n"
				 "layout(local_size_x = 8, local_size_y = 8) in;\n"
				 "layout(rgba8ui, binding = 0) writeonly uniform uimage2D image;\n"
				 "void main() { ivec2 p = ivec2(gl_GlobalInvocationID.xy);\n"
				 "  imageStore(image, p, uvec4(p, p.x ^ p.y, 255)); }\n";
	const struct gl_stage stages[] = { { GL_COMPUTE_SHADER, cs } };
	GLint images = 0;
	GLuint texture;

	glGetIntegerv(GL_MAX_COMPUTE_IMAGE_UNIFORMS, &images);
	if (images < 1) {
		capture_unsupported(c, "no images in compute shaders");
		return;
	}
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glTexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8UI, 64, 64);
	gl_program_stages(stages, 1, NULL);
	glBindImageTexture(0, texture, 0, GL_FALSE, 0, GL_WRITE_ONLY, GL_RGBA8UI);
	glDispatchCompute(8, 8, 1);
	glMemoryBarrier(GL_FRAMEBUFFER_BARRIER_BIT);
	gl_framebuffer(texture);
	capture_typed(c, 64, 64, GL_RGBA_INTEGER, GL_UNSIGNED_INT, 16);
}

static void draw_indirect(struct capture *c)
{
	static const char vs[] =
		"#version 310 es\n"
		"in vec2 a_0; out vec4 colour;\n"
		"void main() { float n = float(gl_InstanceID);\n"
		"  colour = vec4(n / 8.0, 0.5, 1.0 - n / 8.0, 1.0);\n"
		"  gl_Position = vec4(a_0 + vec2(n * 0.25 - 0.875, 0.0), 0.0, 1.0); }\n";
	static const char fs[] = "#version 310 es\n"
				 "precision highp float;\n"
				 "in vec4 colour; out vec4 o;\n"
				 "void main() { o = colour; }\n";
	static const float v[] = { -0.1f, -0.5f, 0.1f, -0.5f, -0.1f, 0.5f, 0.1f, 0.5f };
	static const uint32_t command[] = { 4, 8, 0, 0 };
	GLuint array;

	gl_target(SCENE_W, SCENE_H, false);
	glClearColor(0, 0, 0, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	gl_program(vs, fs, NULL);
	glGenVertexArrays(1, &array);
	glBindVertexArray(array);
	gl_buffer(GL_ARRAY_BUFFER, v, sizeof(v));
	gl_attribute(0, 2, 8, 0);
	gl_buffer(GL_DRAW_INDIRECT_BUFFER, command, sizeof(command));
	glDrawArraysIndirect(GL_TRIANGLE_STRIP, NULL);
	capture_pixels(c, SCENE_W, SCENE_H);
}

const struct scene scenes_es31[] = {
	{ "compute", GL_API_ES31, false, draw_compute },
	{ "image-store", GL_API_ES31, false, draw_image_store },
	{ "draw-indirect", GL_API_ES31, false, draw_indirect },
	{ 0 },
};
