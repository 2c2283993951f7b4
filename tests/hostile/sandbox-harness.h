/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "launcher/launcher.h"

/*
 * What the sandbox tests share: a launcher driven without a broker, its workers, and TAP. Every
 * wait is bounded; a test that cannot go on ends the program with "Bail out!".
 */
#define H_TIMEOUT_MS 20000

struct h_worker {
	int channel, pidfd;
	pid_t pid;
	struct sl_ctl_renderer renderer;
	struct sl_ctl_fault fault; /* text "" until one came */
	const volatile struct sl_ctl_stats_page *stats;
	uint64_t asked_ns, spawned_ns, ready_ns;
	bool ready, attached, bye;
	bool left_shaders;
	int shaders_fd; /* if it has left some */
};

struct h_exit {
	bool signalled;
	int status; /* exit status or signal; -1: the process was not ours to wait for */
};

void h_bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void h_ok(bool pass, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void h_skip(const char *name, const char *why);
/* Prints the plan; the exit status. */
int h_done(void);

/* Become uid and gid @id and run this program again with the same arguments and --dropped. */
void h_drop(char **argv, unsigned int id);

struct sl_launcher *h_launch(const struct sl_launch_options *o);
/* Spawn one and wait until it is ready. */
void h_spawn(struct sl_launcher *l, uint32_t slot, struct h_worker *w);
/* What the zygote said last, "" if nothing. */
const char *h_zygote_fault(void);
/* Handle the worker's messages until @until returns true, or it hangs up; false then. */
bool h_pump(struct h_worker *w, bool (*until)(const struct h_worker *w));
bool h_is_attached(const struct h_worker *w);
bool h_has_fault(const struct h_worker *w);
bool h_said_bye(const struct h_worker *w);
/* Give it @client_fd (stays the caller's) as its session, of this domain. */
void h_attach(struct h_worker *w, int client_fd, const char *domain);
/* Also with a domain's compiled shaders. */
void h_attach_shaders(struct h_worker *w, int client_fd, const char *domain, int archive_fd);
struct h_exit h_wait(struct h_worker *w);
void h_close(struct h_worker *w);
/* Whether the process is gone within the timeout, by its pidfd. */
bool h_is_gone(int pidfd, int timeout_ms);

/* The vtest handshake of Mesa on a client's end of a socket; the version, or -1. */
int h_handshake(int fd);
