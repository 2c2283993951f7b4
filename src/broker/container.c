/* SPDX-License-Identifier: MIT */
/*
 * Container ids out of cgroup paths. There is no standard; these are the shapes in the field:
 *
 *	/docker/ID                                     docker, cgroupfs driver
 *	/system.slice/docker-ID.scope                  docker, systemd driver
 *	/machine.slice/libpod-ID.scope/container       podman
 *	/libpod_parent/libpod-ID                       podman, cgroupfs
 *	/kubepods/besteffort/podUID/ID                 Kubernetes, cgroupfs
 *	/kubepods.slice/…/cri-containerd-ID.scope      containerd
 *	/kubepods.slice/…/crio-ID.scope                CRI-O
 *	/machine.slice/systemd-nspawn@NAME.service     systemd-nspawn
 *	/machine.slice/machine-NAME.scope              machined
 *	/lxc.payload.NAME, /lxc/NAME                   LXC
 *
 * ID is 64 hex digits. A conmon scope is the monitor's, not the container's. The path is the
 * container runtime's word and for people's eyes: a process with the right to make cgroups can
 * forge it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "broker/identity.h"

#define ID_LEN 64

static bool is_id(const char *s)
{
	return strspn(s, "0123456789abcdef") >= ID_LEN && strspn(s, "0123456789abcdef") == ID_LEN;
}

/* "PREFIX-ID" or "PREFIX-ID.scope" or a bare ID. */
static const char *find_id(const char *part, size_t len)
{
	const char *id = part;

	for (size_t i = 0; i < len; i++) {
		if (part[i] == '-') {
			id = part + i + 1;
		}
	}
	if (!is_id(id)) {
		return NULL;
	}
	if (id != part && memmem(part, (size_t)(id - part), "conmon", 6)) {
		return NULL;
	}
	id += ID_LEN;
	if (id != part + len && strncmp(id, ".scope", 6) != 0) {
		return NULL;
	}
	return id - ID_LEN;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* A unit's instance name: \x2d stands for '-'. */
static void unescape(const char *s, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		if (i + 3 < len && s[i] == '\\' && s[i + 1] == 'x' && hex_digit(s[i + 2]) >= 0 &&
			hex_digit(s[i + 3]) >= 0) {
			ret[n++] = (char)(hex_digit(s[i + 2]) * 16 + hex_digit(s[i + 3]));
			i += 3;
		} else {
			ret[n++] = s[i];
		}
	}
	ret[n] = '\0';
}

static bool take_name(const char *part, size_t len, const char *prefix, const char *suffix,
	char *ret, size_t size)
{
	size_t p = strlen(prefix), s = strlen(suffix);

	if (len <= p + s || strncmp(part, prefix, p) != 0 ||
		strncmp(part + len - s, suffix, s) != 0) {
		return false;
	}
	unescape(part + p, len - p - s, ret, size);
	return true;
}

static bool take_part(
	const char *part, size_t len, const char *parent, size_t parent_len, char *ret, size_t size)
{
	const char *id = find_id(part, len);

	if (id) {
		snprintf(ret, size, "%.*s", ID_LEN, id);
		return true;
	}
	if (parent_len == 3 && strncmp(parent, "lxc", 3) == 0) {
		return take_name(part, len, "", "", ret, size);
	}
	return take_name(part, len, "systemd-nspawn@", ".service", ret, size) ||
	       take_name(part, len, "machine-", ".scope", ret, size) ||
	       take_name(part, len, "lxc.payload.", "", ret, size);
}

/* One line; true when it named a container. */
static bool scan_line(const char *line, size_t len, char *ret, size_t size)
{
	const char *end = line + len, *parent = line;
	const char *part = memchr(line, '/', len);
	size_t parent_len = 0;
	bool found = false;

	while (part && part < end) {
		const char *next;
		size_t n;

		part++;
		next = memchr(part, '/', (size_t)(end - part));
		n = (size_t)((next ? next : end) - part);
		found |= take_part(part, n, parent, parent_len, ret, size);
		parent = part;
		parent_len = n;
		part = next;
	}
	return found;
}

int sl_container_id(const char *text, char *ret, size_t size)
{
	ret[0] = '\0';
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");

		if (scan_line(p, len, ret, size)) {
			return 0;
		}
		p += len + (p[len] == '\n');
	}
	return -ENOENT;
}
