#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Run a fixed list of piglit tests through virgl_test_server and through Sluice, and compare.

The rule: what passes through the peer passes through Sluice, subtests included. The tests are
started directly, several at a time, rather than by piglit's own runner, which spends longer on
bookkeeping than most of these tests take. A difference is tried again, on both sides, before
it counts: a test that fails now and then through the peer as well is flaky, not a regression.

Exit status: 0 nothing is worse, 1 something is, 2 usage, 77 piglit or a server is missing.
"""

import argparse
import ast
import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import servers  # noqa: E402

PROFILES = ("quick_gl", "quick_shader")
SKIP = 77
RETRIES = 3


def piglit_root():
    """Where Debian puts piglit, whatever the architecture."""
    for path in sorted(Path("/usr/lib").glob("*/piglit")) + [Path("/usr/lib/piglit")]:
        if (path / "bin" / "shader_runner").exists():
            return path
    raise servers.Unavailable("piglit is not installed: apt install piglit")


def load_commands(root):
    """name -> argument list, from the profiles that piglit brings."""
    commands = {}
    for profile in PROFILES:
        with gzip.open(root / "tests" / f"{profile}.xml.gz") as f:
            tree = ElementTree.parse(f)
        for test in tree.getroot():
            options = {o.get("name"): o.get("value") for o in test.findall("option")}
            argv = [a for a in ast.literal_eval(options["command"]) if a not in ("-auto", "-fbo")]
            if test.get("type") == "shader":
                argv[1] = str(root / argv[1])
            argv = [str(root / "bin" / argv[0])] + argv[1:] + ["-auto"]
            if options.get("run_concurrent") == "True":
                argv.append("-fbo")
            # The profiles name a few programs that the package was built without.
            if os.access(argv[0], os.X_OK):
                commands[test.get("name")] = argv
    return commands


def read_list(path):
    """The test names of a list file: one a line, # for comments."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def parse_output(text, returncode):
    """(result, {subtest: result}) from what a piglit test printed."""
    result, subtests = None, {}
    for line in text.splitlines():
        if not line.startswith("PIGLIT: "):
            continue
        with contextlib.suppress(ValueError):
            said = json.loads(line[len("PIGLIT: "):])
            result = said.get("result", result)
            subtests.update(said.get("subtest", {}))
    if returncode < 0:
        result = "crash"
    return result or "fail", subtests


def run_one(argv, root, timeout):
    """Run one test; (result, subtests, seconds)."""
    env = dict(os.environ, PIGLIT_SOURCE_DIR=str(root), PIGLIT_PLATFORM="surfaceless_egl",
               PIGLIT_NO_WINDOW="1", USER=os.environ.get("USER", "piglit"),
               MESA_SHADER_CACHE_DISABLE="true")
    start = time.monotonic()
    process = subprocess.Popen(argv, cwd=root, env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "timeout", {}, time.monotonic() - start
    result, subtests = parse_output(out.decode(errors="replace"), process.returncode)
    return result, subtests, time.monotonic() - start


def inner():
    """Inside a client's container: tests to run arrive on stdin, results leave on stdout."""
    job = json.load(sys.stdin)
    root = Path(job["root"])
    done = 0

    def one(item):
        nonlocal done
        name, argv = item
        result = run_one(argv, root, job["timeout"])
        done += 1
        if done % 50 == 0:
            print(f"  {done} of {len(job['tests'])}", file=sys.stderr, flush=True)
        return name, result

    with ThreadPoolExecutor(job["jobs"]) as pool:
        json.dump(dict(pool.map(one, job["tests"].items())), sys.stdout)


def run_tests(tests, sock, args):
    """Run {name: argv} through the server at sock (None: natively)."""
    job = {"tests": tests, "timeout": args.timeout, "jobs": args.jobs, "root": str(args.root)}
    cmd = servers.container(sock, binds=[HERE]) + [sys.executable, __file__, "--inner"]
    # Nothing but the names in the job decides what runs, so the whole column has one container.
    reply = subprocess.run(cmd, input=json.dumps(job).encode(), stdout=subprocess.PIPE,
                           check=True, env=servers.client_env(sock is not None))
    return json.loads(reply.stdout)


def worse(peer, ours):
    """What the peer passed and Sluice did not: a list of "result" or subtest names."""
    lost = []
    if peer[0] == "pass" and ours[0] != "pass":
        lost.append(f"result {ours[0]}")
    for name, result in peer[1].items():
        if result == "pass" and ours[1].get(name) != "pass":
            lost.append(f"subtest {name}: {ours[1].get(name, 'missing')}")
    return lost


def compare(tests, columns, args):
    """({name: what is worse}, {name of a flaky test}) after retrying the differences."""
    def differences(names, peer, ours):
        return {n: worse(peer[n], ours[n]) for n in names if worse(peer[n], ours[n])}

    lost = differences(tests, columns["peer"]["results"], columns["sluice"]["results"])
    first = set(lost)
    for _ in range(RETRIES):
        if not lost:
            break
        again = {n: tests[n] for n in lost}
        print(f"{len(again)} differ, trying them again: {', '.join(again)}", file=sys.stderr)
        peer = run_tests(again, columns["peer"]["socket"], args)
        ours = run_tests(again, columns["sluice"]["socket"], args)
        # A test that ever passes here, or ever fails there, is not a difference of the servers.
        lost = differences(again, peer, ours)
    return lost, first - set(lost)


def summarise(results):
    """{"pass": n, "fail": n, ...}"""
    counts = {}
    for result, _, _ in results.values():
        counts[result] = counts.get(result, 0) + 1
    return dict(sorted(counts.items()))


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--list", type=Path, default=HERE / "piglit-list.txt")
    p.add_argument("--quick", action="store_true", help="every tenth test of the list")
    p.add_argument("--columns", default="peer,sluice", help="of native, peer, sluice")
    p.add_argument("--host-gl", choices=("core", "es"), default="core")
    p.add_argument("--sluiced", type=Path, help="the sluiced to start")
    p.add_argument("--sluice-socket", type=Path, help="a Sluice that runs already")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    p.add_argument("--timeout", type=float, default=120)
    p.add_argument("--json", type=Path, help="write every result to this file")
    args = p.parse_args()
    args.columns = args.columns.split(",")
    if "sluice" in args.columns and not (args.sluiced or args.sluice_socket):
        p.error("--sluiced=PROGRAM or --sluice-socket=PATH is needed for the sluice column")
    return args


def open_column(name, args, stack):
    """The socket of a column's server, None for native."""
    if name == "native":
        return None
    if name == "peer":
        return stack.enter_context(servers.peer(args.host_gl))
    if args.sluice_socket:
        return args.sluice_socket
    return stack.enter_context(servers.sluice(args.sluiced, args.host_gl))


def run(args):
    args.root = piglit_root()
    commands = load_commands(args.root)
    names = read_list(args.list)
    if args.quick:
        names = names[::10]
    tests = {n: commands[n] for n in names if n in commands}
    for n in names:
        if n not in commands:
            print(f"absent in this piglit: {n}")
    columns = {}
    with contextlib.ExitStack() as stack:
        for name in args.columns:
            print(f"{name}: {len(tests)} tests", file=sys.stderr)
            sock = open_column(name, args, stack)
            start = time.monotonic()
            results = run_tests(tests, sock, args)
            columns[name] = {"socket": sock, "results": results}
            print(f"{name}: {summarise(results)}, {time.monotonic() - start:.0f} s")
        lost, flaky = {}, set()
        if {"peer", "sluice"} <= set(columns):
            lost, flaky = compare(tests, columns, args)
    for name in sorted(flaky):
        print(f"flaky: {name}")
    for name, what in sorted(lost.items()):
        print(f"worse through Sluice: {name}: {'; '.join(what)}")
    if {"peer", "sluice"} <= set(columns):
        print(f"{len(tests)} tests, {len(lost)} worse through Sluice, {len(flaky)} flaky")
    if args.json:
        args.json.write_text(json.dumps({
            "columns": {n: c["results"] for n, c in columns.items()},
            "worse": lost, "flaky": sorted(flaky)}, indent=1))
    return 1 if lost else 0


def main():
    if sys.argv[1:] == ["--inner"]:
        inner()
        return 0
    args = parse_args()
    try:
        return run(args)
    except servers.Unavailable as e:
        print(f"skipped: {e}")
        return SKIP


if __name__ == "__main__":
    sys.exit(main())
