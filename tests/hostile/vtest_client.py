# SPDX-License-Identifier: MIT
"""A vtest client that says whatever it is told to: raw messages, no manners."""

import array
import mmap
import os
import socket
import struct

GET_CAPS, RESOURCE_CREATE, RESOURCE_UNREF, TRANSFER_GET, TRANSFER_PUT, SUBMIT_CMD = range(1, 7)
RESOURCE_BUSY_WAIT, CREATE_RENDERER, GET_CAPS2, PING, PROTOCOL_VERSION = range(7, 12)
RESOURCE_CREATE2, TRANSFER_GET2, TRANSFER_PUT2, GET_PARAM, GET_CAPSET = range(12, 17)
CONTEXT_INIT, CREATE_BLOB, SYNC_CREATE, SYNC_UNREF, SYNC_READ = range(17, 22)
SYNC_WRITE, SYNC_WAIT, SUBMIT_CMD2 = range(22, 25)

TARGET_2D = 2
R8G8B8A8 = 67
BIND_RENDER_TARGET = 2
BIND_SAMPLER_VIEW = 8


def words(*w):
    return struct.pack(f"<{len(w)}I", *(x & 0xFFFFFFFF for x in w))


def message(ident, *w, length=None, body=b""):
    return words(len(w) if length is None else length, ident) + words(*w) + body


class Closed(Exception):
    """The server has ended the connection."""


class Client:
    def __init__(self, path, timeout=20, version=2, name=b"hostile\0"):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.version = None
        if version is not None:
            self.handshake(version, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed from e

    def msg(self, ident, *w, **kw):
        self.send(message(ident, *w, **kw))

    def recv(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.sock.recv(n - len(data))
            except ConnectionResetError as e:
                raise Closed from e
            if not more:
                raise Closed
            data += more
        return data

    def recv_words(self, n):
        return struct.unpack(f"<{n}I", self.recv(4 * n))

    def recv_fd(self):
        """The byte that carries an fd; None if it came without."""
        try:
            data, ancillary, _, _ = self.sock.recvmsg(1, socket.CMSG_SPACE(4))
        except ConnectionResetError as e:
            raise Closed from e
        if not data:
            raise Closed
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[:4])
                return fds[0]
        return None

    def handshake(self, version, name=b"hostile\0"):
        self.msg(CREATE_RENDERER, length=len(name), body=name)
        self.msg(PING)
        self.msg(RESOURCE_BUSY_WAIT, 0, 0)
        assert self.recv_words(2) == (0, PING)
        assert self.recv_words(3) == (1, RESOURCE_BUSY_WAIT, 0)
        self.msg(PROTOCOL_VERSION, version)
        self.version = self.recv_words(3)[2]
        return self.version

    def create2(self, handle, width=16, height=16, size=None, fmt=R8G8B8A8,
                bind=BIND_RENDER_TARGET):
        """(handle, fd); fd is None when refused or when size is 0."""
        size = width * height * 4 if size is None else size
        self.msg(RESOURCE_CREATE2, handle, TARGET_2D, fmt, bind, width, height, 1, 1, 0, 0, size)
        if self.version >= 3:
            handle = self.recv_words(3)[2]
        return handle, self.recv_fd() if size else None

    def unref(self, handle):
        self.msg(RESOURCE_UNREF, handle)

    def get2(self, handle, width=16, height=16, offset=0):
        self.msg(TRANSFER_GET2, handle, 0, 0, 0, 0, width, height, 1, width * height * 4, offset)

    def put2(self, handle, width=16, height=16, offset=0):
        size = width * height * 4
        self.msg(TRANSFER_PUT2, handle, 0, 0, 0, 0, width, height, 1, size, offset,
                 length=10 + size // 4)

    def busy_wait(self, handle=0, flags=1):
        """Everything sent before has been handled when this returns."""
        self.msg(RESOURCE_BUSY_WAIT, handle, flags)
        length, ident, busy = self.recv_words(3)
        assert (length, ident) == (1, RESOURCE_BUSY_WAIT)
        return busy

    def ended(self, timeout=20):
        """Whether the server ends the connection within @timeout; what it still sends is read."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(65536):
                pass
        except socket.timeout:
            return False
        except ConnectionResetError:
            pass
        return True


def map_fd(fd, size):
    """Map and close."""
    m = mmap.mmap(fd, size)
    os.close(fd)
    return m
