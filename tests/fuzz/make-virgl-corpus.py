#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of fuzz-virgl-stream into corpus/virgl-stream: one file per idea.

A seed is a series of streams, each of them two bytes of length in words, one byte of fate (0 runs,
1 refused, 2 stops) and its words.
"""
import pathlib
import struct

CREATE, DESTROY, SET_SUB, CREATE_SUB, DESTROY_SUB = 1, 3, 28, 29, 30
BLEND, SHADER, VIEW, SURFACE, QUERY, MSAA = 1, 4, 6, 8, 9, 11
RUNS, REFUSED, STOPS = 0, 1, 2


def cmd(op, *words, obj=0):
    return [op | obj << 8 | len(words) << 16, *words]


def stream(fate, *cmds):
    words = [w for c in cmds for w in c]
    return struct.pack("<HB", len(words), fate) + struct.pack(f"<{len(words)}I", *words)


NOP = cmd(0)
SURF = [cmd(CREATE, h, 1, 1, 0, 0, obj=SURFACE) for h in range(8)]
SEEDS = {
    "objects": stream(RUNS, SURF[1], SURF[2]) + stream(RUNS, cmd(DESTROY, 1)) + stream(RUNS, NOP),
    "refused": stream(RUNS, SURF[1]) + stream(REFUSED, SURF[2], cmd(DESTROY, 1)) + stream(RUNS, NOP),
    "stopped": stream(RUNS, SURF[1]) + stream(STOPS, cmd(DESTROY, 1)) + stream(RUNS, NOP),
    "twice": stream(RUNS, SURF[1], SURF[1], cmd(DESTROY, 1), cmd(DESTROY, 1)) + stream(RUNS, NOP),
    "shader": stream(RUNS, cmd(CREATE, 3, 0, 500, 99, 0, *[0x54524556] * 9, obj=SHADER),
                     cmd(CREATE, 3, 0, 0x80000000 | 36, 99, 0, *[0] * 9, obj=SHADER)),
    "subs": stream(RUNS, cmd(CREATE_SUB, 1), cmd(SET_SUB, 1), SURF[1], SURF[2])
            + stream(REFUSED, cmd(DESTROY_SUB, 1), cmd(CREATE_SUB, 1))
            + stream(RUNS, cmd(SET_SUB, 0), SURF[3], cmd(DESTROY_SUB, 1)) + stream(RUNS, NOP),
    "sub-at-once": stream(RUNS, cmd(CREATE_SUB, 1), cmd(SET_SUB, 1), SURF[1], cmd(DESTROY_SUB, 1),
                          SURF[2]) + stream(RUNS, NOP),
    "msaa": stream(RUNS, cmd(CREATE, 4, 3, 1, 0, 0, 4, obj=MSAA)),
    "pipe": stream(RUNS, cmd(48, 2, 1, 2, 64, 64, 1, 1, 0, 0, 0, 7)),
    "video": stream(RUNS, cmd(53, 1, 1, 1, 1, 1, 64, 64)),
    "short": stream(RUNS, [CREATE]) + stream(RUNS, [CREATE | 9 << 16, 1]),
    "frame": stream(RUNS, cmd(7, 4, 0, 0, 0, 0, 0, 0, 0), cmd(8, 0, 3, 4, 0, 1, 0, 0, 0, 0, 0, 2, 0),
                    cmd(21, 9, 1)),
}

if __name__ == "__main__":
    out = pathlib.Path(__file__).parent / "corpus" / "virgl-stream"
    out.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (out / name).write_bytes(data)
