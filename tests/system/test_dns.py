# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Names in DNS (draft 5.12), with kea-dhcp-ddns at each server and Debian's named: entered once, by the
server that gives the lease; kept by the other one; removed once, by the one that ends it."""

import pytest

from rig import agree, dns, rfc3074

CLIENTS = rfc3074.clients_of(True, 5) + rfc3074.clients_of(False, 5)
EITHER = pytest.mark.parametrize("primary", [True, False], ids=["s1", "s2"])


def named_pair(pair_of, **options):
    """A running pair with DNS."""
    made = pair_of(mclt=20, kea=dns.KEA, **options)
    names = dns.Names(made)
    return made.start(wait="NORMAL"), names


def host(client):
    """The client's host name."""
    return f"pc{client}"


def lease_all(made, names):
    """All clients lease an address, and their names are in DNS; returns {client: address}."""
    leases = {}
    for client in CLIENTS:
        answer = made.clients.do("discover", client, host_name=host(client).encode())
        assert answer["result"] == "ack"
        leases[client] = answer["address"]
    for client, address in leases.items():
        names.wait(host(client), address, True)
    names.wait_count("ADD", len(leases))
    return leases


def gone(made, names, leases):
    """No lease and no name is left."""
    return next((f"{host(client)} is {names.has(host(client), address)}"
                 for client, address in leases.items()
                 if names.has(host(client), address) is not False), None) or \
        next((f"{server.name} has rows" for server in (made.s1, made.s2) if server.leases()), None)


@EITHER
def test_the_other_server_takes_over(pair_of, primary):
    """The lease is given by one server, which dies; renewed by the other the name stays, and is not
    entered again; released there it is removed, and not once more when the dead one is back."""
    made, names = named_pair(pair_of)
    giver, other = (made.s1, made.s2) if primary else (made.s2, made.s1)
    client = CLIENTS[0 if primary else -1]
    answer = made.clients.do("discover", client, host_name=host(client).encode())
    assert made.server_at(answer["server"]) is giver
    names.wait(host(client), answer["address"], True)
    agree.settled(made)
    rows = [server.command("lease4-get", {"ip-address": answer["address"]})
            for server in (made.s1, made.s2)]
    for row in rows:
        assert row["hostname"] == f"{host(client)}.{dns.ZONE}" and row["fqdn-fwd"] and row["fqdn-rev"]

    giver.kill9()
    other.wait_state("COMMUNICATIONS-INTERRUPTED")
    again = made.clients.do("rebind", client)
    assert again["result"] == "ack" and made.server_at(again["server"]) is other
    names.wait_count("ADD", 1)
    names.wait_count("REMOVE", 0)
    assert names.has(host(client), answer["address"]) is True
    made.clients.do("release", client)
    names.wait(host(client), answer["address"], False)
    giver.start()
    made.wait_state("NORMAL")
    agree.settled(made)
    names.wait_count("ADD", 1)
    names.wait_count("REMOVE", 1)


def test_expired_names_are_removed_once(pair_of):
    """Leases of both servers end at the same moment on both: each name is removed once."""
    made, names = named_pair(pair_of, lifetime=5)
    leases = lease_all(made, names)
    agree.until(lambda: gone(made, names, leases), timeout=20)
    agree.settled(made)
    names.wait_count("REMOVE", len(leases))


def test_leases_that_end_while_the_servers_are_apart(pair_of):
    """No name is removed while nobody can make an address free; each is, once, when they have met."""
    made, names = named_pair(pair_of, lifetime=5)
    leases = lease_all(made, names)
    agree.settled(made)
    made.s2.kill9()
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED")
    agree.until(lambda: f"rows {made.s1.leases()}" if made.s1.leases() else None)
    assert names.count("REMOVE") == 0
    assert all(names.has(host(client), address) is True for client, address in leases.items())
    made.s2.start()
    made.wait_state("NORMAL")
    agree.until(lambda: gone(made, names, leases), timeout=20)
    agree.settled(made)
    names.wait_count("REMOVE", len(leases))
