# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A configuration brings a pool to a server that is alone in PARTNER-DOWN, or takes one from it; then its
partner comes back, with the old configuration or already with the new one (shares.c, foreign.c)."""

import time

import pytest

from rig import agree, rfc3074

OURS = rfc3074.clients_of(True, 40)
THEIRS = rfc3074.clients_of(False, 40)
MCLT = 10
FIRST = [f"192.0.2.{n}" for n in range(10, 40)]
SECOND = [f"192.0.2.{n}" for n in range(50, 70)]
BACK = pytest.mark.parametrize("back", ["old", "new"])


def ranges(*pools):
    """Kea's strings for them."""
    return [f"{pool[0]} - {pool[-1]}" for pool in pools]


def of(primary, first, count):
    """Clients of the primary, or of the secondary."""
    return (OURS if primary else THEIRS)[first:first + count]


def one_is_alone(pair_of, back, *pools):
    """(pair, who is alone in PARTNER-DOWN, its dead partner, eight leases of full length): the primary and
    the secondary, by turns."""
    made = pair_of(mclt=MCLT, lifetime=600, pools=ranges(*pools), hook={
        "max-response-delay": 3, "startup-delay": 2, "offer-hold": 2}).start(wait="NORMAL")
    leases = agree.long_leases(made, OURS[:4] + THEIRS[:4])
    alone, dead = (made.s1, made.s2) if (made.threading == "multi") == (back == "old") else (made.s2, made.s1)
    dead.kill9()
    alone.wait_state("COMMUNICATIONS-INTERRUPTED")
    alone.command("failover-partner-down", {"down-since": int(time.time())})
    return made, alone, dead, leases


def load(made, server, *pools):
    """These pools, for this server, by one command or the other."""
    made.pools = ranges(*pools)
    if server is made.s1:
        server.reload(made.config_of("s1"))
    else:
        server.configure(made.config_of("s2"))
        server.command("config-set", {"Dhcp4": server.config})


def wish(made, wishes, **keys):
    """New clients, who ask for addresses: their answers."""
    orders = {n: made.clients.order("discover", n, ask=address, **keys) for n, address in wishes.items()}
    return {n: made.clients.wait(order, [n], 60)[n] for n, order in orders.items()}


def given(made, wishes):
    """New clients get the addresses that they ask for, and then for long."""
    for client, address in wishes.items():
        for _again in range(5):
            if made.clients.do("discover-only", client, ask=address, retransmit=True)["address"] == address:
                break
            # Addresses are marked in the store before their first use; another one is offered for 2 s.
            time.sleep(2.2)
        answer = made.clients.do("select", client)
        assert (answer["result"], answer["address"]) == ("ack", address)
    time.sleep(1)       # they are in stable storage
    leases = agree.acknowledged(made.clients.do_all("renew", wishes))
    assert {lease["lease"] for lease in leases.values()} == {600}
    return leases


def has(server, leases):
    """Its Kea has a row for each of these leases."""
    rows = {address: row["hw-address"] for address, row in server.leases().items()}
    wanted = {lease["address"]: rfc3074.mac_of_client(n).hex(":") for n, lease in leases.items()}
    lacking = {address: mac for address, mac in wanted.items() if rows.get(address) != mac}
    return f"{server.name} lacks {lacking}" if lacking else None


def unheard(made):
    """Is there anything that one server has not told the other yet?  (While the pools differ so do counts.)"""
    for server in (made.s1, made.s2):
        if any(server.failover()["updates"][key] for key in ("pending", "unacknowledged", "unstored")):
            return f"{server.name} has updates under way"
    return None


def settled(made):
    """Both have the same pools, and agree on everything; everybody keeps what he has."""
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    for server in (made.s1, made.s2):
        assert server.failover()["updates"]["rejected"] == 0
        assert server.failover()["differences"] == []


def newcomers(made, clients, declined=frozenset()):
    """Both give from all that is free, and nothing else."""
    taken = {lease["address"] for lease in made.clients.status().values()} | declined
    answers = agree.acknowledged(made.clients.do_all("discover", clients, retransmit=True))
    assert not {a["address"] for a in answers.values()} & taken
    settled(made)


@BACK
def test_a_pool_comes(pair_of, back):
    """What was leased in a new pool, the partner has as soon as it has that pool, and nobody else gets an
    address of it before the two agree: not even where the partner gets it while it hears nothing."""
    made, alone, dead, leases = one_is_alone(pair_of, back, FIRST)
    load(made, alone, FIRST, SECOND)
    alone.wait_log("FAILOVER_TAKES_ALL", MCLT + 10)
    fresh = given(made, dict(zip(OURS[10:13] + THEIRS[10:13], SECOND[::2])))
    decliner, bad = OURS[13], SECOND[1]
    given(made, {decliner: bad})
    made.clients.do("decline", decliner)
    if back == "new":
        dead.configure(made.config_of(dead.name))
    dead.start()
    made.wait_state("NORMAL", MCLT + 20)
    if back == "old":
        dead.wait_log("FAILOVER_UPDATE_OUTSIDE_POOLS")
        agree.kept(made.clients, {**leases, **fresh})       # who has no such pool says nothing
        comes_unheard(made, alone, dead, {**leases, **fresh})
    settled(made)
    for server in (made.s1, made.s2):
        assert server.leases()[bad]["state"] == agree.DECLINED
    agree.kept(made.clients, {**leases, **fresh})
    newcomers(made, OURS[30:34] + THEIRS[30:34], {bad})


def comes_unheard(made, alone, dead, leases):
    """The partner gets the pool, too, while the cable is out. Its holders have their leases from it; nobody
    else gets any address there, and then the cable is back."""
    made.cut_link()
    made.wait_state("COMMUNICATIONS-INTERRUPTED", 20)
    load(made, dead, FIRST, SECOND)
    made.cut_clients(alone)
    agree.kept(made.clients, leases)
    wishes = dict(zip(of(True, 20, 10) + of(False, 20, 10), SECOND))
    answers = wish(made, wishes, timeout=1)
    got = [a["address"] for a in answers.values() if a["result"] == "ack"]
    assert 0 < len(got) < 20 and not set(got) & set(SECOND)
    made.cut_clients(alone, False)
    made.cut_link(False)
    made.wait_state("NORMAL", 20)


@BACK
def test_a_pool_goes(pair_of, back):
    """What was leased in a pool before it went, the partner has: for its clients, where it has that pool
    still, or for when the pool comes back."""
    made, alone, dead, leases = one_is_alone(pair_of, back, FIRST, SECOND)
    alone.wait_log("FAILOVER_TAKES_ALL", MCLT + 10)
    there = given(made, dict(zip(OURS[10:14] + THEIRS[10:14], SECOND[::2])))
    load(made, alone, FIRST)
    released = there.pop(OURS[10])["address"]
    made.clients.do("release", OURS[10])
    if back == "new":
        dead.configure(made.config_of(dead.name))
    dead.start()
    made.wait_state("NORMAL", MCLT + 20)
    agree.kept(made.clients, leases)
    if back == "old":
        agree.until(lambda: has(dead, {**leases, **there}))
        assert released not in dead.leases()
        goes_there_too(made, dead, there)
    for server in (alone, dead):
        load(made, server, FIRST, SECOND)
    settled(made)
    agree.kept(made.clients, {**leases, **there})
    newcomers(made, OURS[34:38] + THEIRS[34:38])


def goes_there_too(made, dead, there):
    """The partner, which has the pool still, serves its clients and gives its own addresses of it, until the
    pool is taken from it, too. Then those clients begin anew, and their leases there have ended."""
    assert {made.server_at(a["server"]) for a in agree.kept(made.clients, there).values()} == {dead}
    wishes = dict(zip(of(dead is made.s1, 20, 10), SECOND[1::2]))
    answers = agree.acknowledged(wish(made, wishes, retransmit=True))
    inside = {n: a for n, a in answers.items() if a["address"] in SECOND}
    assert inside
    agree.until(lambda: unheard(made))
    load(made, dead, FIRST)
    for server in (made.s1, made.s2):
        server.wait_status(lambda status: status["differences"] == [], 5)
    moved = agree.acknowledged(made.clients.do_all("discover", {**there, **inside}, retransmit=True))
    assert not {a["address"] for a in moved.values()} & set(SECOND)
    there.update(moved)
