/* SPDX-License-Identifier: MIT */
#pragma once

#include "gl.h"

/* Every scene draws into a target of this size, unless it has a reason not to. */
#define SCENE_W 128
#define SCENE_H 128

/* What a scene has read back: bytes that are hashed, dumped and compared. */
struct capture {
	uint8_t *data;
	size_t size, allocated;
	const char *unsupported; /* why the scene could not be drawn here, or NULL */
};

struct scene {
	const char *name;
	enum gl_api api;
	/*
	 * The result is RGBA8 pixels of a multisample resolve or of a linear filter, where 1 LSB on
	 * 0.1 % of the pixels may differ: GL leaves the weights' precision open.
	 */
	bool filtered;
	void (*draw)(struct capture *c);
	/*
	 * What a server that renders with GLES lacks for this scene, or NULL: there it is not
	 * compared with the native pixels.
	 */
	const char *gl_host_only;
};

/* The groups, each ended by a scene without a name. */
extern const struct scene scenes_basic[], scenes_texture[], scenes_target[], scenes_es3[],
	scenes_es31[], scenes_compat[], scenes_core[];

/* Append @size bytes. */
void capture_bytes(struct capture *c, const void *data, size_t size);

/* Append w x h pixels of the bound framebuffer, from 0,0, as RGBA of this type. */
void capture_pixels(struct capture *c, int w, int h);
void capture_typed(struct capture *c, int w, int h, GLenum format, GLenum type, size_t pixel_size);

/* Append @size bytes of the buffer bound to @target. */
void capture_buffer(struct capture *c, GLenum target, size_t size);

void capture_fini(struct capture *c);

/* Say why the scene cannot be drawn; the scene returns after it. */
void capture_unsupported(struct capture *c, const char *why);
