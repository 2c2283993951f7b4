/* SPDX-License-Identifier: MIT */
/* What scenes read back, kept as one run of bytes per scene. */
#include "scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *grow(struct capture *c, size_t size)
{
	if (c->size + size > c->allocated) {
		c->allocated = (c->size + size) * 2;
		c->data = realloc(c->data, c->allocated);
		if (!c->data) {
			fprintf(stderr, "out of memory for %zu bytes of pixels\n", c->allocated);
			exit(1);
		}
	}
	c->size += size;
	return c->data + c->size - size;
}

void capture_bytes(struct capture *c, const void *data, size_t size)
{
	memcpy(grow(c, size), data, size);
}

void capture_typed(struct capture *c, int w, int h, GLenum format, GLenum type, size_t pixel_size)
{
	size_t size = (size_t)w * (size_t)h * pixel_size;
	uint8_t *to = grow(c, size);

	/* A pattern, so that a read-back that does nothing is not mistaken for black. */
	memset(to, 0xa5, size);
	glPixelStorei(GL_PACK_ALIGNMENT, 1);
	glReadPixels(0, 0, w, h, format, type, to);
}

void capture_pixels(struct capture *c, int w, int h)
{
	capture_typed(c, w, h, GL_RGBA, GL_UNSIGNED_BYTE, 4);
}

void capture_buffer(struct capture *c, GLenum target, size_t size)
{
	uint8_t *to = grow(c, size);
	const void *from = glMapBufferRange(target, 0, (GLsizeiptr)size, GL_MAP_READ_BIT);

	memset(to, 0xa5, size);
	if (from) {
		memcpy(to, from, size);
		glUnmapBuffer(target);
	}
}

void capture_unsupported(struct capture *c, const char *why)
{
	c->unsupported = why;
	c->size = 0;
}

void capture_fini(struct capture *c)
{
	free(c->data);
	*c = (struct capture){ 0 };
}
