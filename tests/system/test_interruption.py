# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""COMMUNICATIONS-INTERRUPTED and back (draft 8.3, 9.9): whatever breaks the connection, each server
serves all clients, gives new ones its own addresses for no longer than the MCLT, and afterwards
both are NORMAL and agree.  And the hardest case: a partner that is stopped and says nothing."""

import time

import pytest

from rig import agree, realism, rfc3074

OURS = rfc3074.clients_of(True, 40)
THEIRS = rfc3074.clients_of(False, 40)
MCLT = 15
EITHER = pytest.mark.parametrize("primary", [True, False], ids=["s1", "s2"])

# How the connection is broken, and how it is mended.
BREAKS = {
    "pulled": (False, lambda pair: pair.cut_link(), lambda pair: pair.cut_link(False)),
    "cut": (True, lambda pair: pair.proxy.cut(refuse=True), lambda pair: pair.proxy.allow()),
    "deaf-s1": (True, lambda pair: pair.proxy.half_cut("left"), lambda pair: mend_half(pair)),
    "deaf-s2": (True, lambda pair: pair.proxy.half_cut("right"), lambda pair: mend_half(pair)),
}


def mend_half(pair):
    """Bytes were swallowed: what goes on must be a new connection."""
    pair.proxy.cut()
    pair.proxy.resume()


def quick_pair(pair_of, **options):
    """A pair that notices a dead connection after three seconds."""
    hook = {"max-response-delay": 3, "offer-hold": 2, **options.pop("hook", {})}
    return pair_of(mclt=MCLT, lifetime=600, hook=hook, **options).start(wait="NORMAL")


def offers_from_both(pair, client):
    """What a client that waits for a second offer is offered: {server's name: address}."""
    since = time.time()
    pair.clients.do("discover-only", client)
    time.sleep(0.3)
    return {pair.server_at(a["server"]).name: a["address"]
            for a in pair.clients.said_to(client, since) if a["result"] == "offer"}


def rebound_at_both(pair, leases):
    """Every client rebinds by broadcast and hears from both servers that its address is its own."""
    since = time.time()
    agree.acknowledged(pair.clients.do_all("rebind", leases))
    time.sleep(0.5)
    for client, lease in leases.items():
        said = [a for a in pair.clients.said_to(client, since) if a["result"] in ("ack", "nak")]
        assert {(a["result"], a["address"]) for a in said} == {("ack", lease["address"])}
        assert {pair.server_at(a["server"]).name for a in said} == {"s1", "s2"}, client


def newcomers_of(pair, server, clients):
    """New clients take the offer of one server: an address of its own, for the MCLT at most, also
    when it is renewed, since the partner has acknowledged nothing."""
    address = pair.address(1 if server is pair.s1 else 2)
    answers = agree.acknowledged(pair.clients.do_all("discover", clients, from_=address))
    for answer in (*answers.values(), *pair.clients.do_all("renew", clients).values()):
        assert answer["result"] == "ack" and answer["server"] == address
        assert answer["lease"] <= MCLT, answer
    return {a["address"] for a in answers.values()}


@pytest.mark.parametrize("how", BREAKS)
def test_interrupted(pair_of, how):
    """Both servers go on alone, and agree afterwards."""
    proxy, break_it, mend_it = BREAKS[how]
    made = quick_pair(pair_of, proxy=proxy)
    leases = agree.acknowledged(made.clients.do_all("discover", OURS[:6] + THEIRS[:6]))
    agree.settled(made)
    break_it(made)
    made.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=8)
    rebound_at_both(made, leases)
    offers = offers_from_both(made, OURS[10])
    assert offers.keys() == {"s1", "s2"} and offers["s1"] != offers["s2"]
    given = [newcomers_of(made, made.s1, OURS[11:14] + THEIRS[11:14]),
             newcomers_of(made, made.s2, OURS[14:17] + THEIRS[14:17])]
    assert not given[0] & given[1]
    made.clients.do("release", OURS[11])
    made.clients.do("release", THEIRS[14])
    mend_it(made)
    made.wait_state("NORMAL", timeout=15)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    agree.acknowledged(made.clients.do_all("rebind", list(made.clients.status())))
    agree.settled(made)


def test_two_addresses(pair_of):
    """A client that moved while the servers were out of contact has a lease of each of them. What it
    holds is confirmed by both and never refused; the other one becomes free on both."""
    made = quick_pair(pair_of)
    made.cut_link()
    made.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=8)
    for client in (*OURS[:4], *THEIRS[:4]):
        for place in (1, 2) if made.threading == "multi" else (2, 1):
            answer = made.clients.do("discover", client, from_=made.address(place))
            assert answer["result"] == "ack"
            time.sleep(0.2)
    made.cut_link(False)
    made.wait_state("NORMAL", timeout=15)
    agree.settled(made)
    agree.acknowledged(made.clients.do_all("rebind", list(made.clients.status()), retransmit=True,
                                           timeout=10))
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    held = {lease["address"] for lease in made.clients.status().values()}
    assert len(held) == 8 and made.s1.leases().keys() == held


@EITHER
def test_broken_mid_frame(pair_of, primary):
    """Half a frame, then the end of the connection: again and again, while clients come and go.
    Each time a new connection is made, and what was lost is sent again."""
    made = quick_pair(pair_of, proxy=True)
    for turn in range(4):
        before = made.proxy.connections
        made.proxy.break_mid_frame("right" if primary else "left")
        clients = [(OURS if primary else THEIRS)[turn], (THEIRS if primary else OURS)[turn]]
        agree.acknowledged(made.clients.do_all("discover", clients))
        agree.until(lambda: None if made.proxy.connections > before else "no new connection")
        made.wait_state("NORMAL", timeout=10)
    made.clients.do("release", OURS[0])
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_cut_under_load(pair_of):
    """The cable is cut at random while clients come, renew and leave; the update streams break
    anywhere.  No address is given twice, and in the end both agree."""
    made = quick_pair(pair_of, proxy=True)
    for turn in range(6):
        order = made.clients.order_range("discover", 1, 60, rate=200, retransmit=True, timeout=15)
        time.sleep(0.13 + turn * 0.03)
        made.proxy.cut()
        time.sleep(0.1)
        made.proxy.cut()
        agree.acknowledged(made.clients.wait(order, range(1, 61), 20))
        made.clients.do_range("release", 1 + turn * 10, 10 + turn * 10, rate=1000)
    made.wait_state("NORMAL", timeout=15)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


# ---- a partner that is stopped ----

def quickly(answers):
    """Every client has its DHCPACK, and no answer took 100 ms."""
    for client, answer in agree.acknowledged(answers).items():
        assert answer["ms"] < 100 and answer["total_ms"] < 200, (client, answer)
    return answers


@EITHER
def test_stopped_partner(pair_of, primary):
    """SIGSTOP: the kernel goes on acknowledging for the partner.  Before the connection is declared
    lost, whoever is to be answered is answered in time, and afterwards everybody.  When the partner
    goes on, it must not believe that it still is NORMAL."""
    made = pair_of(mclt=MCLT, lifetime=600,
                   hook={"max-response-delay": 5, "offer-hold": 2}).start(wait="NORMAL")
    living, stopped = (made.s1, made.s2) if primary else (made.s2, made.s1)
    own, others = (OURS, THEIRS) if primary else (THEIRS, OURS)
    clients = made.clients
    leases = agree.acknowledged(clients.do_all("discover", own[:5] + others[:10]))
    agree.settled(made)
    stopped.sigstop()
    began = time.monotonic()
    quickly(clients.do_all("discover", own[10:20], rate=100))
    quickly(clients.do_all("renew", own[:5], rate=100))
    quickly(clients.do_all("rebind", others[:5], rate=100))
    quickly(clients.do_all("discover", others[10:20], rate=100, secs=4))
    assert clients.do("discover", others[20], timeout=0.3)["result"] == "timeout"
    assert living.failover()["state"] == "normal" and time.monotonic() - began < 5
    living.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=8)
    assert time.monotonic() - began < 7
    quickly(clients.do_all("discover", own[21:26] + others[21:26], rate=100))
    quickly(clients.do_all("rebind", others[5:10] + own[:2], rate=100))
    assert {n: held["address"] for n, held in clients.status().items() if n in leases} == \
        {n: a["address"] for n, a in leases.items()}
    stopped.sigcont()
    made.wait_state("NORMAL", timeout=15)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


# ---- a race for the last addresses ----

def test_race(pair_of):
    """200 clients for 200 addresses of two servers: each gets one, all different, within a minute.
    The oracle sees to it that none is given twice."""
    made = pair_of(mclt=300, lifetime=600, hook={"offer-hold": 5}).start(wait="NORMAL")
    answers = agree.acknowledged(made.clients.do_range("discover", 1, 200, rate=400,
                                                       retransmit=True, timeout=60))
    assert len({a["address"] for a in answers.values()}) == 200
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    assert agree.count_of(made.s1, "active") == agree.count_of(made.s2, "active") == 200


# ---- clients that nobody of us has written ----

def test_real_clients(pair_of, lab):
    """One dhclient and one udhcpc: their leases outlive the crash of either server, and its
    return."""
    made = quick_pair(pair_of)
    real = [realism.Dhclient(made.host("dhc"), lab.workdir),
            realism.Udhcpc(made.host("udh"), lab.workdir)]
    addresses = [client.wait_bound() for client in real]
    agree.settled(made)
    for server in (made.s1, made.s2):
        server.kill9()
        made.partner_of(server).wait_state("COMMUNICATIONS-INTERRUPTED")
        # udhcpc renews now; where its server is dead, it is answered when it rebinds by broadcast.
        assert real[1].renew(timeout=40) == addresses[1]
        server.start()
        made.wait_state("NORMAL")
        agree.settled(made)
    assert real[0].wait_bound(count=2) == addresses[0]
    for server in (made.s1, made.s2):
        assert set(addresses) <= server.leases().keys()
    for client in real:
        client.stop()
