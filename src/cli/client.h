/* SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "protocol/control.h"
#include "util/cleanup.h"

/* A connection to a broker's control socket. Calls block, up to a bound. */
struct sl_client;

/*
 * The directory that is used when none is given: $SLUICE_DIRECTORY, else /run/sluice for root,
 * else $XDG_RUNTIME_DIR/sluice. 0 with *ret (the caller's), or -ENOENT with *ret_error.
 */
int sl_client_default_directory(char **ret, char **ret_error);

/*
 * Connect to the broker of @directory (NULL: the one given before the command, else the default
 * one) and say hello. 0; or -errno with *ret_error, one line of the form "OBJECT: CAUSE: REMEDY"
 * (the caller's). -ECONNREFUSED and -ENOENT mean that no broker is there: SL_EXIT_NO_BROKER.
 */
int sl_client_connect(const char *directory, struct sl_client **ret, char **ret_error);
struct sl_client *sl_client_free(struct sl_client *c);

static inline void sl_client_freep(struct sl_client **c)
{
	sl_client_free(*c);
}
#define _cleanup_client_ _cleanup_(sl_client_freep)

/*
 * Call @method and wait for its reply. @params (may be NULL) is taken over, also on failure; @fd
 * (-1: none) goes with the request and stays the caller's. 0 with *ret_result (the caller's
 * reference; may be NULL if nobody wants it); a positive enum sl_control_code when the broker
 * refused; -errno when the connection failed (it is then of no more use). *ret_error is one
 * line in the last two cases (the caller's).
 */
int sl_client_call(struct sl_client *c, const char *method, json_t *params, int fd,
	json_t **ret_result, char **ret_error);

/* The answer to hello, borrowed: version, pid, directory, renderer, sandbox, shared_socket ... */
const json_t *sl_client_hello(const struct sl_client *c);
/* The broker's directory as it says itself, absolute. */
const char *sl_client_directory(const struct sl_client *c);
/* To watch for the broker's death (POLLHUP); nothing else is to be done with it. */
int sl_client_fd(const struct sl_client *c);

/* The exit status for a result of sl_client_connect() or _call(). */
int sl_client_exit_status(int result);
