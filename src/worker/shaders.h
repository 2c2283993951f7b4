/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "protocol/shaders.h"

/*
 * This process's compiled shaders. Mesa's cache finds and leaves them as files below a directory
 * that does not exist (shader-files.c). One store a process, off until sl_shaders_enable(). All
 * functions may be called from any thread.
 */
#define SL_SHADERS_DIR "/sluice-shaders"

/* Before Mesa is loaded: begin to keep what is compiled. */
void sl_shaders_enable(void);
/* Whether that was done, ever. */
bool sl_shaders_in_use(void);
/* Whether anything is kept just now. */
bool sl_shaders_on(void);
/* Forget everything, and keep nothing any more. */
void sl_shaders_disable(void);

/*
 * A session begins: offer what is in @archive_fd (which stays the caller's), and count what is
 * compiled from now on as added. 0 or -errno, and then nothing is offered or added.
 */
int sl_shaders_attach(int archive_fd);
/* It ends: what was added, as the fd of an archive, the caller's; -ENOENT: nothing. */
int sl_shaders_take(void);

/* How often a shader of the archive was found. */
uint64_t sl_shaders_hits(void);

/* A memfd at its beginning with the shader of this key, the caller's; or -ENOENT, -errno. */
int sl_shaders_find(const uint8_t key[SL_SHADERS_KEY_BYTES]);
/* Keep the @size bytes of @fd under a key, if there is room and it is a new one. */
void sl_shaders_put(const uint8_t key[SL_SHADERS_KEY_BYTES], int fd);
