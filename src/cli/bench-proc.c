/* SPDX-License-Identifier: MIT */
/*
 * What process trees use, from /proc. The same rule for every column, whatever its server's
 * processes are called: everything below the roots, ended and reaped children included.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "util/fds.h"

#define STAT_MAX 4096
#define SMAPS_MAX 16384

struct entry {
	pid_t pid, parent;
	uint64_t ticks; /* own and of reaped children */
	bool inside;
};

struct table {
	struct entry *entries;
	size_t n, allocated;
};

/* proc(5): the name in parentheses may hold anything, so fields are counted from its end. */
static bool parse_stat(char *text, struct entry *e)
{
	char *rest = strrchr(text, ')');
	unsigned long utime, stime;
	long cutime, cstime;
	int parent;

	if (!rest || sscanf(rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
			     &parent, &utime, &stime, &cutime, &cstime) != 5) {
		return false;
	}
	e->parent = parent;
	e->ticks = utime + stime + (uint64_t)cutime + (uint64_t)cstime;
	return true;
}

static bool append(struct table *t, struct entry e)
{
	if (t->n == t->allocated) {
		size_t more = t->allocated ? t->allocated * 2 : 256;
		struct entry *bigger = reallocarray(t->entries, more, sizeof(*bigger));

		if (!bigger) {
			return false;
		}
		t->entries = bigger;
		t->allocated = more;
	}
	t->entries[t->n++] = e;
	return true;
}

static void read_table(struct table *t)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *d;

	while (proc && (d = readdir(proc))) {
		struct entry e = { .pid = atoi(d->d_name) };
		_cleanup_free_ char *text = NULL;
		char path[64];

		if (!isdigit((unsigned char)d->d_name[0])) {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/stat", e.pid);
		if (sl_read_file_at(AT_FDCWD, path, STAT_MAX, &text, NULL) == 0 &&
			parse_stat(text, &e) && !append(t, e)) {
			return;
		}
	}
}

static bool is_inside(const struct table *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->entries[i].pid == pid) {
			return t->entries[i].inside;
		}
	}
	return false;
}

static void mark(struct table *t, const pid_t *roots, size_t n_roots)
{
	bool changed = true;

	for (size_t i = 0; i < t->n; i++) {
		for (size_t k = 0; k < n_roots; k++) {
			t->entries[i].inside |= roots[k] > 0 && t->entries[i].pid == roots[k];
		}
	}
	while (changed) {
		changed = false;
		for (size_t i = 0; i < t->n; i++) {
			struct entry *e = &t->entries[i];

			if (!e->inside && is_inside(t, e->parent)) {
				e->inside = changed = true;
			}
		}
	}
}

double sl_bench_tree_cpu_s(const pid_t *roots, size_t n_roots)
{
	struct table t = {};
	uint64_t ticks = 0;

	read_table(&t);
	mark(&t, roots, n_roots);
	for (size_t i = 0; i < t.n; i++) {
		ticks += t.entries[i].inside ? t.entries[i].ticks : 0;
	}
	free(t.entries);
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* The value in KiB behind "Key:" in a file of such lines, or NAN. */
static double read_kib(const char *path, const char *key)
{
	_cleanup_free_ char *text = NULL;
	const char *at;

	if (sl_read_file_at(AT_FDCWD, path, SMAPS_MAX, &text, NULL) < 0) {
		return NAN;
	}
	at = strstr(text, key);
	return at ? strtod(at + strlen(key), NULL) : NAN;
}

double sl_bench_tree_pss_mib(pid_t root)
{
	struct table t = {};
	double kib = 0;

	read_table(&t);
	mark(&t, &root, 1);
	for (size_t i = 0; i < t.n; i++) {
		char path[64];

		if (!t.entries[i].inside) {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", t.entries[i].pid);
		kib += read_kib(path, "\nPss:");
	}
	free(t.entries);
	return kib > 0 ? kib / 1024 : NAN;
}

double sl_bench_memory_available_mib(void)
{
	return read_kib("/proc/meminfo", "MemAvailable:") / 1024;
}
