# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The proxy between the partners does what it says: the test plays both partners with plain
sockets.  No Kea is involved."""

import socket
import struct
import threading as threads
import time

import pytest

from rig import netns, proxy

pytestmark = pytest.mark.native


def frame(text):
    """A frame as the proxy counts them: its length in two bytes, itself included."""
    return struct.pack("!H", len(text) + 2) + text


class Echo:
    """Left end and right end of a proxied connection, which the test plays itself."""

    def __init__(self, lab):
        left, middle, right = (lab.namespace(label) for label in ("l", "px", "r"))
        lab.link((left, "fo0", "10.99.0.1/24"), (middle, "p1", "10.99.0.2/24"))
        lab.link((middle, "p2", "10.99.1.1/24"), (right, "fo0", "10.99.1.2/24"))
        self.proxy = proxy.Proxy(middle, ("10.99.0.2", "10.99.0.1"), ("10.99.1.1", "10.99.1.2"))
        lab.at_close(self.proxy.close)
        self.namespaces = {"left": left, "right": right}
        self.listener = self.socket("right")
        self.listener.bind(("10.99.1.2", 647))
        self.listener.listen()
        self.connect()

    def socket(self, side):
        """A socket inside one side's namespace."""
        return netns.socket_in(self.namespaces[side])

    def connect(self):
        """Left to right through the proxy."""
        self.left = self.socket("left")
        self.left.connect(("10.99.0.2", 647))
        self.right, (self.seen_from, _port) = self.listener.accept()
        self.right.settimeout(2)
        self.left.sendall(frame(b""))
        assert self.right.recv(2) == frame(b"")


@pytest.fixture
def echo(lab):
    """A proxied connection."""
    return Echo(lab)


def closed(sock):
    """Whether the other end is gone."""
    try:
        return sock.recv(100) == b""
    except ConnectionError:
        return True


def quiet(sock, seconds=0.4):
    """Whether nothing arrives, while the connection stays."""
    sock.settimeout(seconds)
    try:
        return sock.recv(100) is None
    except TimeoutError:
        return True
    finally:
        sock.settimeout(2)


def test_proxy_passes(echo):
    """Both ways; the right server sees its partner's configured address."""
    assert echo.seen_from == "10.99.1.1"
    echo.left.sendall(frame(b"hello"))
    assert echo.right.recv(100) == frame(b"hello")
    big = frame(b"x" * 2000) * 500
    threads.Thread(target=echo.right.sendall, args=(big,), daemon=True).start()
    got = b""
    while len(got) < len(big):
        got += echo.left.recv(1 << 16)
    assert got == big
    assert echo.proxy.frames == {"left": 500, "right": 2}
    echo.left.close()
    assert closed(echo.right)


def test_proxy_delays(echo):
    """Order is kept, time is added in that direction only."""
    echo.proxy.delay(0.5, "right")
    start = time.monotonic()
    echo.left.sendall(frame(b"one"))
    echo.left.sendall(frame(b"two"))
    assert echo.right.recv(5, socket.MSG_WAITALL) == frame(b"one")
    assert 0.45 < time.monotonic() - start < 1
    assert echo.right.recv(100) == frame(b"two")
    start = time.monotonic()
    echo.right.sendall(frame(b"back"))
    assert echo.left.recv(100) == frame(b"back")
    assert time.monotonic() - start < 0.2


def test_proxy_holds_and_half_cuts(echo):
    """Held frames come later, half-cut ones never; the other direction lives."""
    echo.proxy.hold("right")
    echo.left.sendall(frame(b"held"))
    assert quiet(echo.right)
    echo.proxy.resume("right")
    assert echo.right.recv(100) == frame(b"held")
    echo.proxy.half_cut("left")
    echo.right.sendall(frame(b"lost"))
    assert quiet(echo.left)
    echo.left.sendall(frame(b"heard"))
    assert echo.right.recv(100) == frame(b"heard")


def test_proxy_cuts(echo):
    """Both ends see the end; a new connection is refused until allowed."""
    assert echo.proxy.connected()
    echo.proxy.cut(refuse=True)
    assert closed(echo.left) and closed(echo.right)
    assert not echo.proxy.connected()
    with pytest.raises(ConnectionRefusedError):
        echo.connect()
    echo.proxy.allow()
    echo.connect()
    assert echo.proxy.connections == 2


def test_proxy_breaks_a_frame(echo):
    """Half of the frame arrives, then the end."""
    whole = frame(b"0123456789")
    echo.proxy.break_mid_frame("right")
    echo.left.sendall(whole)
    assert echo.right.recv(100) == whole[:6]
    assert closed(echo.right) and closed(echo.left)


def test_proxy_corrupts_and_injects(echo):
    """One byte of one frame is changed; strange bytes arrive between frames."""
    echo.proxy.corrupt("right", offset=3)
    echo.left.sendall(frame(b"abcd") + frame(b"efgh"))
    expected = bytearray(frame(b"abcd") + frame(b"efgh"))
    expected[3] ^= 0xff
    assert echo.right.recv(12, socket.MSG_WAITALL) == bytes(expected)
    echo.proxy.inject(b"\x00\x00garbage", "left")
    assert echo.left.recv(100) == b"\x00\x00garbage"
    echo.right.sendall(frame(b"next"))
    assert echo.left.recv(100) == frame(b"next")


def test_proxy_is_not_there_without_the_partner(echo):
    """A connection to a partner that does not listen is reset, as without a proxy."""
    echo.listener.close()
    caller = echo.socket("left")
    with pytest.raises(ConnectionError):
        caller.connect(("10.99.0.2", 647))
        caller.recv(100)


def test_proxy_connects_the_other_way(lab):
    """The secondary's stimulus connection goes from right to left."""
    echo = Echo(lab)
    listener = echo.socket("left")
    listener.bind(("10.99.0.1", 647))
    listener.listen()
    caller = echo.socket("right")
    caller.connect(("10.99.1.1", 647))
    taken, (seen_from, _port) = listener.accept()
    assert seen_from == "10.99.0.2"
    caller.sendall(frame(b"x"))
    assert taken.recv(100) == frame(b"x")
