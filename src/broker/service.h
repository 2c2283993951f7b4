/* SPDX-License-Identifier: MIT */
#pragma once

struct sl_broker;

/* The service manager's side: sockets it hands in, and what it is told. */

/*
 * LISTEN_FDS: a socket named "control" or "vtest" (FileDescriptorName=), or else at a path that
 * ends so. -1 where there is none. 0, or -errno with *ret_error, one line (the caller's).
 */
int sl_service_sockets(int *ret_control, int *ret_vtest, char **ret_error);

/* READY=1; STATUS=; STOPPING=1. Harmless without a service manager. */
void sl_service_ready(const struct sl_broker *b);
void sl_service_status(const struct sl_broker *b);
void sl_service_stopping(void);
