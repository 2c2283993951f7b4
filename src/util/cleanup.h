/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <dirent.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _noreturn_ __attribute__((noreturn))
#define _packed_ __attribute__((packed))

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) _taken = (p);                                                        \
		(p) = NULL;                                                                        \
		_taken;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int _taken = (fd);                                                                 \
		(fd) = -1;                                                                         \
		_taken;                                                                            \
	})

static inline void sl_freep(void *p)
{
	free(*(void **)p);
}

/* Close @fd unless it is negative, keep errno. Returns -1, to be assigned back. */
int sl_close(int fd);

static inline void sl_closep(int *fd)
{
	sl_close(*fd);
}

static inline void sl_fclosep(FILE **f)
{
	if (*f) {
		fclose(*f);
	}
}

static inline void sl_closedirp(DIR **d)
{
	if (*d) {
		closedir(*d);
	}
}

#define _cleanup_free_ _cleanup_(sl_freep)
#define _cleanup_close_ _cleanup_(sl_closep)
#define _cleanup_fclose_ _cleanup_(sl_fclosep)
#define _cleanup_closedir_ _cleanup_(sl_closedirp)

#define SL_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SL_MIN(a, b)                                                                               \
	({                                                                                         \
		__typeof__(a) _a = (a);                                                            \
		__typeof__(b) _b = (b);                                                            \
		_a < _b ? _a : _b;                                                                 \
	})
#define SL_MAX(a, b)                                                                               \
	({                                                                                         \
		__typeof__(a) _a = (a);                                                            \
		__typeof__(b) _b = (b);                                                            \
		_a > _b ? _a : _b;                                                                 \
	})
#define sl_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
