# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The simulated clients as an object: gives orders to the `clients` process, collects its answers.

Each order gets an id, which comes back in every answer to it, so any number of orders may be under
way.  A violation found by the oracle raises OracleViolation out of whatever is waiting, and out of
close(): a test cannot pass over it.

Answers are dicts as printed by the process: client, verb, result ("ack", "offer", "nak", "timeout",
"sent", "no-lease", ...), address, lease, t1, t2, server, ms, total_ms, secs, tries, t.
"""

import itertools
import json
import os
import subprocess
import threading
import time

from . import netns

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class OracleViolation(AssertionError):
    """Two clients hold one address, or a holder was refused."""


class ClientsDied(RuntimeError):
    """The process ended by itself for another reason."""


def binary():
    """The program, from the build tree or from FO_CLIENTS."""
    return os.environ.get("FO_CLIENTS") or os.path.join(TOP, "tests", "rig", "clients")


class Clients:
    """The clients of one segment.  `servers` is where relays send to by default."""

    def __init__(self, namespace, interface="eth0", servers=()):
        self.answers = []       # everything that was said, in order
        self.violation = None
        self._final = {}        # id -> {client: answer}
        self._status = None
        self._error = None      # an order that could not be understood
        self._ids = itertools.count(1)
        self._changed = threading.Condition()
        # Never held while waiting for the reader: both pipes may be full.
        self._writing = threading.Lock()
        self._ended = False
        arguments = [binary(), interface]
        if servers:
            arguments.append("servers=" + ",".join(servers))
        # pylint: disable-next=consider-using-with
        self._process = subprocess.Popen(netns.command_in(namespace, *arguments),
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    # ---- orders ----

    def order(self, verb, client, **keys):
        """Give an order and do not wait.  Returns its id for wait()."""
        return self._send(f"{verb} {client}", keys)

    def order_range(self, verb, first, last, **keys):
        """The same for clients first to last, `rate` a second."""
        return self._send(f"range {first} {last} {verb}", keys)

    def do(self, verb, client, **keys):
        """Give an order to one client and return its answer."""
        patience = self._patience(keys)
        return self.wait(self.order(verb, client, **keys), [client], patience)[client]

    def do_range(self, verb, first, last, **keys):
        """Order clients first to last, wait for all; returns {client: answer}."""
        wanted = range(first, last + 1)
        patience = self._patience(keys) + len(wanted) / float(keys.get("rate", 200))
        return self.wait(self.order_range(verb, first, last, **keys), wanted, patience)

    def do_all(self, verb, clients, rate=200, **keys):
        """Order a list of clients, `rate` a second, wait for all; returns {client: answer}."""
        ids = {}
        start = time.monotonic()
        for place, client in enumerate(clients):
            time.sleep(max(0, start + place / rate - time.monotonic()))
            ids[client] = self.order(verb, client, **keys)
        return {client: self.wait(number, [client], self._patience(keys))[client]
                for client, number in ids.items()}

    def wait(self, number, clients, timeout=10):
        """Wait until the order has ended for each of the clients."""
        wanted = set(clients)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                done = self._final.get(number, {})
                if wanted <= done.keys():
                    return {client: done[client] for client in wanted}
                missing = sorted(wanted - done.keys())
                self._wait(deadline, f"order {number}: no end for clients {missing[:9]}")

    def status(self):
        """What is held: {client: {"address", "end", "server", "forgotten"}}."""
        with self._changed:
            self._status = None
        self._write("status")
        deadline = time.monotonic() + 10
        with self._changed:
            while self._status is None:
                self._wait(deadline, "status")
            return {held["client"]: held for held in self._status}

    def extras(self, client=None, since=0.0):
        """Answers beyond the first one (second servers' ones), of one client or of all."""
        with self._changed:
            return [a for a in self.answers if a.get("extra") and a["t"] >= since and
                    client in (None, a["client"])]

    def said_to(self, client, since=0.0):
        """All lines about one client."""
        with self._changed:
            return [a for a in self.answers if a.get("client") == client and a["t"] >= since]

    def check(self):
        """Raise if the oracle has found something."""
        with self._changed:
            if self.violation:
                raise self._violated()
            if self._error:
                raise ValueError(self._error)
            if self._ended:
                raise ClientsDied(f"the clients process ended ({self._process.poll()})")

    def close(self):
        """End the process; raise if the oracle had found something."""
        if self._process.poll() is None:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(5)
        if self.violation:
            raise self._violated()

    # ---- inside ----

    def _violated(self):
        """What was found, and what was said of that address before."""
        history = self.violation["history"]
        found = {key: value for key, value in self.violation.items() if key != "history"}
        return OracleViolation("\n".join(map(json.dumps, [found, *history])))

    @staticmethod
    def _patience(keys):
        return float(keys.get("timeout", 60 if keys.get("retransmit") else 3)) + 5

    def _send(self, text, keys):
        number = str(next(self._ids))
        words = [text, f"id={number}"]
        for key, value in keys.items():
            if isinstance(value, (bytes, bytearray)):
                value = value.hex()
            elif isinstance(value, (list, tuple)):
                value = ",".join(value)
            elif isinstance(value, bool):
                value = int(value)
            # `from` is a word of Python's: from_=... stands for it.
            words.append(f"{key.rstrip('_').replace('_', '-')}={value}")
        self._write(" ".join(words))
        return number

    def _write(self, line):
        try:
            with self._writing:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            self._reader.join(5)
            self._ended = True
            self.check()

    def _wait(self, deadline, what):
        self.check()
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(what)
        self._changed.wait(min(left, 1))

    def _read(self):
        for line in self._process.stdout:
            self._take(json.loads(line))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, answer):
        with self._changed:
            if "oracle" in answer:
                self.violation = answer
                self.violation["history"] = [a for a in self.answers
                                             if a.get("address") == answer["address"]][-20:]
            elif "status" in answer:
                self._status = answer["status"]
            elif "error" in answer:
                self._error = answer["error"]
            else:
                self.answers.append(answer)
                if not any(flag in answer for flag in ("extra", "stray", "refused")):
                    self._final.setdefault(answer["id"], {})[answer["client"]] = answer
            self._changed.notify_all()
