# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""One server in two relationships, with different partners, roles, modes and parameters, behind one
listener: each has its own state and connection. And ports and addresses as the urls say."""

import re
import time

import pytest

from rig import agree, netns, pair as pairs, rfc3074

CLIENTS = {True: rfc3074.clients_of(True, 6), False: rfc3074.clients_of(False, 6)}
RELAY = {1: None, 2: "198.51.100.1", 3: "203.0.113.1"}     # others than the first are behind a relay
SUBNETS = {1: {"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10 - 192.0.2.59"}]},
           2: {"id": 2, "subnet": "198.51.100.0/24",
               "pools": [{"pool": "198.51.100.10 - 198.51.100.59"}]},
           3: {"id": 3, "subnet": "203.0.113.0/24",
               "pools": [{"pool": "203.0.113.10 - 203.0.113.59"}]}}
HUB, WEST, EAST = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def relationship(own, primary, secondary, subnets, **more):
    """The entry of "high-availability" of one side; primary and secondary are (name, address)."""
    return {"this-server-name": own, "mode": "load-balancing", "subnets": subnets,
            "startup-delay": 2, "connect-retry-delay": 1, "max-response-delay": 4,
            "peers": [{"name": name, "url": f"tcp://{address}", "role": role}
                      for (name, address), role in ((primary, "primary"), (secondary, "secondary"))],
            **more}


class Hub:
    """hub, primary of west for subnet 1, and the standby of east, the active primary, for subnet 2."""

    def __init__(self, lab, threading):
        self.threading = threading
        self.segment = pairs.Segment(lab)
        self.hub, self.west, self.east = (
            self.segment.server(name, self.config_of(name, [1], [2]))
            for name in ("hub", "west", "east"))
        self.servers = {HUB: self.hub, WEST: self.west, EAST: self.east}
        for server in self.servers.values():
            server.start()
        self.clients = self.segment.start_clients()

    def config_of(self, name, of_west, of_east):
        """One server's configuration, with these subnets in the two relationships (or none of it)."""
        to_west = [("hub", HUB), ("west", WEST), of_west, {"max-client-lead-time": 20}]
        to_east = [("east", EAST), ("hub-of-east", HUB), of_east,
                   {"max-client-lead-time": 30, "mode": "hot-standby", "active": "east"}]
        mine = {"hub": [("hub", to_west), ("hub-of-east", to_east)], "west": [("west", to_west)],
                "east": [("east", to_east)]}[name]
        entries = [relationship(own, *of[:3], **of[3]) for own, of in mine if of[2]]
        subnets = sorted(number for _own, of in mine for number in of[2])
        return self.config(self.segment.subnet, self.threading, subnets, entries)

    def reload(self, name, *subnets):
        """With other subnets (see there)."""
        getattr(self, name).reload(self.config_of(name, *subnets))

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
        if RELAY[subnet]:   # which sends to servers that have the subnet
            keys.update(giaddr=RELAY[subnet], server=keys.get("server", [HUB, EAST]))
        answer = self.clients.do(verb, client, retransmit=True, timeout=10, **keys)
        assert answer["result"] == "ack", answer
        assert answer["address"].startswith(SUBNETS[subnet]["subnet"][:-4])
        return self.servers[answer["server"]], answer


def wait_normal(server):
    """All relationships of a server are in NORMAL, with addresses to give."""
    for status in server.command("failover-status-get")["relationships"]:
        server.wait_state("NORMAL", 20, status["name"])
        server.wait_status(lambda s: all(n["available"] for n in s["subnets"]), 10, status["name"])


@pytest.fixture
def star(lab, threading):
    """A hub with two partners, all in NORMAL with addresses to give."""
    made = Hub(lab, threading)
    try:
        for server in made.servers.values():
            wait_normal(server)
        yield made
    finally:
        made.segment.close()


def test_hub(star):
    """Each subnet is shared with its own partner, with that relationship's MCLT and roles; one
    partner's crash touches one relationship; there is one listener."""
    hub = star.hub
    listeners = netns.run(*netns.command_in(hub.namespace, "ss", "-Hltn", "sport = :647"))
    assert len(listeners.splitlines()) == 1, listeners
    for subnet, partner, mclt in ((1, star.west, 20), (2, star.east, 30)):
        for primarys in (True, False):
            server, lease = star.served_by(subnet, CLIENTS[primarys][subnet])
            assert server is (hub if subnet == 1 and primarys else partner)
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
        assert server is star.east
    star.west.start()
    hub.wait_state("NORMAL", 20, "hub-west")
    assert hub.failover("east-hub-of-east")["state-since"] == since
    assert hub.failover("east-hub-of-east")["connected"]


def test_one_partner_is_cut_off(star):
    """The network between the hub and one branch fails, and later the other's: each relationship goes
    through that alone, and clients of both subnets are served all the time."""
    for cut, name, other in ((star.west, "hub-west", "east-hub-of-east"),
                             (star.east, "east-hub-of-east", "hub-west")):
        since = star.hub.failover(other)["state-since"]
        star.segment.cut_clients(cut)
        star.hub.wait_state("COMMUNICATIONS-INTERRUPTED", 10, name)
        for subnet, client in ((1, 0), (2, 1)):
            server, _lease = star.served_by(subnet, CLIENTS[True][client], secs=9)
            assert server is not cut
        star.segment.cut_clients(cut, False)
        wait_normal(star.hub)
        assert star.hub.failover(other)["state-since"] == since


def test_a_relationship_comes_and_goes(star):
    """The hub's configuration loses a relationship, and has it again: the other one keeps its
    connection and serves its clients meanwhile, and the lost one its leases."""
    since = star.hub.failover("hub-west")["state-since"]
    load = range(100, 130)
    held = agree.acknowledged(star.clients.do_range("discover", load[0], load[-1], retransmit=True, timeout=20))

    def reload_under_load(*subnets):
        number = star.clients.order_range("rebind", load[0], load[-1], rate=20, retransmit=True, timeout=20)
        time.sleep(0.3)
        star.reload("hub", *subnets)
        for client, again in agree.acknowledged(star.clients.wait(number, load, 30)).items():
            assert again["address"] == held[client]["address"]
        assert not [a for a in star.clients.answers if a.get("result") == "nak"]
    _server, lease = star.served_by(2, CLIENTS[True][0])
    agree.until(lambda: None if lease["address"] in star.hub.leases() else "not at the hub")
    reload_under_load([1], [])
    star.east.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    server, _lease = star.served_by(1, CLIENTS[True][1])
    assert server is star.hub
    reload_under_load([1], [2])
    wait_normal(star.hub)
    star.east.kill9()
    star.hub.wait_state("COMMUNICATIONS-INTERRUPTED", 10, "east-hub-of-east")
    server, again = star.served_by(2, CLIENTS[True][0], "rebind")
    assert (server, again["address"]) == (star.hub, lease["address"])
    assert star.hub.failover("hub-west")["state-since"] == since


def test_a_subnet_moves(star):
    """A subnet is taken from one branch and given to the other while all run: its leases are told to
    the new partner, which renews them, and a lease of it is never given twice."""
    for name in ("west", "hub"):
        star.reload(name, [1, 3], [2])
    wait_normal(star.hub)
    wait_normal(star.west)
    for primarys in (True, False):      # of both servers' addresses
        agree.acknowledged(star.clients.do_all("discover", CLIENTS[primarys], giaddr=RELAY[3],
                                               server=[HUB, WEST], retransmit=True, timeout=20))
    held = star.clients.status()
    assert len(held) == 2 * len(CLIENTS[True])
    agree.until(lambda: agree.rows_differ(star.hub, star.west))
    star.reload("west", [1], [2])
    star.reload("hub", [1], [2, 3])
    star.hub.wait_log("FAILOVER_SHARED_ANEW east-hub-of-east: 50 addresses")
    star.reload("east", [1], [2, 3])
    wait_normal(star.hub)
    wait_normal(star.east)
    agree.until(lambda: next((f"{lease['address']} is not at east" for lease in held.values()
                              if lease["address"] not in star.east.leases()), None))
    star.hub.kill9()
    star.east.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    for client, lease in held.items():
        server, again = star.served_by(3, client, "rebind")
        assert (server, again["address"]) == (star.east, lease["address"])
    server, _lease = star.served_by(3, 999)
    assert server is star.east


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
