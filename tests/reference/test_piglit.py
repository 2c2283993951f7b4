# SPDX-License-Identifier: MIT
"""What piglit passes through virgl_test_server, it passes through Sluice. See run_piglit.py."""
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import servers  # noqa: E402

RUNNER = HERE / "run_piglit.py"
SKIPPED = 77


@pytest.mark.slow
def test_piglit_as_the_peer(broker, tmp_path):
    b = broker(backend="virgl", args=["--host-gl=core", f"--mem={servers.MEMORY}"])
    reply = subprocess.run(
        [sys.executable, str(RUNNER), f"--sluice-socket={b.socket}",
         f"--json={tmp_path / 'piglit.json'}"],
        stdout=subprocess.PIPE, text=True, timeout=1800)
    print(reply.stdout)
    if reply.returncode == SKIPPED:
        pytest.skip(reply.stdout.strip())
    assert reply.returncode == 0, reply.stdout
