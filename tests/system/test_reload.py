# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Kea's configuration is loaded anew while clients come and go (rule of safety 15): the connection
stays where nothing on the wire changes, no lease is lost, and nobody is refused who would have been
served.  A server that is loading is deaf for a moment, so the clients here ask again, as clients do."""

import os
import signal
import time

import pytest

from rig import agree, pair as pairs, rfc3074
from rig.server import hooks_directory

HOLDERS = (1, 40)
HOOK = {"offer-hold": 2, "startup-delay": 1}


class Load:
    """Clients that renew, and new ones, while something else goes on."""

    def __init__(self, pair):
        self.pair = pair
        self.next = 100
        self.orders = []
        self.leases = agree.acknowledged(pair.clients.do_range("discover", *HOLDERS,
                                                               retransmit=True))
        agree.settled(pair)
        self.connections = self.seen()

    def seen(self):
        """What changes with a connection."""
        return [(server.failover()["connected"], server.failover()["state-since"],
                 server.log().count("FAILOVER_CONNECTED")) for server in (self.pair.s1, self.pair.s2)]

    def go_on(self, seconds=2, newcomers=4):
        """All holders rebind, and some new clients come, within these seconds."""
        for verb, first, last in (("rebind", *HOLDERS),
                                  ("discover", self.next, self.next + newcomers - 1)):
            if last < first:
                continue
            self.orders.append((range(first, last + 1), self.pair.clients.order_range(
                verb, first, last, rate=(last - first + 1) / seconds, retransmit=True, timeout=30)))
        self.next += newcomers

    def served(self):
        """Everybody was, none was refused, and who had an address has it still.  A test's own new clients are
        not meant: where free addresses are just shared anew, one that has but an offer may lose it (rule of safety
        1), and asks again.  That no holder is refused, the oracle sees of all."""
        for clients, number in self.orders:
            answers = agree.acknowledged(self.pair.clients.wait(number, clients, 40))
            for client, answer in answers.items():
                assert answer["address"] == self.leases.setdefault(client, answer)["address"], client
        self.orders.clear()
        refused = [a for a in self.pair.clients.answers
                   if a.get("result") == "nak" and a["client"] in self.leases]
        assert not refused, refused
        self.pair.clients.check()

    def settled(self):
        """Both servers agree, and know what clients hold.  (Kea counts nothing for a subnet that it had
        once, whose leases are still there.)"""
        one, two = self.pair.s1, self.pair.s2
        agree.until(lambda: agree.bindings_differ(one, two) or agree.rows_differ(one, two))
        agree.until(lambda: agree.held_unknown(self.pair))
        for server in (self.pair.s1, self.pair.s2):
            assert "PROTOCOL_ERROR" not in server.log()


def loaded_pair(pair_of, **options):
    """A pair in NORMAL, and its load."""
    hook = {**HOOK, **options.pop("hook", {})}
    made = pair_of(mclt=60, lifetime=600, hook=hook, **options).start(wait="NORMAL")
    return made, Load(made)


def fails(server, config):
    """A configuration that is refused, whoever does it."""
    answer = server.ask("config-set", {"Dhcp4": config}, timeout=20)
    assert answer["result"] == 1, answer


def with_script(server, script):
    """The server's configuration with Kea's run_script beside our library."""
    library = {"library": os.path.join(hooks_directory(), "libdhcp_run_script.so"),
               "parameters": {"name": script}}
    return pairs.merge(server.config,
                       {"hooks-libraries": [*server.config["hooks-libraries"], library]})


def test_every_way_to_load(pair_of):
    """config-reload, config-set, SIGHUP, libreload; parameters of ours that are refused."""
    made, load = loaded_pair(pair_of)
    for server in (made.s1, made.s2):
        load.go_on()
        server.reload()
        server.command("config-set", {"Dhcp4": server.config})
        loaded = server.log().count("DHCP4_DYNAMIC_RECONFIGURATION_SUCCESS")
        server.process.send_signal(signal.SIGHUP)
        server.wait_log("DHCP4_DYNAMIC_RECONFIGURATION_SUCCESS", count=loaded + 1)
        if server.kea.number < (2, 6):      # there is none any more
            server.command("libreload")
        load.served()
        *others, ours = server.config["hooks-libraries"]
        load.go_on()
        fails(server, pairs.merge(server.config, {"hooks-libraries": [
            *others, {**ours, "parameters": {"high-availability": []}}]}))
        load.served()
    assert load.seen() == load.connections
    load.settled()


def test_failed_configuration(pair_of):
    """Where a configuration fails in Kea or in another library, Kea listens nowhere (3.0: or has no lease
    database): the partner hears of it at once and serves all clients, until a configuration is loaded that does
    not fail.  Kea 2.6 goes on as before where it finds the fault early."""
    made, load = loaded_pair(pair_of)
    server, other = made.s1, made.s2
    for change in ({"hooks-libraries": with_script(server, "/nonexistent")["hooks-libraries"]},
                   {"subnet4": [{"id": 1, "subnet": "192.0.2.0/24",
                                 "pools": [{"pool": "198.51.100.1 - 198.51.100.9"}]}]},
                   {"interfaces-config": {"interfaces": ["nowhere"]}}):
        load.go_on()
        fails(server, pairs.merge(server.config, change))
        if "subnet4" in change and server.kea.number == (2, 6):
            load.served()
            assert load.seen()[1][0] and other.failover()["state"] == "normal"
            continue
        other.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=4)
        assert other.failover()["partner-state"] == "paused"
        load.served()
        server.reload()
        made.wait_state("NORMAL", timeout=20)
        load.settled()
    assert "FAILOVER_PAUSED" in server.log()


@pytest.mark.kea_before(2, 6)      # which has no libreload
def test_unloaded(pair_of, lab):
    """libreload, and another library does not load any more: Kea goes on without us, with open sockets.
    It serves nobody then, and says why, until a configuration is loaded."""
    script = os.path.join(lab.workdir, "script")
    with open(script, "w", encoding="ascii") as out:
        out.write("#!/bin/sh\n")
    os.chmod(script, 0o755)
    made, load = loaded_pair(pair_of)
    server = made.s1
    server.command("config-set", {"Dhcp4": with_script(server, script)})
    os.unlink(script)
    since = time.time()
    assert server.ask("libreload")["result"] == 1
    assert server.ask("failover-status-get")["result"] == 2     # there is no such command
    load.go_on()
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=4)
    load.served()
    own = {a["server"] for client in load.leases for a in made.clients.said_to(client, since)
           if a.get("server")}
    assert own == {made.address(2)}
    assert server.log().count("FAILOVER_NOT_LOADED") == 1
    server.reload()
    made.wait_state("NORMAL", timeout=20)
    load.go_on()
    load.served()
    load.settled()


def test_pools_and_subnets(pair_of):
    """Pools and subnets come and go on one server after the other; who holds an address elsewhere does
    not notice, and the connection stays.  A pool that comes back has its leases."""
    made, load = loaded_pair(pair_of, pools=["192.0.2.10 - 192.0.2.109"])
    more = ["192.0.2.10 - 192.0.2.109", "192.0.2.150 - 192.0.2.169"]
    other = {"id": 2, "subnet": "198.51.100.0/24", "pools": [{"pool": "198.51.100.10-198.51.100.29"}]}

    def give(pools, subnets):
        made.pools = pools
        for server in (made.s1, made.s2):
            load.go_on(1, 2)
            config = made.config_of(server.name)
            config["subnet4"] += subnets
            server.reload(config)
            load.served()
        load.settled()

    give(more, [other])
    guests = rfc3074.clients_of(True, 3, first=500) + rfc3074.clients_of(False, 3, first=500)
    for server in (made.s1, made.s2):
        server.wait_status(lambda s: all(n["available"] for n in s["subnets"]), 10)
    held = agree.acknowledged(made.clients.do_all("discover", guests, giaddr="198.51.100.1",
                                                  retransmit=True))
    assert all(a["address"].startswith("198.51.100.") for a in held.values())
    load.settled()
    give(more[:1], [])
    give(more, [other])
    again = agree.acknowledged(made.clients.do_all("renew", guests))
    assert {c: a["address"] for c, a in again.items()} == {c: a["address"] for c, a in held.items()}
    assert load.seen() == load.connections
    agree.settled(made)


def test_division(pair_of):
    """Another division of the clients: told by a new connection, from which on both go by it."""
    made, load = loaded_pair(pair_of)
    made.hook = {**made.hook, "load-balance-percent": 20}
    for server in (made.s2, made.s1):
        load.go_on(3)
        server.reload(made.config_of(server.name))
        made.wait_state("NORMAL", timeout=20)
        load.served()
    made.s2.wait_status(lambda s: s["buckets"] == 256 - 51, 10)
    assert made.s1.failover()["buckets"] == 51
    for primarys in (True, False):
        answer = made.clients.do("discover", rfc3074.clients_of(primarys, 1, percent=20, first=600)[0],
                                 retransmit=True)
        assert made.server_at(answer["server"]) is (made.s1 if primarys else made.s2)
    load.settled()


def exchanged(made):
    """Both servers' parameters with the roles exchanged."""
    peers = [{"name": "s1", "url": "tcp://10.99.0.1", "role": "secondary"},
             {"name": "s2", "url": "tcp://10.99.0.2", "role": "primary"}]
    made.hook = {**made.hook, "peers": peers}


def test_exchanged_roles(pair_of):
    """Primary and secondary exchange their roles, by a reload and by a restart, one after the other.
    In between both have the same role: neither takes the other's free addresses for its own."""
    made, load = loaded_pair(pair_of, hook={"relationship-name": "pair"},
                             pools=["192.0.2.10 - 192.0.2.79"])
    exchanged(made)
    made.s1.reload(made.config_of("s1"))
    made.s1.wait_log("FAILOVER_SHARED_ANEW pair: 70 addresses")
    for server in (made.s1, made.s2):
        server.wait_state("COMMUNICATIONS-INTERRUPTED")
    # Both servers are asked for as many addresses as they have.
    made.clients.do_range("discover", 100, 139, rate=100, timeout=1)
    made.s2.stop()
    made.s2.configure(made.config_of("s2"))
    made.s2.start()
    made.s2.wait_log("FAILOVER_SHARED_ANEW pair: 70 addresses")
    made.wait_state("NORMAL", timeout=20)
    load.settled()
    assert (made.s1.failover()["role"], made.s2.failover()["role"]) == ("secondary", "primary")
    load.next = 200
    load.go_on(1, 0)
    load.served()


def test_not_at_run_time(pair_of):
    """Another state file is for the next start, and that is said."""
    made, load = loaded_pair(pair_of)
    file = made.s1.failover()["parameters"]["state-file"]
    made.hook_sides["s1"] = {"state-file": file + "2"}
    made.s1.reload(made.config_of("s1"))
    made.s1.wait_log(f"FAILOVER_CONFIG_WARNING state-file: the change to {file}2 takes effect when Kea "
                     "is restarted")
    assert load.seen() == load.connections and not os.path.exists(file + "2")
