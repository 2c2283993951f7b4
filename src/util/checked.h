/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Arithmetic on numbers that a client chose. Each returns false on overflow and leaves *ret
 * untouched then.
 */
#define SL_CHECKED(name, type, builtin)                                                            \
	static inline bool name(type a, type b, type *ret)                                         \
	{                                                                                          \
		type r;                                                                            \
		if (builtin(a, b, &r)) {                                                           \
			return false;                                                              \
		}                                                                                  \
		*ret = r;                                                                          \
		return true;                                                                       \
	}

SL_CHECKED(sl_add_u32, uint32_t, __builtin_add_overflow)
SL_CHECKED(sl_mul_u32, uint32_t, __builtin_mul_overflow)
SL_CHECKED(sl_add_u64, uint64_t, __builtin_add_overflow)
SL_CHECKED(sl_mul_u64, uint64_t, __builtin_mul_overflow)

static inline uint64_t sl_align_u64(uint64_t v, uint64_t align)
{
	return (v + align - 1) / align * align;
}
