/* SPDX-License-Identifier: MIT */
/*
 * Test only, in sluice-worker-hostile: what a client would try that runs its own code in a worker.
 * Each attack is one function that returns 0 when it got what it wanted or -errno; being killed is
 * the third outcome. They run in place of serving, in the state in which a client's first byte
 * would be read. tests/hostile/sandbox-test.c drives them.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/fds.h"
#include "worker/confine.h"
#include "worker/inherit.h"
#include "worker/worker.h"

struct target {
	const char *arg; /* a path, a pid or a port, as the attack wants it */
	int fd;          /* what the broker attached */
	const struct sl_worker *worker;
};

/* At the same address in every worker of a zygote: the loot of process_vm_readv. */
static volatile uint64_t loot = 0x736c756963650001;

static pid_t pid_of(const struct target *t)
{
	return (pid_t)strtol(t->arg, NULL, 10);
}

/* 0 for a call that worked; what it returned is closed if it is an fd. */
static int outcome(long r)
{
	return r < 0 ? -errno : 0;
}

static int outcome_fd(long fd)
{
	int r = outcome(fd);

	sl_close((int)fd);
	return r;
}

static int attack_open(const struct target *t)
{
	return outcome_fd(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int attack_open_write(const struct target *t)
{
	return outcome_fd(open(t->arg, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int attack_openat2(const struct target *t)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC };

	return outcome_fd(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)));
}

static int attack_read_proc(const struct target *t)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/status", t->arg);
	return outcome_fd(open(path, O_RDONLY | O_CLOEXEC));
}

static int attack_list_root(const struct target *t)
{
	DIR *d = opendir("/");
	int n = 0;

	if (!d) {
		return -errno;
	}
	while (readdir(d)) {
		n++;
	}
	closedir(d);
	return n > 2 ? 0 : -ENOENT;
}

static int attack_socket(const struct target *t)
{
	return outcome_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int attack_connect_unix(const struct target *t)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -errno;
	}
	strncpy(a.sun_path, t->arg, sizeof(a.sun_path) - 1);
	return outcome(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

static int attack_connect_abstract(const struct target *t)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -errno;
	}
	strncpy(a.sun_path + 1, t->arg, sizeof(a.sun_path) - 2);
	return outcome(connect(fd, (struct sockaddr *)&a,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(t->arg))));
}

static int attack_connect_inet(const struct target *t)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(t->arg, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -errno;
	}
	return outcome(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

static int attack_fork(const struct target *t)
{
	pid_t pid = fork();

	if (pid == 0) {
		_exit(0);
	}
	return outcome(pid);
}

static int do_nothing(void *arg)
{
	return 0;
}

/* A process that shares memory but not the thread group would escape TSYNC and the reaper. */
static int attack_clone_vm(const struct target *t)
{
	static char stack[65536] __attribute__((aligned(16)));

	return outcome(
		clone(do_nothing, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
}

/* The driver takes exit status 42 for success: after execve there is nobody else to tell. */
static int attack_exec(const struct target *t)
{
	execl("/bin/sh", "sh", "-c", "exit 42", NULL);
	return -errno;
}

static int attack_exec_memfd(const struct target *t)
{
	static const char script[] = "#!/bin/sh\nexit 42\n";
	int fd = memfd_create("script", 0);

	if (fd < 0 || write(fd, script, sizeof(script) - 1) < 0) {
		return -errno;
	}
	syscall(SYS_execveat, fd, "", (char *[]){ (char *)"script", NULL }, (char *[]){ NULL },
		AT_EMPTY_PATH);
	return -errno;
}

static int attack_ptrace(const struct target *t)
{
	pid_t pid = pid_of(t);

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0) {
		return -errno;
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}

static int attack_kill(const struct target *t)
{
	return outcome(kill(pid_of(t), 0));
}

static int attack_kill_all(const struct target *t)
{
	return outcome(kill(-1, 0));
}

static int attack_read_memory(const struct target *t)
{
	uint64_t got = 0;
	struct iovec local = { .iov_base = &got, .iov_len = sizeof(got) };
	struct iovec remote = { .iov_base = (void *)&loot, .iov_len = sizeof(got) };

	if (process_vm_readv(pid_of(t), &local, 1, &remote, 1, 0) < 0) {
		return -errno;
	}
	return got == loot ? 0 : -ENOENT;
}

static int attack_pidfd_getfd(const struct target *t)
{
	int pidfd = pidfd_open(pid_of(t), 0);

	return pidfd < 0 ? -errno : outcome_fd(pidfd_getfd(pidfd, 2, 0));
}

/* Only in a copy of the mount table, so that a success does no harm to the host. */
static int attack_mount(const struct target *t)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		return -errno;
	}
	return outcome(mount("hostile", "/", "tmpfs", 0, NULL));
}

static int attack_chroot(const struct target *t)
{
	return outcome(chroot("/"));
}

static int attack_setns(const struct target *t)
{
	return outcome(setns(t->fd, 0));
}

static int attack_userns(const struct target *t)
{
	return outcome(unshare(CLONE_NEWUSER));
}

static int attack_bpf(const struct target *t)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1,
	};

	return outcome_fd(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)));
}

static int attack_keyctl(const struct target *t)
{
	return outcome(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -2, 1));
}

static int attack_add_key(const struct target *t)
{
	return outcome(syscall(SYS_add_key, "user", "sluice-test", "x", 1, -2));
}

static int attack_io_uring(const struct target *t)
{
	char params[120] = { 0 };

	return outcome_fd(syscall(SYS_io_uring_setup, 4, params));
}

static int attack_perf(const struct target *t)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
	};

	return outcome_fd(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int attack_userfaultfd(const struct target *t)
{
	return outcome_fd(syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */));
}

static int attack_dumpable(const struct target *t)
{
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

/* It cannot be undone; what can be seen is whether it is on, and that setuid programs are out. */
static int attack_new_privs(const struct target *t)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -EPERM : 0;
}

static int attack_core_limit(const struct target *t)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0) {
		return -errno;
	}
	if (l.rlim_max > SL_CONFINE_MAX_FDS) {
		return 0; /* it is high already */
	}
	l.rlim_cur = l.rlim_max = l.rlim_max + 1;
	return outcome(setrlimit(RLIMIT_NOFILE, &l));
}

static int attack_tiocsti(const struct target *t)
{
	return outcome(ioctl(t->fd, TIOCSTI, "x"));
}

static int attack_write_exec(const struct target *t)
{
	void *p = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static int attack_write_exec_later(const struct target *t)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		return -errno;
	}
	return outcome(mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int attack_exec_file_mapping(const struct target *t)
{
	int fd = memfd_create("code", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 4096) < 0) {
		return -errno;
	}
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno
											: 0;
}

/*
 * Any fd that is neither standard, nor one of the three that a worker must have, nor put in place
 * of one that was inherited.
 */
static int attack_inherited_fds(const struct target *t)
{
	for (int fd = 3; fd < 1024; fd++) {
		if (fd != t->worker->channel_fd && fd != t->fd && !sl_inherit_replaced(fd) &&
			fcntl(fd, F_GETFD) >= 0) {
			return 0;
		}
	}
	return -EBADF;
}

/* Everything it may write to is a pipe, a socket or a log; none of it can be opened anew. */
static int attack_reopen_fd(const struct target *t)
{
	return outcome_fd(open("/proc/self/fd/2", O_RDWR | O_CLOEXEC));
}

static int attack_hostname(const struct target *t)
{
	char name[65] = "";

	/* The same name again, should it work. */
	if (gethostname(name, sizeof(name) - 1) < 0) {
		return -errno;
	}
	return outcome(sethostname(name, strlen(name)));
}

static const struct {
	const char *name;
	int (*run)(const struct target *t);
} attacks[] = {
	{ "open", attack_open },
	{ "open-write", attack_open_write },
	{ "openat2", attack_openat2 },
	{ "read-proc", attack_read_proc },
	{ "list-root", attack_list_root },
	{ "socket", attack_socket },
	{ "connect-unix", attack_connect_unix },
	{ "connect-abstract", attack_connect_abstract },
	{ "connect-inet", attack_connect_inet },
	{ "fork", attack_fork },
	{ "clone-vm", attack_clone_vm },
	{ "exec", attack_exec },
	{ "exec-memfd", attack_exec_memfd },
	{ "ptrace", attack_ptrace },
	{ "kill", attack_kill },
	{ "kill-all", attack_kill_all },
	{ "read-memory", attack_read_memory },
	{ "pidfd-getfd", attack_pidfd_getfd },
	{ "mount", attack_mount },
	{ "chroot", attack_chroot },
	{ "setns", attack_setns },
	{ "userns", attack_userns },
	{ "bpf", attack_bpf },
	{ "keyctl", attack_keyctl },
	{ "add-key", attack_add_key },
	{ "io-uring", attack_io_uring },
	{ "perf", attack_perf },
	{ "userfaultfd", attack_userfaultfd },
	{ "dumpable", attack_dumpable },
	{ "new-privs", attack_new_privs },
	{ "raise-limit", attack_core_limit },
	{ "tiocsti", attack_tiocsti },
	{ "write-exec", attack_write_exec },
	{ "write-exec-later", attack_write_exec_later },
	{ "exec-file-mapping", attack_exec_file_mapping },
	{ "inherited-fds", attack_inherited_fds },
	{ "reopen-fd", attack_reopen_fd },
	{ "hostname", attack_hostname },
};

int sl_worker_attack(struct sl_worker *w, const char *arg, int client_fd)
{
	const struct target t = {
		.arg = arg,
		.fd = client_fd,
		.worker = w,
	};

	for (size_t i = 0; i < SL_ARRAY_LEN(attacks); i++) {
		if (strcmp(attacks[i].name, w->o->attack) == 0) {
			int r = attacks[i].run(&t);

			sl_worker_tell_fault(w->channel_fd, 0, true, "%s",
				r == 0 ? "succeeded" : strerrorname_np(-r));
			return SL_WORKER_OK;
		}
	}
	sl_worker_tell_fault(w->channel_fd, 0, true, "no such attack");
	return SL_WORKER_USAGE;
}
