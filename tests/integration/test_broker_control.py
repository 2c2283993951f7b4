# SPDX-License-Identifier: MIT
"""The control protocol on a live broker, and the tool's commands for it."""
import json
import os
import subprocess
import time

import pytest

from conftest import Control, ControlError, wait_for


def code(b, method, params=None, fds=()):
    with pytest.raises(ControlError) as e:
        b.control(method, params, fds)
    return e.value.code


@pytest.fixture
def b(broker):
    return broker(fake=True)


def test_hello(b):
    hello = b.control("hello")
    assert hello["protocol"] == 1 and hello["pid"] == b.pid and hello["private"] is False
    assert hello["directory"] == str(b.directory)
    assert hello["shared_socket"] == b.socket
    assert hello["renderer"] == {"name": "fake", "api": None, "library": "none", "node": None,
                                 "software": True}
    assert hello["sandbox"] == ["rlimits"]
    assert hello["uptime_ns"] > 0


@pytest.mark.parametrize("line, want, closes", [
    (b"nonsense\n", "bad-request", True),
    (b"[]\n", "bad-request", True),
    (b"{} {}\n", "bad-request", True),
    (b'{"v":1,"id":1,"id":2,"method":"hello"}\n', "bad-request", True),
    (b'{"v":1,"method":"hello"}\n', "bad-request", True),
    (b'{"v":1,"id":1}\n', "bad-request", False),
    (b'{"v":1,"id":1,"method":"hello","extra":1}\n', "bad-request", False),
    (b'{"v":1,"id":1,"method":"hello","params":[]}\n', "bad-request", False),
    (b'{"v":1,"id":1,"method":"hello","params":{"a":1}}\n', "invalid", False),
    (b'{"v":2,"id":1,"method":"hello"}\n', "unsupported-version", False),
    (b'{"v":1,"id":1,"method":"fly"}\n', "unknown-method", False),
])
def test_bad_requests(b, line, want, closes):
    with b.connect_control() as c:
        c.send_raw(line)
        reply = json.loads(c.read_line())
        assert reply["error"]["code"] == want
        if want == "unsupported-version":
            assert reply["error"]["supported"] == [1]
        if closes:
            assert reply["id"] is None
            assert c.read_line() is None
        else:
            assert c.call("hello")["protocol"] == 1


def test_string_ids_are_echoed(b):
    with b.connect_control() as c:
        c.send_raw(b'{"v":1,"id":"seven","method":"domain.list"}\n')
        assert json.loads(c.read_line())["id"] == "seven"


def test_requests_back_to_back_are_answered_in_order(b):
    with b.connect_control() as c:
        c.send_raw(b"".join(b'{"v":1,"id":%d,"method":"domain.list"}\n' % i for i in range(200)))
        assert [json.loads(c.read_line())["id"] for _ in range(200)] == list(range(200))


def test_request_in_pieces(b):
    with b.connect_control() as c:
        for byte in b'{"v":1,"id":1,"method":"hello"}\n':
            c.send_raw(bytes([byte]))
        assert json.loads(c.read_line())["result"]["protocol"] == 1


def test_endless_request_is_cut_off(b):
    with b.connect_control() as c:
        try:
            c.send_raw(b" " * 70000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        line = c.read_line()
        assert line is None or json.loads(line)["error"]["code"] == "bad-request"
        assert c.read_line() is None


def test_peer_that_never_reads_does_not_hold_up_others(b):
    c = b.connect_control()
    c.sock.setblocking(False)
    request = b'{"v":1,"id":1,"method":"domain.list"}\n' * 500
    sent = 0
    for _ in range(2000):
        try:
            sent += c.sock.send(request)
        except BlockingIOError:
            break
    else:
        pytest.fail("the broker reads without bound")
    begin = time.monotonic()
    assert b.control("hello")["pid"] == b.pid
    assert time.monotonic() - begin < 1
    rss = int(next(line for line in open(f"/proc/{b.pid}/status")
                   if line.startswith("VmRSS")).split()[1])
    assert rss < 64 * 1024
    c.close()


def test_domains(b):
    web = b.control("domain.add", {"name": "web", "limits": {"mem_bytes": 4096}, "mode": "0640"})
    assert web["socket"] == str(b.directory / "domains/web/vtest")
    assert web["limits"]["mem_bytes"] == 4096 and web["limits"]["contexts"] == 64
    assert (web["mode"], web["ephemeral"], web["live"], web["tenant"]) == ("0640", False, 0, None)
    assert code(b, "domain.add", {"name": "web"}) == "exists"
    assert [d["name"] for d in b.control("domain.list")["domains"]] == ["shared", "web"]
    assert b.control("domain.remove", {"name": "web"}) == {}
    assert code(b, "domain.remove", {"name": "web"}) == "not-found"
    assert not os.path.exists(web["socket"])
    assert b.control("domain.add", {"name": "web"})["live"] == 0


@pytest.mark.parametrize("params, want", [
    ({}, "invalid"),
    ({"name": ""}, "invalid"),
    ({"name": ".."}, "invalid"),
    ({"name": "a/b"}, "invalid"),
    ({"name": "-a"}, "invalid"),
    ({"name": "a\n"}, "invalid"),
    ({"name": "x" * 64}, "invalid"),
    ({"name": "shared"}, "invalid"),
    ({"name": "a", "mode": 600}, "invalid"),
    ({"name": "a", "mode": "4755"}, "invalid"),
    ({"name": "a", "mode": "9"}, "invalid"),
    ({"name": "a", "uid": -1}, "invalid"),
    ({"name": "a", "uid": 2 ** 32 - 1}, "invalid"),
    ({"name": "a", "limits": {"memory": 1}}, "invalid"),
    ({"name": "a", "limits": {"mem_bytes": "1"}}, "invalid"),
    ({"name": "a", "limits": {"contexts": 2 ** 32}}, "invalid"),
    ({"name": "a", "ephemeral": 1}, "invalid"),
    ({"name": "a", "host_gl": "vulkan"}, "invalid"),
    ({"name": "a", "record": True}, "invalid"),
])
def test_bad_domains(b, params, want):
    assert code(b, "domain.add", params) == want
    assert b.files() == ["control", "domains", "lock", "vtest"]


def test_name_too_long_for_a_socket(broker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("d" * 40)
    folder.chmod(0o755)
    if len(str(folder)) > 80:
        pytest.skip("the temporary directory is too deep for any socket")
    b = broker(fake=True, directory=folder)
    assert code(b, "domain.add", {"name": "x" * 63}) == "failed"
    assert b.files() == ["control", "domains", "lock", "vtest"]


def test_shared_domain_stays(b):
    assert code(b, "domain.remove", {"name": "shared"}) == "denied"


def test_removed_domain_ends_its_sessions(b):
    path = b.control("domain.add", {"name": "web"})["socket"]
    client, other = b.connect(path), b.connect()
    b.wait_sessions(2)
    b.control("domain.remove", {"name": "web"})
    assert client.recv(1) == b""
    with pytest.raises(FileNotFoundError):
        b.connect(path)
    other.send(b"e")
    assert other.recv(1) == b"e"


def test_removed_domain_whose_session_lingers(broker):
    b = broker(fake=True, args=["--grace=1000"])
    path = b.control("domain.add", {"name": "web"})["socket"]
    client = b.connect(path)
    client.send(b"de")
    assert client.recv(1) == b"e"
    b.control("domain.remove", {"name": "web"})
    assert b.sessions()[0]["state"] == "ending"
    assert code(b, "domain.add", {"name": "web"}) == "busy"
    assert client.recv(1) == b""
    wait_for(lambda: not b.sessions(), what="its end")
    b.control("domain.add", {"name": "web"})


def test_ephemeral_domain_goes_with_its_connection(b):
    control = b.connect_control()
    path = control.call("domain.add", {"name": "run1", "ephemeral": True})["socket"]
    client = b.connect(path)
    b.wait_sessions(1)
    control.close()
    assert client.recv(1) == b""
    wait_for(lambda: not os.path.exists(path), what="its socket's end")
    b.wait_sessions(0)
    assert [d["name"] for d in b.control("domain.list")["domains"]] == ["shared"]
    assert b.files() == ["control", "domains", "lock", "vtest"]


def test_ephemeral_domain_of_a_killed_process(b, build):
    script = ("import sys; sys.path.insert(0, sys.argv[2]); import conftest\n"
              "c = conftest.Control(sys.argv[1])\n"
              "print(c.call('domain.add', {'name': 'run', 'ephemeral': True})['socket'],"
              "flush=True)\nimport time; time.sleep(60)\n")
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    p = subprocess.Popen(["/usr/bin/python3", "-c", script, b.control_path, here],
                         stdout=subprocess.PIPE, text=True)
    path = p.stdout.readline().strip()
    assert os.path.exists(path)
    p.kill()
    p.wait()
    wait_for(lambda: not os.path.exists(path), what="the domain's end")


def test_stray_descriptors_are_closed(b, tmp_path):
    with open(tmp_path / "f", "wb") as f, b.connect_control() as c:
        c.call("hello")
        for _ in range(10):
            c.call("hello", fds=[f.fileno()])
            c.call("domain.list", fds=[f.fileno(), f.fileno()])
        links = [os.readlink(f"/proc/{b.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{b.pid}/fd")]
        assert str(tmp_path / "f") not in links


def test_domain_of_another_api_has_a_pool_of_its_own(b):
    b.wait_ready(warm=2)
    before = set(b.processes())
    path = b.control("domain.add", {"name": "es", "host_gl": "es"})["socket"]
    client = b.connect(path)
    client.send(b"e")
    assert client.recv(1) == b"e"
    # Not a superset: a process that was just starting a worker may have ended since.
    assert set(b.processes()) - before
    client.close()
    b.control("domain.remove", {"name": "es"})
    wait_for(lambda: set(b.processes()) <= before, what="the pool's end")


# The tool.

def test_tool_without_a_broker(sluice, tmp_path):
    r = sluice("ls", directory=tmp_path)
    assert r.returncode == 69
    assert r.stderr == (f"sluice: {tmp_path}/control: no broker is running there: start sluiced, "
                        "or name its directory with --directory\n")
    assert sluice("version", directory=tmp_path).returncode == 0


def test_tool_with_a_stale_socket(broker, sluice):
    b = broker(fake=True)
    b.kill()
    r = sluice("ls", directory=b.directory)
    assert r.returncode == 69 and "stale socket" in r.stderr
    assert len(r.stderr.splitlines()) == 1


def test_tool_ls(b, sluice):
    client = b.connect()
    session = b.wait_sessions(1)[0]
    rows = json.loads(sluice("ls", "--json", directory=b.directory).stdout)
    assert len(rows) == 1
    for key in ("session", "domain", "frontend", "identified_by", "container", "host_pid",
                "inner_pid", "uid", "renderer", "bytes", "limit_bytes", "tenant", "cgroup", "gid",
                "comm", "api", "software", "peak_bytes", "submits", "commands", "transfer_bytes",
                "faults", "last_fault", "age_ns", "worker_pid", "state", "resources", "contexts"):
        assert key in rows[0], key
    assert rows[0]["session"] == session["session"]
    table = sluice("ls", directory=b.directory).stdout.splitlines()
    assert table[0].split()[:3] == ["SESSION", "DOMAIN", "STATE"]
    assert str(session["session"]) in table[1] and "live" in table[1]
    assert sluice("ls", "--long", directory=b.directory).returncode == 0
    assert json.loads(sluice("ls", "--json", "shared", directory=b.directory).stdout) != []
    r = sluice("ls", "nobody", directory=b.directory)
    assert r.returncode == 1 and "no domain nobody" in r.stderr
    client.close()


def test_tool_before_the_command(b, sluice):
    assert sluice("--directory", b.directory, "ls").returncode == 0


def test_tool_socket(b, sluice):
    r = sluice("socket", "add", "web", "--limit", "mem=512M,sessions=3", "--mode", "0640",
               directory=b.directory)
    assert r.returncode == 0 and r.stdout.strip() == str(b.directory / "domains/web/vtest")
    domains = json.loads(sluice("socket", "ls", "--json", directory=b.directory).stdout)
    web = next(d for d in domains if d["name"] == "web")
    assert web["limits"]["mem_bytes"] == 512 << 20 and web["limits"]["sessions"] == 3
    assert web["mode"] == "0640"
    assert "web" in sluice("socket", "ls", directory=b.directory).stdout
    r = sluice("socket", "add", "web", directory=b.directory)
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and "exists" in r.stderr
    r = sluice("socket", "rm", "--json", "web", directory=b.directory)
    assert json.loads(r.stdout) == {"removed": ["web"]}
    assert sluice("socket", "rm", "web", directory=b.directory).returncode == 1


def test_tool_kill(b, sluice):
    path = b.control("domain.add", {"name": "web"})["socket"]
    clients = [b.connect(path) for _ in range(2)] + [b.connect()]
    sessions = b.wait_sessions(3)
    r = sluice("kill", "--json", "web", directory=b.directory)
    web = [s["session"] for s in sessions if s["domain"] == "web"]
    other = next(s["session"] for s in sessions if s["domain"] == "shared")
    assert json.loads(r.stdout)["killed"] == web and len(web) == 2
    b.wait_sessions(1)
    assert sluice("kill", other, directory=b.directory).returncode == 0
    assert clients[2].recv(1) == b""
    assert sluice("kill", "12345", directory=b.directory).returncode == 1
    assert sluice("kill", "nobody", directory=b.directory).returncode == 1


def test_tool_version(b, sluice):
    o = json.loads(sluice("version", "--json", directory=b.directory).stdout)
    assert o["broker"]["renderer"]["name"] == "fake"
    assert "fake (software)" in sluice("version", directory=b.directory).stdout


@pytest.mark.parametrize("args", [
    ["--frob"], ["frob"], [], ["ls", "--frob"], ["ls", "a", "b"], ["ls", "--watch=x"], ["kill"],
    ["kill", "--frob"], ["socket"], ["socket", "frob"], ["socket", "add"],
    ["socket", "add", "a", "b"], ["socket", "add", "a", "--limit", "x=1"],
    ["socket", "add", "a", "--limit", "mem=1Q"], ["socket", "add", "a", "--uid", "no-such-user"],
    ["socket", "rm"], ["socket", "ls", "x"], ["version", "x"], ["socket", "add", "a", "--mode"],
    ["ls", "--json=1"],
])
def test_tool_wrong_usage(sluice, args):
    r = sluice(*args)
    assert r.returncode == 2
    assert r.stdout == "" and len(r.stderr.splitlines()) == 1 and "--help" in r.stderr


@pytest.mark.parametrize("command", ["ls", "kill", "socket", "version"])
def test_tool_help(sluice, command):
    r = sluice(command, "--help")
    assert r.returncode == 0 and r.stdout.startswith(f"Usage: sluice {command}")
    assert r.stderr == "" and "--json" in r.stdout


def test_tool_full_disk(sluice):
    with open("/dev/full", "w") as full:
        r = subprocess.run(
            [str(sluice.__closure__[0].cell_contents / "src/cli/sluice"), "--help"], stdout=full,
            stderr=subprocess.PIPE, text=True)
    assert r.returncode == 1 and "No space left" in r.stderr
