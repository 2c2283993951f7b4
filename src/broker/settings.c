/* SPDX-License-Identifier: MIT */
/*
 * Configuration: one table of keys serves the file (inih) and the command line, so that what one
 * can say the other can, with the same words and the same errors.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "broker/budget.h"
#include "broker/settings-value.h"
#include "broker/settings.h"
#include "util/cleanup.h"
#include "util/error.h"

#define AT(member) offsetof(struct sl_config, member)

static const struct sl_key keys[] = {
	{ "broker", "directory", SL_KEY_PATH, AT(directory), 0, "DIR",
		"lock, sockets and domains (default /run/sluice or $XDG_RUNTIME_DIR/sluice)" },
	{ "broker", "shared", SL_KEY_BOOL, AT(shared), 0, "on|off",
		"offer the shared socket DIR/vtest (default on)" },
	{ "broker", "shared-mode", SL_KEY_MODE, AT(shared_mode), 0, "MODE",
		"its permissions (default 0666)" },
	{ "broker", "shared-group", SL_KEY_TEXT, AT(shared_group), 0, "GROUP",
		"its group (default: the broker's)" },
	{ "broker", "watchdog", SL_KEY_UINT, AT(watchdog_s), 86400, "SECONDS",
		"kill a worker that is this long in one renderer call (default 60, 0: never)" },
	{ "broker", "grace", SL_KEY_UINT, AT(grace_ms), 600000, "MILLISECONDS",
		"from a request to end until the worker is killed (default 2000)" },
	{ "broker", "idle-exit", SL_KEY_UINT, AT(idle_exit_s), 86400 * 365, "SECONDS",
		"end when nobody has used the broker for so long (default 0: never)" },
	{ "broker", "cgroup", SL_KEY_CGROUP, AT(cgroup), 0, "auto|on|off",
		"put workers into a cgroup per domain (default auto: where delegated)" },
	{ "broker", "log-level", SL_KEY_LEVEL, AT(log_level), 0, "err|warning|notice|info|debug",
		"what is logged (default info)" },
	{ "renderer", "backend", SL_KEY_WORD, AT(backend), 0, "virgl|null",
		"what draws (default virgl; null draws nothing, for tests)" },
	{ "renderer", "host-gl", SL_KEY_WORD, AT(host_gl), 0, "on|core|es",
		"the host's GL: OpenGL else ES, OpenGL core only, ES only (default on)" },
	{ "renderer", "render-node", SL_KEY_PATH, AT(render_node), 0, "PATH",
		"the GPU (default: none, EGL surfaceless)" },
	{ "renderer", "egl-library", SL_KEY_PATH, AT(egl_library), 0, "PATH", "another libEGL" },
	{ "renderer", "gles-library", SL_KEY_PATH, AT(gles_library), 0, "PATH",
		"another libGLESv2" },
	{ "renderer", "bind", SL_KEY_LIST, AT(binds), 0, "PATH",
		"one more path that the renderer may read (again for more)" },
	{ "renderer", "llvmpipe-threads", SL_KEY_THREADS, AT(llvmpipe_threads), 256, "auto|N",
		"threads of a software renderer (default auto)" },
	{ "workers", "warm", SL_KEY_UINT, AT(warm), 256, "N", "workers kept ready (default 2)" },
	{ "workers", "spawns", SL_KEY_UINT, AT(spawns), 256, "N",
		"workers started at the same time, at most (default 4)" },
	{ "workers", "waiting", SL_KEY_UINT, AT(waiting), 65536, "N",
		"connections that may wait for a worker (default 256)" },
	{ "workers", "zygote", SL_KEY_BOOL, AT(zygote), 0, "on|off",
		"fork workers off one initialised process (default on)" },
	{ "workers", "sandbox", SL_KEY_BOOL, AT(sandbox), 0, "on|off",
		"confine workers (default on; off is for development only)" },
	{ "workers", "uid-base", SL_KEY_UINT, AT(uid_base), UINT32_MAX - 1, "UID",
		"first uid of a range for workers (default 0: none)" },
	{ "workers", "uid-count", SL_KEY_UINT, AT(uid_count), UINT32_MAX - 1, "N",
		"uids in that range" },
	{ "workers", "worker", SL_KEY_PATH, AT(worker), 0, "PATH",
		"the sluice-worker program (default: the one installed with sluiced)" },
	{ "workers", "worker-arg", SL_KEY_LIST, AT(worker_args), 0, "ARG",
		"one more argument for it (again for more; for tests)" },
	{ "limits", "mem", SL_KEY_SIZE, AT(limits.mem_bytes), INT64_MAX, "SIZE",
		"memory a session may cause (default 1G)" },
	{ "limits", "cmd", SL_KEY_SIZE32, AT(limits.cmd_bytes), UINT32_MAX, "SIZE",
		"one command buffer (default 4M)" },
	{ "limits", "resources", SL_KEY_UINT32, AT(limits.resources), UINT32_MAX, "N",
		"live resources of a session (default 65536)" },
	{ "limits", "contexts", SL_KEY_UINT32, AT(limits.contexts), UINT32_MAX, "N",
		"live contexts of a session (default 64)" },
	{ "limits", "syncs", SL_KEY_UINT32, AT(limits.syncs), UINT32_MAX, "N",
		"live sync objects of a session (default 4096)" },
	{ "limits", "message", SL_KEY_UINT32, AT(limits.message_ms), UINT32_MAX, "MILLISECONDS",
		"from a message's first byte to its last (default 10000)" },
	{ "limits", "sessions", SL_KEY_UINT32, AT(limits.sessions), 1u << 20, "N",
		"sessions of a domain (default 64)" },
	{ "limits", "sessions-total", SL_KEY_UINT, AT(sessions_total), 1u << 20, "N",
		"sessions of the broker (default 1024)" },
	{ "limits", "shader-cache", SL_KEY_SIZE, AT(shader_cache_bytes), 1u << 30, "SIZE",
		"compiled shaders kept for a domain's next session (default 32M, 0: none)" },
};

void sl_config_init(struct sl_config *c)
{
	*c = (struct sl_config){
		.log_level = SL_LOG_INFO,
		.shared = true,
		.shared_mode = 0666,
		.watchdog_s = 60,
		.grace_ms = 2000,
		.llvmpipe_threads = -1,
		.warm = 2,
		.spawns = 4,
		.waiting = 256,
		.zygote = true,
		.sandbox = true,
		.limits = SL_BUDGET_DEFAULT,
		.sessions_total = SL_BUDGET_SESSIONS_TOTAL,
		.shader_cache_bytes = SL_BUDGET_SHADER_CACHE,
	};
}

static char **list_free(char **l)
{
	for (char **p = l; p && *p; p++) {
		free(*p);
	}
	free(l);
	return NULL;
}

void sl_config_fini(struct sl_config *c)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(keys); i++) {
		char *at = (char *)c + keys[i].offset;

		if (keys[i].kind == SL_KEY_LIST) {
			list_free(*(char ***)at);
		} else if (keys[i].kind == SL_KEY_TEXT || keys[i].kind == SL_KEY_PATH ||
			   keys[i].kind == SL_KEY_WORD) {
			free(*(char **)at);
		}
	}
	*c = (struct sl_config){};
}

static int set(struct sl_config *c, const struct sl_key *k, const char *value, char **ret_error)
{
	int r = sl_key_set(k, (char *)c + k->offset, value);

	if (r == -EINVAL) {
		return sl_error_line(ret_error, -EINVAL, "%s: bad value '%s': give %s", k->name,
			value, k->words);
	}
	return r;
}

int sl_config_set(struct sl_config *c, const char *key, const char *value, char **ret_error)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i].name, key) == 0) {
			return set(c, &keys[i], value, ret_error);
		}
	}
	return sl_error_line(ret_error, -EINVAL, "%s: unknown key: see sluice.conf(5)", key);
}

struct reading {
	struct sl_config *config;
	char *error; /* the first one */
};

static int handle(void *user, const char *section, const char *name, const char *value)
{
	struct reading *rd = user;

	if (rd->error) {
		return 0;
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i].name, name) != 0) {
			continue;
		}
		if (strcmp(keys[i].section, section) != 0) {
			sl_error_line(&rd->error, -EINVAL, "%s: belongs into section [%s]", name,
				keys[i].section);
			return 0;
		}
		return set(rd->config, &keys[i], value, &rd->error) == 0;
	}
	sl_error_line(&rd->error, -EINVAL, "%s: unknown key in section [%s]: see sluice.conf(5)",
		name, section);
	return 0;
}

int sl_config_read(struct sl_config *c, const char *path, bool may_miss, char **ret_error)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	struct reading rd = { .config = c };
	int line;

	if (!f) {
		int r = -errno;

		if (r == -ENOENT && may_miss) {
			return 0;
		}
		sl_error_line(ret_error, -EINVAL, "%s: %s: give --config a readable file", path,
			strerror(-r));
		return r;
	}
	line = ini_parse_file(f, handle, &rd);
	if (line != 0) {
		sl_error_line(ret_error, -EINVAL, "%s:%d: %s", path, line,
			rd.error ? rd.error : "not of the form [section] or key = value");
		free(rd.error);
		return -EINVAL;
	}
	return 0;
}

int sl_config_check(const struct sl_config *c, char **ret_error)
{
	if (c->spawns == 0) {
		return sl_error_line(
			ret_error, -EINVAL, "spawns: 0 would start no worker: give at least 1");
	}
	if ((c->uid_base == 0) != (c->uid_count == 0)) {
		return sl_error_line(ret_error, -EINVAL,
			"uid-base and uid-count: one without the other: set both");
	}
	if (c->uid_base + c->uid_count > UINT32_MAX - 1) {
		return sl_error_line(ret_error, -EINVAL,
			"uid-base: the range goes beyond the last uid: lower it");
	}
	return 0;
}

const char *sl_config_key(unsigned int i, const char **ret_argument, const char **ret_help)
{
	if (i >= SL_ARRAY_LEN(keys)) {
		return NULL;
	}
	*ret_argument = keys[i].words;
	*ret_help = keys[i].help;
	return keys[i].name;
}
