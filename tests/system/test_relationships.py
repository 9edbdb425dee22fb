# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""One server in two relationships, with different partners, roles and parameters, behind one
listener: each has its own state and connection. And ports and addresses as the urls say."""

import re
import time

import pytest

from rig import agree, netns, pair as pairs, rfc3074

CLIENTS = {True: rfc3074.clients_of(True, 6), False: rfc3074.clients_of(False, 6)}
RELAY = {1: None, 2: "198.51.100.1"}    # the second subnet is behind a relay
SUBNETS = {1: {"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10 - 192.0.2.59"}]},
           2: {"id": 2, "subnet": "198.51.100.0/24",
               "pools": [{"pool": "198.51.100.10 - 198.51.100.59"}]}}
HUB, WEST, EAST = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def relationship(own, primary, secondary, subnet, **more):
    """The entry of "high-availability" of one side; primary and secondary are (name, address)."""
    return {"this-server-name": own, "mode": "load-balancing", "subnets": [subnet],
            "startup-delay": 2, "connect-retry-delay": 1,
            "peers": [{"name": name, "url": f"tcp://{address}", "role": role}
                      for (name, address), role in ((primary, "primary"), (secondary, "secondary"))],
            **more}


class Hub:
    """hub, primary of west for subnet 1 and secondary of east for subnet 2."""

    def __init__(self, lab, threading):
        west = [("hub", HUB), ("west", WEST), 1]
        east = [("east", EAST), ("hub-of-east", HUB), 2]
        self.segment = pairs.Segment(lab)
        self.hub, self.west, self.east = (
            self.segment.server(name, self.config(self.segment.subnet, threading, subnets, entries))
            for name, subnets, entries in (
                ("hub", [1, 2],
                 [relationship("hub", *west, **{"max-client-lead-time": 20}),
                  relationship("hub-of-east", *east, **{"max-client-lead-time": 30})]),
                ("west", [1], [relationship("west", *west, **{"max-client-lead-time": 20})]),
                ("east", [2], [relationship("east", *east, **{"max-client-lead-time": 30})])))
        self.servers = {HUB: self.hub, WEST: self.west, EAST: self.east}
        for server in self.servers.values():
            server.start()
        self.clients = self.segment.start_clients()

    @staticmethod
    def config(network, threading, subnets, entries):
        """Kea's configuration of one server."""
        config = pairs.kea_config(network, threading=threading)
        config["subnet4"] = [SUBNETS[number] for number in subnets]
        config["hooks-libraries"] = [
            {"library": pairs.library(), "parameters": {"high-availability": entries}}]
        return config

    def states(self):
        """The hub's two states."""
        return [self.hub.failover(name)["state"] for name in ("hub-west", "east-hub-of-east")]

    def served_by(self, subnet, client, verb="discover", **keys):
        """Who acknowledges a lease in a subnet, and the lease."""
        if RELAY[subnet]:
            keys["giaddr"] = RELAY[subnet]
        answer = self.clients.do(verb, client, retransmit=True, timeout=10, **keys)
        assert answer["result"] == "ack", answer
        assert answer["address"].startswith("192.0.2." if subnet == 1 else "198.51.100.")
        return self.servers[answer["server"]], answer


@pytest.fixture
def star(lab, threading):
    """A hub with two partners, all in NORMAL with addresses to give."""
    made = Hub(lab, threading)
    try:
        for server in made.servers.values():
            for status in server.command("failover-status-get")["relationships"]:
                server.wait_state("NORMAL", 20, status["name"])
                server.wait_status(lambda s: s["subnets"][0]["available"], 10, status["name"])
        yield made
    finally:
        made.segment.close()


def test_hub(star):
    """Each subnet is shared with its own partner, with that relationship's MCLT and roles; one
    partner's crash touches one relationship; there is one listener."""
    hub = star.hub
    listeners = netns.run(*netns.command_in(hub.namespace, "ss", "-Hltn", "sport = :647"))
    assert len(listeners.splitlines()) == 1, listeners
    for subnet, partner, hub_is_primary, mclt in ((1, star.west, True, 20), (2, star.east, False, 30)):
        for primarys in (True, False):
            server, lease = star.served_by(subnet, CLIENTS[primarys][subnet])
            assert server is (hub if primarys == hub_is_primary else partner)
            assert mclt - 1 <= lease["lease"] <= mclt
            agree.until(lambda: None if lease["address"] in hub.leases().keys() &
                        partner.leases().keys() else "not on both")
    assert {status["role"] for status in hub.command("failover-status-get")["relationships"]} == \
        {"primary", "secondary"}
    shown = hub.command("status-get")["high-availability"]
    assert [entry["ha-servers"]["local"]["server-name"] for entry in shown] == ["hub", "hub-of-east"]

    since = hub.failover("east-hub-of-east")["state-since"]
    star.west.kill9()
    hub.wait_state("COMMUNICATIONS-INTERRUPTED", 10, "hub-west")
    assert star.states() == ["communications-interrupted", "normal"]
    for primarys in (True, False):
        server, _lease = star.served_by(1, CLIENTS[primarys][1], "rebind")
        assert server is hub
        server, _lease = star.served_by(2, CLIENTS[primarys][3])
        assert server is (star.east if primarys else hub)
    star.west.start()
    hub.wait_state("NORMAL", 20, "hub-west")
    assert hub.failover("east-hub-of-east")["state-since"] == since
    assert hub.failover("east-hub-of-east")["connected"]


def test_ports_and_addresses(pair_of):
    """Another port is listened on and called; a connection comes from the own url's address, though
    the host has others."""
    peers = [{"name": "s1", "url": "tcp://10.99.0.11:7001", "role": "primary"},
             {"name": "s2", "url": "tcp://10.99.0.12:7002", "role": "secondary"}]
    made = pair_of(hook={"peers": peers})
    for server, address in ((made.s1, "10.99.0.11/24"), (made.s2, "10.99.0.12/24")):
        netns.run("ip", "-n", server.namespace, "addr", "add", address, "dev", "fo0")
    made.start(wait="NORMAL")
    found = netns.run(*netns.command_in(made.s2.namespace, "ss", "-Htn", "state", "established"))
    assert re.search(r"10\.99\.0\.12:7002 +10\.99\.0\.11:\d+", found), found
    for server, place in ((made.s1, "10.99.0.11:7001"), (made.s2, "10.99.0.12:7002")):
        found = netns.run(*netns.command_in(server.namespace, "ss", "-Hltn"))
        assert place in found and ":647" not in found, found
    agree.acknowledged(made.clients.do_range("discover", 1, 5, retransmit=True, timeout=10))
    time.sleep(0.2)
    agree.settled(made)
