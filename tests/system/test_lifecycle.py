# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""How leases end, and that both servers know: release, expiry, decline, moving (draft 7.6, 9.4)."""

import itertools
import time

import pytest

from rig import agree, rfc3074

OURS = rfc3074.clients_of(True, 8)
THEIRS = rfc3074.clients_of(False, 8)
EITHER = pytest.mark.parametrize("primary", [True, False], ids=["of-s1", "of-s2"])


def client_of(primary, place=0):
    """A client that the primary (or the secondary) serves."""
    return (OURS if primary else THEIRS)[place]


def all_free(pair):
    """Both tables show nothing but free addresses, and Kea has no row left."""
    for server in (pair.s1, pair.s2):
        status = {name: agree.count_of(server, name) for name in agree.COUNTS}
        if status["free"] + status["backup"] != status["total"] or server.leases():
            return f"{server.name}: {status}, rows {server.leases()}"
    return None


def given_again(pair, address):
    """The address is leased to a newcomer by the one who owns it now.

    An owner may be asked for any of its free addresses, so the newcomer wishes for this one."""
    time.sleep(0.5)     # not before it is in stable storage that its last lease is over
    owner_is_primary = agree.count_of(pair.s1, "free") > 0
    for primary in (owner_is_primary, not owner_is_primary):
        answer = pair.clients.do("discover", client_of(primary, 7), ask=address)
        assert answer["result"] == "ack"
        if answer["address"] == address:
            return True
        pair.clients.do("release", client_of(primary, 7))
    return False


@EITHER
def test_release(pair_of, primary):
    """RELEASED is acknowledged, then the address is FREE on both, its row is gone on both, and
    somebody else gets it."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    client = client_of(primary)
    address = made.clients.do("discover", client)["address"]
    agree.settled(made)
    assert agree.count_of(made.s1, "active") == agree.count_of(made.s2, "active") == 1
    made.clients.do("release", client)
    agree.until(lambda: all_free(made))
    agree.settled(made)
    assert made.s1.statistic("subnet[1].assigned-addresses") == 0
    assert made.s2.statistic("subnet[1].assigned-addresses") == 0
    assert given_again(made, address)
    agree.settled(made)


@EITHER
def test_release_at_once(pair_of, primary):
    """Lease, renewal and release within one second, again and again: no update of them is rejected
    for its time, and nothing stays behind.  While Kea is at the row of the lease before, a query gets
    no answer: on a busy machine the client asks again."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    client = client_of(primary)
    patient = {"retransmit": True, "timeout": 20}
    for _round in range(8):
        assert made.clients.do("discover", client, **patient)["result"] == "ack"
        assert made.clients.do("renew", client, **patient)["result"] == "ack"
        made.clients.do("release", client)
        time.sleep(0.05)
    agree.until(lambda: all_free(made))
    agree.settled(made)
    for server in (made.s1, made.s2):
        assert server.failover()["updates"]["rejected-by-partner"] == 0


def test_release_at_the_partner(pair_of):
    """A client that has moved to the partner releases there."""
    made = pair_of(mclt=20, hook={"max-response-delay": 3}).start(wait="NORMAL")
    client = client_of(False)
    address = made.clients.do("discover", client)["address"]
    agree.settled(made)
    assert made.clients.do("renew", client, server=made.address(1))["address"] == address
    made.clients.do("release", client, server=made.address(1))
    agree.until(lambda: all_free(made))
    assert given_again(made, address)


def test_foreign_release(pair_of):
    """A release of somebody else's address changes nothing."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    address = made.clients.do("discover", OURS[0])["address"]
    agree.settled(made)
    for server in (1, 2):
        made.clients.do("release", OURS[1], ask=address, server=made.address(server))
    time.sleep(0.5)
    agree.settled(made)
    assert address in made.s1.leases()
    assert made.clients.do("renew", OURS[0])["result"] == "ack"


def test_expiry(pair_of):
    """Clients that vanish: at the end of their leases their addresses become FREE on both servers,
    and are leased again.  The oracle sees to it that this does not happen too early.  Newcomers ask
    for leases that outlast their patience: each needs an address of its own."""
    made = pair_of(mclt=90, lifetime=4, pools=["192.0.2.10 - 192.0.2.15"], hook={"offer-hold": 2},
                   kea={"min-valid-lifetime": 4, "max-valid-lifetime": 90}).start(wait="NORMAL")
    clients = made.clients
    answers = clients.do_all("discover", OURS[:2] + THEIRS[:2], retransmit=True, timeout=15)
    agree.acknowledged(answers)
    gone = max(a["t"] + a["lease"] for a in answers.values())
    for client in answers:
        clients.do("forget", client)
    agree.until(lambda: all_free(made), timeout=15)
    assert gone - 1 < time.time() < gone + 8
    agree.settled(made)
    newcomers = clients.do_all("discover", OURS[2:5] + THEIRS[2:5], want=90, retransmit=True,
                               timeout=60)
    assert {a["lease"] for a in agree.acknowledged(newcomers).values()} <= {89, 90}
    assert len({a["address"] for a in newcomers.values()}) == 6


def test_expiry_while_renewed(pair_of):
    """Renewals in the last second of a lease, with the expiry of it already in sight: a client that
    has its DHCPACK keeps its address."""
    made = pair_of(mclt=10, lifetime=3).start(wait="NORMAL")
    clients = OURS[:4] + THEIRS[:4]
    agree.acknowledged(made.clients.do_all("discover", clients))
    for pause in (2.6, 2.8, 2.9):
        time.sleep(pause)
        answers = made.clients.do_all("renew", [n for n in clients if n in made.clients.status()])
        assert set(a["result"] for a in answers.values()) <= {"ack", "no-lease"}
        agree.until(lambda: agree.held_unknown(made), timeout=2)
    agree.until(lambda: all_free(made), timeout=15)
    agree.settled(made)


def test_reclamation(pair_of):
    """Kea reclaims rows at its own times and by command, at both servers, many times a second: who renews keeps
    the address, also one that comes back when its row has just been reclaimed; the others' become free."""
    often = {"reclaim-timer-wait-time": 1, "flush-reclaimed-timer-wait-time": 1, "hold-reclaimed-time": 1}
    made = pair_of(mclt=10, lifetime=6, hook={"offer-hold": 2},
                   kea={"expired-leases-processing": often}).start(wait="NORMAL")
    agree.settled(made)

    def reclaim(until):
        for count in itertools.count():
            if time.time() > until:
                return
            for server in (made.s1, made.s2):
                server.command("leases-reclaim", {"remove": count % 2 == 0})
            time.sleep(0.05)
    stay, go = OURS[:3] + THEIRS[:3], OURS[3:8] + THEIRS[3:8]
    held = agree.acknowledged(made.clients.do_all("discover", stay + go))
    for client in go:
        made.clients.do("forget", client)
    for _time in range(2):
        reclaim(time.time() + 4.5)
        again = agree.acknowledged(made.clients.do_all("renew", stay))
        assert all(again[client]["address"] == held[client]["address"] for client in stay)
        agree.until(lambda: agree.held_unknown(made), timeout=2)
    gone = max(lease["end"] for lease in made.clients.status().values())
    for client in stay:
        made.clients.do("forget", client)
    reclaim(gone + 0.5)
    late = agree.acknowledged(made.clients.do_all("discover", stay, retransmit=True, timeout=10))
    assert len({answer["address"] for answer in late.values()}) == len(stay)
    for client in stay:
        made.clients.do("forget", client)
    reclaim(time.time() + 8)
    agree.until(lambda: all_free(made), timeout=15)
    agree.settled(made)
    assert made.s1.statistic("reclaimed-leases") + made.s2.statistic("reclaimed-leases") > 0


@EITHER
def test_decline(pair_of, primary):
    """ABANDONED and Kea's declined row on both; after the probation RESET, then FREE on both."""
    made = pair_of(mclt=20, kea={"decline-probation-period": 5}).start(wait="NORMAL")
    client = client_of(primary)
    address = made.clients.do("discover", client)["address"]
    agree.settled(made)
    made.clients.do("decline", client)
    agree.until(lambda: agree.count_of(made.s1, "abandoned") + agree.count_of(made.s2, "abandoned")
                != 2 and "not abandoned on both" or None, timeout=3)
    agree.settled(made)
    for server in (made.s1, made.s2):
        row = server.leases()[address]
        assert row["state"] == agree.DECLINED and row["hw-address"] == "", server.name
        assert server.statistic("declined-addresses") == 1
        assert server.statistic("subnet[1].assigned-addresses") == 1
    again = made.clients.do("discover", client, ask=address)
    assert again["result"] == "ack" and again["address"] != address
    made.clients.do("release", client)
    agree.until(lambda: all_free(made), timeout=20)
    agree.settled(made)
    for server in (made.s1, made.s2):
        assert server.statistic("declined-addresses") == 0
    assert given_again(made, address)


def test_decline_with_the_partner_away(pair_of):
    """An address declined while the partner was away is declined there, too, after its return."""
    made = pair_of(mclt=20, hook={"max-response-delay": 3}).start(wait="NORMAL")
    address = made.clients.do("discover", OURS[0])["address"]
    agree.settled(made)
    made.s2.kill9()
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED")
    made.clients.do("decline", OURS[0])
    made.s1.wait_log("DHCP4_DECLINE_LEASE ")
    made.s2.start()
    made.wait_state("NORMAL")
    agree.settled(made)
    assert made.s2.leases()[address]["state"] == agree.DECLINED
    assert agree.count_of(made.s2, "abandoned") == 1


def test_init_reboot(pair_of):
    """A rebooting client gets its address back from its server; an address that is not its own is
    never acknowledged to it, and a client that nobody knows hears nothing."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    clients = made.clients
    for client, server in ((OURS[0], made.s1), (THEIRS[0], made.s2)):
        lease = clients.do("discover", client)
        agree.settled(made)
        since = time.time()
        answer = clients.do("reboot", client)
        assert (answer["result"], answer["address"]) == ("ack", lease["address"])
        time.sleep(0.3)
        assert agree.servers_of(made, client, since) == {server.name}
    others = clients.status()[THEIRS[0]]["address"]
    assert clients.do("reboot", OURS[0], ask=others, timeout=1)["result"] in ("nak", "timeout")
    unknown = clients.do("reboot", OURS[5], ask=others, secs=9, timeout=1)
    assert unknown["result"] in ("nak", "timeout")
    assert clients.do("reboot", OURS[6], ask="192.0.2.200", timeout=1)["result"] != "ack"
    agree.settled(made)


def test_reboot_at_the_other(pair_of):
    """A lease that only the partner gave is known here: a patient rebooting client is answered by
    both with the same address."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    lease = made.clients.do("discover", OURS[0])
    agree.settled(made)
    since = time.time()
    made.clients.do("reboot", OURS[0], secs=9)
    time.sleep(0.3)
    said = made.clients.said_to(OURS[0], since)
    assert agree.servers_of(made, OURS[0], since) == {"s1", "s2"}
    assert {(a["result"], a["address"]) for a in said} == {("ack", lease["address"])}
    agree.settled(made)


def spare_address(pair, server, newcomer):
    """A free address of one server: one that it has offered to somebody who did not come back."""
    offer = pair.clients.do("discover-only", newcomer, secs=9,
                            from_=pair.address(1 if server is pair.s1 else 2))
    time.sleep(1.3)             # offer-hold
    return offer["address"]


@EITHER
def test_moving(pair_of, primary):
    """A client takes another address, of the server of its first one or of the other: the first one
    becomes free on both."""
    made = pair_of(mclt=20, hook={"offer-hold": 1}).start(wait="NORMAL")
    agree.settled(made)
    first = made.clients.do("discover", OURS[0])["address"]
    agree.settled(made)
    server = made.s1 if primary else made.s2
    second = spare_address(made, server, OURS[1])
    assert second != first
    answer = made.clients.do("select", OURS[0], ask=second,
                             server=made.address(1 if primary else 2))
    assert (answer["result"], answer["address"]) == ("ack", second)
    agree.until(lambda: agree.rows_differ(made.s1, made.s2))
    agree.until(lambda: None if made.s1.leases().keys() == {second} else "the old row is there")
    agree.settled(made)
    assert agree.count_of(made.s2, "active") == 1
    agree.until(lambda: agree.held_unknown(made))
