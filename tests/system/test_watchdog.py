# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Watchdogs, both ways: a Kea that does not serve clients says so, and its partner takes over at once;
a process that was frozen does not act on what clients told it before; a disk that hangs keeps no client
waiting."""

import contextlib
import os
import subprocess
import time

import pytest

from rig import agree, pair as pairs, rfc3074

OURS = rfc3074.clients_of(True, 30)
THEIRS = rfc3074.clients_of(False, 30)


def test_disabled(pair_of):
    """dhcp-disable: the partner hears PAUSED and serves all clients, long before it would have missed
    this server; dhcp-enable: both are NORMAL again."""
    made = pair_of(mclt=15, lifetime=600, hook={"offer-hold": 2}).start(wait="NORMAL")
    leases = agree.acknowledged(made.clients.do_all("discover", OURS[:6] + THEIRS[:6]))
    agree.settled(made)
    made.s1.command("dhcp-disable")
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=3)
    assert made.s2.failover()["partner-state"] == "paused"
    assert made.s1.failover()["state"] == "paused"
    agree.acknowledged(made.clients.do_all("discover", OURS[10:15] + THEIRS[10:15]))
    agree.acknowledged(made.clients.do_all("rebind", leases))
    made.s1.command("dhcp-enable")
    made.wait_state("NORMAL", timeout=15)
    made.s1.wait_log("FAILOVER_RESUMED")
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_old_release(pair_of):
    """A server is frozen. Its client gives its address back, which waits in the socket, and gets a lease
    from the other server. After the thaw that lease stands on both."""
    made = pair_of(mclt=30, lifetime=600,
                   hook={"max-response-delay": 4, "offer-hold": 2}).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_all("discover", OURS[:8] + THEIRS[:4]))
    agree.settled(made)
    made.s1.sigstop()
    frozen = time.monotonic()
    for client in OURS[:8]:
        made.clients.do("release", client)
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=10)
    again = agree.acknowledged(made.clients.do_all("discover", OURS[:8]))
    time.sleep(max(0, 11 - (time.monotonic() - frozen)))
    made.s1.sigcont()
    made.s1.wait_log("FAILOVER_LATE")
    made.wait_state("NORMAL", timeout=15)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    renewed = agree.acknowledged(made.clients.do_all("renew", OURS[:8]))
    assert {c: a["address"] for c, a in renewed.items()} == {c: a["address"] for c, a in again.items()}


@pytest.fixture
def can_hang(lab):
    """The environment of a Kea whose main thread or disk can be made to hang, and how (see stall.c)."""
    shim = os.path.join(lab.workdir, "stall.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim,
                    os.path.join(pairs.TOP, "tests", "rig", "stall.c")], check=True)

    @contextlib.contextmanager
    def hang(server, what):
        path = server.path(f"hang-{what}")
        with open(path, "w", encoding="ascii"):
            try:
                yield
            finally:
                os.unlink(path)
    return {"LD_PRELOAD": shim}, hang


def test_main_loop(pair_of, can_hang):
    """Kea's main loop hangs, while the failover connection lives on. After 10 s the partner hears PAUSED,
    long before it would have missed this server, and serves all clients."""
    environment, hang = can_hang
    made = pair_of(mclt=30, lifetime=600, environment=environment,
                   hook={"offer-hold": 2}).start(wait="NORMAL")
    leases = agree.acknowledged(made.clients.do_all("discover", OURS[:6] + THEIRS[:6]))
    agree.settled(made)
    with hang(made.s1, "main"):
        made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=16)
        assert made.s2.failover()["partner-state"] == "paused"
        agree.acknowledged(made.clients.do_all("discover", OURS[10:15] + THEIRS[10:15]))
        agree.acknowledged(made.clients.do_all("rebind", leases))
    made.wait_state("NORMAL", timeout=20)
    assert "its main thread does not run" in made.s1.log()
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_short_hang(pair_of, can_hang):
    """It hangs for less than that. Clients give their addresses back, ask again and are served by the
    partner, which they have waited for (secs); what they said first is read last, and is not done."""
    environment, hang = can_hang
    made = pair_of(mclt=30, lifetime=600, environment=environment,
                   hook={"offer-hold": 2}).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_all("discover", OURS[:6]))
    agree.settled(made)
    with hang(made.s1, "main"):
        time.sleep(1.1)     # it waits in the real select for so long
        begun = time.monotonic()
        for client in OURS[:6]:
            made.clients.do("release", client)
        again = agree.acknowledged(made.clients.do_all("discover", OURS[:6], secs=9))
        assert {a["server"] for a in again.values()} == {made.address(2)}
        time.sleep(max(0, 6 - (time.monotonic() - begun)))
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    assert made.s1.failover()["state"] == made.s2.failover()["state"] == "normal"
    assert "FAILOVER_LATE" not in made.s1.log() and "FAILOVER_PAUSED" not in made.s1.log()


def test_disk(pair_of, can_hang):
    """The disk of one server hangs: its clients are served, with and without a lease, and the partner is
    told nothing that is not stored. It says so, in log and status, and both agree when it works again."""
    environment, hang = can_hang
    made = pair_of(mclt=120, lifetime=600, environment=environment).start(wait="NORMAL")
    first = agree.acknowledged(made.clients.do_all("discover", OURS[:6] + THEIRS[:6]))
    agree.settled(made)
    with hang(made.s1, "disk"):
        time.sleep(0.3)     # a commit has begun
        agree.acknowledged(made.clients.do_all("renew", first, timeout=1))
        new = agree.acknowledged(made.clients.do_all("discover", OURS[10:14] + THEIRS[10:14], timeout=1))
        made.s1.wait_log("FAILOVER_STORE_FAILED", 25)
        status = made.s1.failover()
        assert status["state-file-error"] and status["state"] == "normal"
        assert status["updates"]["pending"] > 0
        assert status["updates"]["unstored"] >= len(OURS[10:14])
        held = {new[client]["address"] for client in OURS[10:14]}
        assert not held & made.s2.leases().keys()
        agree.acknowledged(made.clients.do_all("renew", [*first, *new], timeout=1))
    made.s1.wait_log("FAILOVER_STORE_WORKS", 10)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
