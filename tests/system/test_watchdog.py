# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Watchdogs, both ways: a Kea that does not serve clients says so, and its partner takes over at once;
a process that was frozen does not act on what clients told it before."""

import time

from rig import agree, rfc3074

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
