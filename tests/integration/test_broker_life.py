# SPDX-License-Identifier: MIT
"""The broker's life: start, second broker, stale files, service manager, end."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from conftest import ControlError, alive, wait_for


def run_sluiced(build, *args, env=None, program="sluiced-test", timeout=15):
    return subprocess.run([str(build / "src" / "broker" / program), *args], capture_output=True,
                          text=True, timeout=timeout, env={**os.environ, **(env or {})})


def test_start_and_end(broker):
    b = broker(fake=True)
    b.control("domain.add", {"name": "web"})
    assert b.files() == ["control", "domains", "domains/web", "domains/web/vtest", "lock", "vtest"]
    assert b.stop() == 0
    assert not b.directory.exists()
    b.check_nothing_left()


def test_directory_that_was_there_stays(broker, tmp_path):
    tmp_path.chmod(0o755)
    b = broker(fake=True, directory=tmp_path)
    assert b.stop() == 0
    assert tmp_path.exists() and b.files() == []


def test_sigint_ends_too(broker):
    b = broker(fake=True)
    assert b.kill(signal.SIGINT) == 0


def test_second_broker_is_one_clear_error(broker, build):
    b = broker(fake=True)
    second = run_sluiced(build, f"--directory={b.directory}")
    assert second.returncode == 3
    lines = second.stderr.splitlines()
    assert len(lines) == 1
    assert str(b.directory) in lines[0] and str(b.pid) in lines[0]
    assert "another broker runs there" in lines[0]
    # The first one was not disturbed.
    assert b.control("hello")["pid"] == b.pid
    with b.connect() as client:
        client.send(b"e")
        assert client.recv(1) == b"e"


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_killed_broker_leaves_no_process(broker, kind):
    b = broker(fake=kind == "fake")
    client = b.connect()
    b.wait_sessions(1)
    b.kill(signal.SIGKILL)
    # Its client sees the end, and every process goes by itself.
    assert client.recv(1) == b""
    b.check_nothing_left()


def test_stale_files_are_taken_over(broker):
    b = broker(fake=True)
    b.control("domain.add", {"name": "web"})
    b.kill(signal.SIGKILL)
    b.check_nothing_left()
    assert "control" in b.files() and "domains/web/vtest" in b.files()
    with pytest.raises(ConnectionRefusedError):
        b.connect()
    again = broker(fake=True, directory=b.directory)
    assert [d["name"] for d in again.control("domain.list")["domains"]] == ["shared"]
    assert "domains/web" not in again.files()
    with again.connect() as client:
        client.send(b"e")
        assert client.recv(1) == b"e"
    assert again.stop() == 0
    assert again.files() == []


def test_directory_others_may_write_to_is_refused(build, tmp_path):
    tmp_path.chmod(0o777)
    r = run_sluiced(build, f"--directory={tmp_path}")
    assert r.returncode == 1
    assert "others may write to it" in r.stderr and len(r.stderr.splitlines()) == 1


def test_directory_of_another_user_is_refused(build):
    if os.geteuid() != 0:
        pytest.skip("needs root to make another user's directory")
    folder = tempfile.mkdtemp(prefix="sluice-")
    try:
        os.chown(folder, 1234, 1234)
        r = run_sluiced(build, f"--directory={folder}")
        assert r.returncode == 1 and "belongs to uid 1234" in r.stderr
    finally:
        shutil.rmtree(folder)


def test_missing_parent_is_one_clear_error(build):
    r = run_sluiced(build, "--directory=/nonexistent/place")
    assert r.returncode == 1
    assert r.stderr.startswith("sluiced: /nonexistent/place: cannot be made")
    assert len(r.stderr.splitlines()) == 1


@pytest.mark.parametrize("args, word", [
    (["--frobnicate"], "--frobnicate"),
    (["--warm=many"], "warm"),
    (["--warm"], "--warm"),
    (["--shared=perhaps"], "shared"),
    (["--host-gl=gles"], "host-gl"),
    (["--shared-mode=888"], "shared-mode"),
    (["--mem=1X"], "mem"),
    (["--uid-base=1000"], "uid-base"),
    (["--config=/nonexistent"], "/nonexistent"),
    (["extra"], "no arguments"),
])
def test_bad_options(build, args, word):
    r = run_sluiced(build, *args)
    assert r.returncode == 2
    assert len(r.stderr.splitlines()) == 1 and word in r.stderr


@pytest.mark.parametrize("text, where, what", [
    ("[broker]\nfrob = 1\n", ":2:", "unknown key"),
    ("[broker]\nwarm = 1\n", ":2:", "[workers]"),
    ("[workers]\n\nwarm = x\n", ":3:", "bad value"),
    ("nonsense\n", ":1:", "section"),
])
def test_bad_configuration_names_the_line(build, tmp_path, text, where, what):
    path = tmp_path / "bad.conf"
    path.write_text(text)
    r = run_sluiced(build, f"--config={path}")
    assert r.returncode == 2
    assert f"{path}{where}" in r.stderr and what in r.stderr and len(r.stderr.splitlines()) == 1


def test_configuration_file_and_options(broker):
    b = broker(fake=True, args=["--sessions=7"], config="""
        ; a comment
        [broker]
        shared = off
        [workers]
        warm = 3
        [limits]
        mem = 64M
        sessions = 5
    """.replace("        ", ""))
    b.wait_ready(warm=3)
    hello = b.control("hello")
    assert hello["shared_socket"] is None and "vtest" not in b.files()
    domain = b.control("domain.add", {"name": "web"})
    assert domain["limits"]["mem_bytes"] == 64 << 20
    assert domain["limits"]["sessions"] == 7


def test_example_configuration_is_valid(build, broker):
    text = (pathlib.Path(__file__).parents[2] / "data" / "sluice.conf").read_text()
    # Every key is there as a comment with its default: uncommented it must change nothing.
    live = "\n".join(line[1:] if line.startswith("#") and " = " in line and line[1] != " " else line
                     for line in text.splitlines())
    help_text = run_sluiced(build, "--help").stdout
    keys = [w.split("=")[0][2:] for w in help_text.split() if w.startswith("--") and "=" in w]
    for key in keys:
        if key not in ("config", "directory"):
            assert f"\n{key} =" in live or f"\n;{key} =" in live, f"{key} is missing"
    path = pathlib.Path(tempfile.mkdtemp(prefix="sluice-")) / "c"
    path.write_text(live)
    try:
        r = run_sluiced(build, f"--config={path}", "--directory=/nonexistent/place")
        assert r.returncode == 1, r.stderr
    finally:
        shutil.rmtree(path.parent)


def test_shared_mode(broker):
    b = broker(fake=True, args=["--shared-mode=0600"])
    assert os.stat(b.socket).st_mode & 0o777 == 0o600
    assert os.stat(b.control_path).st_mode & 0o777 == 0o600


def test_renderer_that_cannot_start_ends_the_broker(build, tmp_path):
    tmp_path.chmod(0o755)
    r = run_sluiced(build, f"--directory={tmp_path}", "--worker-arg=no-launch")
    assert r.returncode == 1
    assert "renderer: none here: install one" in r.stderr
    assert list(tmp_path.iterdir()) == []


def test_worker_that_dies_at_start_ends_the_broker(build, tmp_path):
    tmp_path.chmod(0o755)
    r = run_sluiced(build, f"--directory={tmp_path}", "--worker-arg=die")
    assert r.returncode == 1
    assert "exited with status 7 before it was ready" in r.stderr
    assert list(tmp_path.iterdir()) == []


def check_served(client, kind):
    """It has a worker that answers (the double), or at least one that has not hung up."""
    if kind == "fake":
        client.send(b"e")
        assert client.recv(1) == b"e"
    else:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_zygote_killed_is_restarted(broker, kind):
    b = broker(fake=kind == "fake", args=["--warm=1"])
    for round in range(2):
        first = b.zygote_pid() if round == 0 else next(
            p for p in b.processes() if p not in before)
        client = b.connect()
        b.wait_sessions(1)
        b.wait_ready(warm=1)
        before = b.processes()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not alive(first), what="the zygote's end")
        # Its session goes on, and new ones come.
        check_served(client, kind)
        others = [b.connect() for _ in range(4)]
        b.wait_sessions(5)
        for c in [client, *others]:
            check_served(c, kind)
            c.close()
        b.wait_sessions(0)
    assert "next try in 100 ms" in b.log()


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_without_zygote_mode(broker, kind):
    b = broker(fake=kind == "fake", args=["--zygote=off", "--warm=1"])
    clients = [b.connect() for _ in range(3)]
    b.wait_sessions(3)
    for client in clients:
        check_served(client, kind)


def test_idle_exit(broker):
    b = broker(fake=True, args=["--idle-exit=1"])
    assert b.control("hello")["private"] is True
    client = b.connect()
    b.wait_sessions(1)
    # In use: it stays.
    with pytest.raises(subprocess.TimeoutExpired):
        b.process.wait(2.5)
    client.close()
    assert b.process.wait(10) == 0
    assert b.files() == []


def test_idle_exit_waits_for_domains_and_connections(broker):
    b = broker(fake=True, args=["--idle-exit=1"])
    control = b.connect_control()
    control.call("domain.add", {"name": "run", "ephemeral": True})
    with pytest.raises(subprocess.TimeoutExpired):
        b.process.wait(2.5)
    control.close()
    assert b.process.wait(10) == 0


class NotifySocket:
    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(15)
        self.got = []

    def until(self, word):
        while not any(word in m for m in self.got):
            self.got.append(self.sock.recv(4096).decode())


def test_service_manager_is_told(broker):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
    notify = NotifySocket(folder / "notify")
    try:
        b = broker(fake=True, env={"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "1000000"})
        notify.until("READY=1")
        notify.until("renderer fake (software)")
        notify.until("WATCHDOG=1")
        client = b.connect()
        notify.until("STATUS=1 session,")
        client.close()
        b.stop()
        notify.until("STOPPING=1")
    finally:
        notify.sock.close()
        shutil.rmtree(folder)


def test_socket_activation(broker):
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        pytest.skip("systemd-socket-activate is not installed (package systemd)")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
    folder.chmod(0o755)
    control, vtest = folder / "control", folder / "vtest"
    try:
        # It starts the program when the first client comes.
        b = broker(fake=True, directory=folder, wait=False,
                   prefix=[activate, f"--listen={control}", f"--listen={vtest}",
                           "--fdname=control:vtest"])
        wait_for(vtest.exists, what="activated sockets")
        client = b.connect()
        client.send(b"e")
        assert client.recv(1) == b"e"
        assert b.control("hello")["shared_socket"] == str(vtest)
        client.close()
        b.control("shutdown")
        assert b.process.wait(15) == 0
        # The sockets are the service manager's.
        assert b.files() == ["control", "vtest"]
    finally:
        shutil.rmtree(folder)


def test_foreign_socket_is_refused(build, tmp_path):
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        pytest.skip("systemd-socket-activate is not installed (package systemd)")
    path = tmp_path / "s"
    p = subprocess.Popen([activate, f"--listen={path}", "--fdname=what",
                          str(build / "src/broker/sluiced-test"), f"--directory={tmp_path}/run"],
                         stderr=subprocess.PIPE, text=True)
    try:
        wait_for(path.exists, what="activated socket")
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            _, err = p.communicate(timeout=15)
        assert p.returncode == 1
        assert "FileDescriptorName=" in err
    finally:
        p.kill()


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_unprivileged_user(broker, build, kind):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    run = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
    os.chown(run, 1000, 1000)
    user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    if subprocess.run([*user, "test", "-x", build / "src/broker/sluiced-test"]).returncode != 0:
        pytest.skip("uid 1000 cannot reach the build directory")
    try:
        b = broker(fake=kind == "fake", directory=False, prefix=user, env={"XDG_RUNTIME_DIR": str(run)},
                   wait=False)
        b.directory = run / "sluice"
        b.wait_ready()
        assert os.stat(b.directory).st_uid == 1000
        client = b.connect()
        b.wait_sessions(1)
        check_served(client, kind)
        # Root may administer it; another user may not even get to the socket.
        assert b.control("hello")["pid"] == b.pid
        other = subprocess.run(
            ["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups",
             build / "src/cli/sluice", "--directory", b.directory, "ls"],
            capture_output=True, text=True, timeout=15)
        assert other.returncode == 1
        assert "permission denied" in other.stderr
        client.close()
        assert b.stop() == 0
        assert not b.directory.exists()
    finally:
        shutil.rmtree(run, ignore_errors=True)


def test_unprivileged_user_without_runtime_directory(build):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    env = {k: v for k, v in os.environ.items() if k != "XDG_RUNTIME_DIR"}
    r = subprocess.run(["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups",
                        str(build / "src/broker/sluiced-test")],
                       capture_output=True, text=True, timeout=15, env=env)
    if "Permission denied" in r.stderr:
        pytest.skip("uid 1000 cannot reach the build directory")
    assert r.returncode == 1
    assert "XDG_RUNTIME_DIR: not set" in r.stderr and len(r.stderr.splitlines()) == 1


def test_shutdown_method(broker):
    b = broker(fake=True)
    client = b.connect()
    b.wait_sessions(1)
    assert b.control("shutdown") == {}
    assert b.process.wait(15) == 0
    assert client.recv(1) == b""
    assert b.files() == []


def test_session_that_will_not_leave_is_killed_after_the_grace(broker):
    b = broker(fake=True, args=["--grace=300"])
    client = b.connect()
    client.send(b"de")
    assert client.recv(1) == b"e"
    assert b.stop() == 0
    assert "has not left in time" in b.log()


def test_end_with_clients_waiting(broker):
    b = broker(fake=True, args=["--warm=0", "--worker-arg=mute"], wait=False)
    b.wait_ready(warm=0)
    client = b.connect()
    wait_for(lambda: b.sessions()[0]["state"] == "waiting", what="a waiting session")
    assert b.stop() == 0
    assert client.recv(1) == b""


@pytest.mark.slow
def test_virgl(broker):
    """The same with the real renderer: served, seen, ended, nothing left."""
    b = broker(backend="virgl", args=["--warm=2"])
    hello = b.control("hello")
    assert hello["renderer"]["name"] and hello["renderer"]["library"].startswith("virglrenderer")
    clients = [b.connect() for _ in range(5)]
    sessions = b.wait_sessions(5)
    assert {s["renderer"] for s in sessions} == {hello["renderer"]["name"]}
    os.kill(sessions[0]["worker_pid"], signal.SIGKILL)
    b.wait_sessions(4)
    b.kill(signal.SIGKILL)
    for client in clients:
        assert client.recv(1) == b""
    b.check_nothing_left()


def own_cgroup():
    """A cgroup (v2) to run a broker in, or None."""
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{mount}/cgroup.procs") and os.path.exists(f"{mount}/cgroup.controllers"):
            path = pathlib.Path(mount) / f"sluice-test-{os.getpid()}"
            try:
                path.mkdir()
                return path
            except OSError:
                return None
    return None


def test_cgroup_per_domain(broker):
    group = own_cgroup()
    if not group:
        pytest.skip("no cgroup v2 hierarchy that may be written to")
    try:
        b = broker(fake=True, args=["--cgroup=on"],
                   prefix=["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"])
        path = b.control("domain.add", {"name": "web"})["socket"]
        client = b.connect(path)
        pid = b.wait_sessions(1)[0]["worker_pid"]
        assert (group / "domain-web/cgroup.procs").read_text().split() == [str(pid)]
        assert str(b.pid) in (group / "broker/cgroup.procs").read_text().split()
        client.close()
        b.wait_sessions(0)
        b.control("domain.remove", {"name": "web"})
        wait_for(lambda: not (group / "domain-web").exists(), what="the group's removal")
        assert b.stop() == 0
        b.check_nothing_left()
        assert not (group / "broker").exists()
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text(), what="an empty group")
        group.rmdir()


def test_control_error_is_an_exception_with_a_code(broker):
    b = broker(fake=True)
    with pytest.raises(ControlError) as e:
        b.control("domain.usage", {"name": "nobody"})
    assert e.value.code == "not-found"
