# SPDX-License-Identifier: MIT
"""What the tests of `sluice run`, `record`, `cdi` and of container engines share."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import ROOT, alive, descendants, wait_for

PYTHON = "/usr/bin/python3"
# Speaks to the test broker (sluiced-test): sends the orders in argv[1], then waits argv[2] seconds.
ORDERS = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["VTEST_SOCKET_NAME"])
for order in sys.argv[1]:
    s.send(order.encode())
    if order == "e":
        assert s.recv(1) == b"e"
print("done", flush=True)
time.sleep(float(sys.argv[2]))
"""


def need(program, package):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed (Debian package {package})")


def orders(text="es", seconds=0.0):
    return [PYTHON, "-c", ORDERS, text, str(seconds)]


def report(stdout):
    """The object that --json ends with."""
    return json.loads(stdout.splitlines()[-1])


def cached_root(suite):
    done = subprocess.run([str(ROOT / "scripts" / "make-rootfs"), "--cached", suite],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no root of {suite} is there: make it with scripts/make-rootfs {suite}")
    return done.stdout.strip()


class Tool:
    """`sluice` with a broker directory of its own, and an eye on what is left behind."""

    def __init__(self, build, base):
        self.program = str(build / "src" / "cli" / "sluice")
        self.base = pathlib.Path(base)
        self.directory = self.base / "run"
        self.started = []
        self.before = set(descendants(os.getpid()))

    def env(self, env=None):
        return {**os.environ, "SLUICE_DIRECTORY": str(self.directory), **(env or {})}

    def argv(self, *args):
        return [self.program, *map(str, args)]

    def __call__(self, *args, env=None, timeout=60, prefix=(), **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([*map(str, prefix), *self.argv(*args)], capture_output=True,
                              text=True, errors="replace", env=self.env(env), timeout=timeout,
                              **kwargs)

    def start(self, *args, env=None, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.Popen(self.argv(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=self.env(env), **kwargs)
        self.started.append(p)
        return p

    def left(self):
        """Processes that came since, running ones; zombies among them are reaped."""
        found = [p for p in descendants(os.getpid()) if p not in self.before]
        for p in found:
            if not any(p == s.pid for s in self.started):
                try:
                    os.waitpid(p, os.WNOHANG)
                except ChildProcessError:
                    pass
        return [p for p in found if alive(p)]

    def check_nothing_left(self, timeout=10):
        """No process, no directory, nothing mounted: a private broker needs a second to end."""
        try:
            wait_for(lambda: not self.left(), timeout)
        except AssertionError:
            left = subprocess.run(["ps", "-o", "pid,ppid,stat,cmd", *map(str, self.left())],
                                  capture_output=True, text=True).stdout
            raise AssertionError(f"processes are left:\n{left}") from None
        wait_for(lambda: not self.directory.exists(), timeout, f"{self.directory} gone")
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        assert "sluice-run" not in mounts and str(self.base) not in mounts

    def end(self):
        for p in self.started:
            if p.poll() is None:
                p.kill()
            p.wait()
            for stream in (p.stdout, p.stderr):
                if stream and not stream.closed:
                    stream.close()
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.base, ignore_errors=True)


@pytest.fixture
def tool(build):
    # Not pytest's own temporary folder: a socket's path has 107 bytes at most.
    need("bwrap", "bubblewrap")
    base = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
    base.chmod(0o755)
    t = Tool(build, base)
    yield t
    t.end()


@pytest.fixture
def fake(tool, broker):
    """The tool with a broker whose workers obey one-letter orders and render nothing."""
    tool.broker = broker(fake=True, directory=tool.directory)
    return tool
