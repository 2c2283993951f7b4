# SPDX-License-Identifier: MIT
"""X11 and Wayland clients present through `sluice run`, and the picture of it is right."""
import errno
import json
import os
import signal
import socket
import time

import pytest

from conftest import wait_for
from runlib import PYTHON, need, report, tool  # noqa: F401

Image = pytest.importorskip("PIL.Image", reason="no PIL (Debian package python3-pil)")

GPUS = ["gl", "software"]


@pytest.fixture(autouse=True)
def servers():
    need("Xvfb", "xvfb")
    need("weston", "weston")


def draws(tool):
    """Has the one session drawn a while?"""
    done = tool("ls", "--json")
    sessions = json.loads(done.stdout) if done.returncode == 0 else []
    return any(s["submits"] >= 40 for s in sessions)


def show(tool, gpu, display, *command, size="400x300", goes_on=True):
    """Run a program, for a while if it goes on by itself; its report and its picture."""
    file = tool.base / "shot.png"
    p = tool.start("run", f"--gpu={gpu}", f"--display={display}", "--size", size, "--json",
                   "--screenshot", file, "--", *command)
    if goes_on:
        # Frames take as long as this machine's other work lets them.
        if gpu == "gl":
            wait_for(lambda: draws(tool) or p.poll() is not None, 30, "a session that draws")
        time.sleep(0.3 if gpu == "gl" else 2)
        p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=60)
    assert p.returncode == (143 if goes_on else 0), err
    assert err == ""
    picture = Image.open(file).convert("RGB")
    assert f"{picture.width}x{picture.height}" == size
    r = report(out)
    if gpu == "gl":
        assert r["sessions"] >= 1 and r["submits"] > 0 and r["lost"] == 0 and r["faults"] == 0
        assert r["renderer"]
    tool.check_nothing_left()
    return r, picture


def shares(picture, **tests):
    """The share of pixels that pass each test."""
    pixels = list(picture.getdata())
    return {name: sum(1 for p in pixels if test(*p)) / len(pixels)
            for name, test in tests.items()}


COLOURS = {
    "black": lambda r, g, b: r + g + b == 0,
    "red": lambda r, g, b: r > 100 and r > 2 * g and r > 2 * b,
    "green": lambda r, g, b: g > 100 and g > 2 * r and g > 2 * b,
    "blue": lambda r, g, b: b > 100 and b > 2 * r and b > 2 * g,
    "grey": lambda r, g, b: r > 40 and abs(r - g) < 12 and abs(g - b) < 12,
}


@pytest.mark.parametrize("gpu", GPUS)
def test_x11_gears(tool, gpu):
    need("es2gears_x11", "mesa-utils")
    _, picture = show(tool, gpu, "x11", "es2gears_x11")
    s = shares(picture, **COLOURS)
    # Three gears in a window of 300x300: red the largest, half of the screen black.
    assert s["red"] > s["green"] > 0.01 and s["red"] > s["blue"] > 0.01, s
    assert 0.5 < s["black"] < 0.9, s
    # The window is at the left: nothing is to the right of it.
    assert shares(picture.crop((300, 0, 400, 300)), **COLOURS)["black"] == 1


@pytest.mark.parametrize("gpu", GPUS)
def test_x11_desktop_gl(tool, gpu):
    need("glxgears", "mesa-utils")
    _, picture = show(tool, gpu, "x11", "glxgears")
    s = shares(picture, **COLOURS)
    assert s["red"] > 0.03 and s["green"] > 0.01 and s["blue"] > 0.01, s


@pytest.mark.parametrize("gpu", GPUS)
def test_wayland_triangle(tool, gpu):
    need("weston-simple-egl", "weston")
    _, picture = show(tool, gpu, "wayland", "weston-simple-egl")
    s = shares(picture, **COLOURS)
    # A triangle with a red, a green and a blue corner, turning: sometimes almost on its edge.
    assert 0.5 < s["black"] < 0.999, s
    for colour in ("red", "green", "blue"):
        assert s[colour] > 0.0005, s
    # Shaded, not flat.
    assert len(picture.getcolors(1 << 24)) > 100


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("display,program,package", [
    ("x11", "glmark2-es2", "glmark2-es2-x11"),
    ("wayland", "glmark2-es2-wayland", "glmark2-es2-wayland")])
def test_glmark2(tool, gpu, display, program, package):
    need(program, package)
    r, picture = show(tool, gpu, display, program, "-s", "400x300", "-b", "build:duration=1",
                      goes_on=False)
    assert r["exit_status"] == 0
    s = shares(picture, **COLOURS)
    # A white horse before black.
    assert s["grey"] > 0.05 and s["black"] > 0.5 and s["red"] + s["green"] + s["blue"] == 0, s


def test_both_renderers_show_the_same(tool):
    """A scene that does not move."""
    need("glmark2-es2", "glmark2-es2-x11")
    pictures = [show(tool, gpu, "x11", "glmark2-es2", "-s", "400x300", "-b",
                     "effect2d:kernel=0,0,0;0,1,0;0,0,0:duration=0.7", goes_on=False)[1]
                for gpu in GPUS]
    difference = [abs(a - b) for p, q in zip(*[list(p.getdata()) for p in pictures])
                  for a, b in zip(p, q)]
    assert len(pictures[0].getcolors(1 << 24)) > 100
    assert max(difference) <= 1


def test_picture_of_a_program_that_shows_nothing(tool):
    done = tool("run", "--gpu=none", "--display=x11", "--size", "64x48", "--screenshot",
                tool.base / "x.png", "--", "true")
    assert done.returncode == 0
    assert "showed nothing" in done.stderr
    assert Image.open(tool.base / "x.png").size == (64, 48)


def test_x11_program_has_one_socket_and_no_shared_memory(tool):
    need("xdpyinfo", "x11-utils")
    done = tool("run", "--gpu=none", "--display=x11", "--", "sh", "-c",
                "ls /tmp/.X11-unix; echo $DISPLAY; xdpyinfo | grep -E 'dimensions|MIT-SHM'; "
                "env | grep -c WAYLAND")
    lines = done.stdout.split()
    assert lines[:2] == ["X0", ":0"] and "1024x768" in done.stdout
    assert "MIT-SHM" not in done.stdout and lines[-1] == "0"


def test_wayland_program_has_no_x11(tool):
    done = tool("run", "--gpu=none", "--display=wayland", "--", "sh", "-c",
                "ls -a /tmp $XDG_RUNTIME_DIR; echo $WAYLAND_DISPLAY ${DISPLAY:-none}")
    assert done.stdout.splitlines()[-1] == "wayland-0 none"
    assert ".X11" not in done.stdout


def test_display_server_is_contained_too(tool):
    """It is in no namespace of the host's nor of the program's."""
    p = tool.start("run", "--gpu=none", "--display=x11", "--", "sh", "-c",
                   "readlink /proc/self/ns/pid /proc/self/ns/net; exec sleep 60")
    inside = {p.stdout.readline(), p.stdout.readline()}
    def find():
        for pid in os.listdir("/proc"):
            try:
                if pid.isdigit() and open(f"/proc/{pid}/comm").read() == "Xvfb\n" and \
                        int(pid) in tool.left():
                    return pid
            except OSError:
                pass
        return None
    server = wait_for(find, what="Xvfb")
    for name in ("pid", "net", "mnt", "ipc", "user"):
        link = os.readlink(f"/proc/{server}/ns/{name}")
        assert link != os.readlink(f"/proc/self/ns/{name}") and link + "\n" not in inside
    status = open(f"/proc/{server}/status").read()
    assert "CapEff:\t0000000000000000" in status
    p.terminate()
    p.wait(10)
    tool.check_nothing_left()


def test_shared_network_does_not_lead_to_another_display(tool):
    """X clients try an abstract name before the path: a number that is taken is not used."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.bind("\0/tmp/.X11-unix/X0")
            s.listen()
        except OSError as e:
            # This machine has a display of its own: as good.
            assert e.errno == errno.EADDRINUSE
        done = tool("run", "--gpu=none", "--share-net", "--display=x11", "--", "sh", "-c",
                    "echo $DISPLAY; ls /tmp/.X11-unix")
    number = done.stdout.split()[0]
    assert number != ":0" and done.stdout.split()[1] == "X" + number[1:]


def test_host_display_is_bound_in_when_asked_for(tool):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tool.base / "wayland-7"))
        done = tool("run", "--gpu=none", "--display=host", "--", "sh", "-c",
                    "stat -c %F $XDG_RUNTIME_DIR/$WAYLAND_DISPLAY; echo ${DISPLAY:-none}",
                    env={"XDG_RUNTIME_DIR": str(tool.base), "WAYLAND_DISPLAY": "wayland-7",
                         "DISPLAY": ""})
    assert done.stdout.split() == ["socket", "none"], done.stderr
