/* SPDX-License-Identifier: MIT */
/*
 * The stats page: written by the worker once per turn of its loop, read by the broker at any time.
 * Every word stands for itself, so there is no lock; a reader may see words of two turns.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "protocol/worker.h"
#include "util/cleanup.h"
#include "util/fds.h"
#include "worker/shaders.h"
#include "worker/stats.h"

struct sl_stats {
	struct sl_ctl_stats_page *page;
};

int sl_stats_new(struct sl_stats **ret, int *ret_fd)
{
	struct sl_stats *s = calloc(1, sizeof(*s));
	_cleanup_close_ int fd = -1;
	int r;

	if (!s) {
		return -ENOMEM;
	}
	fd = sl_memfd_sealed("sluice-stats", sizeof(*s->page));
	s->page = fd < 0 ? MAP_FAILED
			 : mmap(NULL, sizeof(*s->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->page == MAP_FAILED) {
		r = fd < 0 ? fd : -errno;
		free(s);
		return r;
	}
	*ret = s;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

struct sl_stats *sl_stats_free(struct sl_stats *s)
{
	if (s) {
		munmap(s->page, sizeof(*s->page));
		free(s);
	}
	return NULL;
}

#define SET(field, value) __atomic_store_n(&s->page->field, value, __ATOMIC_RELAXED)

void sl_stats_busy(struct sl_stats *s, uint64_t now_ns)
{
	SET(busy_since_ns, now_ns);
}

void sl_stats_idle(struct sl_stats *s, const struct sl_session *session, uint64_t attached_ns)
{
	struct sl_session_stats st;

	sl_session_stats(session, &st);
	SET(submits, st.submits);
	SET(commands, st.commands);
	SET(transfer_bytes, st.transfer_bytes);
	SET(bytes_in, st.bytes_in);
	SET(faults, st.faults);
	SET(stall_ns, st.stall_ns);
	SET(mem_bytes, st.mem_bytes);
	SET(mem_peak_bytes, st.mem_peak_bytes);
	SET(mem_refused, st.mem_refused);
	SET(resources, st.resources);
	SET(contexts, st.contexts);
	SET(last_fault, st.last_fault);
	SET(shader_hits, sl_shaders_hits());
	if (st.first_result_ns > attached_ns && s->page->first_frame_ns == 0) {
		SET(first_frame_ns, st.first_result_ns - attached_ns);
	}
	SET(busy_since_ns, 0);
	SET(heartbeat, s->page->heartbeat + 1);
}
