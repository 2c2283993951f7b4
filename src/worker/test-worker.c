/* SPDX-License-Identifier: MIT */
/* The worker's pieces, each in a process of its own where it changes that process for good. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/null/null.h"
#include "protocol/worker.h"
#include "util/cleanup.h"
#include "util/fds.h"
#include "util/test-skip.h"
#include "worker/confine.h"
#include "worker/filter.h"
#include "worker/landlock.h"
#include "worker/options.h"
#include "worker/sigbus.h"
#include "worker/stats.h"

/* The wait status of @f in a child, which exits with what it returns. */
static int in_child(int (*f)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(f());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_exit(int status, int want)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != want) {
		fail_msg("wait status 0x%x, expected exit status %d", status, want);
	}
}

static void assert_killed(int status, int sig)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != sig) {
		fail_msg("wait status 0x%x, expected signal %d", status, sig);
	}
}

static int vanishing_page(void)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = memfd_create("test", MFD_CLOEXEC);
	volatile char *p;

	if (sl_sigbus_install() < 0 || ftruncate(fd, 2 * page) < 0) {
		return 1;
	}
	p = mmap(NULL, (size_t)(2 * page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 'a';
	p[page] = 'b';
	if (sl_sigbus_happened() || ftruncate(fd, page) < 0) {
		return 2;
	}
	if (p[page] != 0 || !sl_sigbus_happened()) {
		return 3;
	}
	p[page] = 'c'; /* the page in its place can be written */
	return p[0] == 'a' && p[page] == 'c' ? 0 : 4;
}

static void test_vanished_page_reads_as_zero(void **state)
{
	assert_exit(in_child(vanishing_page), 0);
}

static int raise_sigbus(void)
{
	sl_sigbus_install();
	raise(SIGBUS); /* no missing page */
	raise(SIGBUS);
	return 0;
}

static void test_other_sigbus_ends_the_process(void **state)
{
	assert_killed(in_child(raise_sigbus), SIGBUS);
}

static int filtered(enum sl_filter_kind kind, int (*f)(void))
{
	struct sl_filter filter = { 0 };

	if (sl_filter_compile(kind, &filter) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		sl_filter_install(&filter) < 0) {
		return 99;
	}
	return f();
}

static int do_serving_calls(void)
{
	char buf[8];
	int fd = sl_memfd_sealed("test", 4096);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *p;

	if (fd < 0 || code == MAP_FAILED) {
		return 1;
	}
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || madvise(p, 4096, MADV_REMOVE) < 0) {
		return 2;
	}
	/* A shader: written, then executable. */
	if (mprotect(code, 4096, PROT_READ | PROT_EXEC) < 0) {
		return 3;
	}
	if (mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0 || errno != EACCES) {
		return 4;
	}
	if (open("/proc/cpuinfo", O_RDONLY) >= 0 || errno != ENOENT) {
		return 5;
	}
	if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0 || errno != ENOTSOCK) {
		return 6;
	}
	free(malloc(64 << 20));
	return 0;
}

static int serve_inherited(void)
{
	return filtered(SL_FILTER_INHERITED, do_serving_calls);
}

static int serve_own(void)
{
	return filtered(SL_FILTER_OWN_RENDERER, do_serving_calls);
}

static void test_filter_allows_serving(void **state)
{
	if (sl_test_emulated()) {
		return;
	}
	assert_exit(in_child(serve_inherited), 0);
	assert_exit(in_child(serve_own), 0);
}

static int do_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static int make_socket(void)
{
	return filtered(SL_FILTER_INHERITED, do_socket);
}

static void test_filter_kills(void **state)
{
	if (sl_test_emulated()) {
		return;
	}
	assert_killed(in_child(make_socket), SIGSYS);
}

static void *thread(void *arg)
{
	return arg;
}

static int do_thread(void)
{
	pthread_t t;

	return pthread_create(&t, NULL, thread, NULL) == 0 ? pthread_join(t, NULL) : 50;
}

static int thread_inherited(void)
{
	return filtered(SL_FILTER_INHERITED, do_thread);
}

static int thread_own(void)
{
	return filtered(SL_FILTER_OWN_RENDERER, do_thread);
}

static void test_threads_only_for_drivers(void **state)
{
	if (sl_test_emulated()) {
		return;
	}
	assert_exit(in_child(thread_inherited), 50);
	assert_exit(in_child(thread_own), 0);
}

static int map(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static int limited_memory(void)
{
	struct rlimit l;
	int fd = memfd_create("test", MFD_CLOEXEC);

	signal(SIGXFSZ, SIG_IGN);
	if (sl_confine_memory(256ull << 20, false) < 0) {
		return 1;
	}
	if (map(256ull << 20) < 0) {
		return 2;
	}
	if (map(8ull << 30) != -ENOMEM) {
		return 3;
	}
	if (ftruncate(fd, 256l << 20) < 0) {
		return 4;
	}
	if (ftruncate(fd, 257l << 20) == 0 || errno != EFBIG) {
		return 5;
	}
	/* Searching for the address space in use has left the soft limit where it belongs. */
	return getrlimit(RLIMIT_AS, &l) == 0 && l.rlim_cur == l.rlim_max ? 0 : 6;
}

static void test_memory_limits(void **state)
{
	if (sl_test_emulated()) {
		return;
	}
#ifdef SLUICE_SANITIZED
	sl_test_skipped("AddressSanitizer reserves more address space than the limit");
#else
	assert_exit(in_child(limited_memory), 0);
#endif
}

static int landlocked(void)
{
	int r, fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	r = sl_landlock_restrict(false);
	if (r == -EOPNOTSUPP) {
		return 77;
	}
	fd = open("/etc/passwd", O_RDONLY);
	return r == 0 && fd < 0 && errno == EACCES ? 0 : 1;
}

static int landlocked_reading(void)
{
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (sl_landlock_restrict(true) < 0) {
		return 77;
	}
	fd = open("/etc/passwd", O_RDONLY);
	return fd >= 0 && mkdir("/tmp/sluice-landlock", 0700) < 0 && errno == EACCES ? 0 : 1;
}

static void test_landlock(void **state)
{
	int status = in_child(landlocked);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		sl_test_skipped("this kernel has no Landlock");
		return;
	}
	assert_exit(status, 0);
	assert_exit(in_child(landlocked_reading), 0);
}

static void test_stats_page(void **state)
{
	const struct sl_limits limits = SL_LIMITS_DEFAULT;
	const struct sl_ctl_stats_page *page;
	struct sl_session *session;
	struct sl_backend *backend;
	struct sl_stats *s;
	int fd;

	assert_int_equal(sl_null_new(&(struct sl_null_options){ 0 }, &backend), 0);
	assert_int_equal(sl_session_new(1, &limits, backend, &session), 0);
	assert_int_equal(sl_stats_new(&s, &fd), 0);
	assert_int_equal(sl_fd_size(fd), sizeof(*page));
	assert_int_equal(ftruncate(fd, 0), -1);
	page = mmap(NULL, sizeof(*page), PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	sl_stats_busy(s, 1234);
	assert_int_equal(page->busy_since_ns, 1234);
	sl_session_count_message(session, 100);
	sl_stats_idle(s, session, 1);
	assert_int_equal(page->busy_since_ns, 0);
	assert_int_equal(page->heartbeat, 1);
	assert_int_equal(page->commands, 1);
	assert_int_equal(page->bytes_in, 100);
	assert_int_equal(page->first_frame_ns, 0);
	munmap((void *)page, sizeof(*page));
	close(fd);
	sl_stats_free(s);
	sl_session_free(session);
}

static enum sl_options_result parse(struct sl_worker_options *o, const char *a, const char *b)
{
	char *argv[] = { (char *)"worker", (char *)a, (char *)b, NULL };

	optind = 0;
	return sl_worker_options_parse(b ? 3 : a ? 2 : 1, argv, o);
}

static void test_options(void **state)
{
	struct sl_worker_options o;

	assert_int_equal(parse(&o, "--channel-fd=3", "--host-gl=es"), SL_OPTIONS_RUN);
	assert_int_equal(o.channel_fd, 3);
	assert_int_equal(o.virgl.host_gl, SL_HOST_GL_ES);
	assert_int_equal(o.virgl.render_node_fd, -1);
	assert_int_equal(parse(&o, NULL, NULL), SL_OPTIONS_WRONG);
	assert_int_equal(parse(&o, "--channel-fd=x", NULL), SL_OPTIONS_WRONG);
	assert_int_equal(parse(&o, "--channel-fd=3", "--host-gl=9"), SL_OPTIONS_WRONG);
	assert_int_equal(parse(&o, "--channel-fd=3", "stray"), SL_OPTIONS_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vanished_page_reads_as_zero),
		cmocka_unit_test(test_other_sigbus_ends_the_process),
		cmocka_unit_test(test_filter_allows_serving),
		cmocka_unit_test(test_filter_kills),
		cmocka_unit_test(test_threads_only_for_drivers),
		cmocka_unit_test(test_memory_limits),
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_stats_page),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
