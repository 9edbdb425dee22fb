# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A failover partner that says whatever a test wants it to say, over a socket of its own.

It takes the place of one server of a Pair (which is not started) and speaks with the other, real
one: as the primary it connects, as the secondary it listens.  Frames are made here from the draft's
section 6 and 12, independently of the library under test; nothing is checked, so that everything
wrong can be sent.
"""

import socket
import struct
import time

from . import netns

(POOLREQ, POOLRESP, BNDUPD, BNDACK, CONNECT, CONNECTACK, UPDREQALL, UPDDONE, UPDREQ, STATE, CONTACT,
 DISCONNECT) = range(1, 13)

STATES = {"STARTUP": 1, "NORMAL": 2, "COMMUNICATIONS-INTERRUPTED": 3, "PARTNER-DOWN": 4,
          "POTENTIAL-CONFLICT": 5, "RECOVER": 6, "PAUSED": 7, "SHUTDOWN": 8, "RECOVER-DONE": 9,
          "RESOLUTION-INTERRUPTED": 10, "CONFLICT-DONE": 11, "RECOVER-WAIT": 254}

# Option codes (section 12) that tests name.
(ADDRESS, STATUS, HARDWARE, LAST_TRANSACTION, BUCKETS, LEASE_END, MAX_UNACKED, MCLT, TEXT,
 POTENTIAL_END, RECEIVE_TIMER, VERSION, REASON, NAME, FLAGS, SERVER_STATE, STATE_SINCE, TLS_REQUEST,
 VENDOR_CLASS, VENDOR_OPTIONS) = (2, 3, 5, 6, 11, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25,
                                  27, 28, 29)


def number(value):
    """Four bytes."""
    return struct.pack("!I", value)


def option(code, value):
    """One option; an int as value is a single byte."""
    value = bytes((value,)) if isinstance(value, int) else value
    return struct.pack("!HH", code, len(value)) + value


def frame(kind, options=(), xid=1, when=None, length=None):
    """A whole message; `options` is a list of bytes, in their order."""
    body = b"".join(options)
    return struct.pack("!HBBII", 12 + len(body) if length is None else length, kind, 12,
                       int(time.time() if when is None else when), xid) + body


class Message:
    """One message received: kind, xid, and options {code: value} (the last of each)."""

    def __init__(self, raw):
        _length, self.kind, offset, self.time, self.xid = struct.unpack("!HBBII", raw[:12])
        self.options = {}
        at = offset
        while at + 4 <= len(raw):
            code, length = struct.unpack("!HH", raw[at:at + 4])
            self.options[code] = raw[at + 4:at + 4 + length]
            at += 4 + length

    def text(self):
        """Its message option."""
        return self.options.get(TEXT, b"").decode(errors="replace")


def nonce_of(raw):
    """What a message says of nonces to one of its kind: sub-option 4 of its vendor-specific options."""
    options, at = Message(raw).options[VENDOR_OPTIONS], 0
    while at < len(options):
        code, length = struct.unpack("!HH", options[at:at + 4])
        if code == 4:
            return options[at + 4:at + 4 + length]
        at += 4 + length
    return None


class RawPartner:
    """Stands where "s1" (primary) or "s2" (secondary) of a pair would stand."""

    def __init__(self, pair, name):
        other = {"s1": "s2", "s2": "s1"}[name]
        self.server = getattr(pair, other)
        self.namespace = getattr(pair, name).namespace
        self.own, self.theirs = pair.peers[name][name], pair.peers[name][other]
        self.primary = name == "s1"
        self.sockets = []
        self.listener = None
        self.channel = None
        self.buffer = b""

    def __enter__(self):
        if not self.primary:
            self.listener = netns.socket_in(self.namespace, socket.AF_INET, socket.SOCK_STREAM)
            self.listener.bind((self.own, 647))
            self.listener.listen(16)
        return self

    def __exit__(self, *_exception):
        for channel in [self.listener, *self.sockets]:
            if channel:
                channel.close()

    # ---- connections ----

    def dial(self, source=None):
        """A new TCP connection to the server's port, in place of the one before."""
        deadline = time.monotonic() + 5         # a starting server listens a little later
        while True:
            self.channel = netns.socket_in(self.namespace, socket.AF_INET, socket.SOCK_STREAM)
            self.sockets.append(self.channel)
            self.channel.bind((source or self.own, 0))
            try:
                self.channel.connect((self.theirs, 647))
                break
            except ConnectionRefusedError:
                self.hang_up()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.buffer = b""
        return self.channel

    def accept(self, timeout=20):
        """The server's own connection."""
        self.listener.settimeout(timeout)
        self.channel = self.listener.accept()[0]
        self.channel.settimeout(2)
        self.sockets.append(self.channel)
        self.buffer = b""
        return self.channel

    def hang_up(self):
        """Close the connection without a word."""
        self.channel.close()
        self.sockets.remove(self.channel)

    # ---- messages ----

    def send(self, kind, options=(), **keys):
        """Send a message made by frame()."""
        self.channel.sendall(frame(kind, options, **keys))

    def receive(self, timeout=5):
        """The next message; None where the server has closed the connection."""
        deadline = time.monotonic() + timeout
        while len(self.buffer) < 2 or len(self.buffer) < (whole := int.from_bytes(
                self.buffer[:2], "big")):
            self.channel.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.channel.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.buffer += data
        raw, self.buffer = self.buffer[:whole], self.buffer[whole:]
        return Message(raw)

    def expect(self, kind, timeout=5):
        """The next message of that kind; others are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            message = self.receive(deadline - time.monotonic())
            assert message is not None, f"closed while waiting for a message of type {kind}"
            if message.kind == kind:
                return message

    def ending(self, timeout=5):
        """What the server says until it closes the connection: the last message, or None."""
        last = None
        deadline = time.monotonic() + timeout
        while (message := self.receive(deadline - time.monotonic())) is not None:
            last = message
        return last

    # ---- a partner that behaves ----

    def hello(self, **change):
        """The options of a good CONNECT or CONNECTACK; keyword arguments replace values by name
        (None leaves the option out)."""
        values = {"NAME": b"s1-s2", "MAX_UNACKED": number(50), "RECEIVE_TIMER": number(60),
                  "VENDOR_CLASS": b"kea-failover test", "VERSION": 1}
        if self.primary:
            values.update({"TLS_REQUEST": 0, "MCLT": number(60),
                           "BUCKETS": b"\0" * 16 + b"\xff" * 16})
        # We know of no connection before this one: two numbers of ours (12.29).
        values["VENDOR_OPTIONS"] = option(1, number(0)) + option(2, number(0))
        values.update(change)
        return [option(globals()[key], value) for key, value in values.items() if value is not None]

    def handshake(self, **change):
        """CONNECT and CONNECTACK; returns the server's one."""
        if self.primary:
            self.dial()
            self.send(CONNECT, self.hello(**change))
            return self.expect(CONNECTACK)
        self.accept()
        theirs = self.expect(CONNECT)
        self.send(CONNECTACK, self.hello(**change), xid=theirs.xid)
        return theirs

    def say(self, state, flags=0):
        """A STATE message; a number stands for itself."""
        code = STATES.get(state, state)
        self.send(STATE, [option(SERVER_STATE, code), option(FLAGS, flags),
                          option(STATE_SINCE, number(int(time.time())))], xid=7)

    def to_normal(self, **change):
        """Be a new partner of a new server, until both are in NORMAL."""
        self.handshake(**change)
        self.say("RECOVER")
        request = self.expect(UPDREQ)
        self.send(UPDDONE, xid=request.xid)
        self.server.wait_state("RECOVER-DONE", 5)
        self.say("RECOVER-DONE")
        self.server.wait_state("NORMAL", 5)
        self.say("NORMAL")
        return self
