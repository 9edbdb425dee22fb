# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A TCP proxy between the partners, which delays, cuts and spoils what they say.

Partners know each other by source address, and connect from the address of their own url.  So the
proxy owns one address on each side: `left` is (address towards the left server, address of the left
server), `right` likewise.  A connection from the left server goes on to the right one from our
address on the right side, where the right server expects its partner; and the other way round.

The proxy is a thread of the calling process whose sockets live in the given namespace.  Failover
frames begin with their length in two bytes (draft 6.1); the proxy follows these to break or count
frames.  Directions are "right" (from the left server to the right one), "left", or "both".
"""

import selectors
import socket
import struct
import threading
import time

from . import netns

CHUNK = 1 << 16


class Flow:
    """One direction of one connection: bytes read and not yet passed on."""

    def __init__(self, direction, source, sink):
        self.direction, self.source, self.sink = direction, source, sink
        self.queue = []         # (when to pass on, bytes, injected)
        self.partial = b""      # the beginning of a frame whose rest has not come yet
        self.out = b""          # what the other side has not taken yet
        self.eof = False


class Proxy:
    """See above.  All methods may be called from any thread while it runs."""

    def __init__(self, namespace, left, right, port=647):
        self.namespace, self.port = namespace, port
        self.sides = {"left": left, "right": right}
        self.frames = {"left": 0, "right": 0}
        self.bytes = {"left": 0, "right": 0}
        self.connections = 0
        self.recorded = None    # (direction, frame) of all that passes, once record() was called
        self._delay = {"left": 0.0, "right": 0.0}
        self._held = {"left": False, "right": False}
        self._silent = {"left": False, "right": False}
        self._break = {"left": False, "right": False}
        self._corrupt = {"left": None, "right": None}
        self._flows = []
        self._listeners = {}
        self._calls = []
        self._lock = threading.Lock()
        self._stop = False
        self._error = None
        self._wake_in, self._wake_out = socket.socketpair()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(5)
        if self._error:
            raise self._error

    # ---- what a test may do ----

    def delay(self, seconds, direction="both"):
        """Let what arrives from now on pass that much later."""
        self._set(self._delay, direction, seconds)

    def hold(self, direction="both"):
        """Keep everything back, in order, until resume()."""
        self._set(self._held, direction, True)

    def resume(self, direction="both"):
        """End hold() and half_cut(); what half_cut() swallowed is lost (cut() is advisable)."""
        self._set(self._held, direction, False)
        self._set(self._silent, direction, False)

    def half_cut(self, direction):
        """Swallow one direction, while TCP goes on acknowledging and nothing closes."""
        self._set(self._silent, direction, True)

    def break_mid_frame(self, direction):
        """Pass half of the next frame on, then close both ends."""
        self._set(self._break, direction, True)

    def corrupt(self, direction, offset=12, mask=0xff):
        """Flip bits in one byte (counted from the start of the frame) of the next frame."""
        self._set(self._corrupt, direction, (offset, mask))

    def record(self):
        """From now on, keep a copy of every frame in `recorded`; what was recorded is forgotten."""
        self._call(lambda: setattr(self, "recorded", []))

    def inject(self, data, direction):
        """Send arbitrary bytes between two frames (after all that is already under way)."""
        self._call(lambda: [flow.queue.append((time.monotonic(), bytes(data), True))
                            for flow in self._flows if flow.direction == direction])

    def cut(self, refuse=False):
        """Close all connections on both sides; with `refuse`, refuse new ones until allow()."""
        def do():
            if refuse:
                self._listen_all(False)
            self._close_all()
        self._call(do)

    def allow(self):
        """Accept new connections again."""
        self._call(lambda: self._listen_all(True))

    def connected(self):
        """Whether a connection passes through now."""
        return bool(self._flows)

    def close(self):
        """End the proxy."""
        self._stop = True
        self._wake_in.send(b"x")
        self._thread.join(5)

    # ---- inside ----

    @staticmethod
    def _directions(direction):
        return ("left", "right") if direction == "both" else (direction,)

    def _set(self, table, direction, value):
        def do():
            for one in self._directions(direction):
                table[one] = value
        self._call(do)

    def _call(self, function):
        """Run a function in the proxy's thread and wait for it."""
        done = threading.Event()
        with self._lock:
            self._calls.append((function, done))
        self._wake_in.send(b"x")
        if not done.wait(5):
            raise RuntimeError("the proxy does not answer")

    def _run(self):
        try:
            netns.enter(self.namespace)
            self._listen_all(True)
        except OSError as error:
            self._error = error
            return
        finally:
            self._ready.set()
        while not self._stop:
            self._round()
        self._close_all()
        self._listen_all(False)

    def _listen_all(self, listen):
        if listen and not self._listeners:
            self._listeners = {name: self._listen(side[0]) for name, side in self.sides.items()}
        elif not listen:
            for listener in self._listeners.values():
                listener.close()
            self._listeners = {}

    def _listen(self, address):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, self.port))
        listener.listen(8)
        listener.setblocking(False)
        return listener

    def _round(self):
        """Wait for something to do, and do it.  A dozen sockets at most: made anew each time."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_out, selectors.EVENT_READ)
            for listener in self._listeners.values():
                selector.register(listener, selectors.EVENT_READ)
            events = {}
            for flow in self._flows:
                if not flow.eof and len(flow.queue) < 1000:
                    events[flow.source] = events.get(flow.source, 0) | selectors.EVENT_READ
                if flow.out:
                    events[flow.sink] = events.get(flow.sink, 0) | selectors.EVENT_WRITE
            for sock, mask in events.items():
                selector.register(sock, mask)
            ready = {key.fileobj: mask for key, mask in selector.select(self._patience())}
        if self._wake_out in ready:
            self._wake_out.recv(CHUNK)
            self._run_calls()
        for name, listener in self._listeners.items():
            if listener in ready:
                self._accept(name, listener)
        for flow in list(self._flows):
            if flow in self._flows and ready.get(flow.source, 0) & selectors.EVENT_READ:
                self._read(flow)
        for flow in list(self._flows):
            if flow in self._flows:
                self._pass_on(flow)

    def _run_calls(self):
        with self._lock:
            calls, self._calls = self._calls, []
        for function, done in calls:
            function()
            done.set()

    def _patience(self):
        due = [flow.queue[0][0] for flow in self._flows
               if flow.queue and not self._held[flow.direction]]
        return max(0.0, min(due) - time.monotonic()) if due else 1.0

    def _accept(self, name, listener):
        try:
            inner, (peer, _port) = listener.accept()
        except OSError:
            return
        other = "right" if name == "left" else "left"
        ours, server = self.sides[other]
        outer = socket.socket()
        outer.settimeout(2)
        try:
            if peer != self.sides[name][1]:
                raise OSError("a stranger")
            outer.bind((ours, 0))
            outer.connect((server, self.port))
        except OSError:
            # The partner is not there: the caller sees what it would see without a proxy, a reset.
            inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            inner.close()
            outer.close()
            return
        for sock in (inner, outer):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._flows += [Flow(other, inner, outer), Flow(name, outer, inner)]

    def _read(self, flow):
        try:
            data = flow.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._close(flow)
            return
        if not data:
            flow.eof = True
        elif not self._silent[flow.direction]:
            flow.queue.append((time.monotonic() + self._delay[flow.direction], data, False))

    def _pass_on(self, flow):
        now = time.monotonic()
        while flow.queue and flow.queue[0][0] <= now and not self._held[flow.direction]:
            _when, data, injected = flow.queue.pop(0)
            if injected:
                flow.out += data
            elif not self._frames(flow, data):
                return
        try:
            if flow.eof and not flow.queue and not self._held[flow.direction]:
                flow.out, flow.partial = flow.out + flow.partial, b""
            if flow.out:
                flow.out = flow.out[flow.sink.send(flow.out):]
            elif flow.eof and not flow.queue and not self._held[flow.direction]:
                self._close(flow)
        except BlockingIOError:
            pass
        except OSError:
            self._close(flow)

    def _frames(self, flow, data):
        """Pass whole frames on, spoiling the first one if so ordered.  False if that closed the
        connection.  What is no frame (a length below 2) is passed on as it is."""
        way = flow.direction
        self.bytes[way] += len(data)
        flow.partial += data
        while len(flow.partial) >= 2:
            length = struct.unpack("!H", flow.partial[:2])[0]
            if length < 2:
                length = len(flow.partial)
            if len(flow.partial) < length:
                break
            frame, flow.partial = flow.partial[:length], flow.partial[length:]
            self.frames[way] += 1
            if self.recorded is not None:
                self.recorded.append((way, frame))
            if self._break[way]:
                self._break[way] = False
                self._last_words(flow, frame[:length // 2])
                return False
            flow.out += self._corrupted(way, frame)
        return True

    def _corrupted(self, way, frame):
        order, self._corrupt[way] = self._corrupt[way], None
        if order is None:
            return frame
        at = min(order[0], len(frame) - 1)
        return frame[:at] + bytes([frame[at] ^ order[1]]) + frame[at + 1:]

    def _last_words(self, flow, data):
        """Half a frame arrives, and then the end of the connection."""
        try:
            flow.sink.setblocking(True)
            flow.sink.settimeout(2)
            flow.sink.sendall(flow.out + data)
        except OSError:
            pass
        self._close(flow)

    def _close(self, flow):
        for one in list(self._flows):
            if one.source in (flow.source, flow.sink):
                self._flows.remove(one)
        flow.source.close()
        flow.sink.close()

    def _close_all(self):
        while self._flows:
            self._close(self._flows[0])
