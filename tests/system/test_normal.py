# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""NORMAL operation: who serves whom, for how long, and what the partner learns (draft 9.8)."""

import time

import pytest

from rig import agree, rfc3074

OURS = rfc3074.clients_of(True, 8)
THEIRS = rfc3074.clients_of(False, 8)


def answered_by(pair, client, verb="discover-only", **keys):
    """Names of all servers that answer, not only of the first."""
    since = time.time()
    pair.clients.do(verb, client, timeout=0.5, **keys)
    time.sleep(0.3)
    return agree.servers_of(pair, client, since)


def test_first_start(pair_of):
    """Two new servers meet, agree on a division of the addresses, and serve: each client by the
    server that its bucket names, known to both, for the MCLT first and for the full time later."""
    made = pair_of(mclt=20, lifetime=600).start(wait="NORMAL")
    agree.settled(made)
    assert abs(agree.count_of(made.s1, "free") - agree.count_of(made.s1, "backup")) <= 20
    answers = agree.acknowledged(made.clients.do_range("discover", 1, 40))
    for client, answer in answers.items():
        due = made.s1 if rfc3074.primary_serves(rfc3074.mac_of_client(client)) else made.s2
        assert made.server_at(answer["server"]) is due, client
        assert 19 <= answer["lease"] <= 20
        assert answer["total_ms"] < 500
    assert not made.clients.extras()
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    assert made.s1.leases().keys() == {a["address"] for a in answers.values()}
    renewed = agree.acknowledged(made.clients.do_range("renew", 1, 40))
    assert {a["lease"] for a in renewed.values()} == {600}
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


@pytest.mark.parametrize("timers", [(600,), (600, 100, 200), (600, 19, 40), (600, 15, 19)])
def test_timers(pair_of, timers):
    """T1 < T2 < lease time, also where the MCLT is shorter than what is configured: a client whose
    T1 comes after its T2 never renews with the server that it knows."""
    made = pair_of(mclt=20, lifetime=timers).start(wait="NORMAL")
    for client in (OURS[0], THEIRS[0]):
        first = made.clients.do("discover", client)
        agree.settled(made)
        for answer in (first, made.clients.do("renew", client)):
            lease = answer["lease"]
            t1 = answer["t1"] or lease * 0.5        # RFC 2131, 4.4.5: what a client takes
            t2 = answer["t2"] or lease * 0.875
            assert 0 < t1 < t2 < lease, answer


@pytest.mark.parametrize("percent", [0, 70, 100])
def test_division(pair_of, percent):
    """load-balance-percent divides the clients; the secondary follows the primary's."""
    made = pair_of(mclt=60, hook_s1={"load-balance-percent": percent}).start(wait="NORMAL")
    answers = agree.acknowledged(made.clients.do_range("discover", 1, 30, retransmit=True,
                                                       timeout=8))
    for client, answer in answers.items():
        primary = rfc3074.primary_serves(rfc3074.mac_of_client(client), percent)
        assert made.server_at(answer["server"]) is (made.s1 if primary else made.s2), client
    if percent != 50:
        assert "FAILOVER_DIVISION_DIFFERS" in made.s2.log()
    agree.settled(made)


def test_secs(pair_of):
    """A client that has waited for more than load-balance-max-seconds is served by both; secs whose
    bytes are in the wrong order are understood, and do not make a patient client of an urgent one."""
    made = pair_of().start(wait="NORMAL")
    for client, other, name in ((OURS[0], OURS[1], "s1"), (THEIRS[0], THEIRS[1], "s2")):
        assert answered_by(made, client) == {name}
        assert answered_by(made, client, secs=3) == {name}
        assert answered_by(made, client, secs=4) == {"s1", "s2"}
        assert answered_by(made, other, secs=2 << 8) == {name}
        assert answered_by(made, other, secs=9 << 8) == {"s1", "s2"}
        assert answered_by(made, other, secs=300) == {"s1", "s2"}


def test_own_limit(pair_of):
    """load-balance-max-seconds is each server's own."""
    made = pair_of(hook_s2={"load-balance-max-seconds": 10}).start(wait="NORMAL")
    assert answered_by(made, OURS[0], secs=8) == {"s1"}
    assert answered_by(made, THEIRS[0], secs=8) == {"s1", "s2"}


def test_server_identifier(pair_of):
    """A REQUEST that names a server is that server's whatever the bucket says; the other one keeps
    silent, and learns of the lease."""
    made = pair_of().start(wait="NORMAL")
    for client, server in ((OURS[2], made.s2), (THEIRS[2], made.s1)):
        address = made.address(1 if server is made.s1 else 2)
        offer = made.clients.do("discover-only", client, secs=9, from_=address)
        assert offer["server"] == address
        since = time.time()
        lease = made.clients.do("select", client)
        assert (lease["result"], lease["server"]) == ("ack", address)
        time.sleep(0.3)
        # The other server's offer may come as late as this; an answer to the REQUEST may not.
        assert agree.servers_of(made, client, since, ("ack", "nak")) == {server.name}
    agree.settled(made)
    assert len(made.s1.leases()) == 2


def test_renew_and_rebind(pair_of):
    """Renewals go to the server of the lease; a broadcast one may be answered by both, and neither
    answer is shorter than what the client holds."""
    made = pair_of(mclt=20, lifetime=300).start(wait="NORMAL")
    for client in (OURS[0], THEIRS[0]):
        first = made.clients.do("discover", client)
        agree.settled(made)
        assert made.clients.do("renew", client)["lease"] == 300
        agree.settled(made)
        since = time.time()
        answer = made.clients.do("rebind", client)
        assert (answer["result"], answer["address"]) == ("ack", first["address"])
        time.sleep(0.3)
        for said in made.clients.said_to(client, since):
            assert said["result"] == "ack" and said["address"] == first["address"]
            assert said["lease"] >= 299
        agree.settled(made)


def test_client_identifier(pair_of):
    """The bucket is that of the client identifier, if there is one; the partner's row has it."""
    made = pair_of().start(wait="NORMAL")
    for place, client in enumerate(OURS[:2] + THEIRS[:2]):
        wanted = place % 2 == 0
        number = next(n for n in range(256)
                      if rfc3074.primary_serves(bytes((0, n, place, 7))) == wanted)
        identifier = bytes((0, number, place, 7))
        answer = made.clients.do("discover", client, client_id=identifier)
        assert made.server_at(answer["server"]) is (made.s1 if wanted else made.s2)
        agree.until(lambda: agree.rows_differ(made.s1, made.s2))
        row = made.partner_of(made.server_at(answer["server"])).leases()[answer["address"]]
        assert row["client-id"] == identifier.hex(":")
        assert made.clients.do("renew", client)["result"] == "ack"
        agree.settled(made)


def test_match_client_id(pair_of):
    """Where the subnet knows clients by their hardware address alone, a client that boots twice with
    different identifiers (a PXE ROM, then its system) is one client, at both servers; the bucket is
    that of the identifier all the same."""
    made = pair_of(kea={"match-client-id": False}).start(wait="NORMAL")
    ours, theirs = (next(bytes((0, n, 9)) for n in range(256)
                         if rfc3074.primary_serves(bytes((0, n, 9))) == primary)
                    for primary in (True, False))
    client = OURS[0]
    first = made.clients.do("discover", client, client_id=ours)
    assert made.server_at(first["server"]) is made.s1
    agree.settled(made)
    second = made.clients.do("discover", client, client_id=theirs)
    assert made.server_at(second["server"]) is made.s2
    assert (second["result"], second["address"]) == ("ack", first["address"])
    agree.settled(made)
    without = made.clients.do("discover", client, client_id=b"")
    assert (without["result"], without["address"]) == ("ack", first["address"])
    assert made.clients.do("renew", client, client_id=ours)["result"] == "ack"
    agree.settled(made)
    for server in (made.s1, made.s2):
        assert not any(row.get("client-id") for row in server.leases().values())
        assert agree.count_of(server, "active") == 1
    made.clients.do("release", client, client_id=theirs)
    agree.until(lambda: agree.count_of(made.s2, "active") or None)
    agree.settled(made)


def test_relay(pair_of):
    """Through a relay that sends to both servers: one answers, from the subnet of the relay."""
    pools = [{"id": 2, "subnet": "198.51.100.0/24",
              "pools": [{"pool": "198.51.100.10 - 198.51.100.59"}]}]
    kea = {"subnet4": [{"id": 1, "subnet": "192.0.2.0/24",
                        "pools": [{"pool": "192.0.2.10 - 192.0.2.59"}]}] + pools}
    made = pair_of(kea=kea, mclt=20).start(wait="NORMAL")
    for client, server in ((OURS[0], made.s1), (THEIRS[0], made.s2)):
        answer = made.clients.do("discover", client, giaddr="198.51.100.1")
        assert answer["address"].startswith("198.51.100.")
        assert made.server_at(answer["server"]) is server
        assert answered_by(made, client, "renew") == {server.name}
    assert made.clients.do("discover", OURS[1])["address"].startswith("192.0.2.")
    agree.settled(made)
    assert {row["subnet-id"] for row in made.s2.leases().values()} == {1, 2}


def test_both_offers(pair_of):
    """Urgent clients get two offers, of different addresses, take one, and the other is free for
    somebody else after offer-hold."""
    made = pair_of(pools=["192.0.2.10 - 192.0.2.13"], hook={"offer-hold": 1}).start(wait="NORMAL")
    agree.settled(made)
    agree.until(lambda: None if agree.count_of(made.s2, "available") else "not opened yet")
    since = time.time()
    made.clients.do("discover-only", OURS[0], secs=9)
    time.sleep(0.3)
    offers = [a["address"] for a in made.clients.said_to(OURS[0], since)]
    assert len(set(offers)) == 2
    assert made.clients.do("select", OURS[0])["result"] == "ack"
    time.sleep(1.2)
    clients = [OURS[1], THEIRS[0], THEIRS[1]]
    answers = made.clients.do_all("discover", clients, retransmit=True, timeout=20)
    assert len({a["address"] for a in agree.acknowledged(answers).values()}) == 3


def test_offer_lost(pair_of):
    """An offered address that the partner has asked back: the client is told so by a DHCPNAK and
    starts over, instead of repeating a REQUEST that nobody answers."""
    made = pair_of(pools=["192.0.2.10 - 192.0.2.15"]).start(wait="NORMAL")
    agree.settled(made)
    offer = made.clients.do("discover-only", THEIRS[0])
    assert made.server_at(offer["server"]) is made.s2
    agree.acknowledged(made.clients.do_all("discover", OURS[:3]))
    agree.until(lambda: "nothing is asked back" if agree.count_of(made.s2, "backup") > 1 else None)
    assert made.clients.do("select", THEIRS[0])["result"] == "nak"
    answer = made.clients.do("discover", THEIRS[0], retransmit=True, timeout=20)
    assert answer["result"] == "ack" and answer["address"] != offer["address"]
    agree.settled(made)


def test_unbounded_wish(pair_of):
    """What a client asks for changes nothing about the bound; a shorter wish is granted, and a
    shorter renewal does not shorten what is known of the lease."""
    made = pair_of(mclt=20, lifetime=600,
                   kea={"min-valid-lifetime": 10, "max-valid-lifetime": 4000}).start(wait="NORMAL")
    client = OURS[0]
    assert made.clients.do("discover", client, want=3000)["lease"] in (19, 20)
    agree.settled(made)
    longest = made.clients.do("renew", client, want=3000)
    assert 600 < longest["lease"] <= 3000
    agree.settled(made)
    shorter = made.clients.do("renew", client, want=15)
    assert shorter["lease"] == 15
    agree.settled(made)
    for server in (made.s1, made.s2):
        row = server.leases()[longest["address"]]
        assert agree.end_of(row) >= longest["t"] + longest["lease"] - 2


# ---- reservations (5.13, rule of safety 16 of the design) ----

def test_reservations(pair_of):
    """Reservations in the pool, for a client of either server, and outside it: each is given to its
    owner by the server of its bucket, to nobody else, and by the other server when that one is dead."""
    inside = {OURS[0]: "192.0.2.20", THEIRS[0]: "192.0.2.21"}
    outside = {OURS[1]: "192.0.2.250", THEIRS[1]: "192.0.2.251"}
    reserved = [{"hw-address": rfc3074.mac_of_client(client).hex(":"), "ip-address": address}
                for client, address in {**inside, **outside}.items()]
    subnet = {"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10 - 192.0.2.29"}],
              "reservations": reserved}
    made = pair_of(mclt=20, hook={"max-response-delay": 3, "offer-hold": 2},
                   kea={"subnet4": [subnet]}).start(wait="NORMAL")
    agree.settled(made)
    for client, address in {**inside, **outside}.items():
        answer = made.clients.do("discover", client, retransmit=True, timeout=10)
        assert (answer["result"], answer["address"]) == ("ack", address), client
        assert made.clients.do("renew", client)["address"] == address
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    # Eighteen addresses are left for everybody else.
    others = agree.acknowledged(made.clients.do_all("discover", OURS[2:8] + THEIRS[2:8],
                                                    retransmit=True, timeout=30))
    assert not {a["address"] for a in others.values()} & set(inside.values())
    for client in inside:
        made.clients.do("release", client)
    agree.until(lambda: None if agree.count_of(made.s1, "active") == 12 else "not released")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    made.s1.kill9()
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED")
    for client, address in inside.items():
        answer = made.clients.do("discover", client, secs=9)
        assert (answer["result"], answer["address"]) == ("ack", address), client
