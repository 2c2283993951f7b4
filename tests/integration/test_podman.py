# SPDX-License-Identifier: MIT
"""Debian's podman, with both of its runtimes, gives an unmodified image GL by CDI name alone."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from conftest import wait_for
from runlib import cached_root, need, tool  # noqa: F401

pytestmark = pytest.mark.slow

# In a mount namespace of our own: engines look for devices in /var/run/cdi, and crun refuses a
# hierarchy that is half version 1 and half version 2, as build machines have it.
SETUP = r"""
set -e
mount --make-rprivate /
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs tmpfs /run
mkdir -p /run/cdi
cp "$CDI" /run/cdi/sluice.json
exec "$@"
"""


class Podman:
    def __init__(self, base, root, runtime):
        self.base, self.root, self.runtime = base, root, runtime
        self.cdi = base / "sluice.json"
        (base / "sh").write_text(SETUP)

    def argv(self, *command, options=()):
        engine = ["podman", "--root", self.base / "root", "--runroot", self.base / "runroot",
                  "--tmpdir", self.base / "tmp", "--cgroup-manager", "cgroupfs",
                  "--events-backend", "none", "--runtime", self.runtime]
        # Build machines may not raise limits. They say nothing about the GPU.
        run = ["run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024",
               "--ulimit", "nproc=1000:1000"]
        # :O, an overlay: the image's root itself stays as it is.
        return [str(a) for a in ["unshare", "-m", "sh", self.base / "sh", *engine, *run, *options,
                                 "--rootfs", f"{self.root}:O", *command]]

    def env(self):
        return {**os.environ, "CDI": str(self.cdi)}

    def __call__(self, *command, options=()):
        done = subprocess.run(self.argv(*command, options=options), capture_output=True,
                              text=True, env=self.env(), timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{done.stderr}\n{self.broker.log()}"
        return done.stdout


@pytest.fixture(params=["crun", "runc"])
def runtime(request):
    need("podman", "podman")
    # runc lives in /usr/sbin, which is not in every PATH.
    if not shutil.which(request.param, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        pytest.skip(f"{request.param} is not installed (Debian package {request.param})")
    return request.param


@pytest.fixture(params=["bookworm", "trixie"])
def engine(request, runtime, broker, tool):
    if os.getuid() != 0:
        pytest.skip("needs root: mounts a private /run for the engine")
    root = cached_root(request.param)
    base = pathlib.Path(tempfile.mkdtemp(prefix="sluice-podman-"))
    p = Podman(base, root, runtime)
    tool.broker = broker(backend="virgl", directory=tool.directory)
    p.broker, p.tool = tool.broker, tool
    try:
        done = subprocess.run(p.argv("true", options=[]), capture_output=True, text=True,
                              env={**p.env(), "CDI": "/dev/null"}, timeout=120)
        if done.returncode != 0:
            pytest.skip(f"podman with {runtime} runs nothing on this machine: "
                        f"{done.stderr.strip().splitlines()[-1]}")
        yield p
    finally:
        shutil.rmtree(base, ignore_errors=True)


def generate(engine, *args):
    done = engine.tool("cdi", "generate", "--output", engine.cdi, *args)
    assert done.returncode == 0, done.stderr


def test_renders_with_the_device_and_nothing_else(engine):
    generate(engine)
    # Everywhere Debian's eglinfo reports a renderer, it is ours.
    out = engine("sh", "-c", "EGL_PLATFORM=surfaceless eglinfo 2>&1; ls /dev/dri 2>&1 || true",
                 options=["--device", "sluice/gpu=gl"])
    assert "No such file or directory" in out.splitlines()[-1]
    usage = engine.broker.control("domain.usage", {"name": "shared"})
    assert usage["sessions"] >= 1 and usage["faults"] == 0 and usage["lost"] == 0


def test_pixels_are_those_of_sluice_run(engine, build):
    scenes = build / "tests" / "clients" / "sluice-scenes"
    if not scenes.exists():
        pytest.skip(f"{scenes} is not built")
    generate(engine)
    listed = subprocess.run([scenes, "--list"], capture_output=True, text=True).stdout
    names = "--scene=" + ",".join([line.split()[0] for line in listed.splitlines()][:4])
    out = engine("/scenes", names,
                 options=["--device", "sluice/gpu=gl", "-v", f"{scenes}:/scenes:ro"])
    done = engine.tool("run", "--rootfs", engine.root, "--bind-ro", f"{scenes}:/scenes", "--",
                       "/scenes", names)
    assert done.returncode == 0, done.stderr
    assert out == done.stdout and len(out.splitlines()) >= 4


def test_domains_and_containers_are_told_apart(engine, build):
    scenes = build / "tests" / "clients" / "sluice-scenes"
    if not scenes.exists():
        pytest.skip(f"{scenes} is not built")
    engine.broker.control("domain.add", {"name": "web"})
    generate(engine)
    runs = [subprocess.Popen(engine.argv("/scenes", "--hold",
                                         options=["-i", "--device", f"sluice/gpu={device}", "-v",
                                                  f"{scenes}:/scenes:ro"]),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=engine.env())
            for device in ("gl-web", "gl", "gl")]
    try:
        for p in runs:
            assert "ready" in p.stdout.readline()
        sessions = engine.broker.wait_sessions(3)
    finally:
        for p in runs:
            p.communicate(timeout=30)
    assert sorted(s["domain"] for s in sessions) == ["shared", "shared", "web"]
    # podman's containers have ids in their cgroup's path, or (its manager being off) a cgroup.
    assert len({s["container"] for s in sessions}) == 3
    assert all(re.fullmatch("[0-9a-f]{12,64}", s["container"]) for s in sessions)
    assert len({s["host_pid"] for s in sessions}) == 3
    assert {s["identified_by"] for s in sessions if s["domain"] == "web"} == {"socket"}


def test_without_the_device_there_is_nothing(engine):
    generate(engine)
    out = engine("sh", "-c", "ls /tmp/.virgl_test 2>&1; echo ${VTEST_SOCKET_NAME:-unset}")
    assert "No such file" in out and "unset" in out


@pytest.mark.parametrize("name,sockets", [("compose.yaml", ["domains/web/vtest"])])
def test_compose_file(name, sockets, tool, broker):
    """The file as podman-compose reads it; what it then asks podman for is what is checked."""
    need("podman-compose", "podman-compose")
    from conftest import ROOT
    env = {**os.environ, "SLUICE_SOCKET": "/run/x/vtest"}
    done = subprocess.run(["podman-compose", "-f", ROOT / "data" / "compose" / name, "--dry-run",
                           "up"], capture_output=True, text=True, env=env, timeout=60)
    text = done.stdout + done.stderr
    assert "/run/x/vtest" in text and "/tmp/.virgl_test" in text, text
    for variable in ("GALLIUM_DRIVER=virpipe", "VTEST_SOCKET_NAME=/tmp/.virgl_test"):
        assert variable in text, text
