# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What a lease says beside client and times (draft 7.1.1, 12.7, 12.8): host name and relay agent
information are the same on both servers, and after a takeover."""

from rig import agree, rfc3074

RELAY = "192.0.2.250"
AGENT = bytes([1, 4]) + b"sw-1" + bytes([2, 3]) + b"p/7"      # circuit and remote identifier


def details_of(server, address):
    """What a server's row says beside client and times."""
    row = server.command("lease4-get", {"ip-address": address})
    return {key: row.get(key) for key in ("hostname", "fqdn-fwd", "fqdn-rev", "user-context")}


def test_reach_the_partners_row(pair_of):
    """From either server to the other; a renewal without a name takes it away on both; a server
    that was away gets all of it."""
    made = pair_of(kea={"store-extended-info": True}).start(wait="NORMAL")
    clients = rfc3074.clients_of(True, 2) + rfc3074.clients_of(False, 2)
    leases = {}
    for number in clients:
        leases.update(agree.acknowledged({number: made.clients.do(
            "discover", number, giaddr=RELAY, option82=AGENT, host_name=f"pc{number}".encode())}))
    agree.settled(made)
    assert {made.server_at(a["server"]) for a in leases.values()} == {made.s1, made.s2}
    for number, answer in leases.items():
        ours, theirs = (details_of(server, answer["address"]) for server in (made.s1, made.s2))
        assert ours == theirs and ours["hostname"] == f"pc{number}"
        assert AGENT.hex().upper() in str(ours["user-context"])

    made.s2.kill9()
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED")
    named, nameless = clients[:2], clients[2:]
    for number in clients:
        made.clients.do("rebind", number, host_name=b"box" if number in named else b"")
    made.s2.start()
    made.wait_state("NORMAL")
    agree.settled(made)
    for number, answer in leases.items():
        for server in (made.s1, made.s2):
            got = details_of(server, answer["address"])
            assert got["hostname"] == ("box" if number in named else ""), server.name
            assert AGENT.hex().upper() in str(got["user-context"]), server.name
    assert nameless
