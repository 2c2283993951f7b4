# SPDX-License-Identifier: MIT
"""One test for each way in which a client is known to have hurt a vtest server."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import pytest

import vtest_client as vt
from vtest_client import Client, Closed, map_fd

MIB = 1 << 20
# What a worker may use beside its session's budget: the process itself, and GL with its compiler.
CONSTANT = {"null": 48 * MIB, "virgl": 256 * MIB}
BACKENDS = ["null", "virgl"]


def resident(pid):
    """RssAnon + RssShmem in bytes."""
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            total += int(line.split()[1]) * 1024
    return total


def check_usable(client, handle=900001):
    """A session still does what it should: create, transfer, wait, drop."""
    handle, fd = client.create2(handle)
    assert fd is not None
    with map_fd(fd, 1024) as m:
        m[:] = bytes(1024)
        client.put2(handle)
        client.get2(handle)
        assert client.busy_wait(handle) == 0
    client.unref(handle)
    assert client.busy_wait() == 0


def check_serves(server):
    """A new client is served."""
    with Client(server.socket) as c:
        check_usable(c)


@pytest.mark.parametrize("backend", BACKENDS)
def test_shrinking_memory_under_a_transfer(server, backend):
    with Client(server(backend).socket) as c:
        handle, fd = c.create2(7)
        for size in (0, 1, 4095, 4097, 1 << 30):
            with pytest.raises(OSError):
                os.ftruncate(fd, size)
        with pytest.raises(OSError):
            os.posix_fallocate(fd, 0, 1 << 30)
        with map_fd(fd, 1024) as m:
            c.get2(handle)
            assert c.busy_wait(handle) == 0
            if backend == "null":
                assert m[:256] == bytes(range(256))
        check_usable(c)


@pytest.mark.parametrize("backend", BACKENDS)
def test_submit_cmd2_offset_overflow(server, backend):
    s = server(backend)
    for offset, size in ((0xFFFFFFFF, 2), (0xFFFFFFFE, 3), (0x80000000, 0x80000007), (7, 0xFFFFFFFF)):
        for sync_offset, sync_count in ((9, 0), (0xFFFFFFFF, 1), (9, 0x55555556)):
            with Client(s.socket, version=3) as c:
                c.msg(vt.SUBMIT_CMD2, 1, 0, offset, size, sync_offset, sync_count, 0, 0, 0, 0, 0, 0)
                assert c.ended()
    check_serves(s)


def test_stray_bytes_then_silence(server):
    s = server(message_ms=1000)
    with Client(s.socket) as bystander, Client(s.socket) as c:
        c.send(b"abc")
        began = time.monotonic()
        for _ in range(20):
            check_usable(bystander)
        assert time.monotonic() - began < 1, "a silent client held up another"
        assert c.ended(10)
        assert time.monotonic() - began < 5
        check_usable(bystander)


@pytest.mark.parametrize("begun", [
    vt.message(vt.RESOURCE_CREATE2, 1, 2, length=11),
    vt.message(vt.SUBMIT_CMD, 1, 2, 3, length=1000),
    vt.message(vt.CREATE_RENDERER, length=100, body=b"x"),
    vt.words(3),
])
def test_message_begun_and_never_finished(server, begun):
    s = server(message_ms=500)
    with Client(s.socket) as c:
        c.send(begun)
        assert c.ended(10)
    check_serves(s)


def test_message_fed_byte_by_byte_for_ever(server):
    """Progress does not extend the time that one message may take."""
    s = server(message_ms=800)
    with Client(s.socket) as c:
        c.send(vt.words(100000, vt.SUBMIT_CMD))
        began = time.monotonic()
        with pytest.raises(Closed):
            while time.monotonic() - began < 20:
                c.send(b"x")
                time.sleep(0.02)
        assert time.monotonic() - began < 5


def test_client_that_never_reads(server):
    s = server(message_ms=1000)
    c = Client(s.socket)
    c.sock.settimeout(0.2)
    try:
        for _ in range(100000):
            c.send(vt.message(vt.GET_CAPS2) * 64)
    except (socket.timeout, Closed):
        pass
    for pid in s.worker_pids():
        assert resident(pid) < CONSTANT["null"]
    time.sleep(2)
    with pytest.raises((Closed, socket.timeout)):
        for _ in range(100):
            c.send(vt.message(vt.PING) * 4096)
    assert c.ended(5)
    c.close()
    check_serves(s)


@pytest.mark.parametrize("backend", BACKENDS)
def test_huge_resources_in_a_loop(server, backend):
    budget = 256 * MIB
    s = server(backend, mem_bytes=budget)
    with Client(s.socket) as c:
        refused, maps = 0, []
        for i in range(1, 60):
            _, fd = c.create2(i, 16384, 16384, size=MIB)
            refused += fd is None
            if fd is not None:
                maps.append(map_fd(fd, MIB))
        for i in range(100, 200):
            _, fd = c.create2(i, 16, 16, size=0xFFFFF000)
            assert fd is None
        for i in range(200, 300):
            c.create2(i, 16384, 16384, size=0)
        c.busy_wait()
        assert refused == 59
        for pid in s.worker_pids():
            assert resident(pid) < budget + CONSTANT[backend]
        for i in range(200, 300):
            c.unref(i)
        check_usable(c)


@pytest.mark.parametrize("backend", BACKENDS)
def test_medium_resources_until_the_budget_ends(server, backend):
    budget = 256 * MIB
    s = server(backend, mem_bytes=budget)
    with Client(s.socket) as c:
        handles, maps = [], []
        for i in range(1, 400):
            _, fd = c.create2(i, 512, 512)
            if fd is None:
                break
            handles.append(i)
            maps.append(map_fd(fd, MIB))
            maps[-1][::4096] = b"x" * 256
            c.put2(i, 512, 512)
        else:
            pytest.fail("the budget never ended")
        c.busy_wait()
        for pid in s.worker_pids():
            assert resident(pid) < budget + CONSTANT[backend]
        for h in handles[:20]:
            c.unref(h)
        check_usable(c)


@pytest.mark.parametrize("backend", BACKENDS)
def test_create_and_unref_while_keeping_the_mappings(server, backend):
    budget = 256 * MIB
    s = server(backend, mem_bytes=budget)
    with Client(s.socket) as c:
        maps, peak = {}, 0
        for i in range(30):
            # More at a time than are kept for use again, so that most are given back each time.
            for h in range(1, 11):
                _, fd = c.create2(h, 1024, 1024)
                assert fd is not None, "dropped resources were not refunded"
                inode = os.fstat(fd).st_ino
                maps[inode] = map_fd(fd, 4 * MIB)
                maps[inode][::4096] = b"x" * 1024
                c.put2(h, 1024, 1024)
            for h in range(1, 11):
                c.unref(h)
            c.busy_wait()
            peak = max([peak] + [resident(p) for p in s.worker_pids()])
        assert peak < budget + CONSTANT[backend]
        check_usable(c)
        # What was refunded was taken out of the files first: those mappings are empty now.
        assert len(maps) > 30
        assert sum(m[0:1] == b"x" for m in maps.values()) * 4 * MIB <= budget // 8


def test_handles_of_others(server):
    s = server()
    with Client(s.socket) as a, Client(s.socket) as b:
        handle, fd = a.create2(7)
        with map_fd(fd, 1024) as m:
            m[:] = b"\xaa" * 1024
            b.get2(7)
            b.put2(7)
            b.unref(7)
            assert b.busy_wait(7) == 0
            _, other = b.create2(7)
            with map_fd(other, 1024) as n:
                assert n[:] == bytes(1024)
                b.get2(7)
                b.busy_wait(7)
                assert m[:] == b"\xaa" * 1024
        check_usable(a)
        check_usable(b)


ABSURD = [
    vt.message(vt.SUBMIT_CMD, length=0xFFFFFFFF),
    vt.message(vt.SUBMIT_CMD2, length=0xFFFFFFFF),
    vt.message(vt.SUBMIT_CMD2, 0xFFFFFFFF, 1, 2, 3),
    vt.message(vt.SUBMIT_CMD2, 0x20000000, 1, 2, 3),
    vt.message(vt.SYNC_WAIT, length=0xFFFFFFFE),
    vt.message(vt.SYNC_WAIT, length=2 + 3 * 0x55555554),
    vt.message(vt.CREATE_RENDERER, length=0xFFFFFFFF),
    vt.message(vt.RESOURCE_CREATE2, *[0xFFFFFFFF] * 11),
    vt.message(vt.RESOURCE_CREATE, *[0xFFFFFFFF] * 10),
    vt.message(vt.TRANSFER_GET2, *[0xFFFFFFFF] * 10),
    vt.message(vt.TRANSFER_PUT2, *[0xFFFFFFFF] * 10),
    vt.message(vt.TRANSFER_GET, 7, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0xFFFFFFFF),
    vt.message(vt.TRANSFER_PUT, 7, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0xFFFFFFFF),
    vt.message(vt.CREATE_BLOB, *[0xFFFFFFFF] * 6),
    vt.message(25, 0), vt.message(31, 0xFFFFFFFF, 0, 0, 0), vt.message(36, 0xFFFFFFFF, 0),
    vt.message(38, 1), vt.message(39), vt.message(0xFFFFFFFF, length=0xFFFFFFFF),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_absurd_counts(server, backend):
    s = server(backend, mem_bytes=256 * MIB, message_ms=500)
    for version in (0, 2, 3):
        for data in ABSURD:
            with Client(s.socket, version=version) as c:
                c.send(data)
                c.ended(0.05)
                for pid in s.worker_pids():
                    try:
                        assert resident(pid) < 256 * MIB + CONSTANT[backend]
                    except OSError:
                        pass  # it has just ended
    assert not s.crashes()
    check_serves(s)


def test_thousands_of_syncs_and_waits(server):
    s = server()
    with Client(s.socket, version=3) as c:
        fds, refused = [], 0
        for _ in range(5000):
            c.msg(vt.SYNC_CREATE, 0, 0)
            refused += c.recv_words(3)[2] == 0
        assert refused == 5000 - 4096
        for _ in range(300):
            c.msg(vt.SYNC_WAIT, 0, 0xFFFFFFFF, 1, 1, 0)
            assert c.recv_words(2) == (0, vt.SYNC_WAIT)
            fds.append(c.recv_fd())
        for fd in fds:
            if fd is not None:
                os.close(fd)
        c.busy_wait()
    check_serves(s)


@pytest.mark.parametrize("backend", BACKENDS)
def test_random_bytes(server, backend):
    s = server(backend, message_ms=300)
    rng = random.Random(4711)
    for i in range(300 if backend == "null" else 60):
        c = Client(s.socket, version=rng.choice([None, 0, 2, 3]))
        try:
            if rng.random() < 0.5:
                c.send(rng.randbytes(rng.randrange(1, 5000)))
            else:
                for _ in range(50):
                    n = rng.randrange(13)
                    c.msg(rng.randrange(26), *[rng.choice([0, 1, 2, 7, 64, rng.getrandbits(32)])
                                               for _ in range(n)])
            c.sock.shutdown(socket.SHUT_WR)
            assert c.ended(10)
        except (Closed, OSError):
            pass
        c.close()
    check_serves(s)


@pytest.mark.slow
def test_mutated_sessions_live(server, build, tmp_path):
    """Real sessions with faults in them, drawn by the real renderer."""
    s = server("virgl", mem_bytes=512 * MIB, message_ms=300)
    recordings = sorted((pathlib.Path(__file__).parent / "recordings").glob("*.rec"))
    subprocess.run([build / "tests" / "hostile" / "mutate", "--count=300", f"--write={tmp_path}",
                    *recordings], check=True, stdout=subprocess.DEVNULL, timeout=60)
    for path in sorted(tmp_path.iterdir()):
        c = Client(s.socket, version=None)
        c.sock.settimeout(10)
        try:
            c.send(path.read_bytes())
            c.sock.shutdown(socket.SHUT_WR)
        except (Closed, OSError):
            pass
        assert c.ended(15), f"{path.name} hangs"
        c.close()
    check_serves(s)
    for line in s.crashes():
        print(line)


@pytest.mark.parametrize("backend", BACKENDS)
def test_client_killed_mid_frame(server, backend):
    s = server(backend)
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        c = Client(s.socket)
        c.create2(1, 512, 512)
        c.get2(1, 512, 512)
        c.send(vt.message(vt.SUBMIT_CMD, 1, 2, length=5000))
        os.write(told, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    assert len(s.worker_pids()) == 1
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    end = time.monotonic() + 3
    while s.worker_pids() and time.monotonic() < end:
        time.sleep(0.02)
    assert not s.worker_pids()
    check_serves(s)
    os.close(ready)
    os.close(told)
