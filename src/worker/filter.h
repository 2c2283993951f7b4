/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

struct sock_filter;

/* A compiled seccomp program: made once in the zygote, installed by each worker. */
struct sl_filter {
	struct sock_filter *code;
	size_t n;
};

enum sl_filter_kind {
	/* The renderer was inherited: no threads to come, no files, no device. */
	SL_FILTER_INHERITED,
	/* The worker's own renderer: driver threads and a GPU's ioctls. */
	SL_FILTER_OWN_RENDERER,
};

int sl_filter_compile(enum sl_filter_kind kind, struct sl_filter *ret);
void sl_filter_fini(struct sl_filter *f);

/* For every thread of the process and for good. Needs no_new_privs. 0 or -errno. */
int sl_filter_install(const struct sl_filter *f);
