# SPDX-License-Identifier: MIT
"""The servers that hostile clients are let loose on: the front end alone, and a whole broker."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import pytest


class Serve:
    """tests/hostile/vtest-serve: no broker, no sandbox."""

    def __init__(self, program, backend, limits):
        self.directory = tempfile.TemporaryDirectory(prefix="sluice-")
        self.socket = f"{self.directory.name}/vtest"
        self.log_path = pathlib.Path(self.directory.name) / "log"
        argv = [str(program), f"--backend={backend}"]
        # GL is started once and copied: most of these tests are many short sessions.
        argv += ["--warm"] if backend == "virgl" else []
        argv += [f"--mem={limits['mem_bytes']}"] if "mem_bytes" in limits else []
        argv += [f"--message-ms={limits['message_ms']}"] if "message_ms" in limits else []
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(argv + [self.socket], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not os.path.exists(self.socket):
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.01)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def worker_pids(self):
        task = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(p) for p in task.read_text().split()]

    def crashes(self):
        """One line for each session process that died of a signal."""
        return re.findall(r"session process .*", self.log())

    def stop(self):
        for pid in self.worker_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just seen its client go
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


class Brokered:
    """A broker and a domain of its own for the limits."""

    def __init__(self, broker, backend, limits):
        self.broker = broker(backend=backend)
        self.socket = self.broker.socket
        if limits:
            domain = self.broker.control("domain.add", {"name": "hostile", "limits": limits})
            self.socket = domain["socket"]

    def worker_pids(self):
        return self.broker.worker_pids()

    def crashes(self):
        lost = sum(self.broker.control("domain.usage", {"name": d["name"]})["lost"]
                   for d in self.broker.control("domain.list")["domains"])
        return ["a worker was lost"] * lost

    def stop(self):
        pass


@pytest.fixture(params=["alone", "broker"])
def server(request, build):
    """server(backend="null", **limits) -> something with .socket and .worker_pids()."""
    started = []

    def start(backend="null", **limits):
        if request.param == "alone":
            program = build / "tests" / "hostile" / "vtest-serve"
            if not program.exists():
                pytest.skip(f"{program} is not built")
            s = Serve(program, backend, limits)
        else:
            s = Brokered(request.getfixturevalue("broker"), backend, limits)
        started.append(s)
        return s

    yield start
    for s in started:
        s.stop()
