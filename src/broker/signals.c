/* SPDX-License-Identifier: MIT */
/*
 * Signals: to end, and of children. Workers and zygotes are watched by pidfd; what else the broker
 * inherits as a subreaper is only reaped.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "broker/broker.h"
#include "broker/child.h"
#include "broker/pool.h"
#include "broker/session.h"

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct sl_broker *b = user;

	if (b->stopping) {
		/* Asked twice: no more patience. */
		struct sl_bsession *session, *tmp;

		sl_list_for_each_safe (session, tmp, &b->sessions, link) {
			sl_bsession_kill(session, "the broker was told twice to end");
		}
		return 0;
	}
	sl_info("%s: ending", strsignal((int)si->ssi_signo));
	sl_broker_stop(b, SL_BROKER_EXIT_OK);
	return 0;
}

static bool check_children(struct sl_broker *b, pid_t pid)
{
	struct sl_pool *p;
	struct sl_child *c;

	sl_list_for_each (p, &b->pools, link) {
		sl_list_for_each (c, &p->children, link) {
			if (c->pid == pid) {
				return sl_child_check(c);
			}
		}
	}
	return false;
}

/*
 * As a subreaper we inherit whatever a dying zygote leaves. Workers and zygotes have their pidfds;
 * everything else is reaped here so that no zombie stays.
 */
static int on_sigchld(sd_event_source *s, const struct signalfd_siginfo *si, void *user)
{
	struct sl_broker *b = user;

	for (unsigned int i = 0; i < 256; i++) {
		siginfo_t peek = {};
		struct sl_pool *p;
		bool zygote = false;

		if (waitid(P_ALL, 0, &peek, WEXITED | WNOHANG | WNOWAIT) < 0 || peek.si_pid == 0) {
			break;
		}
		sl_list_for_each (p, &b->pools, link) {
			zygote |= sl_pool_has_zygote(p, peek.si_pid);
		}
		if (zygote) {
			/* Its own pidfd is next in line, and the launcher wants its status. */
			break;
		}
		if (!check_children(b, peek.si_pid)) {
			waitid(P_PID, (id_t)peek.si_pid, &peek, WEXITED | WNOHANG);
		}
	}
	return 0;
}

int sl_broker_watch_signals(struct sl_broker *b)
{
	static const int signals[] = { SIGTERM, SIGINT };
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SL_ARRAY_LEN(signals) && r >= 0; i++) {
		r = sd_event_add_signal(b->event, &b->signals[i], signals[i], on_signal, b);
	}
	if (r >= 0) {
		r = sd_event_add_signal(b->event, &b->signals[2], SIGCHLD, on_sigchld, b);
	}
	if (r >= 0) {
		/* pidfds know better: they go first. */
		r = sd_event_source_set_priority(b->signals[2], SD_EVENT_PRIORITY_NORMAL + 10);
	}
	return r;
}
