# SPDX-License-Identifier: MIT
"""`sluice bench`: its output's shape, and what it does when something is missing."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

ROW_KEYS = {"name", "unit", "better", "native", "peer", "peer_tuned", "sluice", "ratio_low",
            "ratio_high"}
FIGURES = {"geomean_vs_native", "geomean_vs_peer", "geomean_vs_peer_tuned", "first_frame_ms",
           "connect_to_frame_ms", "pss_mib", "cpu_per_frame_vs_peer"}


@pytest.fixture
def bench(sluice, build):
    if not shutil.which("bwrap"):
        pytest.skip("bwrap is not installed: apt install bubblewrap")
    if not (build / "tests" / "clients" / "sluice-bench-client").exists():
        pytest.skip("sluice-bench-client is not built")

    def run(*args, env=None):
        return sluice("bench", "vtest", *args, env=env, timeout=300)
    return run


def path_without(tmp_path, *names):
    """A PATH with everything on it but these programs."""
    for directory in os.environ["PATH"].split(":"):
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            link = tmp_path / name
            if name not in names and not os.path.lexists(link):
                link.symlink_to(os.path.join(directory, name))
    return {"PATH": str(tmp_path)}


def parse(reply):
    assert reply.returncode == 0, reply.stderr
    result = json.loads(reply.stdout)
    assert FIGURES <= result.keys()
    for row in result["rows"]:
        assert row.keys() == ROW_KEYS
        assert row["better"] == ("higher" if row["unit"] == "frames/s" else "lower")
    return result


@pytest.mark.slow
def test_json(bench):
    result = parse(bench("--rounds=2", "--duration=0.6", "--sessions=3", "--json",
                         "--scenes=10 draws,first frame,pss"))
    rows = {row["name"]: row for row in result["rows"]}
    assert set(rows) == {"10 draws", "10 draws, CPU", "first frame",
                         "connect to first frame", "PSS a session, 3 of them"}
    assert rows["connect to first frame"]["native"] is None
    assert 0 < rows["connect to first frame"]["sluice"] < rows["first frame"]["sluice"]
    assert rows["10 draws"]["native"] > 0
    assert rows["10 draws"]["sluice"] > 0, result["absent"]
    assert result["first_frame_ms"] == rows["first frame"]["sluice"]
    assert result["pss_mib"] == rows["PSS a session, 3 of them"]["sluice"]
    if rows["10 draws"]["peer"] is not None:
        low, high = rows["10 draws"]["ratio_low"], rows["10 draws"]["ratio_high"]
        assert low <= result["geomean_vs_peer"] <= high


def test_missing_peer_leaves_its_column_empty(bench, tmp_path):
    reply = bench("--rounds=1", "--duration=0.2", "--sessions=0", "--json", "--scenes=1 draw",
                  env=path_without(tmp_path, "virgl_test_server"))
    result = parse(reply)
    row = result["rows"][0]
    assert row["peer"] is None and row["peer_tuned"] is None
    assert row["native"] > 0
    assert "virgl-server" in result["absent"]["peer"]
    assert "apt install virgl-server" in reply.stderr


def test_missing_glmark2_is_said(bench, tmp_path):
    reply = bench("--rounds=1", "--duration=0.2", "--sessions=0", "--scenes=build,1 draw",
                  env=path_without(tmp_path, "glmark2-es2"))
    assert reply.returncode == 0
    assert "apt install glmark2-es2-x11" in reply.stderr
    assert "glmark2" not in reply.stdout


def test_missing_bubblewrap(sluice, tmp_path):
    reply = sluice("bench", "vtest", env=path_without(tmp_path, "bwrap"))
    assert reply.returncode == 1
    assert reply.stderr.count("\n") == 1 and "apt install bubblewrap" in reply.stderr


@pytest.mark.parametrize("args", [
    [], ["nonesuch"], ["vtest", "vtest"], ["vtest", "--rounds=0"], ["vtest", "--rounds=x"],
    ["vtest", "--duration=nan"], ["vtest", "--duration=-1"], ["vtest", "--bogus"],
    ["vtest", "--rounds=65"], ["vtest", "--sessions=1000"], ["vtest", "--scenes"],
    ["vtest", "--scenes="], ["vtest", "--scenes=,"],
])
def test_usage(sluice, args):
    reply = sluice("bench", *args)
    assert reply.returncode == 2
    assert reply.stderr.count("\n") == 1
    assert not reply.stdout


def test_unknown_scene(bench):
    reply = bench("--scenes=build,nonesuch")
    assert reply.returncode == 2
    assert "nonesuch" in reply.stderr and reply.stderr.count("\n") == 1


def test_help(sluice):
    reply = sluice("bench", "--help")
    assert reply.returncode == 0 and "--rounds" in reply.stdout


@pytest.mark.slow
def test_nothing_is_left(bench, build, tmp_path):
    """No directory of ours, also when it is interrupted."""
    before = set(os.listdir("/tmp"))
    process = subprocess.Popen([str(build / "src" / "cli" / "sluice"), "bench", "vtest",
                                "--scenes=500 draws", "--sessions=0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"interrupted" in said
    left = [n for n in set(os.listdir("/tmp")) - before if n.startswith("sluice-bench-")]
    assert not left
