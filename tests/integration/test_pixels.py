# SPDX-License-Identifier: MIT
"""A GL client draws the same pixels through Sluice as natively.

sluice-scenes draws some fifty scenes; see tests/reference/compare_pixels.py for the rule. The
same comparison is made with virgl_test_server, so that what libvirglrenderer itself cannot do is
known apart from what Sluice does to it.
"""
import pathlib
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import compare_pixels  # noqa: E402
import servers  # noqa: E402

SESSIONS = 50
# For many sessions at once: one scene of each kind of work.
FEW = "depth,cube-map,texture-3d,msaa-resolve,instancing,uniform-buffers,pbo,fences"


@pytest.fixture(scope="session")
def scenes(build):
    program = build / "tests" / "clients" / "sluice-scenes"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    return program


@pytest.fixture(scope="session")
def native(scenes, tmp_path_factory):
    """A directory with the pixels that this machine's Mesa draws."""
    directory = tmp_path_factory.mktemp("native")
    servers.run_scenes(scenes, directory)
    drawn = [s for s in compare_pixels.load(directory).values() if s["status"] == "ok"]
    assert len(drawn) >= 14, "too few scenes can be drawn natively to compare anything"
    return directory


def check(native, directory, host_gl):
    """Assert the rule; print what could not be compared."""
    results = compare_pixels.compare(native, directory, host_gl)
    for name, (verdict, detail) in results.items():
        if verdict in ("unsupported", "within"):
            print(f"{name}: {verdict}: {detail}")
    bad = {n: f"{v} {d}" for n, (v, d) in results.items() if v in ("differs", "error")}
    assert not bad, bad
    compared = sum(v in ("equal", "within") for v, _ in results.values())
    assert compared >= 14, f"only {compared} scenes could be compared"


@pytest.fixture(params=["host", "trixie"])
def client_root(request):
    """The root that the client runs in: this system's own, or a Debian 13 with Mesa 25."""
    if request.param == "host":
        return None
    root = servers.client_root(request.param)
    if not root:
        pytest.skip(f"no {request.param} root: scripts/make-rootfs {request.param} makes it")
    return root


def test_native_is_deterministic(scenes, native, tmp_path):
    servers.run_scenes(scenes, tmp_path)
    assert compare_pixels.compare(native, tmp_path).keys() == compare_pixels.load(native).keys()
    results = compare_pixels.compare(native, tmp_path)
    assert not {n: v for n, v in results.items() if v[0] not in ("equal", "unsupported")}


@pytest.mark.slow
@pytest.mark.parametrize("host_gl", ["core", "es"])
def test_peer(scenes, native, tmp_path, host_gl, client_root):
    """What holds through the peer says that the scenes themselves are sound."""
    try:
        with servers.peer(host_gl) as sock:
            servers.run_scenes(scenes, tmp_path, sock, client_root)
    except servers.Unavailable as e:
        pytest.skip(str(e))
    check(native, tmp_path, host_gl)


@pytest.mark.parametrize("host_gl", ["core", "es"])
def test_sluice(scenes, native, tmp_path, broker, host_gl, client_root):
    b = broker(backend="virgl", args=[f"--host-gl={host_gl}"])
    servers.run_scenes(scenes, tmp_path, b.socket, client_root)
    check(native, tmp_path, host_gl)


@pytest.mark.slow
def test_simultaneous_sessions(scenes, native, tmp_path, broker):
    """All are connected before the first draws; then they draw at the same time."""
    b = broker(backend="virgl")
    clients = []
    try:
        for i in range(SESSIONS):
            directory = tmp_path / str(i)
            directory.mkdir()
            cmd = servers.scenes_command(scenes, directory, b.socket,
                                         args=["--hold", f"--scene={FEW}"])
            # A file takes what it says: a pipe that is not read would stop it.
            out = tempfile.TemporaryFile()
            clients.append((subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=out,
                                             stderr=subprocess.STDOUT,
                                             env=servers.client_env(True)), out, directory))
        b.wait_sessions(SESSIONS, timeout=120)
        for process, _, _ in clients:
            process.stdin.close()
        for process, out, directory in clients:
            status = process.wait(300)
            out.seek(0)
            said = out.read().decode()
            assert status == 0, said
            (directory / "scenes.json").write_text(said[said.index("{"):])
    finally:
        for process, out, _ in clients:
            process.kill()
            process.wait()
            out.close()
    few = FEW.split(",")
    wrong = {}
    for _, _, directory in clients:
        results = compare_pixels.compare(native, directory)
        wrong.update({(directory.name, n): results[n] for n in few
                      if results[n][0] not in ("equal", "within")})
    assert not wrong
