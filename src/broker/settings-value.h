/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A key of the configuration, and the reading of its value. Within the settings only. */
enum sl_key_kind {
	SL_KEY_TEXT,
	SL_KEY_PATH,
	SL_KEY_LIST, /* may be given again: adds */
	SL_KEY_BOOL,
	SL_KEY_UINT,
	SL_KEY_UINT32,
	SL_KEY_SIZE,
	SL_KEY_SIZE32,
	SL_KEY_MODE,
	SL_KEY_WORD, /* one of @words */
	SL_KEY_CGROUP,
	SL_KEY_LEVEL,
	SL_KEY_THREADS,
};

struct sl_key {
	const char *section, *name;
	enum sl_key_kind kind;
	size_t offset;
	uint64_t max;
	const char *words; /* for errors and --help */
	const char *help;
};

/*
 * Parse @value and store it in the member at @at, whose type follows from the kind. Texts are
 * copied, the old one freed. 0, -EINVAL or -ENOMEM.
 */
int sl_key_set(const struct sl_key *k, void *at, const char *value);
