/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#include "protocol/control.h"
#include "util/list.h"

struct sl_broker;

/* One connection to the control socket. Requests are answered in order, one at a time. */
struct sl_peer {
	struct sl_list link; /* in the broker's peers */
	struct sl_broker *broker;
	int fd;
	sd_event_source *source;
	char in[SL_CONTROL_REQUEST_MAX];
	size_t in_len;
	char *out; /* the reply that is being sent, or NULL */
	size_t out_len, out_done;
	int passed_fd; /* came with a request that is not handled yet; -1 */
	bool closing;  /* after the reply */
};

/* Accept on the control socket; @fd is an activated one, or -1. 0, or -errno and a line. */
int sl_control_start(struct sl_broker *b, int fd, char **ret_error);
/* Close the socket; connections stay until their replies are out. */
void sl_control_stop(struct sl_broker *b);
struct sl_peer *sl_peer_free(struct sl_peer *p);

/* From control-methods.c: the reply's line to a request's line, the caller's; NULL: no memory. */
char *sl_control_handle(struct sl_peer *p, const char *line, size_t len);
