# SPDX-License-Identifier: MIT
"""`sluice run` given what it cannot work with: one line, a documented status, nothing left."""
import os
import shutil
import socket
import subprocess

import pytest

from runlib import fake, need, tool  # noqa: F401


def refused(tool, *args, status=125, words=(), **kwargs):
    done = tool(*args, **kwargs)
    lines = done.stderr.splitlines()
    assert done.returncode == status, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("sluice: ")
    # OBJECT: CAUSE: REMEDY
    assert lines[0].count(": ") >= 3 or "--help" in lines[0], lines[0]
    for word in words:
        assert word in lines[0], lines[0]
    assert done.stdout == ""
    tool.check_nothing_left()
    return lines[0]


@pytest.mark.parametrize("options,word", [
    (["--nonesuch"], "--nonesuch"),
    (["-x"], "-x"),
    (["--rootfs"], "--rootfs"),
    (["--stats=yes"], "--stats"),
    (["--gpu=vulkan"], "vulkan"),
    (["--gpu=drm"], "drm"),
    (["--host-gl=off"], "off"),
    (["--limit", "mem=lots"], "mem=lots"),
    (["--limit", "mems=1M"], "mems"),
    (["--limit", "mem=1M", "--gpu=none"], "--limit"),
    (["--name", "a/b"], "a/b"),
    (["--display=mir"], "mir"),
    (["--size", "800"], "800"),
    (["--size", "0x600"], "0x600"),
    (["--size", "800x600x24"], "800x600x24"),
    (["--size", "9000x600"], "9000x600"),
    (["--env", "=x"], "=x"),
    (["--screenshot", "x.png"], "--screenshot"),
])
def test_options(tool, options, word):
    refused(tool, "run", *options, "--", "true", words=[word])


def test_no_program_given(tool):
    refused(tool, "run", "--gpu=none", words=["no program"])


@pytest.mark.parametrize("program,status,word", [
    ("nonesuch", 127, "no such program"),
    ("/usr/bin/nonesuch", 127, "no such program"),
    ("./nonesuch", 127, "no such program"),
    ("/etc/passwd", 126, "no executable file"),
    ("/usr", 126, "no executable file"),
    # There on this machine, but not in the container.
    ("/tmp/nonesuch", 127, "no such program"),
])
@pytest.mark.parametrize("gpu", ["gl", "none"])
def test_programs(tool, gpu, program, status, word):
    refused(tool, "run", f"--gpu={gpu}", "--", program, status=status, words=[program, word])


def test_program_of_the_host_that_is_hidden(tool):
    program = tool.base / "program"
    shutil.copy("/bin/true", program)
    refused(tool, "run", "--gpu=none", "--", program, status=127, words=[str(program), "--bind-ro"],
            cwd="/")
    done = tool("run", "--gpu=none", "--bind-ro", program, "--", program, cwd="/")
    assert done.returncode == 0, done.stderr


def test_program_without_its_interpreter(tool):
    program = tool.base / "program"
    program.write_text("#!/nonesuch/sh\n")
    program.chmod(0o755)
    done = tool("run", "--gpu=none", "--", "./program", cwd=tool.base)
    assert done.returncode == 126
    assert "interpreter" in done.stderr.splitlines()[-1]
    tool.check_nothing_left()


def test_rootfs_that_is_not_there(tool):
    refused(tool, "run", "--rootfs", tool.base / "nonesuch", "--", "true",
            words=["nonesuch", "No such file", "--rootfs"])


def test_rootfs_that_is_a_file(tool):
    refused(tool, "run", "--rootfs", "/etc/passwd", "--", "true",
            words=["/etc/passwd", "Not a directory"])


def test_rootfs_that_is_empty(tool):
    (tool.base / "empty").mkdir()
    refused(tool, "run", "--rootfs", tool.base / "empty", "--", "true", words=["empty"])


def as_user(uid=65534):
    if os.getuid() != 0:
        return []
    need("setpriv", "util-linux")
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


def test_rootfs_that_may_not_be_read(tool):
    root = tool.base / "closed"
    root.mkdir(mode=0o700 if os.getuid() == 0 else 0)
    try:
        refused(tool, "run", "--gpu=none", "--rootfs", root, "--", "true", prefix=as_user(),
                words=["closed", "Permission denied", "--rootfs"])
    finally:
        root.chmod(0o700)


@pytest.mark.parametrize("option,word", [
    ("/nonesuch", "No such file"),
    ("/etc:/usr/new/folder", "read-only"),
    ("/etc:relative", "absolute path"),
    ("/etc:/etc/passwd", "a folder goes only onto a folder"),
    ("/etc/passwd:/usr", "a file onto a file"),
])
def test_binds(tool, option, word):
    refused(tool, "run", "--gpu=none", "--bind", option, "--", "true", words=[word])


def test_workdir(tool):
    refused(tool, "run", "--gpu=none", "--workdir", "/nonesuch", "--", "true",
            words=["/nonesuch", "no such folder"])


def test_no_user_namespaces(tool):
    # A user namespace in which no more can be made stands for a kernel that makes none.
    none = ["unshare", "--user", "--map-root-user", "sh", "-c",
            "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"", "sh"]
    if subprocess.run([*none, "true"], capture_output=True).returncode != 0:
        pytest.skip("user namespaces cannot be taken away here")
    for gpu in ("none", "gl"):
        refused(tool, "run", f"--gpu={gpu}", "--", "true", prefix=none,
                words=["user namespaces", "max_user_namespaces"])


def without(program):
    """A prefix under which @program is not installed."""
    prefix = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", "/dev/null", shutil.which(program)]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    return prefix


def test_no_bubblewrap(tool):
    refused(tool, "run", "--gpu=none", "--", "/bin/true", env={"PATH": str(tool.base)},
            words=["bwrap", "Debian package bubblewrap"])


@pytest.mark.parametrize("display,program,package", [
    ("x11", "Xvfb", "xvfb"), ("wayland", "Xvfb", "xvfb"), ("wayland", "weston", "weston")])
def test_no_display_server(tool, display, program, package):
    need(program, package)
    refused(tool, "run", "--gpu=none", f"--display={display}", "--", "true",
            prefix=without(program), words=[program, f"Debian package {package}"])


def test_no_display_of_the_host(tool):
    refused(tool, "run", "--gpu=none", "--display=host", "--", "true",
            env={"DISPLAY": "", "WAYLAND_DISPLAY": ""}, words=["DISPLAY", "--display=x11"])


def test_screenshot_that_cannot_be_written(tool):
    refused(tool, "run", "--gpu=none", "--display=x11", "--screenshot", "/nonesuch/x.png", "--",
            "true", words=["/nonesuch/x.png"])


def test_recording_that_cannot_be_written(tool):
    refused(tool, "record", "-o", "/nonesuch/x.slrec", "--", "true", words=["/nonesuch/x.slrec"])


def test_broker_that_cannot_start(tool):
    # Its directory cannot be made.
    (tool.base / "file").write_text("")
    refused(tool, "run", "--directory", tool.base / "file" / "run", "--", "true",
            words=[str(tool.base / "file" / "run"), "private one did not start"])


def test_broker_that_is_not_installed(tool):
    elsewhere = tool.base / "sluice"
    shutil.copy(tool.program, elsewhere)
    if os.path.exists("/usr/local/bin/sluiced") or os.path.exists("/usr/bin/sluiced"):
        pytest.skip("a sluiced is installed on this machine")
    tool.program = str(elsewhere)
    refused(tool, "run", "--", "true", words=["sluiced", "not found"])


def test_broker_that_may_not_be_used(tool):
    if os.getuid() != 0:
        pytest.skip("needs another user: run as root")
    with socket.socket(socket.AF_UNIX) as s:
        tool.directory.mkdir(mode=0o755)
        s.bind(str(tool.directory / "control"))
        os.chmod(tool.directory / "control", 0o600)
        s.listen()
        done = tool("run", "--", "true", prefix=as_user())
    shutil.rmtree(tool.directory)
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1 and "ermission denied" in done.stderr


def test_limit_that_the_broker_refuses(fake):
    done = fake("run", "--name", "shared", "--", "true")
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1 and "shared" in done.stderr
