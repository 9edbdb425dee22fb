# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""`kill -9` under load.  The oracle of the clients watches all the time: no address is ever held
twice, no holder is refused.  After both servers are NORMAL again, every held lease is on both."""

import random
import re
import threading
import time

import pytest

from rig import agree, netns

CLIENTS = range(1, 121)
# What a client of the load does next, and how often.  (Not: to decline an address and to take it
# again from the other server, which does not know yet; by 7.1.3 the decline wins.)
HABITS = (("discover", 4), ("renew", 4), ("rebind", 2), ("release", 1))


class Traffic:
    """Clients that come, renew, rebind and leave at random, some 150 orders a second."""

    def __init__(self, clients, seed):
        self.clients = clients
        self.random = random.Random(seed)
        self._go, self._end, self._idle = threading.Event(), False, threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go(self):
        """Begin, or go on."""
        self._idle.clear()
        self._go.set()

    def pause(self):
        """No new orders; those under way end, or are given up, within a second."""
        self._go.clear()
        self._idle.wait(5)
        time.sleep(1)
        if self._error:
            raise self._error

    def end(self):
        """No more of it."""
        self.pause()
        self._end = True
        self._go.set()
        self._thread.join(5)

    def _run(self):
        verbs, weights = zip(*HABITS)
        while not self._end:
            if not self._go.is_set():
                self._idle.set()
                self._go.wait()
                continue
            client = self.random.choice(CLIENTS)
            verb = self.random.choices(verbs, weights)[0]
            keys = {"secs": self.random.choice((0, 0, 9))} if verb == "discover" else {}
            try:
                self.clients.order(verb, client, timeout=1, **keys)
            except (AssertionError, OSError, RuntimeError, ValueError) as error:
                self._error = error
                self._go.clear()
            time.sleep(0.007)


def crash_pair(pair_of):
    """A pair that is quickly NORMAL again, with leases short enough to end meanwhile."""
    return pair_of(mclt=10, lifetime=20,
                   hook={"offer-hold": 2, "startup-delay": 1,
                         "max-response-delay": 5}).start(wait="NORMAL")


def known_to_both(pair):
    """Every held lease is on both servers, and both agree on all."""
    agree.until(lambda: agree.held_unknown(pair))
    pair.clients.check()


def was_busy(traffic):
    """The load was one: all kinds of answers, many of them, and clients that hold leases."""
    with_ack = [a["verb"] for a in traffic.clients.answers if a.get("result") == "ack"]
    for verb, least in (("discover", 100), ("renew", 50), ("rebind", 50)):
        assert with_ack.count(verb) > least, (verb, with_ack.count(verb))
    assert len(traffic.clients.status()) > 20


def test_kills_under_load(pair_of):
    """Either server is killed ten times at random moments, and is back NORMAL before the next."""
    made = crash_pair(pair_of)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    traffic = Traffic(made.clients, seed)
    for _kill in range(10):
        traffic.go()
        time.sleep(chance.uniform(0.3, 1.2))
        victim = chance.choice((made.s1, made.s2))
        victim.kill9()
        time.sleep(chance.uniform(0, 0.6))
        victim.start()
        made.wait_state("NORMAL", timeout=20)
        traffic.pause()
        known_to_both(made)
    traffic.end()
    agree.settled(made, timeout=20)
    known_to_both(made)
    was_busy(traffic)


def test_kills_at_any_moment(pair_of):
    """Ten kills without waiting for anything: during STARTUP, during the updates after it, both at
    once."""
    made = crash_pair(pair_of)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    traffic = Traffic(made.clients, seed)
    traffic.go()
    for _kill in range(10):
        victim = chance.choice((made.s1, made.s2))
        victim.kill9()
        if chance.random() < 0.3:
            made.partner_of(victim).kill9()
        time.sleep(chance.uniform(0, 0.3))
        for server in (made.s1, made.s2):
            server.start(wait=False)
        time.sleep(chance.uniform(0.1, 2))
    for server in (made.s1, made.s2):
        server.wait_ready()
    made.wait_state("NORMAL", timeout=20)
    made.wait_available()
    time.sleep(2)
    traffic.end()
    agree.settled(made, timeout=20)
    known_to_both(made)
    was_busy(traffic)


@pytest.mark.parametrize("crash", [False, True], ids=["quiet", "crash"])
def test_perfdhcp(pair_of, crash):
    """A load of new clients at a few hundred a second, both servers connected: none is lost, and
    afterwards both agree on all of them.  With a crash and a return in the middle they still do."""
    made = pair_of(subnet="10.0.0.0/16", pools=["10.0.1.0 - 10.0.20.255"], mclt=120, lifetime=3600,
                   hook={"startup-delay": 1}).start(wait="NORMAL")
    agree.settled(made)
    source = made.host("load", 9)
    command = ["perfdhcp", "-4", "-l", "eth0", "-r", "300", "-R", "5000", "-p", "5", "-W", "1"]
    if crash:
        timer = threading.Timer(2, made.s2.kill9)
        timer.start()
    said = netns.run(*netns.command_in(source, *command), check=False)
    if crash:
        timer.join()
        made.s2.start()
    made.wait_state("NORMAL", timeout=20)
    agree.settled(made, timeout=20)
    (discovers, requests), (_offers, acks) = (
        map(int, re.findall(rf"{word} packets: (\d+)", said)) for word in ("sent", "received"))
    # Every DHCPACK is a lease on both; a lease without one lost its DHCPACK on the way.
    assert 0 < acks <= len(made.s1.leases()) <= requests, said
    assert said.count("rejected leases: 0") == 2, said
    # perfdhcp does not repeat itself: on a busy machine its packets overflow sockets, before us.
    assert crash or acks > discovers / 2 > 400, said
