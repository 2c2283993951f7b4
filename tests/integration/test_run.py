# SPDX-License-Identifier: MIT
"""`sluice run`: the container, its session, its end."""
import contextlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from conftest import alive, descendants, wait_for
from runlib import PYTHON, fake, need, orders, report, tool  # noqa: F401


def inside(tool, *command, options=(), **kwargs):
    done = tool("run", "--gpu=none", *options, "--", *command, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


# The container

def test_no_gpu_device_no_sys_no_network(tool):
    out = inside(tool, "sh", "-c", "ls /dev; echo; ls -d /sys /dev/dri; cat /proc/net/dev")
    dev, rest = out.split("\n\n", 1)
    assert "null" in dev.split() and "dri" not in dev.split()
    assert "/sys" not in rest
    assert re.findall(r"^\s*(\w+):", rest, re.M) == ["lo"]


def test_share_net_is_the_hosts(tool):
    host = os.readlink("/proc/self/ns/net")
    assert inside(tool, "readlink", "/proc/self/ns/net").strip() != host
    assert inside(tool, "readlink", "/proc/self/ns/net",
                  options=["--share-net"]).strip() == host


@pytest.mark.parametrize("name", ["user", "pid", "mnt", "ipc", "uts"])
def test_own_namespace(tool, name):
    assert inside(tool, "readlink", f"/proc/self/ns/{name}").strip() != \
        os.readlink(f"/proc/self/ns/{name}")


def test_no_privileges_and_the_callers_uid(tool):
    status = inside(tool, "cat", "/proc/self/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    for caps in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"):
        assert int(fields[caps], 16) == 0, caps
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Uid"].split() == [str(os.getuid())] * 4


def test_processes_of_the_host_are_not_there(tool):
    pids = [p for p in inside(tool, "ls", "/proc").split() if p.isdigit()]
    assert set(pids) <= {"1", "2"}


def test_root_is_read_only_and_tmp_is_not(tool):
    script = "for d in / /usr /etc; do touch $d/x 2>/dev/null && echo wrote $d; done; " \
             "for d in /tmp /var/tmp /run $HOME $XDG_RUNTIME_DIR; do touch $d/x && rm $d/x && " \
             "echo ok; done"
    assert inside(tool, "sh", "-c", script).split() == ["ok"] * 5


def test_homes_and_tmp_of_the_host_are_hidden(tool):
    out = inside(tool, "find", "/home", "/root", "/tmp", "/run", "-type", "f",
                 env={"HOME": str(tool.base)}, cwd="/")
    assert out == ""


def test_current_directory_is_shown_even_in_a_hidden_place(tool):
    (tool.base / "mine").write_text("text")
    (tool.base / "sub").mkdir()
    (tool.base / "sub" / "other").write_text("text")
    assert inside(tool, "sh", "-c", "pwd; cat mine", cwd=tool.base) == f"{tool.base}\ntext"
    # It, and not what is beside it; and read-only.
    script = f"ls {tool.base}; touch x 2>/dev/null || echo refused"
    assert inside(tool, "sh", "-c", script, cwd=tool.base / "sub").split() == ["sub", "refused"]


def test_home_itself_is_not_shown_as_current_directory(tool):
    (tool.base / "key").write_text("secret")
    out = inside(tool, "sh", "-c", "pwd; ls", cwd=tool.base, env={"HOME": str(tool.base)})
    assert out.split() == [str(tool.base)]


def test_binds(tool):
    (tool.base / "f").write_text("old")
    script = "cat /data/f; echo new > /data/f; echo bad > /mnt/f || echo refused"
    out = inside(tool, "sh", "-c", script,
                 options=["--bind", f"{tool.base}:/data", "--bind-ro", f"{tool.base}:/mnt"])
    assert out.split() == ["oldrefused"]
    assert (tool.base / "f").read_text() == "new\n"
    assert inside(tool, "cat", str(tool.base / "f"),
                  options=["--bind-ro", tool.base / "f"]) == "new\n"


def test_environment_is_not_handed_on_unless_named(tool):
    env = {"SECRET": "1", "PUBLIC": "2", "DISPLAY": ":0", "LD_PRELOAD": ""}
    out = inside(tool, "env", env=env, options=["--env", "PUBLIC", "--env", "A=b=c"])
    names = {line.split("=", 1)[0]: line.split("=", 1)[1] for line in out.splitlines()}
    assert names["PUBLIC"] == "2" and names["A"] == "b=c"
    assert not {"SECRET", "DISPLAY", "LD_PRELOAD", "SLUICE_DIRECTORY"} & set(names)


def test_open_files_are_not_handed_on(tool):
    r, w = os.pipe()
    os.set_inheritable(w, True)
    fds = inside(tool, "ls", "/proc/self/fd", pass_fds=[w]).split()
    os.close(r)
    os.close(w)
    # The last one is ls looking at the folder.
    assert fds == ["0", "1", "2", "3"]


def test_workdir(tool):
    assert inside(tool, "pwd", options=["--workdir", "/usr/lib"]) == "/usr/lib\n"


def test_standard_input_and_output(tool):
    done = tool("run", "--gpu=none", "--", "cat", input="text", stdin=None)
    assert (done.returncode, done.stdout, done.stderr) == (0, "text", "")


@pytest.fixture
def tiny_root(tool):
    """A root with one static program in it."""
    need("gcc", "gcc")
    source = tool.base / "hello.c"
    source.write_text('#include <stdio.h>\n#include <unistd.h>\n'
                      'int main(void) { printf("hello %d\\n", access("/etc", F_OK)); }\n')
    root = tool.base / "root"
    (root / "bin").mkdir(parents=True)
    built = subprocess.run(["gcc", "-static", "-o", root / "bin" / "hello", source])
    if built.returncode != 0:
        pytest.skip("no static C library (Debian package libc6-dev)")
    return root


def test_rootfs_is_the_root_and_stays_as_it_was(tool, tiny_root):
    assert inside(tool, "hello", options=["--rootfs", tiny_root]) == "hello -1\n"
    assert sorted(p.name for p in tiny_root.rglob("*")) == ["bin", "hello"]
    # Nothing of this machine is in it.
    done = tool("run", "--gpu=none", "--rootfs", tiny_root, "--", "/usr/bin/env")
    assert done.returncode == 127


# Exit status, signals, terminal

@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255),
                                           ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_exit_status_is_handed_on(tool, script, status):
    done = tool("run", "--gpu=none", "--", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (status, "")


def test_signals_go_to_the_program(tool):
    for name in ("TERM", "INT", "HUP", "USR1"):
        p = tool.start("run", "--gpu=none", "--", "sh", "-c",
                       f"trap 'echo got; exit 9' {name}; echo up; while :; do sleep 0.05; done")
        assert p.stdout.readline() == "up\n"
        p.send_signal(getattr(signal, f"SIG{name}"))
        assert p.wait(10) == 9 and p.stdout.read() == "got\n"
    tool.check_nothing_left()


def test_signal_that_the_program_does_not_catch(tool):
    p = tool.start("run", "--gpu=none", "--", "sh", "-c", "echo up; exec sleep 60")
    assert p.stdout.readline() == "up\n"
    p.terminate()
    assert p.wait(10) == 143
    tool.check_nothing_left()


def run_on_terminal(tool, *command, typed=b""):
    """The exit status and what appeared on the terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(tool.program, tool.argv("run", "--gpu=none", "--", *command), tool.env())
    seen, sent, end = b"", False, time.monotonic() + 20
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                data = os.read(fd, 4096)
            except OSError:
                break
            if not data:
                break
            seen += data
        if typed and not sent and b"READY" in seen:
            os.write(fd, typed)
            sent = True
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return status, seen.decode(errors="replace")


def test_terminal_is_shared(tool):
    status, seen = run_on_terminal(tool, "sh", "-c", "test -t 0 && echo READY; read x; echo =$x",
                                   typed=b"hello\n")
    assert status == 0 and "=hello" in seen


def test_terminal_has_job_control(tool):
    need("bash", "bash")
    status, seen = run_on_terminal(tool, "bash", "--norc", "-i", "-c", "echo READY")
    assert status == 0 and "READY" in seen and "no job control" not in seen


def test_nothing_can_be_typed_into_the_callers_terminal(tool):
    script = "import fcntl, termios\n" \
             "for request in (termios.TIOCSTI, termios.TIOCSTI | 1 << 32, 0x541c):\n" \
             "    try:\n" \
             "        fcntl.ioctl(0, request, b'x')\n" \
             "        print('typed')\n" \
             "    except OSError as e:\n" \
             "        print(e.strerror)\n"
    status, seen = run_on_terminal(tool, PYTHON, "-c", script)
    assert status == 0
    assert "typed" not in seen and seen.count("not permitted") == 3, seen


def test_interrupt_on_the_terminal_ends_it(tool):
    status, seen = run_on_terminal(tool, "sh", "-c", "echo READY; exec sleep 60", typed=b"\x03")
    assert status == 130
    tool.check_nothing_left()


# The session

def test_report(fake):
    done = fake("run", "--json", "--limit", "mem=64M,sessions=2", "--", *orders("esmmm", 0.3))
    assert done.returncode == 0, done.stderr
    r = report(done.stdout)
    assert done.stdout.startswith("done\n")
    assert r["gpu"] == "gl" and r["session"] > 0 and r["sessions"] == 1
    assert r["renderer"] == "fake" and r["software"] is True and r["identified_by"] == "socket"
    assert r["limit_bytes"] == 64 << 20 and r["peak_bytes"] == 3 << 20 and r["submits"] == 1
    assert r["exit_status"] == 0 and 300 <= r["wall_ms"] < 10000
    assert r["domain"].startswith("python3-") and r["lost"] == 0


def test_report_of_a_session_that_was_too_short_to_be_seen(fake):
    r = report(fake("run", "--json", "--", *orders("s")).stdout)
    assert r["sessions"] == 1 and r["renderer"] == "fake" and r["identified_by"] == "socket"


def test_stats_are_for_people(fake):
    done = fake("run", "--stats", "--", *orders("s"))
    assert done.stdout == "done\n"
    for word in ("renderer", "fake", "software", "session", "identified by socket", "memory",
                 "submissions", "exit status"):
        assert word in done.stderr


def test_json_is_a_line_of_its_own(fake):
    done = fake("run", "--json", "--", "printf", "no line feed")
    assert report(done.stdout)["exit_status"] == 0
    with open(fake.base / "out", "w+") as f:
        subprocess.run(fake.argv("run", "--json", "--", "echo", "x"), stdout=f, env=fake.env())
        f.seek(0)
        first, second = f.read().splitlines()
    assert first == "x" and json.loads(second)["exit_status"] == 0


def test_no_session_is_said(fake):
    done = fake("run", "--json", "--", "true")
    assert done.returncode == 0
    assert "made no GL session" in done.stderr and len(done.stderr.splitlines()) == 1
    r = report(done.stdout)
    assert r["sessions"] == 0 and r["session"] is None and r["renderer"] is None


def test_lost_worker_is_said(fake):
    done = fake("run", "--json", "--", *orders("c", 0.5))
    assert "lost with their worker: 1" in done.stderr
    assert report(done.stdout)["lost"] == 1


def test_domain_has_the_name_and_goes_with_it(fake):
    p = fake.start("run", "--name", "web.1", "--", *orders("e", 60))
    assert p.stdout.readline() == "done\n"
    (domain,) = [d for d in fake.broker.control("domain.list")["domains"] if d["ephemeral"]]
    assert domain["name"] == "web.1" and domain["live"] == 1
    again = fake("run", "--name", "web.1", "--", "true")
    assert again.returncode == 125 and "web.1" in again.stderr
    p.terminate()
    p.wait(10)
    wait_for(lambda: "domains/web.1" not in fake.broker.files(), what="the domain's folder gone")


def test_two_containers_are_told_apart(fake):
    runs = [fake.start("run", "--name", name, "--", *orders("e" + "m" * n, 60))
            for name, n in (("one", 1), ("two", 2))]
    for p in runs:
        assert p.stdout.readline() == "done\n"
    sessions = {s["domain"]: s for s in fake.broker.wait_sessions(2)}
    assert set(sessions) == {"one", "two"}
    # The same pid inside, two processes of this machine.
    assert sessions["one"]["inner_pid"] == sessions["two"]["inner_pid"] == 2
    assert sessions["one"]["host_pid"] != sessions["two"]["host_pid"]
    # A figure is published after the reply that tells of the work.
    wait_for(lambda: {s["domain"]: s["bytes"] for s in fake.broker.sessions()} ==
             {"one": 1 << 20, "two": 2 << 20}, what="what each has charged")


def test_only_its_own_socket_is_in_the_container(fake):
    script = "find / -xdev -type s 2>/dev/null; stat -c %F /tmp/.virgl_test; " \
             "echo $VTEST_SOCKET_NAME $GALLIUM_DRIVER $LIBGL_ALWAYS_SOFTWARE; ls $SLUICE_DIRECTORY"
    out = fake("run", "--env", f"SLUICE_DIRECTORY={fake.directory}", "--", "sh", "-c", script)
    assert out.stdout.split("\n")[:2] == ["socket", "/tmp/.virgl_test virpipe 1"]
    assert "No such file" in out.stderr


@pytest.mark.parametrize("gpu,variables", [("software", {"GALLIUM_DRIVER": "llvmpipe"}),
                                           ("none", {})])
def test_without_a_session_no_broker_is_needed(tool, gpu, variables):
    done = tool("run", f"--gpu={gpu}", "--json", "--", "env")
    env = dict(line.split("=", 1) for line in done.stdout.splitlines()[:-1] if line)
    assert {k: env[k] for k in variables} == variables
    assert "VTEST_SOCKET_NAME" not in env
    assert not tool.directory.exists()
    r = report(done.stdout)
    assert r["gpu"] == gpu and r["sessions"] == 0 and r["session"] is None


# Mesa's clients, one behind the other: each connects within a millisecond of the last one's end.
ONE_BY_ONE = """
import ctypes, os
SURFACELESS = 0x31DD
egl = ctypes.CDLL("libEGL.so.1")
egl.eglGetPlatformDisplay.restype = ctypes.c_void_p
egl.eglGetPlatformDisplay.argtypes = [ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
egl.eglInitialize.argtypes = [ctypes.c_void_p] * 3
display = egl.eglGetPlatformDisplay(SURFACELESS, None, None)
for i in range(10):
    pid = os.fork()
    if pid == 0:
        os._exit(egl.eglInitialize(display, None, None))
    print(os.WEXITSTATUS(os.waitpid(pid, 0)[1]), end="", flush=True)
"""


def test_one_session_at_a_time_is_enough_for_one_client_at_a_time(tool):
    done = tool("run", "--limit", "sessions=1", "--json", "--", PYTHON, "-c", ONE_BY_ONE)
    assert done.stdout.startswith("1" * 10), done.stdout + done.stderr
    assert report(done.stdout[10:])["sessions"] == 10


def test_broker_that_dies_does_not_take_the_program_along(fake):
    p = fake.start("run", "--", *orders("e", 1.5))
    assert p.stdout.readline() == "done\n"
    fake.broker.kill()
    out, err = p.communicate(timeout=20)
    assert p.returncode == 0
    assert err.count("the program's session") == 1


# Private brokers

def test_private_broker_is_shared_and_ends(tool):
    p = tool.start("run", "--", "sh", "-c", "echo up; sleep 3")
    assert p.stdout.readline() == "up\n"
    listed = tool("ls", "--json")
    assert listed.returncode == 0, listed.stderr
    pid = json.loads(tool("version", "--json").stdout).get("broker", {}).get("pid")
    second = tool("run", "--json", "--", "true")
    assert second.returncode == 0
    assert p.wait(20) == 0
    tool.check_nothing_left()
    assert pid is None or not alive(pid)


def test_private_brokers_started_at_once(tool):
    runs = [tool.start("run", "--", "sh", "-c", "sleep 1") for _ in range(4)]
    assert [p.wait(60) for p in runs] == [0] * 4
    tool.check_nothing_left()


def test_stale_socket_is_replaced(tool):
    tool.directory.mkdir()
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tool.directory / "control"))
    done = tool("run", "--", "true")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: not tool.left(), what="no process left")
    assert list(tool.directory.iterdir()) == []


# SIGKILL of `sluice run` itself

def kill_run(tool, p):
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    tool.check_nothing_left()


def test_killed_run_leaves_nothing(tool):
    p = tool.start("run", "--", PYTHON, "-c",
                   "import os, socket, time; s = socket.socket(socket.AF_UNIX); "
                   "s.connect(os.environ['VTEST_SOCKET_NAME']); print('up', flush=True); "
                   "time.sleep(60)")
    assert p.stdout.readline() == "up\n"
    assert len(descendants(p.pid)) >= 3
    kill_run(tool, p)


@pytest.mark.parametrize("display", ["x11", "wayland"])
def test_killed_run_with_a_display_leaves_nothing(tool, display):
    need("Xvfb", "xvfb")
    need("weston", "weston")
    before = set(os.listdir("/tmp"))
    p = tool.start("run", f"--display={display}", "--screenshot", tool.base / "x.png", "--",
                   "sh", "-c", "echo up; exec sleep 60")
    assert p.stdout.readline() == "up\n"
    assert any(b"Xvfb" in pathlib.Path(f"/proc/{c}/cmdline").read_bytes()
               for c in descendants(p.pid))
    kill_run(tool, p)
    assert not [n for n in set(os.listdir("/tmp")) - before if "X" in n or "sluice-run" in n]
    assert sorted(q.name for q in tool.base.iterdir()) == []


# bubblewrap in the moment in which it has lost its parent-death signal, and what it has forked.
UNBOUND = """#!/usr/bin/python3
import ctypes, os, signal, sys, time
PR_SET_PDEATHSIG = 1
STATUS_FD = 4
child = os.fork()
if child:
    os.write(STATUS_FD, b'{ "child-pid": %d }\\n' % child)
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(s, signal.SIG_IGN)
os.write(1, b"up\\n")
time.sleep(60)
"""


@pytest.fixture
def unbound(tool):
    """A running `sluice run` whose bubblewrap nothing ties to it."""
    path = tool.base / "bin" / "bwrap"
    path.parent.mkdir()
    path.write_text(UNBOUND)
    path.chmod(0o755)
    p = tool.start("run", "--gpu=none", "--", "true",
                   env={"PATH": f"{path.parent}:{os.environ['PATH']}"})
    assert [p.stdout.readline() for _ in range(2)] == ["up\n"] * 2
    return p


def test_killed_in_a_moment_without_a_parent_death_signal_it_leaves_nothing(tool, unbound):
    assert len(descendants(unbound.pid)) >= 2
    kill_run(tool, unbound)


def test_killed_with_its_process_group_it_leaves_nothing(tool, unbound):
    # As by `timeout -s KILL`; the group is also that of the tests, hence one by one.
    for pid in [unbound.pid, *descendants(unbound.pid)]:
        # What the first of them takes with it need not be killed again.
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == os.getpgid(0):
                os.kill(pid, signal.SIGKILL)
    unbound.wait()
    tool.check_nothing_left()


def test_terminated_in_that_moment_it_leaves_nothing(tool, unbound):
    unbound.terminate()
    assert unbound.wait(10) == 128 + signal.SIGTERM
    tool.check_nothing_left()


def test_guard_killed_in_that_moment_leaves_nothing(tool, unbound):
    os.kill(descendants(unbound.pid)[0], signal.SIGKILL)
    assert unbound.wait(10) == 128 + signal.SIGKILL
    tool.check_nothing_left()


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_nothing(tool):
    for i in range(25):
        p = tool.start("run", "--display=x11", "--", "sleep", "60")
        time.sleep(0.03 * i)
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
    tool.check_nothing_left(30)
