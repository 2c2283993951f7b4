# SPDX-License-Identifier: MIT
"""The two vtest servers, started and reached in the same way.

A client of Mesa 22.3 knows one socket only, /tmp/.virgl_test, and Mesa since 23.1 takes
VTEST_SOCKET_NAME. So every client here runs in a mount namespace of its own where the chosen
server's socket is at that place, and the variable names it too.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

CLIENT_SOCKET = "/tmp/.virgl_test"
VIRPIPE_ENV = {
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "GALLIUM_DRIVER": "virpipe",
    "VTEST_SOCKET_NAME": CLIENT_SOCKET,
}
NATIVE_ENV = {"LIBGL_ALWAYS_SOFTWARE": "1", "GALLIUM_DRIVER": "llvmpipe"}
# What would turn a run away from what is measured, when the caller's shell has it set.
FOREIGN_ENV = ("DISPLAY", "WAYLAND_DISPLAY", "MESA_LOADER_DRIVER_OVERRIDE", "EGL_PLATFORM",
               "VTEST_SOCKET_NAME", "GALLIUM_DRIVER", "LIBGL_ALWAYS_SOFTWARE")


# Some of piglit's tests fill what a texture buffer may hold at most, above the default budget. The
# peer has no budget, so comparing with it needs a large one here.
MEMORY = "8G"


class Unavailable(Exception):
    """A server that is not installed, or does not start; the text says which package helps."""


def client_env(virpipe, extra=None):
    """The environment of a client: through a server (virpipe) or on its own llvmpipe."""
    env = {k: v for k, v in os.environ.items() if k not in FOREIGN_ENV}
    env.update(VIRPIPE_ENV if virpipe else NATIVE_ENV)
    env.update(extra or {})
    return env


def container(sock=None, root=None, binds=(), writable=()):
    """The start of a command line that runs the rest in a container.

    sock: the server's socket, or None for a native run; root: a root to run in, or None for
    the host's. binds, writable: further paths shown at the same place, read-only or not; with a
    root, which is read-only, they must lie in /tmp.
    """
    cmd = ["bwrap", "--die-with-parent"]
    if root:
        cmd += ["--ro-bind", str(root), "/", "--dev", "/dev", "--proc", "/proc"]
    else:
        cmd += ["--dev-bind", "/", "/"]
    cmd += ["--tmpfs", "/tmp"]
    for path in binds:
        cmd += ["--ro-bind", str(path), str(path)]
    for path in writable:
        cmd += ["--bind", str(path), str(path)]
    if sock:
        cmd += ["--bind", str(sock), CLIENT_SOCKET]
    return cmd + ["--"]


def scenes_command(program, directory, sock=None, root=None, args=()):
    """sluice-scenes in its container; directory takes the dump and, by the caller, scenes.json."""
    inside = "/tmp/sluice-scenes"
    cmd = container(sock, root, writable=[directory])
    cmd[-1:] = ["--ro-bind", str(program), inside, "--"]
    return cmd + [inside, "--json", f"--dump={directory}", *args]


def run_scenes(program, directory, sock=None, root=None, args=(), timeout=300):
    """Run sluice-scenes, natively or through a server, and keep what it says and draws."""
    reply = subprocess.run(scenes_command(program, directory, sock, root, args),
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, env=client_env(sock is not None),
                           timeout=timeout)
    if reply.returncode not in (0, 1) or b'"scenes"' not in reply.stdout:
        raise AssertionError(f"sluice-scenes ended with {reply.returncode}: "
                             f"{reply.stderr.decode(errors='replace')[-800:]}")
    (Path(directory) / "scenes.json").write_bytes(reply.stdout)


def client_root(suite):
    """A Debian root made by scripts/make-rootfs, or None."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "sluice" / f"rootfs-{suite}-client"
    return path if (path / "usr" / "bin").is_dir() else None


def wait_for_socket(path, process, seconds=20):
    """Wait until something accepts on the socket."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Unavailable(f"{process.args[0]} ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            return
        time.sleep(0.02)
    raise Unavailable(f"{process.args[0]} did not open {path} within {seconds} s")


@contextlib.contextmanager
def stopped_after(args, sock, env=None):
    """Run a server until the block ends."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=env, start_new_session=True)
        try:
            try:
                wait_for_socket(sock, process)
            except Unavailable as e:
                log.seek(0)
                raise Unavailable(f"{e}: {log.read().decode(errors='replace')[-800:]}") from e
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def peer(host_gl="core", extra_env=None):
    """virgl_test_server; yields its socket."""
    program = shutil.which("virgl_test_server")
    if not program:
        raise Unavailable("virgl_test_server is not installed: apt install virgl-server")
    with tempfile.TemporaryDirectory(prefix="peer-") as d:
        sock = Path(d) / "vtest"
        args = [program, "--use-egl-surfaceless", f"--socket-path={sock}"]
        if host_gl == "es":
            args.append("--use-gles")
        with stopped_after(args, sock, client_env(False, extra_env)):
            yield sock


@contextlib.contextmanager
def sluice(sluiced, host_gl="core"):
    """A private sluiced; yields its shared socket."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as d:
        sock = Path(d) / "vtest"
        args = [str(sluiced), f"--directory={d}", f"--host-gl={host_gl}", f"--mem={MEMORY}"]
        with stopped_after(args, sock, client_env(False)):
            yield sock
