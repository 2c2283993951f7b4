#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compare two runs of sluice-scenes, each a directory with scenes.json and NAME.raw files.

The rule: the bytes are equal. Only a scene that says "filtered" (a multisample resolve or a
linear filter, whose weights GL does not fix) may differ, by 1 LSB on at most 0.1 % of its pixels.
A scene that the second run could not draw, or that virgl cannot do at all on a host that has
only GLES, is "unsupported", which is neither equal nor a difference: the reason is printed.
"""

import argparse
import json
import sys
from pathlib import Path

FILTERED_LSB = 1
FILTERED_SHARE = 0.001


def load(directory):
    """{scene name: what sluice-scenes said of it}"""
    text = (Path(directory) / "scenes.json").read_text()
    return {s["scene"]: s for s in json.loads(text)["scenes"]}


def pixels_apart(a, b):
    """(number of RGBA8 pixels that differ, the largest difference of a channel)"""
    count = largest = 0
    for i in range(0, len(a), 4):
        if a[i:i + 4] != b[i:i + 4]:
            count += 1
            largest = max(largest, *(abs(x - y) for x, y in zip(a[i:i + 4], b[i:i + 4])))
    return count, largest


def compare_scene(name, want, have, want_dir, have_dir, host_gl="core"):
    """(verdict, detail): "equal", "within", "differs", "unsupported" or "error"."""
    if want["status"] != "ok":
        return "unsupported", f"natively: {want['reason'] or want['gl_error']}"
    if have is None:
        return "error", "not drawn"
    if have["status"] == "unsupported":
        return "unsupported", have["reason"]
    if have["status"] != "ok":
        return "error", f"GL error {have['gl_error']:#06x}"
    if host_gl == "es" and want["gl_host_only"]:
        return "unsupported", f"on a GLES host: {want['gl_host_only']}"
    if (want["hash"], want["bytes"]) == (have["hash"], have["bytes"]):
        return "equal", ""
    a = (Path(want_dir) / f"{name}.raw").read_bytes()
    b = (Path(have_dir) / f"{name}.raw").read_bytes()
    if len(a) != len(b):
        return "differs", f"{len(b)} bytes instead of {len(a)}"
    count, largest = pixels_apart(a, b)
    detail = f"{count} of {len(a) // 4} pixels, by up to {largest}"
    if (want["rule"] == "filtered" and largest <= FILTERED_LSB
            and count <= FILTERED_SHARE * (len(a) // 4)):
        return "within", detail
    return "differs", detail


def compare(want_dir, have_dir, host_gl="core"):
    """{scene: (verdict, detail)} of every scene of the first run."""
    want, have = load(want_dir), load(have_dir)
    return {name: compare_scene(name, want[name], have.get(name), want_dir, have_dir, host_gl)
            for name in want}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("want", help="directory of the native run")
    p.add_argument("have", help="directory of the run to judge")
    p.add_argument("--host-gl", choices=("core", "es"), default="core",
                   help="what the server of the second run renders with")
    args = p.parse_args()
    results = compare(args.want, args.have, args.host_gl)
    for name, (verdict, detail) in results.items():
        if verdict != "equal":
            print(f"{name}: {verdict} {detail}")
    bad = sum(v in ("differs", "error") for v, _ in results.values())
    print(f"{len(results)} scenes, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
