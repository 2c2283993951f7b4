/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/backend.h"

/*
 * The null back end: checks everything, draws nothing. The template for a new back end, and the
 * test double for front ends.
 */
struct sl_null_options {
	/* Complete fences only from poll(), through an eventfd, as a GPU would. */
	bool async;
};

int sl_null_new(const struct sl_null_options *o, struct sl_backend **ret);
