/* SPDX-License-Identifier: MIT */
/*
 * The tool's end of the control protocol: one connection, one request at a time. The broker is
 * trusted by whoever administers it, but it may be stuck or of another version: every wait is
 * bounded and every reply is checked.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "util/error.h"
#include "util/fds.h"

/* The broker answers from memory; only a stopped or dying one takes longer. */
#define REPLY_TIMEOUT_NS (10 * SL_NSEC_PER_SEC)

struct sl_client {
	int fd;
	int64_t last_id;
	json_t *hello;
	char *path;
	char *buf;
	size_t len, size;
};

int sl_client_default_directory(char **ret, char **ret_error)
{
	const char *env = getenv("SLUICE_DIRECTORY"), *run = getenv("XDG_RUNTIME_DIR");
	int n;

	if (env && *env) {
		n = asprintf(ret, "%s", env);
	} else if (geteuid() == 0) {
		n = asprintf(ret, "/run/sluice");
	} else if (run && *run) {
		n = asprintf(ret, "%s/sluice", run);
	} else {
		return sl_error_line(ret_error, -ENOENT,
			"XDG_RUNTIME_DIR: not set: log in through a session manager or give "
			"--directory DIR");
	}
	return n < 0 ? -ENOMEM : 0;
}

static int wait_for(struct sl_client *c, short events, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now = sl_now_ns();
		struct pollfd p = { .fd = c->fd, .events = events };
		int n;

		if (now >= deadline_ns) {
			return -ETIMEDOUT;
		}
		n = poll(&p, 1, (int)((deadline_ns - now) / SL_NSEC_PER_MSEC) + 1);
		if (n > 0) {
			return 0;
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
	}
}

static int send_line(struct sl_client *c, const char *line, int fd, uint64_t deadline_ns)
{
	size_t len = strlen(line), done = 0;

	while (done < len) {
		struct iovec iov = { (char *)line + done, len - done };
		ssize_t n = sl_sendmsg_fds(c->fd, &iov, 1, &fd, fd >= 0 && done == 0 ? 1 : 0, 0);

		if (n == -EAGAIN) {
			int r = wait_for(c, POLLOUT, deadline_ns);

			if (r < 0) {
				return r;
			}
			continue;
		}
		if (n < 0) {
			return (int)n;
		}
		done += (size_t)n;
	}
	return 0;
}

static int grow(struct sl_client *c)
{
	size_t size = SL_MAX(c->size * 2, (size_t)4096);
	char *buf;

	if (c->len < c->size) {
		return 0;
	}
	if (c->len >= SL_CONTROL_REPLY_MAX) {
		return -EMSGSIZE;
	}
	buf = realloc(c->buf, size);
	if (!buf) {
		return -ENOMEM;
	}
	c->buf = buf;
	c->size = size;
	return 0;
}

/* Read up to a line feed into c->buf; *ret_len is without it. */
static int read_line(struct sl_client *c, size_t *ret_len, uint64_t deadline_ns)
{
	c->len = 0;
	for (;;) {
		ssize_t n;
		int r = grow(c);

		if (r == 0) {
			r = wait_for(c, POLLIN, deadline_ns);
		}
		if (r < 0) {
			return r;
		}
		n = recv(c->fd, c->buf + c->len, c->size - c->len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			continue;
		}
		if (n <= 0) {
			return n == 0 ? -ECONNRESET : -errno;
		}
		c->len += (size_t)n;
		if (c->buf[c->len - 1] == '\n') {
			*ret_len = c->len - 1;
			return 0;
		}
	}
}

int sl_client_call(struct sl_client *c, const char *method, json_t *params, int fd,
	json_t **ret_result, char **ret_error)
{
	int64_t id = ++c->last_id;
	_cleanup_free_ char *line = sl_control_encode_request(id, method, params);
	uint64_t deadline_ns = sl_now_ns() + REPLY_TIMEOUT_NS;
	_cleanup_json_ json_t *result = NULL;
	size_t len = 0;
	int r;

	r = line ? send_line(c, line, fd, deadline_ns) : -ENOMEM;
	if (r == 0) {
		r = read_line(c, &len, deadline_ns);
	}
	if (r == 0) {
		r = sl_control_parse_reply(c->buf, len, id, &result, ret_error);
	}
	if (r == -ETIMEDOUT) {
		return sl_error_line(ret_error, r,
			"%s: the broker does not answer: see its log, or restart it", c->path);
	}
	if (r == -EPROTO) {
		return sl_error_line(ret_error, r,
			"%s: the answer to %s makes no sense: use the sluice that came with this "
			"broker",
			c->path, method);
	}
	if (r < 0) {
		return sl_error_line(ret_error, r, "%s: %s: the broker has ended; see its log",
			c->path, strerror(-r));
	}
	if (r == 0 && ret_result) {
		*ret_result = TAKE_PTR(result);
	}
	return r;
}

static int connect_error(const char *path, int r, char **ret_error)
{
	switch (r) {
	case -ENOENT:
	case -ENOTDIR:
		return sl_error_line(ret_error, -ENOENT,
			"%s: no broker is running there: start sluiced, or name its directory with "
			"--directory",
			path);
	case -ECONNREFUSED:
		return sl_error_line(ret_error, r,
			"%s: stale socket, its broker is gone: start sluiced again", path);
	case -EACCES:
	case -EPERM:
		return sl_error_line(ret_error, r,
			"%s: permission denied: only root and the broker's own user may use it",
			path);
	default:
		return sl_error_line(
			ret_error, r, "%s: %s: is sluiced running?", path, strerror(-r));
	}
}

static int open_socket(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		return -ENAMETOOLONG;
	}
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		return -errno;
	}
	return TAKE_FD(fd);
}

int sl_client_connect(const char *directory, struct sl_client **ret, char **ret_error)
{
	_cleanup_client_ struct sl_client *c = calloc(1, sizeof(*c));
	_cleanup_free_ char *fallback = NULL;
	int r;

	*ret_error = NULL;
	if (!c) {
		return -ENOMEM;
	}
	c->fd = -1;
	if (!directory) {
		directory = sl_cli_directory();
	}
	if (!directory) {
		r = sl_client_default_directory(&fallback, ret_error);
		if (r < 0) {
			return r;
		}
		directory = fallback;
	}
	if (asprintf(&c->path, "%s/control", directory) < 0) {
		c->path = NULL;
		return -ENOMEM;
	}
	c->fd = open_socket(c->path);
	if (c->fd < 0) {
		return connect_error(c->path, c->fd, ret_error);
	}
	r = sl_client_call(c, "hello", NULL, -1, &c->hello, ret_error);
	if (r != 0) {
		return r > 0 ? -EPROTO : r;
	}
	*ret = TAKE_PTR(c);
	return 0;
}

struct sl_client *sl_client_free(struct sl_client *c)
{
	if (c) {
		sl_close(c->fd);
		json_decref(c->hello);
		free(c->path);
		free(c->buf);
		free(c);
	}
	return NULL;
}

const json_t *sl_client_hello(const struct sl_client *c)
{
	return c->hello;
}

const char *sl_client_directory(const struct sl_client *c)
{
	const char *s = json_string_value(json_object_get(c->hello, "directory"));

	return s ? s : "";
}

int sl_client_fd(const struct sl_client *c)
{
	return c->fd;
}

int sl_client_exit_status(int result)
{
	switch (result) {
	case 0:
		return SL_EXIT_OK;
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
	case -ETIMEDOUT:
		return SL_EXIT_NO_BROKER;
	default:
		return SL_EXIT_FAILURE;
	}
}
