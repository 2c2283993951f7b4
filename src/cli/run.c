/* SPDX-License-Identifier: MIT */
/*
 * `sluice run`: a program in a container with a GL session. Everything that it sets up (domain,
 * mounts, display, processes) hangs on this process or its control connection, so that nothing is
 * left when it ends, in whatever way.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "util/fds.h"

/* What a program may know of the caller's environment without being told by name. */
static const char *const handed_on[] = { "TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE",
	"LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "TZ", "USER",
	"LOGNAME" };

static void add_environment(struct sl_container *c, const struct sl_run_options *o)
{
	const char *path = getenv("PATH"), *value;

	sl_container_setenv(c, "PATH",
		path && *path && !o->rootfs
			? path
			: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < SL_ARRAY_LEN(handed_on); i++) {
		value = getenv(handed_on[i]);
		if (value) {
			sl_container_setenv(c, handed_on[i], value);
		}
	}
}

static void add_given_environment(struct sl_container *c, const struct sl_run_options *o)
{
	for (size_t i = 0; i < o->n_env; i++) {
		const char *eq = strchr(o->env[i], '=');
		_cleanup_free_ char *name =
			eq ? strndup(o->env[i], (size_t)(eq - o->env[i])) : strdup(o->env[i]);
		const char *value = eq ? eq + 1 : getenv(o->env[i]);

		if (!name) {
			c->out_of_memory = true;
		} else if (value) {
			sl_container_setenv(c, name, value);
		}
	}
}

static int add_files(struct sl_container *c, const struct sl_run_options *o)
{
	int r = sl_container_add_root(c, o->rootfs, getenv("HOME"));

	if (r == SL_EXIT_OK && o->share_net && !o->rootfs) {
		sl_container_add_resolver(c);
	}
	if (r == SL_EXIT_OK && !o->rootfs) {
		sl_container_add_current_dir(c);
	}
	for (size_t i = 0; r == SL_EXIT_OK && i < o->n_binds; i++) {
		r = sl_container_add_bind(
			c, o->binds[i].option, o->binds[i].arg, o->binds[i].read_only);
	}
	if (r == SL_EXIT_OK && o->workdir) {
		r = sl_container_set_workdir(c, o->workdir);
	}
	return r;
}

static int compose(struct sl_container *c, const struct sl_run_options *o)
{
	int r;

	c->share_net = o->share_net;
	add_environment(c, o);
	r = add_files(c, o);
	if (r == SL_EXIT_OK) {
		r = sl_container_check_command(c, o->argv[0]);
	}
	return r;
}

static int check_screenshot(const char *path)
{
	_cleanup_free_ char *dir = path ? strdup(path) : NULL;
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (!dir) {
		return SL_EXIT_OK;
	}
	if (slash) {
		slash[slash == dir] = '\0';
	}
	if (access(slash ? dir : ".", W_OK | X_OK) < 0) {
		sl_cli_error(
			"--screenshot %s: %m: give a file in a folder that you may write to", path);
		return SL_EXIT_RUN_FAILED;
	}
	return SL_EXIT_OK;
}

static void save_screenshot(const struct sl_run_options *o, const struct sl_screenshot *shot)
{
	int r;

	if (!o->screenshot) {
		return;
	}
	r = sl_screenshot_write_png(shot, o->screenshot);
	if (r == -ENODATA) {
		sl_cli_warn("--screenshot %s: the display could not be read: no picture was saved",
			o->screenshot);
	} else if (r < 0) {
		sl_cli_warn(
			"--screenshot %s: %s: no picture was saved", o->screenshot, strerror(-r));
	} else if (shot->blank) {
		sl_cli_warn("--screenshot %s: the program showed nothing: the picture is empty",
			o->screenshot);
	}
}

/* Everything is composed and checked: start, wait, tell. */
static int run_program(const struct sl_run_options *o, struct sl_run_gpu *g, struct sl_display *d,
	struct sl_container *c)
{
	struct sl_container_process process = SL_CONTAINER_PROCESS_NONE;
	struct sl_screenshot shot = {};
	struct sl_run_result result;
	int r = sl_display_start(d, c);

	if (r == SL_EXIT_OK) {
		sl_run_gpu_add(g, o, c);
		add_given_environment(c, o);
		r = sl_container_start(c, o->argv, -1, &process);
	}
	if (r == SL_EXIT_OK) {
		result = sl_run_loop(o, g, d, &shot, &process);
		r = result.exit_status;
		save_screenshot(o, &shot);
		sl_run_report(o, g, &result);
	}
	sl_container_process_end(&process);
	sl_screenshot_fini(&shot);
	return r;
}

int sl_run(const struct sl_run_options *o)
{
	struct sl_display display = SL_DISPLAY_INIT;
	struct sl_run_gpu gpu = { .broker_log_fd = -1 };
	struct sl_container container;
	int r = check_screenshot(o->screenshot);

	display.kind = o->display;
	display.width_px = o->width_px;
	display.height_px = o->height_px;
	sl_container_init(&container);
	sl_container_adopt();
	sl_run_block_signals();
	if (r == SL_EXIT_OK) {
		r = sl_container_check_host();
	}
	if (r == SL_EXIT_OK) {
		r = compose(&container, o);
	}
	if (r == SL_EXIT_OK) {
		r = sl_run_gpu_open(&gpu, o);
	}
	if (r == SL_EXIT_OK) {
		container.hostname = strdup(gpu.name ? gpu.name : "sluice");
		r = run_program(o, &gpu, &display, &container);
	}
	sl_display_end(&display);
	sl_run_gpu_close(&gpu);
	sl_container_fini(&container);
	return r;
}

static int run(int argc, char **argv)
{
	struct sl_run_options o = { .command = "run" };
	int r = sl_run_parse(&o, argc, argv);

	if (r < 0) {
		r = sl_run(&o);
	}
	sl_run_options_fini(&o);
	return r;
}

const struct sl_command sl_cmd_run = {
	.name = "run",
	.summary = "run a program in a container with a GL session",
	.run = run,
};
