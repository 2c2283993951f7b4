# SPDX-License-Identifier: MIT
"""`sluice record` and `sluice replay`."""
import json
import os
import struct
import subprocess
import time

import pytest

from conftest import wait_for
from runlib import need, report, tool  # noqa: F401

MESSAGE, MEMORY = 1, 2
SUBMIT_CMD, TRANSFER_GET2 = 6, 13


@pytest.fixture
def scenes(build):
    program = build / "tests" / "clients" / "sluice-scenes"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    return program


@pytest.fixture
def recording(tool, scenes):
    """A session of a few scenes, and the file's name."""
    names = subprocess.run([scenes, "--list"], capture_output=True, text=True).stdout.split()[:1]
    file = tool.base / "x.slrec"
    done = tool("record", "-o", file, "--json", "--bind-ro", scenes, "--", scenes,
                f"--scene={names[0]}")
    assert done.returncode == 0, done.stderr
    r = report(done.stdout)
    assert r["recording"] == str(file) and r["sessions"] >= 1 and r["submits"] > 0
    return file


def records(data):
    """[(type, payload offset, payload bytes)] of a recording."""
    found, at = [], 16
    while at < len(data):
        kind, size, _ = struct.unpack_from("<IIQ", data, at)
        found.append((kind, at + 16, size))
        at += 16 + size
    return found


def replay(tool, *args):
    done = tool("replay", "--json", *args)
    return done, json.loads(done.stdout) if done.stdout else None


def test_recording_plays(tool, recording):
    data = recording.read_bytes()
    assert data[:8] == b"SLRECORD"
    n = sum(1 for kind, _, _ in records(data) if kind == MESSAGE)
    done, r = replay(tool, recording)
    assert done.returncode == 0, done.stdout + done.stderr
    assert r["ok"] and len(r["rounds"]) == 1
    only = r["rounds"][0]
    assert only["complete"] and only["ended"] is None and only["messages"] == n
    assert only["other_ids"] == 0 and only["bytes_sent"] > 0
    counts = {c["command"]: c["count"] for c in only["commands"]}
    assert counts["CREATE_RENDERER"] == 1 and counts["SUBMIT_CMD"] >= 1
    # The worker did the same work.
    assert r["usage"]["submits"] == counts["SUBMIT_CMD"] and r["usage"]["faults"] == 0
    tool.check_nothing_left()


def test_recording_plays_on_the_null_worker_and_again(tool, recording):
    tool.check_nothing_left()
    done, r = replay(tool, "--null", "--repeat", 3, recording)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(r["rounds"]) == 3 and all(x["complete"] for x in r["rounds"])
    assert r["usage"]["sessions"] == 3
    assert not tool.directory.exists()
    tool.check_nothing_left()


def test_recording_plays_on_the_reference_server(tool, recording):
    need("virgl_test_server", "virgl-server")
    path = tool.base / "peer"
    server = subprocess.Popen(["virgl_test_server", "--use-egl-surfaceless", "--no-fork",
                               f"--socket-path={path}"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        wait_for(path.exists, what="the reference server")
        time.sleep(0.1)
        done, r = replay(tool, "--socket", path, recording)
    finally:
        server.kill()
        server.wait()
    assert done.returncode == 0, done.stdout + done.stderr
    assert r["rounds"][0]["complete"] and r["usage"] is None


def test_frames_that_were_read_back_are_not_recorded(tool):
    """A player's own read-back makes them: 2 MB each, which a window's client has in memory."""
    need("glmark2-es2", "glmark2-es2-x11")
    need("Xvfb", "xvfb")
    file = tool.base / "x.slrec"
    done = tool("record", "-o", file, "--display=x11", "--", "glmark2-es2", "-s", "800x600",
                "-b", "build:duration=0.5")
    assert done.returncode == 0, done.stderr
    data = file.read_bytes()
    found = records(data)
    frames = sum(kind == MESSAGE and struct.unpack_from("<I", data, at + 4)[0] == TRANSFER_GET2
                 for kind, at, _ in found)
    assert frames > 5
    # Each of two buffers once, as it was at first, and the meshes.
    assert sum(size for kind, _, size in found if kind == MEMORY) < 3.5 * 800 * 600 * 4
    done, r = replay(tool, file)
    assert done.returncode == 0 and r["usage"]["faults"] == 0


def test_text_is_a_table(tool, recording):
    done = tool("replay", recording)
    assert done.returncode == 0
    assert done.stdout.startswith("COMMAND") and "played to its end" in done.stdout


def test_session_that_breaks_the_protocol_ends_early(tool, recording):
    data = bytearray(recording.read_bytes())
    messages = [at for kind, at, _ in records(data) if kind == MESSAGE]
    # A command id that there is none of, in place of one that has no reply.
    n = [i for i, at in enumerate(messages)
         if struct.unpack_from("<I", data, at + 4)[0] == SUBMIT_CMD][-1]
    struct.pack_into("<I", data, messages[n] + 4, 0x7fffffff)
    recording.write_bytes(data)
    done, r = replay(tool, recording)
    assert done.returncode == 1
    assert not r["ok"] and "closed the connection" in r["rounds"][0]["ended"]
    # The end is seen only where something is waited for or sent again.
    assert r["rounds"][0]["messages"] > n
    assert r["usage"]["faults"] >= 1
    tool.check_nothing_left()


def test_session_over_its_budget(tool, recording):
    done, r = replay(tool, "--limit", "resources=1", recording)
    assert done.returncode == 1
    assert not r["ok"]


def test_recording_of_a_program_that_made_no_session(tool):
    file = tool.base / "x.slrec"
    done = tool("record", "-o", file, "--", "true")
    assert done.returncode == 0 and "made no GL session" in done.stderr
    done = tool("replay", file)
    assert done.returncode == 125 and "no recording" in done.stderr


def test_default_name_is_the_programs(tool):
    assert tool("record", "--", "true", cwd=tool.base).returncode == 0
    assert (tool.base / "true.slrec").exists()


def refused(tool, *args, status=125, words=()):
    done = tool("replay", *args)
    assert done.returncode == status, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    for word in words:
        assert word in done.stderr
    tool.check_nothing_left()


def test_files_that_are_no_recordings(tool):
    bad = tool.base / "bad"
    refused(tool, tool.base / "nonesuch", words=["nonesuch", "No such file"])
    bad.write_bytes(b"")
    refused(tool, "--null", bad, words=["no recording"])
    bad.write_bytes(os.urandom(4096))
    refused(tool, "--null", bad, words=["no recording"])
    bad.write_bytes(b"SLRECORD" + struct.pack("<II", 99, 1))
    refused(tool, "--null", bad, words=["another version"])
    bad.write_bytes(b"SLRECORD" + struct.pack("<II", 1, 1) + struct.pack("<IIQ", 77, 4, 0))
    refused(tool, "--null", bad, words=["no recording"])
    # Promises a gigabyte: not allocated for the promise's sake, and the end is the end.
    bad.write_bytes(b"SLRECORD" + struct.pack("<II", 1, 1) + struct.pack("<IIQ", 1, 1 << 30, 0))
    assert tool("replay", "--null", bad).returncode == 0


def test_no_such_server(tool):
    (tool.base / "r").write_bytes(b"SLRECORD" + struct.pack("<II", 1, 1))
    refused(tool, "--socket", tool.base / "nonesuch", tool.base / "r", words=["nonesuch"])


@pytest.mark.parametrize("args,word", [([], "FILE"), (["a", "b"], "FILE"),
                                       (["--repeat", "0", "x"], "--repeat"),
                                       (["--socket", "s", "--null", "x"], "--socket"),
                                       (["--nonesuch"], "--nonesuch")])
def test_usage(tool, args, word):
    refused(tool, *args, status=2, words=[word])
