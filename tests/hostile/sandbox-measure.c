/* SPDX-License-Identifier: MIT */
/*
 * What a worker costs: from SPAWN to READY, from ATTACH to the first reply, and the memory of many
 * of them at once (proportional set size, which counts shared pages once; reading it needs root).
 * Usage: sandbox-measure WORKER [--count=N] [--null]
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox-harness.h"
#include "util/cleanup.h"
#include "util/fds.h"

#define MAX_WORKERS 200

static int compare(const void *a, const void *b)
{
	double d = *(const double *)a - *(const double *)b;

	return d < 0 ? -1 : d > 0;
}

static void print_times(const char *name, double *ms, size_t n)
{
	qsort(ms, n, sizeof(*ms), compare);
	printf("%-24s median %7.2f ms, lowest %7.2f, highest %7.2f\n", name, ms[n / 2], ms[0],
		ms[n - 1]);
}

/* A field of smaps_rollup in KiB. */
static long memory_kib(pid_t pid, const char *field)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *at;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	if (sl_read_file_at(-1, path, 65536, &text, NULL) < 0 || !(at = strstr(text, field))) {
		return -1;
	}
	return strtol(at + strlen(field), NULL, 10);
}

static void print_memory(const char *name, const struct h_worker *w, size_t n, pid_t zygote)
{
	long pss = 0, private = 0;

	for (size_t i = 0; i < n; i++) {
		pss += memory_kib(w[i].pid, "\nPss:");
		private += memory_kib(w[i].pid, "\nPrivate_Dirty:");
	}
	printf("%-24s PSS %.2f MiB, private dirty %.2f MiB each; zygote PSS %.2f MiB\n", name,
		(double)pss / 1024 / (double)n, (double)private / 1024 / (double)n,
		(double)memory_kib(zygote, "\nPss:") / 1024);
}

int main(int argc, char **argv)
{
	struct sl_launch_options o = { .llvmpipe_threads = 0 };
	static struct h_worker w[MAX_WORKERS];
	static double spawn[MAX_WORKERS], ready[MAX_WORKERS], reply[MAX_WORKERS];
	size_t n = 50;
	struct sl_launcher *l;
	uint64_t began = sl_now_ns();

	if (argc < 2) {
		h_bail("usage: %s WORKER [--count=N] [--null]", argv[0]);
	}
	o.worker_path = argv[1];
	for (int i = 2; i < argc; i++) {
		o.null_backend |= strcmp(argv[i], "--null") == 0;
		if (strncmp(argv[i], "--count=", 8) == 0) {
			n = SL_MIN(strtoul(argv[i] + 8, NULL, 10), (unsigned long)MAX_WORKERS);
		}
	}
	l = h_launch(&o);
	for (size_t i = 0; i < n; i++) {
		h_spawn(l, (uint32_t)i, &w[i]);
		spawn[i] = (double)(w[i].spawned_ns - w[i].asked_ns) / 1e6;
		ready[i] = (double)(w[i].ready_ns - w[i].asked_ns) / 1e6;
		if (i == 0) {
			printf("%-24s %.1f ms\n", "start to first READY",
				(double)(w[0].ready_ns - began) / 1e6);
		}
	}
	/* The first waits for the renderer. */
	print_times("SPAWN to SPAWNED", spawn + 1, n - 1);
	print_times("SPAWN to READY", ready + 1, n - 1);
	print_memory("warm", w, n, sl_launcher_pid(l));
	for (size_t i = 0; i < n; i++) {
		int pair[2];
		uint64_t at = sl_now_ns();

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
			h_bail("socketpair");
		}
		h_attach(&w[i], pair[1], "measure");
		close(pair[1]);
		if (h_handshake(pair[0]) < 2) {
			h_bail("no handshake");
		}
		reply[i] = (double)(sl_now_ns() - at) / 1e6;
	}
	print_times("ATTACH to handshake", reply, n);
	print_memory("serving, nothing drawn", w, n, sl_launcher_pid(l));
	sl_launcher_free(l);
	return 0;
}
