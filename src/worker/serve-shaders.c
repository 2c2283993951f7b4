/* SPDX-License-Identifier: MIT */
/*
 * A session and its domain's compiled shaders: what earlier ones have compiled comes with ATTACH,
 * what this one adds goes back at its end, if it ends as it should. Nothing of it is needed to
 * render, so whatever fails here fails alone.
 */
#include <string.h>

#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/shaders.h"
#include "worker/worker.h"

void sl_worker_begin_shaders(const struct sl_ctl_attach *a, int archive_fd)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!(a->flags & SL_CTL_ATTACH_SHADERS)) {
		sl_shaders_disable();
		return;
	}
	fd = archive_fd;
	r = sl_shaders_attach(fd);
	if (r < 0) {
		sl_warn("session %llu: cannot use its domain's compiled shaders: %s",
			(unsigned long long)a->session_id, strerror(-r));
		sl_shaders_disable();
	}
}

void sl_worker_end_shaders(const struct sl_worker *w, const struct sl_ctl_attach *a)
{
	_cleanup_close_ int fd = a->flags & SL_CTL_ATTACH_SHADERS ? sl_shaders_take() : -1;
	union sl_ctl_message m;

	if (fd >= 0) {
		sl_ctl_init(&m, SL_CTL_SHADERS, 1);
		sl_ctl_send(w->channel_fd, &m, &fd);
	}
}
