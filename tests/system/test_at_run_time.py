# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Reservations and subnets that commands change while the servers run: libdhcp_host_cmds and
libdhcp_subnet_cmds.  Of the Keas here only 3.0 has them; with others, SQL (test_hosts) and config-set
(test_reload) do the same."""

import time

import pytest

from rig import agree, rfc3074

from test_features import both_beside
from test_hosts import OURS, POOL, THEIRS, have_their_own, others_have_none, pair_with_hosts

pytestmark = pytest.mark.versions
KEA = "3.0"
HOOK = {"max-response-delay": 3, "offer-hold": 2}


def both(made, command, arguments):
    """The same command at both servers."""
    for server in (made.s1, made.s2):
        server.command(command, arguments)


def reserve(made, target, addresses):
    """Reservations by command: {client: address}."""
    for client, address in addresses.items():
        both(made, "reservation-add", {"operation-target": target, "reservation": {
            "subnet-id": 1, "ip-address": address, "hw-address": rfc3074.mac_of_client(client).hex(":")}})


def reserved(made, number):
    """Wait until both servers know of so many reservations, and agree."""
    for server in (made.s1, made.s2):
        agree.until(lambda s=server: None if agree.count_of(s, "reserved") == number else "another number")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))


@pytest.mark.parametrize("target", ["memory", "database"])
def test_reservations(pair_of, target):
    """A reservation-add at both servers: the addresses are their owners', nobody else has them, and no
    connection or configuration is made anew for it. One of them is leased by another client meanwhile,
    and is the owner's after that. After reservation-del they are everybody's again."""
    if target == "memory":
        made = pair_of(keas=(KEA, KEA), mclt=20, lifetime=600, pools=POOL, hook=HOOK)
    else:
        made = pair_with_hosts(pair_of, "mariadb", {}, keas=(KEA, KEA), start=False)
    both_beside(made, ("host_cmds", {})).start(wait="NORMAL")
    agree.settled(made)
    connections = [server.log().count("FAILOVER_CONNECTED") for server in (made.s1, made.s2)]
    stranger = OURS[10]
    taken = made.clients.do("discover", stranger)["address"]
    later = {OURS[2]: taken, THEIRS[2]: "192.0.2.38" if taken != "192.0.2.38" else "192.0.2.39"}
    agree.settled(made)
    reserve(made, target, later)
    time.sleep(1)
    made.clients.do("release", stranger)    # Kea would not renew it: it is reserved for another now
    reserved(made, len(later))
    others_have_none(made, OURS[4:7] + THEIRS[4:7], later)
    have_their_own(made, later)
    others_have_none(made, OURS[7:10] + THEIRS[7:10], later)
    agree.settled(made)
    for address in later.values():
        both(made, "reservation-del", {"subnet-id": 1, "ip-address": address, "operation-target": target})
    for client in later:
        made.clients.do("release", client)
    reserved(made, 0)
    agree.settled(made)
    wish = made.clients.do("discover", stranger, ask=taken, retransmit=True, timeout=20)
    assert wish["result"] == "ack"
    agree.settled(made)
    assert connections == [server.log().count("FAILOVER_CONNECTED") for server in (made.s1, made.s2)]


def test_subnets(pair_of):
    """subnet4-add, subnet4-delta-add (another pool), subnet4-del, at one server after the other: the
    new subnet's addresses are shared and leased by both servers; when it comes back, its leases are there.
    The connection stays."""
    made = both_beside(pair_of(keas=(KEA, KEA), mclt=20, lifetime=600, pools=POOL, hook=HOOK),
                       ("subnet_cmds", {})).start(wait="NORMAL")
    first = agree.acknowledged(made.clients.do_all("discover", OURS[:3] + THEIRS[:3]))
    agree.settled(made)
    connections = [server.log().count("FAILOVER_CONNECTED") for server in (made.s1, made.s2)]
    subnet = {"id": 2, "subnet": "198.51.100.0/24", "pools": [{"pool": "198.51.100.10-198.51.100.29"}]}
    more = {"id": 2, "subnet": "198.51.100.0/24", "pools": [{"pool": "198.51.100.50-198.51.100.69"}]}

    def shared(total):
        for server in (made.s1, made.s2):
            server.wait_status(lambda s: {n["subnet-id"]: n["total"] for n in s["subnets"]} == total and
                               all(n["available"] for n in s["subnets"]), 10, what=f"{total}")
        agree.until(lambda: agree.bindings_differ(made.s1, made.s2) or agree.rows_differ(made.s1, made.s2))
    both(made, "subnet4-add", {"subnet4": [subnet]})
    shared({1: 30, 2: 20})
    guests = OURS[4:7] + THEIRS[4:7]
    held = agree.acknowledged(made.clients.do_all("discover", guests, giaddr="198.51.100.1", retransmit=True))
    assert all(a["address"].startswith("198.51.100.") for a in held.values())
    assert {made.server_at(a["server"]).name for a in held.values()} == {"s1", "s2"}
    both(made, "subnet4-delta-add", {"subnet4": [more]})
    shared({1: 30, 2: 40})
    both(made, "subnet4-del", {"id": 2})
    shared({1: 30})
    agree.acknowledged(made.clients.do_all("renew", first))
    both(made, "subnet4-add", {"subnet4": [subnet]})
    shared({1: 30, 2: 20})
    again = agree.acknowledged(made.clients.do_all("renew", guests))
    assert {c: a["address"] for c, a in again.items()} == {c: a["address"] for c, a in held.items()}
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    assert connections == [server.log().count("FAILOVER_CONNECTED") for server in (made.s1, made.s2)]
