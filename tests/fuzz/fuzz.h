/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A fuzz target: judge one input, return 0. Called by libFuzzer, or by standalone.c with the files
 * of a corpus.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
