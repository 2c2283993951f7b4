# SPDX-License-Identifier: MIT
"""Compiled shaders outlive a session inside its domain, and nowhere else."""
import json
import sys
import pathlib

import pytest

from conftest import wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import servers  # noqa: E402

SCENES = "cube-map,instancing,uniform-buffers,pbo"
# llvmpipe's key of a shader depends on whether variants of it before were compiled or found, so
# that a program needs some sessions to have them all: with these scenes, one or two.
SESSIONS = 6
ONE_KEY = 24 + 24 + 24  # an archive: header, an entry's header, its 20 bytes and padding


def cache(b, domain):
    return b.control("domain.usage", {"name": domain})["shader_cache"]


def add(b, name):
    return b.control("domain.add", {"name": name})["socket"]


@pytest.fixture
def draw(build, tmp_path):
    """Draw some scenes in a session; what was drawn, as {file name: bytes}."""
    program = build / "tests" / "clients" / "sluice-scenes"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    rounds = []

    def run(b, sock):
        folder = tmp_path / str(len(rounds))
        folder.mkdir()
        rounds.append(folder)
        servers.run_scenes(program, folder, sock, args=[f"--scene={SCENES}"])
        scenes = json.loads((folder / "scenes.json").read_text())["scenes"]
        assert all(s["status"] in ("ok", "unsupported") for s in scenes), scenes
        wait_for(lambda: not b.sessions(), what="the session's end")
        drawn = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "scenes.json"}
        assert drawn
        return drawn
    return run


@pytest.fixture
def rendering(broker):
    """A broker whose workers have rasterizer threads on any machine: others keep nothing."""
    def start(*args):
        return broker(backend="virgl", args=["--llvmpipe-threads=2", *args])
    return start


def test_sessions_find_what_earlier_ones_compiled(rendering, draw):
    b = rendering()
    sock = add(b, "one")
    other = add(b, "other")
    first = draw(b, sock)
    after_first = cache(b, "one")
    assert after_first["entries"] > 0 and after_first["bytes"] > 24
    assert after_first["hits"] == 0 and after_first["limit_bytes"] == 32 << 20
    before, now = None, after_first
    for _ in range(SESSIONS):
        before = now
        assert draw(b, sock) == first
        now = cache(b, "one")
        assert now["hits"] > before["hits"]
        if now["entries"] == before["entries"]:
            break
    # Nothing new: what was looked for was found.
    assert now["entries"] == before["entries"] and now["bytes"] == before["bytes"]
    assert now["hits"] - before["hits"] >= after_first["entries"]
    # Another domain has none of it, and compiles its own.
    assert cache(b, "other")["entries"] == 0
    assert draw(b, other) == first
    assert cache(b, "other")["hits"] == 0
    assert cache(b, "other")["entries"] == after_first["entries"]
    assert b.control("domain.usage", {"name": "one"})["lost"] == 0


def test_shared_socket_keeps_nothing(rendering, draw):
    b = rendering()
    add(b, "one")
    assert draw(b, b.socket) == draw(b, b.socket)
    assert cache(b, "shared") is None
    assert cache(b, "one")["entries"] == 0
    assert b.control("domain.usage", {"name": "shared"})["lost"] == 0


def test_domain_that_is_made_again_begins_again(rendering, draw):
    b = rendering()
    draw(b, add(b, "one"))
    assert cache(b, "one")["entries"] > 0
    b.control("domain.remove", {"name": "one"})
    add(b, "one")
    assert cache(b, "one")["entries"] == 0


@pytest.mark.parametrize("args", [["--shader-cache=0"], ["--llvmpipe-threads=0"]])
def test_off(rendering, draw, args):
    b = rendering(*args)
    sock = add(b, "one")
    assert draw(b, sock) == draw(b, sock)
    kept = cache(b, "one")
    assert kept is None or kept["entries"] == kept["hits"] == 0


def ask(client, order):
    client.send(order)
    return client.recv(1)


def end(b, client):
    client.close()
    wait_for(lambda: not b.sessions(), what="the session's end")


def test_broken_archive_costs_its_session_only(broker):
    b = broker(fake=True)
    sock = add(b, "one")
    client = b.connect(sock)
    assert ask(client, b"a") == b"0"
    client.send(b"k")
    end(b, client)
    assert cache(b, "one")["entries"] == 1
    client, bystander = b.connect(sock), b.connect(sock)
    assert ask(client, b"a") == b"1"
    assert ask(bystander, b"a") == b"1"
    client.send(b"w")
    assert client.recv(1) == b""
    wait_for(lambda: "a broken archive of shaders" in b.log(), what="the reason in the log")
    # What was there before still is, for who has it and for the next.
    assert ask(bystander, b"a") == b"1"
    next_client = b.connect(sock)
    assert ask(next_client, b"a") == b"1"
    assert cache(b, "one")["entries"] == 1 and cache(b, "one")["bytes"] == ONE_KEY


def test_archive_comes_once_and_only_where_one_was_given(broker):
    b = broker(fake=True)
    client = b.connect(add(b, "one"))
    assert ask(client, b"a") == b"0"
    client.send(b"k")
    assert ask(client, b"e") == b"e"
    client.send(b"k")
    assert client.recv(1) == b""
    stranger = b.connect()
    assert ask(stranger, b"a") == b"-"
    stranger.send(b"k")
    assert stranger.recv(1) == b""
    wait_for(lambda: b.log().count("SHADERS out of turn") == 2, what="both in the log")
    assert cache(b, "one")["entries"] == 1


def test_recording_and_shaders_in_one_session(broker, tmp_path):
    b = broker(fake=True)
    with open(tmp_path / "record", "wb") as file:
        sock = b.control("domain.add", {"name": "one", "record": True}, [file.fileno()])["socket"]
    client = b.connect(sock)
    assert ask(client, b"r") == b"8" and ask(client, b"a") == b"0"


def test_limit(broker):
    b = broker(fake=True, args=[f"--shader-cache={ONE_KEY - 1}"])
    client = b.connect(add(b, "one"))
    client.send(b"k")
    end(b, client)
    assert cache(b, "one")["entries"] == 0
    assert cache(b, "one")["limit_bytes"] == ONE_KEY - 1
    assert "misbehav" not in b.log() and "killing" not in b.log()


def test_nothing_is_left_open(broker):
    b = broker(fake=True)
    before = None
    for _ in range(4):
        client = b.connect(add(b, "one"))
        client.send(b"k")
        assert ask(client, b"e") == b"e"
        end(b, client)
        b.control("domain.remove", {"name": "one"})
        b.wait_ready(warm=2)
        before = before or b.n_fds()
        wait_for(lambda: b.n_fds() <= before, what=f"{before} descriptors, not {b.n_fds()}")
