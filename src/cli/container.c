/* SPDX-License-Identifier: MIT */
/*
 * A container as data: mounts in order and an environment, before bubblewrap is told. Nothing here
 * looks at the host but for the host's answer whether it lets us make namespaces at all.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/container.h"

void sl_container_init(struct sl_container *c)
{
	*c = (struct sl_container){};
}

void sl_container_fini(struct sl_container *c)
{
	for (size_t i = 0; i < c->n_mounts; i++) {
		free(c->mounts[i].src);
		free(c->mounts[i].dst);
	}
	for (size_t i = 0; i < c->n_env; i++) {
		free(c->env[i]);
	}
	free(c->mounts);
	free(c->env);
	free(c->hostname);
	free(c->workdir);
	*c = (struct sl_container){};
}

void sl_container_mount(
	struct sl_container *c, enum sl_mount_kind kind, const char *src, const char *dst)
{
	struct sl_mount m = { .kind = kind, .src = src ? strdup(src) : NULL, .dst = strdup(dst) };
	struct sl_mount *mounts = reallocarray(c->mounts, c->n_mounts + 1, sizeof(*c->mounts));

	if (mounts) {
		c->mounts = mounts;
	}
	if (!mounts || !m.dst || (src && !m.src)) {
		free(m.src);
		free(m.dst);
		c->out_of_memory = true;
		return;
	}
	mounts[c->n_mounts++] = m;
}

static char **find_env(const struct sl_container *c, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < c->n_env; i++) {
		if (strncmp(c->env[i], name, len) == 0 && c->env[i][len] == '=') {
			return &c->env[i];
		}
	}
	return NULL;
}

const char *sl_container_getenv(const struct sl_container *c, const char *name)
{
	char **e = find_env(c, name);

	return e ? *e + strlen(name) + 1 : NULL;
}

void sl_container_setenv(struct sl_container *c, const char *name, const char *value)
{
	char **old = find_env(c, name), **env = NULL, *s;

	if (asprintf(&s, "%s=%s", name, value) < 0) {
		c->out_of_memory = true;
		return;
	}
	if (old) {
		free(*old);
		*old = s;
		return;
	}
	env = reallocarray(c->env, c->n_env + 1, sizeof(*c->env));
	if (!env) {
		free(s);
		c->out_of_memory = true;
		return;
	}
	c->env = env;
	env[c->n_env++] = s;
}

/* Ask the kernel, in a child: nothing else knows all the knobs that may forbid it. */
static int try_user_namespace(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

int sl_container_check_host(void)
{
	int r = try_user_namespace();

	switch (r) {
	case 0:
		return SL_EXIT_OK;
	case -EPERM:
	case -EACCES:
		sl_cli_error("user namespaces: %s: allow them (sysctl "
			     "kernel.unprivileged_userns_clone=1, or the AppArmor or container "
			     "profile that forbids them)",
			strerror(-r));
		break;
	case -ENOSPC:
	case -EUSERS:
		sl_cli_error("user namespaces: none left (%s): raise sysctl "
			     "user.max_user_namespaces",
			strerror(-r));
		break;
	default:
		sl_cli_error("user namespaces: %s: use a kernel with CONFIG_USER_NS", strerror(-r));
		break;
	}
	return SL_EXIT_RUN_FAILED;
}
