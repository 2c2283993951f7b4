# SPDX-License-Identifier: MIT
"""`sluice cdi`: what container engines are told."""
import json
import os
import pathlib
import stat

import pytest

from conftest import ROOT
from runlib import fake, orders, tool  # noqa: F401

# Everything that version 0.3.0 of the specification knows, and that engines accept there.
TOP = {"cdiVersion", "kind", "devices", "containerEdits"}
EDITS = {"env", "deviceNodes", "mounts", "hooks"}
MOUNT = {"hostPath", "containerPath", "options"}
ENV = ["LIBGL_ALWAYS_SOFTWARE=1", "GALLIUM_DRIVER=virpipe", "VTEST_SOCKET_NAME=/tmp/.virgl_test"]


def generate(tool, *args):
    done = tool("cdi", "generate", *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_strictly(spec):
    """As a strict loader does."""
    assert set(spec) == TOP and spec["cdiVersion"] == "0.3.0" and spec["kind"] == "sluice/gpu"
    assert set(spec["containerEdits"]) <= EDITS and spec["containerEdits"]["env"] == ENV
    names = [d["name"] for d in spec["devices"]]
    assert len(set(names)) == len(names) > 0
    for device in spec["devices"]:
        assert set(device) == {"name", "containerEdits"}
        assert device["name"][0].isalpha() and device["name"][-1].isalnum()
        # Mounts only: no device node.
        assert set(device["containerEdits"]) == {"mounts"}
        (mount,) = device["containerEdits"]["mounts"]
        assert set(mount) == MOUNT
        assert mount["containerPath"] == "/tmp/.virgl_test"
        assert "ro" in mount["options"] and "bind" in mount["options"]
        path = pathlib.Path(mount["hostPath"])
        assert path.is_absolute() and stat.S_ISSOCK(path.stat().st_mode)
    return {d["name"]: d["containerEdits"]["mounts"][0]["hostPath"] for d in spec["devices"]}


def test_shared_socket_and_domains(fake):
    fake.broker.control("domain.add", {"name": "web"})
    fake.broker.control("domain.add", {"name": "4k.video"})
    devices = check_strictly(generate(fake))
    assert devices == {
        "gl": fake.broker.socket,
        "gl-web": str(fake.directory / "domains" / "web" / "vtest"),
        "gl-4k.video": str(fake.directory / "domains" / "4k.video" / "vtest"),
    }


def test_named_domains_only(fake):
    for name in ("a", "b", "c"):
        fake.broker.control("domain.add", {"name": name})
    assert set(check_strictly(generate(fake, "--domain", "c", "--domain", "a"))) == {"gl-c", "gl-a"}


def test_domains_of_runs_are_left_out(fake):
    p = fake.start("run", "--name", "gone-soon", "--", *orders("e", 60))
    assert p.stdout.readline() == "done\n"
    assert set(check_strictly(generate(fake))) == {"gl"}


def test_name_that_no_device_can_have(fake):
    fake.broker.control("domain.add", {"name": "odd-"})
    done = fake("cdi", "generate")
    assert "odd-" in done.stderr and len(done.stderr.splitlines()) == 1
    assert set(check_strictly(json.loads(done.stdout))) == {"gl"}


def test_file_is_replaced_as_a_whole(fake):
    folder = fake.base / "cdi"
    file = folder / "sluice.json"
    old_umask = os.umask(0o077)
    try:
        assert fake("cdi", "generate", "--output", file).stdout == ""
    finally:
        os.umask(old_umask)
    check_strictly(json.loads(file.read_text()))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    inode = file.stat().st_ino
    fake.broker.control("domain.add", {"name": "web"})
    with open(file) as reader:
        assert fake("cdi", "generate", "-o", file).returncode == 0
        # Who has it open goes on reading the old one.
        assert len(json.load(reader)["devices"]) == 1
    assert file.stat().st_ino != inode
    assert len(check_strictly(json.loads(file.read_text()))) == 2
    assert [p.name for p in folder.iterdir()] == ["sluice.json"]


def test_list(fake):
    fake.broker.control("domain.add", {"name": "web"})
    done = fake("cdi", "list")
    assert done.stdout.splitlines()[0].split() == ["DEVICE", "SOCKET"]
    rows = json.loads(fake("cdi", "list", "--json").stdout)
    assert [r["device"] for r in rows] == ["sluice/gpu=gl", "sluice/gpu=gl-web"]
    assert rows[0]["socket"] == fake.broker.socket


@pytest.mark.parametrize("args,status,word", [
    (["generate", "--domain", "nonesuch"], 1, "nonesuch"),
    (["generate", "--output", "/nonesuch/cdi/x.json"], 1, "/nonesuch/cdi/x.json"),
    (["generate", "x"], 2, "x"),
    (["remove"], 2, "remove"),
    ([], 2, "generate or list"),
    (["generate", "--nonesuch"], 2, "--nonesuch"),
])
def test_bad_input(fake, args, status, word):
    done = fake("cdi", *args)
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1 and word in done.stderr and done.stdout == ""


def test_no_broker(tool):
    done = tool("cdi", "generate")
    assert done.returncode == 69 and len(done.stderr.splitlines()) == 1
    assert not tool.directory.exists()


@pytest.mark.parametrize("name", ["compose.yaml", "compose-cdi.yaml"])
def test_compose_files_say_what_cdi_says(name):
    yaml = pytest.importorskip("yaml", reason="no YAML reader (Debian package python3-yaml)")
    service = yaml.safe_load((ROOT / "data" / "compose" / name).read_text())["services"]["glinfo"]
    if name == "compose-cdi.yaml":
        assert service["devices"] == ["sluice/gpu=gl"]
        return
    assert sorted(f"{k}={v}" for k, v in service["environment"].items()) == sorted(ENV)
    (volume,) = service["volumes"]
    assert volume["target"] == "/tmp/.virgl_test" and volume["read_only"]
    assert "devices" not in service
