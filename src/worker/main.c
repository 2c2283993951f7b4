/* SPDX-License-Identifier: MIT */
/* sluice-worker: the process in which a session's renderer runs. See src/launcher/launcher.h. */
#include <fcntl.h>
#include <sys/prctl.h>

#include "worker/worker.h"

int main(int argc, char **argv)
{
	struct sl_worker_options o;

	switch (sl_worker_options_parse(argc, argv, &o)) {
	case SL_OPTIONS_RUN:
		break;
	case SL_OPTIONS_DONE:
		return SL_WORKER_OK;
	default:
		return SL_WORKER_USAGE;
	}
	/* Started by fd, the kernel would call it by a number. */
	prctl(PR_SET_NAME, "sluice-worker");
	sl_log_init("sluice-zygote", o.log_level);
	fcntl(o.channel_fd, F_SETFD, FD_CLOEXEC);
	return sl_zygote_run(&o);
}
