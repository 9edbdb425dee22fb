# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A server is taken out of service by command and comes back (draft 9.14): failover-maintenance-start
and -cancel, failover-shutdown; clients hardly notice."""

import time

import pytest

from rig import agree, rfc3074
from rig.server import CommandError

OURS = rfc3074.clients_of(True, 30)
THEIRS = rfc3074.clients_of(False, 30)
MCLT = 10
EITHER = pytest.mark.parametrize("primary", [True, False], ids=["s1", "s2"])


@EITHER
def test_maintenance(pair_of, primary):
    """Maintenance of one of a pair, cancelled in one threading mode and ended by a restart in the
    other: the partner serves everybody at once, with full lease times; afterwards both are in NORMAL
    and their tables are equal."""
    made = pair_of(mclt=MCLT, lifetime=600,
                   hook={"max-response-delay": 3, "startup-delay": 2, "offer-hold": 2}
                   ).start(wait="NORMAL")
    gone, stays = (made.s1, made.s2) if primary else (made.s2, made.s1)
    clients = made.clients
    everybody = OURS[:10] + THEIRS[:10]
    first = agree.acknowledged(clients.do_all("discover", everybody))
    with pytest.raises(CommandError, match="'force' is not an argument"):
        gone.command("failover-maintenance-start", {"force": True})
    with pytest.raises(CommandError, match="not in maintenance"):
        gone.command("failover-maintenance-cancel")
    agree.settled(made)
    assert "would" in gone.ask("failover-maintenance-start", {"dry-run": True})["text"]
    assert gone.failover()["state"] == "normal"
    gone.command("failover-maintenance-start", {"relationship": "s1-s2"})
    stays.wait_state("PARTNER-DOWN", timeout=8)
    gone.wait_log("FAILOVER_SHUTDOWN s1-s2")
    status = gone.failover()
    assert (status["state"], status["partner-state"]) == ("shutdown", "partner-down")
    assert "by command" in status["refusing"] and "maintenance-cancel" in status["way-out"]
    # All of it is known at the partner, which serves both servers' clients.
    answers = agree.acknowledged(clients.do_all("rebind", everybody))
    assert {n: a["address"] for n, a in answers.items()} == \
        {n: a["address"] for n, a in first.items()}
    fresh = agree.acknowledged(clients.do_all("discover", OURS[10:20] + THEIRS[10:20]))
    time.sleep(1)       # they are in stable storage
    fresh = agree.acknowledged(clients.do_all("renew", fresh))
    assert {a["lease"] for a in fresh.values()} == {600}
    answers.update(fresh)
    assert all(made.server_at(a["server"]) is stays for a in answers.values())
    with pytest.raises(CommandError, match="not in contact"):
        stays.command("failover-maintenance-start")

    if made.threading == "multi":
        gone.command("failover-maintenance-cancel")
    else:
        gone.restart()
    gone.wait_log("state is RECOVER-WAIT (", timeout=15)
    made.wait_state("NORMAL", timeout=MCLT + 15)
    agree.settled(made)
    again = agree.acknowledged(clients.do_all("rebind", answers))
    assert {n: a["address"] for n, a in again.items()} == \
        {n: a["address"] for n, a in answers.items()}
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_shutdown(pair_of):
    """failover-shutdown is ended by a restart alone; started again without its partner the server
    serves nobody, for it knows that the partner was the only one."""
    made = pair_of(mclt=MCLT, lifetime=600,
                   hook={"max-response-delay": 3, "startup-delay": 2}).start(wait="NORMAL")
    held = agree.acknowledged(made.clients.do_all("discover", OURS[:3] + THEIRS[:3]))
    made.s1.command("failover-shutdown")
    made.s2.wait_state("PARTNER-DOWN", timeout=8)
    made.s1.wait_log("FAILOVER_SHUTDOWN s1-s2")
    with pytest.raises(CommandError, match="only a restart ends"):
        made.s1.command("failover-maintenance-cancel")
    made.s2.stop()
    made.s1.restart()
    made.s1.wait_state("RECOVER", timeout=10)
    assert made.clients.do("rebind", next(iter(held)), timeout=0.5)["result"] == "timeout"
    made.s2.start()
    made.wait_state("NORMAL", timeout=MCLT + 15)
    agree.settled(made)
