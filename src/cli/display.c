/* SPDX-License-Identifier: MIT */
/*
 * Virtual displays. The servers are the host's programs, since an image need not have them, but
 * they run in a container of their own: they parse what the program sends. Wayland's compositor
 * draws into the same X server as X11 programs do, so that one way of taking pictures serves both.
 * Shared memory with the program is switched off for X11: the two are in different IPC namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/display-host.h"
#include "cli/display.h"
#include "util/fds.h"

/* A loaded machine needs seconds for weston; a server that is there in none will not come. */
#define START_TIMEOUT_NS (20 * SL_NSEC_PER_SEC)
#define POLL_NS (10 * SL_NSEC_PER_MSEC)
/* Display numbers that are looked at when abstract sockets are shared with the host. */
#define NUMBER_MAX 100u

/*
 * One shell line each. Xvfb says on stdout when it is ready. kiosk-shell gives a program the whole
 * screen and draws nothing of its own.
 */
#define XVFB                                                                                       \
	"Xvfb \"$1\" -screen 0 \"$2x$3x24\" -fbdir /run/screen -nolisten tcp -noreset -nocursor "  \
	"-br -displayfd 1 "
static const char x11_script[] = "exec " XVFB "-extension MIT-SHM";
static const char wayland_script[] =
	XVFB "| { read -r n && export DISPLAY=\":$n\" && exec weston --config=/run/weston.ini "
	     "--backend=x11-backend.so --use-pixman --shell=kiosk-shell.so --no-input "
	     "--width=\"$2\" --height=\"$3\" --socket=wayland-0; }";
static const char weston_ini[] = "[core]\n"
				 "idle-time=0\n"
				 "require-input=false\n"
				 "[input-method]\n"
				 "path=\n";

int sl_display_parse(const char *s, enum sl_display_kind *ret)
{
	static const char *const names[] = { [SL_DISPLAY_X11] = "x11",
		[SL_DISPLAY_WAYLAND] = "wayland",
		[SL_DISPLAY_HOST] = "host" };

	for (unsigned int i = SL_DISPLAY_X11; i < SL_ARRAY_LEN(names); i++) {
		if (strcmp(s, names[i]) == 0) {
			*ret = (enum sl_display_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Is there @program, where a container with the host's root would find it? */
static int check_program(const char *program, const char *package)
{
	static const char *const dirs[] = { "/usr/bin", "/usr/local/bin", "/bin" };

	for (size_t i = 0; i < SL_ARRAY_LEN(dirs); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", dirs[i], program);
		if (access(path, X_OK) == 0) {
			return SL_EXIT_OK;
		}
	}
	sl_cli_error("%s: not installed: install the Debian package %s", program, package);
	return SL_EXIT_RUN_FAILED;
}

/*
 * The lowest display number whose abstract name nobody has: X clients try that name before the
 * path, and with --share-net the host's abstract sockets are in reach.
 */
static unsigned int free_number(bool share_net)
{
	for (unsigned int n = 0; share_net && n < NUMBER_MAX; n++) {
		struct sockaddr_un sa = { .sun_family = AF_UNIX };
		_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int len =
			snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "/tmp/.X11-unix/X%u", n);

		if (fd >= 0 && bind(fd, (struct sockaddr *)&sa,
				       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
					       (socklen_t)len) == 0) {
			return n;
		}
	}
	return share_net ? NUMBER_MAX : 0;
}

static bool answers(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sa.sun_path)) {
		return false;
	}
	strcpy(sa.sun_path, path);
	return fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

/* The servers' last line, which says why they ended. */
static void last_line(int fd, char *buf, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > (off_t)size - 1 ? end - (off_t)size + 1 : 0;
	ssize_t n = pread(fd, buf, size - 1, from);
	char *line;

	buf[n > 0 ? n : 0] = '\0';
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' ')) {
		buf[--n] = '\0';
	}
	line = strrchr(buf, '\n');
	if (line) {
		memmove(buf, line + 1, strlen(line));
	}
}

/* The socket is there before the screen is: both are waited for. */
static bool is_ready(struct sl_display *d, const char *socket, const char *screen)
{
	if (d->screen_fd < 0) {
		d->screen_fd = open(screen, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	return d->screen_fd >= 0 && answers(socket);
}

static int wait_until_ready(struct sl_display *d, const char *socket, const char *screen)
{
	const char *program = d->kind == SL_DISPLAY_X11 ? "Xvfb" : "weston";
	uint64_t deadline_ns = sl_now_ns() + START_TIMEOUT_NS;
	char why[256];

	while (sl_now_ns() < deadline_ns) {
		if (is_ready(d, socket, screen)) {
			return SL_EXIT_OK;
		}
		if (waitpid(d->process.pid, NULL, WNOHANG) == d->process.pid) {
			d->process.pid = 0;
			last_line(d->log_fd, why, sizeof(why));
			sl_cli_error("%s: did not start (%s): check that it runs on this machine",
				program, *why ? why : "it said nothing");
			return SL_EXIT_RUN_FAILED;
		}
		nanosleep(&(struct timespec){ .tv_nsec = POLL_NS }, NULL);
	}
	sl_cli_error("%s: did not answer within %u s: try again on a less busy machine", program,
		(unsigned int)(START_TIMEOUT_NS / SL_NSEC_PER_SEC));
	return SL_EXIT_RUN_FAILED;
}

static int shared_dir(
	struct sl_container *servers, const char *private, const char *name, const char *inside)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", private, name);
	if (mkdir(path, 0700) < 0) {
		sl_cli_error("%s: %m: the display has no place for its socket; try again", path);
		return SL_EXIT_RUN_FAILED;
	}
	sl_container_mount(servers, SL_MOUNT_BIND, path, inside);
	return SL_EXIT_OK;
}

static int write_config(struct sl_container *servers, const char *private)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/weston.ini", private);
	r = sl_write_file(path, weston_ini);
	if (r < 0) {
		sl_cli_error("%s: %s: weston has no configuration; try again", path, strerror(-r));
		return SL_EXIT_RUN_FAILED;
	}
	sl_container_mount(servers, SL_MOUNT_RO_BIND, path, "/run/weston.ini");
	return SL_EXIT_OK;
}

static int compose(struct sl_display *d, struct sl_container *servers, const char *private)
{
	int r = sl_container_add_root(servers, NULL, getenv("HOME"));

	sl_container_setenv(servers, "PATH", "/usr/local/bin:/usr/bin:/bin");
	if (r == 0) {
		r = shared_dir(servers, private, "screen", "/run/screen");
	}
	if (r == 0 && d->kind == SL_DISPLAY_X11) {
		r = shared_dir(servers, private, "x11", "/tmp/.X11-unix");
	}
	if (r == 0 && d->kind == SL_DISPLAY_WAYLAND) {
		r = write_config(servers, private);
		sl_container_setenv(servers, "XDG_RUNTIME_DIR", "/run/wayland");
	}
	if (r == 0 && d->kind == SL_DISPLAY_WAYLAND) {
		r = shared_dir(servers, private, "wayland", "/run/wayland");
	}
	return r;
}

static int launch(struct sl_display *d, struct sl_container *servers, unsigned int number)
{
	char display[16], width[16], height[16];
	char sh[] = "/bin/sh", c[] = "-c";
	const char *script = d->kind == SL_DISPLAY_X11 ? x11_script : wayland_script;
	char *argv[] = { sh, c, (char *)script, sh, display, width, height, NULL };

	snprintf(display, sizeof(display), ":%u", number);
	snprintf(width, sizeof(width), "%u", d->width_px);
	snprintf(height, sizeof(height), "%u", d->height_px);
	d->log_fd = memfd_create("sluice-display", MFD_CLOEXEC);
	if (d->log_fd < 0) {
		sl_cli_error("display: %m: nothing was started; try again");
		return SL_EXIT_RUN_FAILED;
	}
	return sl_container_start(servers, argv, d->log_fd, &d->process);
}

/* Show the program its one socket. */
static void hand_over(
	struct sl_display *d, struct sl_container *c, const char *socket, unsigned int number)
{
	char text[128];

	if (d->kind == SL_DISPLAY_X11) {
		snprintf(text, sizeof(text), "/tmp/.X11-unix/X%u", number);
		sl_container_mount(c, SL_MOUNT_BIND, socket, text);
		snprintf(text, sizeof(text), ":%u", number);
		sl_container_setenv(c, "DISPLAY", text);
		return;
	}
	snprintf(text, sizeof(text), "%s/wayland-0", sl_container_getenv(c, "XDG_RUNTIME_DIR"));
	sl_container_mount(c, SL_MOUNT_BIND, socket, text);
	sl_container_setenv(c, "WAYLAND_DISPLAY", "wayland-0");
}

static int start_virtual(struct sl_display *d, struct sl_container *c, struct sl_container *servers)
{
	unsigned int number = free_number(c->share_net);
	_cleanup_free_ char *private = NULL;
	char path[128], screen[128];
	int r = check_program("Xvfb", "xvfb");

	if (r == 0 && d->kind == SL_DISPLAY_WAYLAND) {
		r = check_program("weston", "weston");
	}
	if (r == 0) {
		r = sl_container_private_dir(&private);
	}
	if (r == 0) {
		r = compose(d, servers, private);
	}
	if (r == 0) {
		r = launch(d, servers, number);
	}
	if (r != 0) {
		return r;
	}
	snprintf(screen, sizeof(screen), "%s/screen/Xvfb_screen0", private);
	if (d->kind == SL_DISPLAY_X11) {
		snprintf(path, sizeof(path), "%s/x11/X%u", private, number);
	} else {
		snprintf(path, sizeof(path), "%s/wayland/wayland-0", private);
	}
	r = wait_until_ready(d, path, screen);
	if (r == 0) {
		hand_over(d, c, path, number);
	}
	return r;
}

int sl_display_start(struct sl_display *d, struct sl_container *c)
{
	struct sl_container servers;
	int r;

	if (d->kind == SL_DISPLAY_NONE) {
		return SL_EXIT_OK;
	}
	if (d->kind == SL_DISPLAY_HOST) {
		return sl_display_add_host(c);
	}
	sl_container_init(&servers);
	r = start_virtual(d, c, &servers);
	sl_container_fini(&servers);
	return r;
}

void sl_display_end(struct sl_display *d)
{
	sl_container_process_end(&d->process);
	d->log_fd = sl_close(d->log_fd);
	d->screen_fd = sl_close(d->screen_fd);
}
