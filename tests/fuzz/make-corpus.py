#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seed corpora of the vtest and shader targets: one well-formed message of every kind,
short sessions built from them, archives. Recordings given on the command line are cut down and
added."""

import pathlib
import struct
import sys

CORPUS = pathlib.Path(__file__).parent / "corpus"
MAX_RECORDED_BYTES = 24 << 10  # a fuzzer mutates small inputs best


def words(*w):
    return struct.pack(f"<{len(w)}I", *(x & 0xFFFFFFFF for x in w))


def message(ident, *w, length=None, body=b""):
    return words(len(w) if length is None else length, ident) + words(*w) + body


def create(handle, width=16, height=16, target=2, fmt=67):
    return (handle, target, fmt, 2, width, height, 1, 1, 0, 0)


def name(text=b"fuzz\0"):
    return message(8, length=len(text), body=text)


MESSAGES = {
    "get-caps": message(1),
    "resource-create": message(2, *create(1)),
    "unref": message(3, 1),
    "get": message(4, 1, 0, 0, 0, 0, 0, 0, 16, 16, 1, 1024),
    "put": message(5, 1, 0, 0, 0, 0, 0, 0, 2, 2, 1, 16, length=15, body=bytes(16)),
    "submit": message(6, 0x00010001, 0),
    "busy-wait": message(7, 1, 1),
    "create-renderer": name(),
    "get-caps2": message(9),
    "ping": message(10),
    "version": message(11, 2),
    "create2": message(12, *create(1), 1024),
    "create2-bare": message(12, *create(2), 0),
    "get2": message(13, 1, 0, 0, 0, 0, 16, 16, 1, 1024, 0),
    "put2": message(14, 1, 0, 0, 0, 0, 16, 16, 1, 1024, 0, length=10 + 256),
    "get-param": message(15, 1),
    "get-capset": message(16, 2, 1),
    "context-init": message(17, 2),
    "blob-guest": message(18, 1, 1, 4096, 0, 0, 0),
    "blob-host": message(18, 2, 1, 4096, 0, 1, 0),
    "sync-create": message(19, 0, 0),
    "sync-unref": message(20, 1),
    "sync-read": message(21, 1),
    "sync-write": message(22, 1, 5, 0),
    "sync-wait": message(23, 1, 1000, 1, 5, 0),
    "submit2-six": message(24, 1, 1, 7, 2, 9, 1, 0, 1, 2, 1, 9, 0),
    "submit2-eight": message(24, 1, 0, 9, 2, 11, 1, 0, 0, 0, 1, 2, 1, 9, 0),
    "drm-sync": message(25, 0),
}

V2 = ["create2", "put2", "submit", "busy-wait", "get2", "busy-wait", "unref", "create2", "unref"]
V3 = ["context-init", "blob-guest", "blob-host", "sync-create", "submit2-six", "sync-wait",
      "sync-read", "sync-write", "sync-unref", "submit2-eight"]
V0 = ["resource-create", "put", "submit", "get", "busy-wait", "unref"]


def sequence(names):
    return b"".join(MESSAGES[n] for n in names)


def put(target, file, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(data)


def recording(messages):
    data = b"SLRECORD" + words(1, 1)
    for kind, payload in messages:
        data += words(kind, len(payload)) + struct.pack("<Q", 1000) + payload
    return data


def shaders(*entries, magic=b"SLSH", n=None):
    """An archive of compiled shaders from (first byte of the key, data)."""
    body = b"".join(bytes([k]) + bytes(19) + words(len(data)) + data + bytes(-len(data) % 8)
                    for k, data in entries)
    return magic + words(1, len(entries) if n is None else n, 0, 24 + len(body), 0) + body


def messages_of(path):
    data = path.read_bytes()
    pos = 16
    while pos + 16 <= len(data):
        kind, size = struct.unpack_from("<II", data, pos)
        if kind == 1:
            yield data[pos + 16:pos + 16 + size]
        pos += 16 + size


def add_recorded(path):
    """The beginning of a real session, and a piece from its middle."""
    messages = list(messages_of(path))
    for part, begin in (("begin", 0), ("middle", len(messages) // 2)):
        data = b""
        for m in messages[begin:]:
            if len(data) + len(m) > MAX_RECORDED_BYTES:
                break
            data += m
        if data:
            # Raw for a beginning, which has its own handshake; version 2 for a middle.
            mode = 0x20 if part == "begin" else 2
            put("vtest-session", f"{path.stem}-{part}", bytes([mode]) + data)
            put("vtest-codec", f"{path.stem}-{part}", data)


def main():
    for n, data in MESSAGES.items():
        put("vtest-codec", n, data)
        for version in (0, 3):
            put("vtest-session", f"{n}-v{version}", bytes([version]) + data)
    for version, names in ((0, V0), (2, V2), (3, V3)):
        put("vtest-codec", f"sequence-v{version}", sequence(names))
        for mode in (0, 4, 8, 16, 64):
            put("vtest-session", f"sequence-v{version}-{mode}",
                bytes([version | mode]) + sequence(names))
    put("vtest-session", "handshake", bytes([0x20]) + name() + MESSAGES["ping"] +
        MESSAGES["busy-wait"] + MESSAGES["version"] + MESSAGES["get-caps2"] +
        MESSAGES["get-caps"] + sequence(V2))
    memory = words(7, 0) + struct.pack("<Q", 4096) + bytes(64)
    put("recording", "all", recording([(1, name()), (2, memory), (1, MESSAGES["put2"]),
                                       (3, words(7, 0))]))
    put("recording", "empty", recording([]))
    put("recording", "session", recording([(1, MESSAGES[n]) for n in V2]))
    put("shaders", "empty", shaders())
    put("shaders", "three", shaders((1, b"a"), (2, b"12345678"), (0x80, bytes(13))))
    put("shaders", "above", shaders((0x90, b"abc")))
    put("shaders", "unsorted", shaders((2, b"a"), (1, b"b")))
    put("shaders", "twice", shaders((1, b"a"), (1, b"b")))
    put("shaders", "short", shaders((1, b"a"), n=2))
    put("shaders", "other", shaders((1, b"a"), magic=b"SLSI"))
    for path in sys.argv[1:]:
        add_recorded(pathlib.Path(path))


if __name__ == "__main__":
    main()
