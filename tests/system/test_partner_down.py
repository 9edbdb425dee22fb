# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""PARTNER-DOWN by command and by itself, and the partner's return (draft 9.4).  What comes of a server
that was declared down while it lived is in test_conflict.py."""

import os
import time

import pytest

from rig import agree, rfc3074
from rig.server import CommandError

OURS = rfc3074.clients_of(True, 40)
THEIRS = rfc3074.clients_of(False, 40)
MCLT = 10
SMALL = ["192.0.2.10 - 192.0.2.49"]
EITHER = pytest.mark.parametrize("primary", [True, False], ids=["s1", "s2"])


def quick_pair(pair_of, **hook):
    """A running pair with forty addresses; ten clients have leases of full length."""
    made = pair_of(mclt=MCLT, lifetime=600, pools=SMALL,
                   hook={"max-response-delay": 3, "startup-delay": 2, "offer-hold": 2,
                         **hook}).start(wait="NORMAL")
    return made, agree.long_leases(made, OURS[:5] + THEIRS[:5])


def newcomers(made, clients):
    """Those of the clients who get a lease within a second."""
    answers = made.clients.do_all("discover", clients, timeout=1)
    return {n: a for n, a in answers.items() if a["result"] == "ack"}


@EITHER
def test_down_and_back(pair_of, primary):
    """Own addresses at once, the partner's after the MCLT, full lease times from the second lease
    on; when the partner is back both agree on everything."""
    made, leases = quick_pair(pair_of)
    dead, alone = (made.s1, made.s2) if primary else (made.s2, made.s1)
    dead.kill9()
    alone.wait_state("COMMUNICATIONS-INTERRUPTED")
    died = int(time.time())
    dry = alone.command("failover-partner-down", {"dry-run": True})
    assert alone.failover()["state"] == "communications-interrupted", dry
    alone.command("failover-partner-down", {"down-since": died})
    status = alone.failover()
    assert status["state"] == "partner-down" and status["refusing"] is None
    assert abs(status["deadline"] - died - MCLT) <= 1
    with pytest.raises(CommandError, match="earlier than the last message"):
        alone.command("failover-partner-down", {"down-since": died - 100})
    agree.kept(made.clients, leases)

    fresh = OURS[10:25] + THEIRS[10:25]
    first = newcomers(made, fresh)
    assert 10 <= len(first) <= 20 and {a["lease"] for a in first.values()} <= {MCLT, MCLT - 1}
    time.sleep(1)       # they are in stable storage
    again = agree.acknowledged(made.clients.do_all("renew", first))
    assert {a["lease"] for a in again.values()} == {600}
    assert time.time() < died + MCLT
    alone.wait_log("FAILOVER_TAKES_ALL", timeout=MCLT + 5)
    rest = newcomers(made, [n for n in fresh if n not in first])
    assert len(first) + len(rest) == 30
    assert not newcomers(made, OURS[30:31])     # all forty are leased
    rest = agree.acknowledged(made.clients.do_all("renew", rest))

    everybody = {**leases, **again, **rest}
    dead.start()
    made.wait_state("NORMAL", timeout=MCLT + 20)
    for state in ("RECOVER (", "RECOVER-WAIT", "RECOVER-DONE"):
        assert f"state is {state}" in dead.log().rsplit("FAILOVER_STARTED", 1)[1]
    agree.kept(made.clients, everybody)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_without_its_store(pair_of):
    """A server that has lost its store, but not Kea's rows, is told to serve alone. It does not know whose the
    free addresses are, so nobody new is served before the MCLT is over; then it gives them all. The partner,
    when it is back, is asked for everything it has before both serve."""
    made, leases = quick_pair(pair_of)
    losing, partner = (made.s1, made.s2) if made.threading == "multi" else (made.s2, made.s1)
    losing.kill9()
    partner.wait_state("COMMUNICATIONS-INTERRUPTED")
    unheard = newcomers(made, OURS[5:7] + THEIRS[5:7])
    assert len(unheard) == 4 and {made.server_at(a["server"]) for a in unheard.values()} == {partner}
    partner.kill9()
    os.unlink(losing.path("kea-leases4.csv.failover"))
    losing.start()
    losing.wait_state("RECOVER")
    losing.command("failover-partner-down")
    told = time.time()
    fresh = OURS[10:25] + THEIRS[10:25]
    agree.kept(made.clients, leases)
    assert not newcomers(made, fresh)
    losing.wait_log("FAILOVER_TAKES_ALL", timeout=MCLT + 10)
    assert time.time() > told + MCLT
    again = agree.acknowledged(made.clients.do_all("discover", fresh, retransmit=True))
    assert not newcomers(made, OURS[30:31])     # all forty are leased, the partner's own free ones, too
    time.sleep(1)       # they are in stable storage
    again = agree.acknowledged(made.clients.do_all("renew", again))
    assert {a["lease"] for a in again.values()} == {600}
    if made.threading == "multi":       # what it lacks it does not forget
        losing.restart(orderly=False)
        losing.wait_state("PARTNER-DOWN")
    partner.start()
    made.wait_state("NORMAL", timeout=MCLT + 20)
    later = losing.log().rsplit("state is PARTNER-DOWN", 1)[1]
    said = [later.index(text) for text in ("UPDREQALL sent", "UPDDONE received", "state is NORMAL")]
    assert said == sorted(said)
    everybody = {**leases, **again}
    agree.kept(made.clients, everybody)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_a_living_partner(pair_of):
    """The order is refused while the partner is in contact, and wrong arguments are named."""
    made, _leases = quick_pair(pair_of)
    for arguments, why in (
            ({}, "s2 lives: it is in contact"),
            ({"relationship": "nobody"}, "no relationship \"nobody\"; there are: s1-s2"),
            ({"down-since": "yesterday"}, "'down-since' must be a time in seconds"),
            ({"down-since": int(time.time()) + 100}, "in the future"),
            ({"force": 1}, "'force' must be true or false"),
            ({"forse": True}, "'forse' is not an argument of failover-partner-down")):
        with pytest.raises(CommandError, match=why):
            made.s1.command("failover-partner-down", arguments)
        assert made.s1.failover()["state"] == "normal"


def test_by_itself(pair_of):
    """`auto-partner-down`, at the server where it is set and only after the time."""
    made, leases = quick_pair(pair_of, **{"auto-partner-down": 4})
    made.s2.kill9()
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED")
    since = time.time()
    made.s1.wait_state("PARTNER-DOWN", timeout=10)
    assert 3 <= time.time() - since <= 6
    agree.kept(made.clients, leases)
    made.s2.start()
    made.wait_state("NORMAL", timeout=MCLT + 20)
    agree.kept(made.clients, leases)
    agree.settled(made)
