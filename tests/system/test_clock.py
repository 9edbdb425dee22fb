# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Clocks that differ, and one that is set while the servers run (5.10, rule of safety 11): the second server runs
with libfaketime, which moves its wall clock and leaves the time since boot alone."""

import glob
import os
import re
import time

from rig import agree

FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
AHEAD = 20                      # seconds


def set_clock(server, seconds):
    """From now on (within the second) its clock is so far ahead."""
    with open(server.path("clock.new"), "w", encoding="ascii") as out:
        out.write(f"{seconds:+d}\n")
    os.replace(server.path("clock.new"), server.path("clock"))


def faked(pair_of, seconds, **options):
    """A pair, not started, whose second server's clock is ahead."""
    assert FAKETIME, "the package libfaketime is not installed"
    made = pair_of(**options)
    set_clock(made.s2, seconds)
    made.s2.environment.update(
        LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=made.s2.path("clock"), FAKETIME_CACHE_DURATION="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1")
    return made


def ends_differ(made, ahead):
    """The complaint of rows that end at different moments, each server's by its own clock."""
    ours, theirs = made.s1.leases(), made.s2.leases()
    if ours.keys() != theirs.keys():
        return f"only one has {ours.keys() ^ theirs.keys()}"
    for address, row in ours.items():
        off = agree.end_of(theirs[address]) - agree.end_of(row) - ahead
        if abs(off) > 2:
            return f"{address} ends {off} s off at the second server"
    return None


def test_clocks_that_differ(pair_of):
    """20 s: leases of both servers end at the same moment on both, and the status shows the difference."""
    made = faked(pair_of, AHEAD, mclt=60, lifetime=600).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_all("discover", range(20)))
    agree.until(lambda: ends_differ(made, AHEAD))
    assert len(made.s1.leases()) == 20
    for server, seen in ((made.s1, AHEAD), (made.s2, -AHEAD)):
        assert abs(server.failover()["clock-difference"] - seen) <= 1


def test_a_clock_that_is_set(pair_of):
    """An hour forward while they run: the connection stands, no lease ends early, clients are served.  (Backwards is the
    simulation's: libfaketime also moves the ends of timers of boot time, by an hour that does not pass.)"""
    made = faked(pair_of, 0, mclt=60, lifetime=600).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_all("discover", range(10)))
    agree.until(lambda: ends_differ(made, 0))
    set_clock(made.s2, 3600)
    time.sleep(3)
    agree.acknowledged(made.clients.do_all("renew", range(10)))
    agree.acknowledged(made.clients.do_all("discover", range(10, 20)))
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    for server in (made.s1, made.s2):
        assert server.failover()["state"].upper() == "NORMAL"
        assert agree.count_of(server, "active") == 20


def test_a_clock_too_far_off(pair_of):
    """90 s: the connection is refused, and both say why; with max-clock-skew 0 it is not."""
    made = faked(pair_of, 90, mclt=60)
    made.start()
    for server in (made.s1, made.s2):
        status = server.wait_status(lambda s: re.search("clocks differ by (89|90|91) s", str(s["last-error"])),
                                    20, what="a refusal for the clock")
        assert not status["connected"] and status["state"].upper() != "NORMAL"
        server.wait_log("clocks differ by", 20)
    made.hook = {"max-clock-skew": 0}
    for server in (made.s1, made.s2):
        server.reload(made.config_of(server.name))
    made.wait_state("NORMAL", 90)
