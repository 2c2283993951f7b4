# SPDX-License-Identifier: MIT
"""Fixtures for all Python tests.

build   the build directory (SLUICE_BUILD, else ./build in the source tree)
broker  a factory: broker() starts a sluiced in a directory of its own and returns a Broker;
        what was started is stopped at the end of the test, and nothing may be left of it
"""
import array
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PR_SET_CHILD_SUBREAPER = 36


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds; left out by --quick")


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave slow tests out")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--quick"):
        skip = pytest.mark.skip(reason="slow, and --quick was given")
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def build():
    path = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
    if not (path / "build.ninja").exists():
        pytest.exit(f"{path}: no build directory: run meson setup, or set SLUICE_BUILD", 2)
    return path


@pytest.fixture(scope="session", autouse=True)
def subreaper():
    """What a broker leaves behind becomes our child, where it can be seen and ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for(condition, timeout=10.0, what="condition"):
    """Ask until it is true; its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def process_stat(pid):
    """(state, parent, start time) of a process, or None."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return fields[0], int(fields[1]), int(fields[19])


def alive(pid):
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def descendants(pid):
    """All processes below @pid, oldest first."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = process_stat(int(name))
            if stat:
                stats[int(name)] = stat
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        children = [p for p, stat in stats.items() if stat[1] == parent]
        found += children
        todo += children
    return sorted(found, key=lambda p: stats[p][2])


class ControlError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]


class Control:
    """A connection to the control socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(15)
        self.sock.connect(str(path))
        self.last_id = 0
        self.pending = b""

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_raw(self, data, fds=()):
        ancillary = []
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        sent = self.sock.sendmsg([data], ancillary)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def read_line(self):
        """One reply as text, or None at the end of the connection."""
        while b"\n" not in self.pending:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def call(self, method, params=None, fds=()):
        self.last_id += 1
        request = {"v": 1, "id": self.last_id, "method": method}
        if params is not None:
            request["params"] = params
        self.send_raw(json.dumps(request).encode() + b"\n", fds)
        line = self.read_line()
        if line is None:
            raise ConnectionError(f"{method}: the broker closed the connection")
        reply = json.loads(line)
        assert reply["v"] == 1 and reply["id"] == self.last_id
        if "error" in reply:
            raise ControlError(reply["error"])
        return reply["result"]


class Broker:
    """A running sluiced. Use the `broker` fixture to get one."""

    def __init__(self, build, directory, log_path, argv, env, user=None):
        self.build = build
        self.directory = pathlib.Path(directory)
        self.log_path = pathlib.Path(log_path)
        self.argv = argv
        self.seen = set()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, start_new_session=True)
        self.pid = self.process.pid

    @property
    def socket(self):
        return str(self.directory / "vtest")

    @property
    def control_path(self):
        return str(self.directory / "control")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_ready(self, timeout=60.0, warm=1):
        """Until a worker is warm (or, with warm=0, the control socket answers)."""
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"sluiced ended with {self.process.returncode}:\n{self.log()}")
            try:
                return self.control("hello")["warm"] >= warm
            except OSError:
                return False
        wait_for(ready, timeout, f"a ready broker; its log:\n{self.log()}")
        return self

    def connect_control(self):
        return Control(self.control_path)

    def control(self, method, params=None, fds=()):
        with self.connect_control() as control:
            return control.call(method, params, fds)

    def connect(self, path=None, timeout=15):
        """A client of the shared socket or of the one at @path."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(str(path or self.socket))
        return sock

    def sessions(self, domain=None):
        return self.control("session.list", {"domain": domain} if domain else None)["sessions"]

    def wait_sessions(self, n, timeout=30.0):
        """Until there are exactly @n live sessions; them."""
        def there():
            found = self.sessions()
            good = [s for s in found if s["state"] == "live"]
            return (len(found) == n and len(good) == n) or None
        wait_for(there, timeout, f"{n} live sessions")
        return self.sessions()

    def worker_pids(self):
        """Of the sessions that have one."""
        return [s["worker_pid"] for s in self.sessions() if s["worker_pid"]]

    def processes(self):
        """Every process of this broker but itself, oldest first."""
        found = descendants(self.pid)
        self.seen.update(found)
        return found

    def zygote_pid(self):
        """The process that workers are forked from: the oldest child."""
        return self.processes()[0]

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def kill(self, sig=signal.SIGKILL, timeout=10):
        """Kill the broker itself; its exit status."""
        self.processes()
        self.process.send_signal(sig)
        return self.process.wait(timeout)

    def stop(self, timeout=15):
        """Ask it to end; its exit status."""
        if self.process.poll() is None:
            self.processes()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"sluiced did not end in {timeout} s:\n{self.log()}")
        return self.process.returncode

    def leftovers(self):
        """Processes that outlive it. Those of ours that are only zombies are reaped here."""
        for pid in list(self.seen):
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
        return [pid for pid in self.seen if alive(pid)]

    def check_nothing_left(self, timeout=10):
        wait_for(lambda: not self.leftovers(), timeout,
                 f"all of the broker's processes gone; left: {self.leftovers()}")

    def files(self):
        if not self.directory.exists():
            return []
        # ".made" only says that a broker made the folder itself.
        return sorted(str(p.relative_to(self.directory)) for p in self.directory.rglob("*")
                      if p != self.directory / ".made")


@pytest.fixture
def broker(build, tmp_path_factory):
    """Start brokers: broker(backend="null", fake=False, args=(), config=None, ...) -> Broker.

    backend    "null" (default) or "virgl"
    fake       the broker with a launcher whose workers obey one-letter orders (sluiced-test)
    args       more options of sluiced
    config     text of a configuration file
    directory  use this one instead of a fresh one
    env        more environment
    prefix     a command to run it under (setpriv, systemd-socket-activate ...)
    wait       until a worker is warm
    """
    started, folders = [], []

    def start(backend="null", fake=False, args=(), config=None, directory=None, env=None,
              prefix=(), wait=True):
        # Not pytest's own temporary folder: a socket's path has 107 bytes at most.
        base = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
        base.chmod(0o755)
        folders.append(base)
        program = build / "src" / "broker" / ("sluiced-test" if fake else "sluiced")
        if not program.exists():
            pytest.skip(f"{program} is not built")
        argv = [*map(str, prefix), str(program)]
        where = directory
        if directory is not False:
            where = pathlib.Path(directory or base / "run")
            argv.append(f"--directory={where}")
        if not fake:
            argv.append(f"--backend={backend}")
        if config is not None:
            path = base / "sluice.conf"
            path.write_text(config)
            argv.append(f"--config={path}")
        argv += args
        environment = dict(os.environ, **(env or {}))
        if "NOTIFY_SOCKET" not in (env or {}):
            environment.pop("NOTIFY_SOCKET", None)
        b = Broker(build, where or "/nonexistent", base / "log", argv, environment)
        started.append(b)
        if wait:
            b.wait_ready()
        return b

    yield start
    problems = []
    for b in started:
        try:
            b.stop()
            b.check_nothing_left()
        except AssertionError as e:
            problems.append(str(e))
        for pid in b.leftovers():
            os.kill(pid, signal.SIGKILL)
        # A build with sanitizers speaks here.
        for line in b.log().splitlines():
            if "Sanitizer" in line or "runtime error:" in line:
                problems.append(f"{line}\n{b.log()}")
                break
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    assert not problems, "\n".join(problems)


@pytest.fixture
def sluice(build):
    """Run the tool: sluice("ls", "--json", directory=...) -> CompletedProcess with text."""
    def run(*args, directory=None, env=None, timeout=30, **kwargs):
        environment = dict(os.environ, **(env or {}))
        if directory:
            environment["SLUICE_DIRECTORY"] = str(directory)
        return subprocess.run([str(build / "src" / "cli" / "sluice"), *map(str, args)],
                              capture_output=True, text=True, env=environment, timeout=timeout,
                              **kwargs)
    return run
