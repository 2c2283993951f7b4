# SPDX-License-Identifier: MIT
"""Sessions and workers: isolation of failures, limits, watchdog, pools, accounting."""
import os
import resource
import signal
import socket
import subprocess
import time

import pytest

from conftest import alive, wait_for


def ask(client, order=b"e"):
    client.send(order)
    return client.recv(1)


def test_sessions_have_rising_ids_below_2_to_the_53(broker):
    b = broker(fake=True)
    clients = [b.connect() for _ in range(3)]
    ids = [s["session"] for s in b.wait_sessions(3)]
    assert ids == sorted(set(ids)) and ids[-1] < 2 ** 53
    b.stop()
    again = broker(fake=True)
    client = again.connect()
    assert again.wait_sessions(1)[0]["session"] > ids[-1]
    client.close()
    for c in clients:
        c.close()


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_killed_worker_takes_only_its_own_client(broker, kind):
    b = broker(fake=kind == "fake")
    clients = [b.connect() for _ in range(3)]
    sessions = b.wait_sessions(3)
    b.control("domain.list")
    os.kill(sessions[1]["worker_pid"], signal.SIGKILL)
    assert clients[1].recv(1) == b""
    left = b.wait_sessions(2)
    assert [s["session"] for s in left] == [sessions[0]["session"], sessions[2]["session"]]
    for client in (clients[0], clients[2]):
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
    wait_for(lambda: "was killed by SIGKILL" in b.log(), what="the reason in the log")
    assert b.control("domain.usage", {"name": "shared"})["lost"] == 1


@pytest.mark.parametrize("order, words", [
    (b"c", "was killed by SIGABRT"),
    (b"x", "exited with status 3"),
    (b"b", "a broken message"),
])
def test_worker_that_goes_wrong(broker, order, words):
    b = broker(fake=True)
    other = b.connect()
    client = b.connect()
    client.send(order)
    assert client.recv(1) == b""
    wait_for(lambda: words in b.log(), what=words)
    assert ask(other) == b"e"
    b.wait_sessions(1)


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_client_that_leaves_ends_its_session(broker, kind):
    b = broker(fake=kind == "fake")
    before = None
    for _ in range(3):
        client = b.connect()
        pid = b.wait_sessions(1)[0]["worker_pid"]
        client.close()
        b.wait_sessions(0)
        wait_for(lambda: not alive(pid), what="the worker's end")
        b.wait_ready(warm=2)
        # No fd stays behind.
        before = before or b.n_fds()
        wait_for(lambda: b.n_fds() <= before, what=f"{before} descriptors, not {b.n_fds()}")


def test_kill_by_number(broker):
    b = broker(fake=True)
    client, other = b.connect(), b.connect()
    session = b.wait_sessions(2)[0]["session"]
    assert b.control("session.kill", {"session": session}) == {}
    assert client.recv(1) == b""
    assert ask(other) == b"e"
    wait_for(lambda: "killed through the control socket" in b.log(), what="the reason in the log")
    assert b.control("domain.usage", {"name": "shared"})["lost"] == 0


def test_watchdog_ends_a_worker_stuck_in_its_renderer(broker):
    b = broker(fake=True, args=["--watchdog=1"])
    stuck, other = b.connect(), b.connect()
    b.wait_sessions(2)
    begin = time.monotonic()
    stuck.send(b"h")
    assert stuck.recv(1) == b""
    assert 0.9 < time.monotonic() - begin < 5
    assert ask(other) == b"e"
    assert "more than 1 s in one renderer call" in b.log()


def test_watchdog_off(broker):
    b = broker(fake=True, args=["--watchdog=0"])
    stuck = b.connect(timeout=2.5)
    stuck.send(b"h")
    with pytest.raises(socket.timeout):
        stuck.recv(1)


def test_stopped_worker_cannot_hold_up_the_end(broker):
    b = broker(fake=True, args=["--grace=200"])
    client = b.connect()
    os.kill(b.wait_sessions(1)[0]["worker_pid"], signal.SIGSTOP)
    assert b.stop() == 0
    assert client.recv(1) == b""


def test_sessions_of_a_domain_are_limited(broker):
    b = broker(fake=True)
    path = b.control("domain.add", {"name": "web", "limits": {"sessions": 2}})["socket"]
    clients = [b.connect(path) for _ in range(2)]
    b.wait_sessions(2)
    refused = b.connect(path)
    assert refused.recv(1) == b""
    assert "domain web: connection refused: it has its 2 sessions" in b.log()
    # Another domain is not affected, and a place that is freed can be had.
    other = b.connect()
    assert ask(other) == b"e"
    clients[0].close()
    b.wait_sessions(2)
    again = b.connect(path)
    assert ask(again) == b"e"


def one_at_a_time(b):
    return b.control("domain.add", {"name": "web", "limits": {"sessions": 1}})["socket"]


def test_place_of_a_session_that_has_just_ended(broker):
    """As Mesa does: connect, close, connect again before the first worker has gone."""
    b = broker(fake=True)
    path = one_at_a_time(b)
    for _ in range(20):
        client = b.connect(path)
        assert ask(client) == b"e"
        client.close()
    assert "refused" not in b.log()


def test_who_waits_for_a_place_has_no_worker(broker):
    b = broker(fake=True)
    path = one_at_a_time(b)
    client = b.connect(path)
    assert ask(client) == b"e"
    second = b.connect(path)
    wait_for(lambda: len(b.sessions()) == 2, what="the second")
    assert [(s["state"], bool(s["worker_pid"])) for s in b.sessions()] == \
        [("live", True), ("waiting", False)]
    # As many wait as there are places; the next is refused at once, the shared socket's is served.
    begin = time.monotonic()
    assert b.connect(path).recv(1) == b""
    assert time.monotonic() - begin < 1
    assert ask(b.connect()) == b"e"
    client.close()
    assert ask(second) == b"e"


def test_waiting_for_a_place_is_bounded(broker):
    b = broker(fake=True)
    path = one_at_a_time(b)
    client = b.connect(path)
    assert ask(client) == b"e"
    begin = time.monotonic()
    assert b.connect(path).recv(1) == b""
    assert 1.5 < time.monotonic() - begin < 8
    assert ask(client) == b"e"


def test_domain_is_removed_while_one_waits_for_a_place(broker):
    b = broker(fake=True)
    path = one_at_a_time(b)
    client, second = b.connect(path), b.connect(path)
    wait_for(lambda: len(b.sessions()) == 2, what="both")
    b.control("domain.remove", {"name": "web"})
    assert client.recv(1) == b"" and second.recv(1) == b""
    wait_for(lambda: not b.sessions(), what="no session")
    assert b.stop() == 0


def test_sessions_of_the_broker_are_limited(broker):
    b = broker(fake=True, args=["--sessions-total=2"])
    clients = [b.connect() for _ in range(2)]
    b.wait_sessions(2)
    assert b.connect().recv(1) == b""
    for client in clients:
        assert ask(client) == b"e"


def test_refusals_do_not_fill_the_log(broker):
    b = broker(fake=True, args=["--sessions-total=0"])
    for _ in range(50):
        assert b.connect().recv(1) == b""
    assert b.log().count("refused") <= 3


def test_flood_of_messages_from_a_worker(broker):
    b = broker(fake=True)
    noisy, other = b.connect(), b.connect()
    b.wait_sessions(2)
    noisy.send(b"n")
    for _ in range(20):
        begin = time.monotonic()
        assert ask(other) == b"e"
        b.control("hello")
        assert time.monotonic() - begin < 1
    assert b.log().count("noise") < 20


def test_connections_wait_for_workers(broker):
    b = broker(fake=True, args=["--warm=1", "--spawns=2", "--worker-arg=slow"])
    clients = [b.connect() for _ in range(8)]
    for client in clients:
        client.send(b"e")
    states = {s["state"] for s in b.sessions()}
    assert "waiting" in states
    assert all(client.recv(1) == b"e" for client in clients)


def test_bounded_number_of_waiting_connections(broker):
    b = broker(fake=True, args=["--warm=0", "--waiting=3", "--worker-arg=mute"], wait=False)
    b.wait_ready(warm=0)
    clients = [b.connect() for _ in range(3)]
    wait_for(lambda: len(b.sessions()) == 3, what="three waiting")
    assert b.connect().recv(1) == b""
    assert "too many connections wait" in b.log()
    # One that leaves while it waits makes room.
    clients[0].close()
    wait_for(lambda: len(b.sessions()) == 2, what="two waiting")


def test_warm_worker_that_dies_is_replaced(broker):
    b = broker(fake=True, args=["--warm=1"])
    zygote = b.zygote_pid()
    warm = [p for p in b.processes() if p != zygote]
    os.kill(warm[0], signal.SIGKILL)
    wait_for(lambda: "while it was warm" in b.log(), what="its loss in the log")
    b.wait_ready(warm=1)
    assert ask(b.connect()) == b"e"


def test_usage_of_a_domain(broker):
    b = broker(fake=True)
    path = b.control("domain.add", {"name": "web"})["socket"]
    first = b.connect(path)
    first.send(b"mmsse")
    assert first.recv(1) == b"e"
    live = b.control("domain.usage", {"name": "web"})
    assert (live["sessions"], live["live"], live["submits"]) == (1, 1, 2)
    assert live["peak_bytes"] == 2 << 20 and live["first_frame_ns"] == 1000
    session = b.sessions("web")[0]
    assert session["bytes"] == session["peak_bytes"] == 2 << 20
    assert session["limit_bytes"] == 1 << 30
    first.close()
    b.wait_sessions(0)
    second = b.connect(path)
    second.send(b"fc")
    assert second.recv(1) == b""
    b.wait_sessions(0)
    usage = b.control("domain.usage", {"name": "web"})
    assert (usage["sessions"], usage["live"], usage["lost"]) == (2, 0, 1)
    assert (usage["submits"], usage["faults"]) == (2, 1)
    assert usage["last_fault"] == "the client did wrong"
    assert usage["peak_bytes"] == 2 << 20
    assert usage["last_session"] > session["session"]


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_fifty_clients(broker, kind):
    b = broker(fake=kind == "fake")
    clients = [b.connect() for _ in range(50)]
    sessions = b.wait_sessions(50, timeout=60)
    assert len({s["worker_pid"] for s in sessions}) == 50
    if kind == "fake":
        for client in clients:
            client.send(b"e")
        assert all(client.recv(1) == b"e" for client in clients)
    for client in clients:
        client.close()
    b.wait_sessions(0)


def test_out_of_descriptors_waits_instead_of_spinning(broker):
    b = broker(fake=True, args=["--warm=0"], wait=False)
    b.wait_ready(warm=0)
    control = b.connect_control()
    # Room for two more fds.
    limit = max(int(n) for n in os.listdir(f"/proc/{b.pid}/fd")) + 3
    hard = resource.prlimit(b.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(b.pid, resource.RLIMIT_NOFILE, (limit, hard))
    clients = [b.connect() for _ in range(20)]
    wait_for(lambda: "no more connections until something is freed" in b.log(), what="a warning")

    def cpu():
        fields = open(f"/proc/{b.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    begin = cpu()
    time.sleep(1)
    assert cpu() - begin < 0.3
    resource.prlimit(b.pid, resource.RLIMIT_NOFILE, (hard, hard))
    for client in clients:
        client.send(b"e")
    assert all(client.recv(1) == b"e" for client in clients)
    assert control.call("hello")["pid"] == b.pid


def test_recording_goes_to_the_first_session(broker, tmp_path):
    b = broker(fake=True)
    with open(tmp_path / "recording", "w+b") as f:
        path = b.control("domain.add", {"name": "rec", "record": True}, [f.fileno()])["socket"]
        assert ask(b.connect(path), b"r") == b"8"
        assert ask(b.connect(path), b"r") == b"-"
        f.seek(0)
        assert f.read() == b"recorded"


def test_log_of_a_session(broker):
    b = broker(fake=True)
    client = b.connect()
    client.send(b"ms")
    session = b.wait_sessions(1)[0]
    client.close()
    b.wait_sessions(0)
    log = b.log()
    start = next(line for line in log.splitlines() if f"{session['session']}: started" in line)
    end = next(line for line in log.splitlines() if f"{session['session']}: ended" in line)
    assert f"pid {os.getpid()}" in start and "on fake" in start and "domain shared" in start
    assert "peak 1024 KiB, 1 submits" in end


@pytest.mark.parametrize("kind", ["fake", "null"])
def test_no_zombies(broker, kind):
    b = broker(fake=kind == "fake")
    for _ in range(5):
        client = b.connect()
        os.kill(b.wait_sessions(1)[0]["worker_pid"], signal.SIGKILL)
        client.recv(1)
        b.wait_sessions(0)
    b.wait_ready(warm=2)
    zombies = subprocess.run(["ps", "--ppid", str(b.pid), "-o", "stat="], capture_output=True,
                             text=True).stdout.split()
    assert not [z for z in zombies if z.startswith("Z")]
