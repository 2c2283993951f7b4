/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The part of virgl's command stream that Sluice itself reads or writes. The header that defines it
 * is not shipped with libvirglrenderer; the numbers are wire protocol and do not change.
 *
 * A command is one header word, command | object type << 8 | words that follow << 16, and then
 * those words.
 */
#define VIRGL_CMD(cmd, obj, len) ((uint32_t)(cmd) | (uint32_t)(obj) << 8 | (uint32_t)(len) << 16)
#define VIRGL_CMD_OF(header) ((header)&0xffu)
#define VIRGL_OBJ_OF(header) ((header) >> 8 & 0xffu)
#define VIRGL_LEN_OF(header) ((header) >> 16)

enum virgl_cmd {
	VIRGL_NOP = 0,
	VIRGL_CREATE_OBJECT = 1,
	VIRGL_BIND_OBJECT = 2,
	VIRGL_DESTROY_OBJECT = 3,
	VIRGL_SET_VIEWPORT = 4,
	VIRGL_SET_FRAMEBUFFER = 5,
	VIRGL_SET_VERTEX_BUFFERS = 6,
	VIRGL_CLEAR = 7,
	VIRGL_DRAW = 8,
	VIRGL_INLINE_WRITE = 9,
	VIRGL_GET_QUERY_RESULT = 21,
	VIRGL_SET_SUB_CTX = 28,
	VIRGL_CREATE_SUB_CTX = 29,
	VIRGL_DESTROY_SUB_CTX = 30,
	VIRGL_BIND_SHADER = 31,
	VIRGL_SET_SHADER_IMAGES = 35,
	VIRGL_GET_QUERY_RESULT_QBO = 42,
	VIRGL_PIPE_RESOURCE_CREATE = 48,
	VIRGL_GET_MEMORY_INFO = 50,
	VIRGL_FIRST_VIDEO = 53,
	VIRGL_LAST_VIDEO = 61,
};

enum virgl_obj {
	VIRGL_OBJ_BLEND = 1,
	VIRGL_OBJ_RASTERIZER = 2,
	VIRGL_OBJ_DSA = 3,
	VIRGL_OBJ_SHADER = 4,
	VIRGL_OBJ_VERTEX_ELEMENTS = 5,
	VIRGL_OBJ_SAMPLER_VIEW = 6,
	VIRGL_OBJ_SAMPLER_STATE = 7,
	VIRGL_OBJ_SURFACE = 8,
	VIRGL_OBJ_QUERY = 9,
	VIRGL_OBJ_STREAMOUT_TARGET = 10,
	VIRGL_OBJ_MSAA_SURFACE = 11,
};

/* Words of CREATE_OBJECT(shader); word 1 is the handle, as for every object. */
#define VIRGL_SHADER_TYPE 2
#define VIRGL_SHADER_OFFSET 3 /* bytes of text in all; with CONT: where this piece goes */
#define VIRGL_SHADER_OFFSET_CONT 0x80000000u
#define VIRGL_SHADER_NUM_TOKENS 4
#define VIRGL_SHADER_HEADER_LEN 5

/* Words of CREATE_OBJECT(sampler view); the format's upper byte is a target. */
#define VIRGL_SAMPLER_VIEW_FORMAT 3

/* Words of SET_SHADER_IMAGES: groups of five, each beginning with a format. */
#define VIRGL_IMAGES_FIRST 3
#define VIRGL_IMAGE_WORDS 5

/* Words of CREATE_OBJECT(MSAA surface). */
#define VIRGL_MSAA_SURFACE_RES 2
#define VIRGL_MSAA_SURFACE_SAMPLES 6

/* Words of PIPE_RESOURCE_CREATE. */
#define VIRGL_PIPE_RES_TARGET 1
#define VIRGL_PIPE_RES_FORMAT 2
#define VIRGL_PIPE_RES_BIND 3
#define VIRGL_PIPE_RES_WIDTH 4
#define VIRGL_PIPE_RES_HEIGHT 5
#define VIRGL_PIPE_RES_DEPTH 6
#define VIRGL_PIPE_RES_ARRAY_SIZE 7
#define VIRGL_PIPE_RES_LAST_LEVEL 8
#define VIRGL_PIPE_RES_NR_SAMPLES 9
#define VIRGL_PIPE_RES_FLAGS 10

/* What GET_MEMORY_INFO (word 1: resource) writes: six words. */
#define VIRGL_MEMORY_INFO_BYTES 24

/* Planar formats, which have a description but no single block. */
#define VIRGL_FORMAT_YV12 163
#define VIRGL_FORMAT_NV21 167
