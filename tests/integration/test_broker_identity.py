# SPDX-License-Identifier: MIT
"""Who a client is: sockets, pids in namespaces, users, permissions of sockets."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

from conftest import wait_for

CLIENT = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def start_client(path, prefix=()):
    """A client in a process of its own, until its stdin is closed. Its pid as it sees it."""
    p = subprocess.Popen([*prefix, sys.executable, "-c", CLIENT, str(path)],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return p, int(p.stdout.readline())


def end_client(p):
    p.stdin.close()
    p.wait(15)


def require_namespaces():
    if subprocess.run(["unshare", "-Urpf", "true"], capture_output=True).returncode != 0:
        pytest.skip("this user may not make user namespaces")


def peerpidfd_supported():
    a, b = socket.socketpair(socket.AF_UNIX)
    try:
        os.close(a.getsockopt(socket.SOL_SOCKET, 77))
        return True
    except OSError:
        return False
    finally:
        a.close()
        b.close()


def test_same_inner_pid_in_two_namespaces(broker):
    require_namespaces()
    b = broker(fake=True)
    paths = [b.control("domain.add", {"name": n})["socket"] for n in ("one", "two")]
    namespace = ["unshare", "-Urpf", "--mount-proc"]
    clients = [start_client(p, namespace) for p in paths]
    assert [pid for _, pid in clients] == [1, 1]
    sessions = {s["domain"]: s for s in b.wait_sessions(2)}
    assert sessions["one"]["inner_pid"] == sessions["two"]["inner_pid"] == 1
    assert sessions["one"]["host_pid"] != sessions["two"]["host_pid"]
    for s in sessions.values():
        assert s["identified_by"] == "socket"
        assert s["comm"].startswith("python")
        assert s["uid"] == os.geteuid()
    for p, _ in clients:
        end_client(p)
    b.wait_sessions(0)


def test_shared_socket_identifies_by_pidfd(broker):
    b = broker(fake=True)
    client = b.connect()
    session = b.wait_sessions(1)[0]
    assert session["identified_by"] == ("peerpidfd" if peerpidfd_supported() else "peercred")
    assert session["host_pid"] == os.getpid()
    assert session["domain"] == "shared"
    client.close()


def test_client_that_is_gone_has_no_borrowed_identity(broker):
    b = broker(fake=True, args=["--warm=0"], wait=False)
    b.wait_ready(warm=0)
    # It connects, hands its socket to us, and is gone before the broker looks at it.
    mine, theirs = socket.socketpair(socket.AF_UNIX)
    os.kill(b.pid, 19)
    pid = os.fork()
    if pid == 0:
        s = socket.socket(socket.AF_UNIX)
        s.connect(b.socket)
        socket.send_fds(theirs, [b"x"], [s.fileno()])
        os._exit(0)
    os.waitpid(pid, 0)
    _, fds, _, _ = socket.recv_fds(mine, 1, 1)
    os.kill(b.pid, 18)
    wait_for(lambda: b.sessions(), what="its session")
    session = b.sessions()[0]
    assert session["comm"] is None and session["inner_pid"] is None
    assert session["cgroup"] is None and session["container"] is None
    assert session["uid"] == os.geteuid()
    for fd in fds:
        os.close(fd)


def test_broker_that_cannot_see_its_clients_pid(broker, build):
    """As in a container: a broker in a pid namespace below its client's sees pid 0."""
    require_namespaces()
    folder = tempfile.mkdtemp(prefix="sluice-")
    os.chmod(folder, 0o755)
    try:
        b = broker(fake=True, directory=folder, wait=False,
                   prefix=["unshare", "-Urpf", "--mount-proc", "--kill-child"])
        b.wait_ready()
        shared = b.connect()
        own = b.connect(b.control("domain.add", {"name": "web"})["socket"])
        sessions = {s["domain"]: s for s in b.wait_sessions(2)}
        for s in sessions.values():
            assert s["host_pid"] is None and s["inner_pid"] is None and s["comm"] is None
        assert sessions["shared"]["identified_by"] == "peercred"
        assert sessions["web"]["identified_by"] == "socket"
        assert "pid not visible" in b.log()
        shared.close()
        own.close()
        b.control("shutdown")
        assert b.process.wait(15) == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_permissions_of_a_domains_socket(broker):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    b = broker(fake=True)
    domain = b.control("domain.add", {"name": "web", "uid": 1234, "gid": 4321, "mode": "0660"})
    st = os.stat(domain["socket"])
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (1234, 4321, 0o660)
    connect = ("import socket,sys\n"
               "socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n")

    def as_user(uid, gid):
        return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
                               sys.executable, "-c", connect, domain["socket"]],
                              capture_output=True).returncode
    assert as_user(1234, 99) == 0
    assert as_user(99, 4321) == 0
    assert as_user(99, 99) != 0
    default = b.control("domain.add", {"name": "mine"})
    assert os.stat(default["socket"]).st_mode & 0o777 == 0o600
    # Nobody lists the domains of others.
    assert os.stat(b.directory / "domains").st_mode & 0o777 == 0o711


def test_umask_does_not_matter(broker, build):
    b = broker(fake=True, prefix=["sh", "-c", 'umask 0177; exec "$@"', "sh"])
    assert os.stat(b.socket).st_mode & 0o777 == 0o666
    assert os.stat(b.directory).st_mode & 0o777 == 0o755
