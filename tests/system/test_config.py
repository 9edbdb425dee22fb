# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The parameters as an operator meets them: defaults, what is refused and how, what a new
configuration does to a running pair, and what partners have differently."""

import copy
import json
import os
import re
import time

import pytest

from rig import agree, pair as pairs, rfc3074
from rig.server import CommandError

DEFAULTS = {
    "mode": "load-balancing", "relationship-name": "s1-s2", "subnets": [],
    "max-client-lead-time": 3600, "load-balance-percent": 50, "load-balance-max-seconds": 3,
    "contact-interval": None, "max-response-delay": 60, "startup-delay": 15,
    "connect-retry-delay": 5, "max-unacked-updates": 600, "offer-hold": 30, "max-clock-skew": 60,
    "digest": "none", "auto-partner-down": 0, "partner-down-lease-time": "full",
    "startup-without-partner": "auto", "hash-input": "client-identifier",
    "normal-renewals": "any", "lease-growth": "full", "interrupted-lease-time": "mclt",
    "interrupted-use-partner-addresses": False}

# Parameters laid over good ones, and what the refusal must say: key, value and what would be right.
WRONG = [
    ({"mode": "standby"}, r'mode: "standby" .*load-balancing or hot-standby'),
    ({"mode": "hot-standby", "load-balance-percent": 50}, r"load-balance-percent: 50 .*use active"),
    ({"mode": "hot-standby", "load-balance-max-seconds": 3}, r"load-balance-max-seconds: 3 .*leave"),
    ({"mode": "hot-standby", "active": "s3"}, r'active: "s3" .*name of one of the two peers'),
    ({"mode": "hot-standby", "reserve-percent": 101}, r"reserve-percent: 101 .*0 to 100"),
    ({"active": "s1"}, r'active: "s1" .*use load-balance-percent'),
    ({"reserve-percent": 5}, r"reserve-percent: 5 .*in mode load-balancing .*leave it out"),
    ({"mode": "passive-backup"}, r'mode: "passive-backup" .*libdhcp_ha'),
    ({"mode": None}, r"mode is missing: must be load-balancing"),
    ({"this-server-name": "s3"}, r'this-server-name: "s3" .*"s1" or "s2"'),
    ({"this-server-name": None}, r"this-server-name is missing"),
    ({"relationship-name": ""}, r'relationship-name: "" .*1 to 255'),
    ({"peers": None}, r"peers is missing: .*two maps"),
    ({"peers": []}, r"peers: \[\] .*exactly two"),
    ({"subnets": []}, r"subnets: \[\] .*at least one subnet id"),
    ({"subnets": ["1"]}, r'subnets: "1" .*whole number'),
    ({"subnets": [7]}, r"subnets: 7 .*id of a subnet of this server"),
    ({"subnets": [1, 1]}, r"subnets: 1 .*twice"),
    ({"max-client-lead-time": 9}, r"max-client-lead-time: 9 .*10 to 2592000 seconds"),
    ({"max-client-lead-time": 2592001}, r"max-client-lead-time: 2592001 .*10 to 2592000 seconds"),
    ({"max-client-lead-time": "60"}, r'max-client-lead-time: "60" .*whole number'),
    ({"load-balance-percent": 101}, r"load-balance-percent: 101 .*0 to 100"),
    ({"load-balance-percent": 33.3}, r"load-balance-percent: 33\.3 .*whole number"),
    ({"load-balance-max-seconds": 65536}, r"load-balance-max-seconds: 65536 .*0 to 65535 seconds"),
    ({"contact-interval": 0}, r"contact-interval: 0 .*1 to 1200 seconds"),
    ({"contact-interval": 60}, r"contact-interval: 60 .*shorter than max-response-delay"),
    ({"max-response-delay": 60000}, r"max-response-delay: 60000 .*3 to 3600 seconds.*milliseconds"),
    ({"startup-delay": -1}, r"startup-delay: -1 .*0 to 3600 seconds"),
    ({"connect-retry-delay": 0}, r"connect-retry-delay: 0 .*1 to 60 seconds"),
    ({"max-unacked-updates": 0}, r"max-unacked-updates: 0 .*1 to 600"),
    ({"offer-hold": 0}, r"offer-hold: 0 .*1 to 3600 seconds"),
    ({"max-clock-skew": True}, r"max-clock-skew: true .*0 to 86400 seconds"),
    ({"auto-partner-down": True}, r"auto-partner-down: true .*0 to 2592000 seconds"),
    ({"partner-down-lease-time": 600}, r'partner-down-lease-time: 600 .*"full" .*or "mclt"'),
    ({"startup-without-partner": "some"}, r'startup-without-partner: "some" .*"auto", "known"'),
    ({"state-file": "kea.failover"}, r'state-file: "kea.failover" .*absolute path'),
    ({"no-such-key": 1}, r"no-such-key: 1 .*unknown key; the keys here are: this-server-name"),
    ({"heartbeat-delay": 10000}, r"heartbeat-delay: 10000 .*libdhcp_ha; use contact-interval"),
    ({"max-ack-delay": 10000}, r"max-ack-delay: 10000 .*libdhcp_ha; use load-balance-max-seconds"),
    ({"max-unacked-clients": 5}, r"max-unacked-clients: 5 .*libdhcp_ha; .*leave it out"),
    ({"send-lease-updates": True}, r"send-lease-updates: true .*always sends .*leave it out"),
    ({"multi-threading": {}}, r"multi-threading: \{\} .*libdhcp_ha; .*leave it out"),
    ({"mclt": 60}, r"mclt: 60 .*use max-client-lead-time"),
    ({"subnet6": []}, r"subnet6: \[\] .*DHCPv4 only"),
]
WRONG_PEERS = [
    ({"url": "http://10.99.0.1:8000/"}, r"peers\[0\].url: .*http.*libdhcp_ha.*tcp://address"),
    ({"url": "tcp://server1"}, r'peers\[0\].url: "tcp://server1" .*IPv4 address'),
    ({"url": "tcp://10.99.0.1:0"}, r"peers\[0\].url: .*port from 1 to 65535"),
    ({"url": "tcp://[2001:db8::1]"}, r"peers\[0\].url: .*DHCPv4 only"),
    ({"url": None}, r"peers\[0\].url is missing"),
    ({"role": "standby"}, r'peers\[0\].role: "standby" .*only in mode hot-standby'),
    ({"role": "secondary"}, r"peers\[1\].role: .*one peer must be the primary"),
    ({"name": "s2"}, r"peers\[1\].name: .*different names"),
    ({"auto-failover": True}, r"peers\[0\].auto-failover: true .*libdhcp_ha"),
]


def hook_of(config):
    """The parameters of our library in a configuration of Kea, to be changed in place."""
    return next(lib for lib in config["hooks-libraries"]
                if "failover" in lib["library"])["parameters"]["high-availability"][0]


def wrong_configs(server):
    """(configuration, pattern of the refusal) for each wrong value."""
    for change, pattern in WRONG:
        config = copy.deepcopy(server.config)
        changed = pairs.merge(hook_of(config), change)
        hook_of(config).clear()
        hook_of(config).update(changed)
        yield config, pattern
    for change, pattern in WRONG_PEERS:
        config = copy.deepcopy(server.config)
        peers = hook_of(config)["peers"]
        peers[0] = pairs.merge(peers[0], change)
        yield config, pattern


def refusal(server, command, config):
    """Kea's error to config-set or config-test."""
    answer = server.ask(command, {"Dhcp4": config})
    assert answer["result"] == 1, (command, answer)
    return answer["text"]


def test_defaults(pair_of):
    """With nothing but what must be there, each parameter has the default that is written down, and
    the state file is beside the lease file."""
    bare = {key: None for key in ("max-client-lead-time", "startup-delay", "connect-retry-delay",
                                  "state-file")}
    made = pair_of(hook=bare)
    made.s1.start()
    shown = made.s1.failover()["parameters"]
    assert {key: shown[key] for key in DEFAULTS} == DEFAULTS
    assert shown["this-server-name"] == "s1"
    assert [(p["name"], p["role"]) for p in shown["peers"]] == [("s1", "primary"),
                                                                ("s2", "secondary")]
    assert shown["state-file"] == made.s1.lease_file + ".failover"
    assert shown.keys() == DEFAULTS.keys() | {"this-server-name", "peers", "state-file"}
    beside = {name for name in os.listdir(made.s1.directory) if "failover" in name}
    assert beside == {"kea-leases4.csv.failover"}


def test_every_wrong_value(pair_of):
    """Each is refused by config-set and by config-test with key, value and what would be right; the
    configuration that was there works on, and the connection lives."""
    made = pair_of().start(wait="NORMAL")
    connected = made.s1.log().count("FAILOVER_CONNECTED")
    for config, pattern in wrong_configs(made.s1):
        tested = refusal(made.s1, "config-test", config)
        assert re.search(pattern, tested), (pattern, tested)
        text = refusal(made.s1, "config-set", config)
        assert re.search(pattern, text), (pattern, text)
    assert made.s1.command("config-get")["Dhcp4"]["valid-lifetime"] == 3600
    made.wait_state("NORMAL", 5)
    agree.acknowledged(made.clients.do_range("discover", 1, 10))
    agree.settled(made)
    assert made.s1.log().count("FAILOVER_CONNECTED") == connected
    assert "FAILOVER_COMMUNICATIONS_INTERRUPTED" not in made.s1.log() + made.s2.log()


def test_wrong_at_start(pair_of):
    """Kea does not start with wrong parameters, and its log says why."""
    made = pair_of(hook={"heartbeat-delay": 10000})
    made.s1.start(wait=False)
    assert made.s1.process.wait(20) != 0
    assert "heartbeat-delay: 10000" in made.s1.log()
    assert "use contact-interval" in made.s1.log()


def two_relationships(server, subnets_of_two, **more):
    """The server's configuration with a second relationship (of other peers) for some subnets."""
    config = pairs.merge(server.config, more)
    first = hook_of(config)
    first["subnets"] = [1]
    second = pairs.merge(first, {"subnets": subnets_of_two, "this-server-name": "hub",
                                 "peers": [{"name": "hub", "url": "tcp://10.99.0.1",
                                            "role": "primary"},
                                           {"name": "branch", "url": "tcp://10.99.0.9",
                                            "role": "secondary"}]})
    next(lib for lib in config["hooks-libraries"]
         if "failover" in lib["library"])["parameters"]["high-availability"].append(second)
    return config


def subnet(number, pools):
    """One of Kea's subnets."""
    return {"id": number, "subnet": f"198.51.{number}.0/24",
            "pools": [{"pool": f"198.51.{number}.{pool}"} for pool in pools]}


def test_subnets(pair_of):
    """A subnet in two relationships, a shared network of two (or of one and none), pools that
    overlap: refused by config-test, too, with the subnets' names."""
    made = pair_of()
    server = made.s1
    server.start()
    one, two = server.config["subnet4"][0], subnet(2, ["10 - 198.51.2.20"])
    shared = {"subnet4": [], "shared-networks": [{"name": "both", "subnet4": [one, two]}]}
    twice = two_relationships(server, [1, 2], subnet4=[one, two])
    across = two_relationships(server, [2], **shared)
    half = pairs.merge(server.config, shared)
    hook_of(half)["subnets"] = [2]
    for config, pattern in (
            (twice, r"relationship 'hub-branch': subnets: 1 .*relationship 's1-s2' has it"),
            (across, r"subnets: 2 .*subnet 1 of the same shared network .*'s1-s2'"),
            (half, r"subnets: 2 .*without subnet 1 of the same shared network")):
        assert re.search(pattern, refusal(server, "config-test", config))
        assert re.search(pattern, refusal(server, "config-set", config))
    good = two_relationships(server, [2], subnet4=[one, two])
    assert server.ask("config-test", {"Dhcp4": good})["result"] == 0
    server.command("config-set", {"Dhcp4": good})
    assert {s["name"] for s in server.command("failover-status-get")["relationships"]} == \
        {"s1-s2", "hub-branch"}


def test_neighbours(pair_of):
    """Kea's own libdhcp_ha beside ours, or ours named twice, is refused."""
    made = pair_of()
    made.s1.start()
    ours = made.s1.config["hooks-libraries"][-1]
    twice = pairs.merge(made.s1.config, {"hooks-libraries": [ours, ours]})
    assert "2 times" in refusal(made.s1, "config-set", twice)
    beside = os.path.join(os.path.dirname(made.s1.config["hooks-libraries"][0]["library"]),
                          "libdhcp_ha.so")
    both = pairs.merge(made.s1.config, {"hooks-libraries": [{"library": beside}, ours]})
    assert "cannot be loaded beside libdhcp_ha_failover.so" in refusal(made.s1, "config-test", both)


def test_the_primary_wins(pair_of):
    """MCLT and division of the primary are used; the secondary warns and names both."""
    made = pair_of(hook_s1={"max-client-lead-time": 30, "load-balance-percent": 70},
                   hook_s2={"max-client-lead-time": 40, "load-balance-percent": 50},
                   ).start(wait="NORMAL")
    log = made.s2.log()
    assert "the primary's max-client-lead-time of 30 s is used, not the configured 40 s" in log
    assert re.search(r"FAILOVER_DIVISION_DIFFERS .*\(77 of 256 buckets here\).*\(128\)", log)
    assert "_DIFFERS" not in made.s1.log()
    assert made.s1.failover()["mclt"] == made.s2.failover()["mclt"] == 30
    assert made.s1.failover()["buckets"] == 179 and made.s2.failover()["buckets"] == 77
    client = rfc3074.clients_of(False, 1, percent=70)[0]
    answer = made.clients.do("discover", client, retransmit=True)
    assert made.server_at(answer["server"]) is made.s2 and 29 <= answer["lease"] <= 30


def test_reload(pair_of):
    """config-reload keeps the connection where nothing on the wire changed, and makes it anew where
    something did; what a failing one leaves behind works on."""
    made = pair_of(mclt=60).start(wait="NORMAL")
    since = made.s1.failover()["state-since"]
    lease = made.clients.do("discover", rfc3074.clients_of(True, 1)[0])
    for name, hook in (("s1", {"load-balance-max-seconds": 9, "offer-hold": 5}),
                       ("s2", {"startup-delay": 1, "max-clock-skew": 0})):
        made.hook = hook
        server = getattr(made, name)
        server.reload(made.config_of(name))
        assert server.failover()["parameters"].items() >= hook.items()
        assert made.s1.failover()["connected"] and made.s2.failover()["connected"]
    assert made.s1.failover()["state-since"] == since
    assert made.clients.do("renew", rfc3074.clients_of(True, 1)[0])["address"] == lease["address"]
    made.hook = {"max-client-lead-time": 90}
    made.s1.reload(made.config_of("s1"))
    made.s2.wait_status(lambda status: status["mclt"] == 90 and status["state"] == "normal", 10)
    made.s1.wait_state("NORMAL", 10)
    assert "FAILOVER_CONFIG_CHANGED s1-s2: the connection to the partner is made anew" in \
        made.s1.log()
    assert "PROTOCOL_ERROR" not in made.s1.log() + made.s2.log()
    agree.settled(made)


def test_removed(pair_of):
    """A configuration without the library: the partner is told after a while that this server is
    none any more; with it again, both return to NORMAL."""
    made = pair_of(mclt=60).start(wait="NORMAL")
    config = made.s2.config
    made.s2.command("config-set", {"Dhcp4": pairs.merge(config, {"hooks-libraries": [
        config["hooks-libraries"][0]]})})
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    time.sleep(3)
    assert made.s1.failover()["state"] == "communications-interrupted"
    made.s2.command("config-set", {"Dhcp4": config})
    made.wait_state("NORMAL", 20)
    agree.acknowledged(made.clients.do_range("discover", 1, 10))
    agree.settled(made)


def test_row_behind_our_back(pair_of):
    """A lease that somebody puts over an address which the servers know to be free, while the
    library is away, with an older date than what they know, is taken away and reported when it is
    back."""
    made = pair_of(mclt=60).start(wait="NORMAL")
    client = rfc3074.clients_of(True, 1)[0]
    address = made.clients.do("discover", client)["address"]
    agree.settled(made)
    made.clients.do("release", client)
    agree.until(lambda: made.s2.leases() or None)
    agree.settled(made)
    config = made.s2.config
    made.s2.command("config-set", {"Dhcp4": pairs.merge(config, {"hooks-libraries": [
        config["hooks-libraries"][0]]})})
    made.s2.command("lease4-add", {"ip-address": address, "hw-address": "02:aa:00:00:00:01",
                                   "subnet-id": 1, "valid-lft": 3600,
                                   "expire": int(time.time()) + 60})
    assert address in made.s2.leases()
    made.s2.command("config-set", {"Dhcp4": config})
    made.s2.wait_log(f"FAILOVER_ROW_REMOVED s1-s2: Kea's lease of {address} is removed: the two "
                     "servers know the address as FREE")
    agree.until(lambda: made.s2.leases() or None)
    agree.settled(made)


def test_lease_commands(pair_of):
    """What a lease command does to the rows of one server behind the service's back is undone at once,
    and reported: a lease added where the servers know a free address, whichever's it is; a binding's
    row changed, or deleted by its address, by its client, or with all of the subnet."""
    made = pair_of(mclt=60).start(wait="NORMAL")
    client = rfc3074.clients_of(True, 1)[0]
    address = made.clients.do("discover", client)["address"]
    agree.settled(made)
    row = made.s1.leases()[address]
    hosts = [host for host in range(10, 210) if f"192.0.2.{host}" != address]
    added = [f"192.0.2.{host}" for host in hosts[:3] + hosts[-3:]]
    for one in added:
        made.s2.command("lease4-add", {"ip-address": one, "hw-address": "02:aa:00:00:00:01",
                                       "subnet-id": 1, "valid-lft": 3600})
    for one in added:
        made.s2.wait_log(f"FAILOVER_ROW_REMOVED s1-s2: Kea's lease of {one} is removed: ")
    log = made.s2.log()
    assert "know the address as FREE" in log and "know the address as BACKUP" in log
    agree.until(lambda: set(made.s2.leases()) ^ {address} or None)
    agree.settled(made)

    known = f"FAILOVER_ROW_RESTORED s1-s2: Kea's lease of {address} is written again after "
    made.s1.command("lease4-update", {"ip-address": address, "hw-address": "02:aa:00:00:00:01",
                                      "subnet-id": 1, "valid-lft": 7})
    made.s1.wait_log(known + "lease4-update: the two servers know the address as ACTIVE")
    agree.settled(made)
    made.s1.command("lease4-del", {"ip-address": address})
    made.s1.wait_log(known + "lease4-del")
    agree.settled(made)
    made.s1.command("lease4-del", {"subnet-id": 1, "identifier-type": "hw-address",
                                   "identifier": row["hw-address"]})
    made.s1.wait_log("FAILOVER_ROWS_RESTORED Kea's leases of 1 addresses are written again after "
                     "lease4-del")
    agree.settled(made)
    made.s2.command("lease4-wipe", {"subnet-id": 1})
    made.s2.wait_log("FAILOVER_ROWS_RESTORED Kea's leases of 1 addresses are written again after "
                     "lease4-wipe")
    agree.settled(made)
    for server in (made.s1, made.s2):
        assert abs(agree.end_of(server.leases()[address]) - agree.end_of(row)) <= 1
        assert server.leases()[address]["hw-address"] == row["hw-address"]
    assert made.clients.do("renew", client)["address"] == address
    agree.settled(made)


# ---- pools ----

def pools_text(server):
    """What the last warning about pools says: (only here, only there)."""
    found = re.findall(r"FAILOVER_POOLS_DIFFER .*only here: (.*); only there: (.*)",
                       server.log())
    return found[-1] if found else None


def test_different_pools(pair_of):
    """Each side names the addresses that only one of them has, at the handshake and after a reload
    of either, over the connection that there is; and says when they are equal again."""
    made = pair_of(kea_s2={"subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "pools": [
        {"pool": "192.0.2.5 - 192.0.2.99"}, {"pool": "192.0.2.100 - 192.0.2.180"},
        {"pool": "192.0.2.182 - 192.0.2.209"}]}]}).start(wait="NORMAL")
    assert pools_text(made.s1) == ("192.0.2.181", "192.0.2.5 - 192.0.2.9")
    assert pools_text(made.s2) == ("192.0.2.5 - 192.0.2.9", "192.0.2.181")

    same = "FAILOVER_CONFIG_CHANGED s1-s2: the pools are the same on both servers"
    made.kea_sides["s2"] = None
    made.s2.reload(made.config_of("s2"))
    for server in (made.s1, made.s2):
        server.wait_log(same)

    made.pools = ["192.0.2.10 - 192.0.2.219"]
    made.s1.reload(made.config_of("s1"))
    made.s2.wait_log("only here: nothing; only there: 192.0.2.210 - 192.0.2.219")
    made.s1.wait_log("only here: 192.0.2.210 - 192.0.2.219; only there: nothing")
    for server in (made.s1, made.s2):
        assert server.log().count("FAILOVER_CONNECTED") == 1
        assert server.failover()["state"] == "normal"
    agree.acknowledged(made.clients.do_range("discover", 1, 10))


def test_many_pools(pair_of):
    """However many ranges differ, the warning names some and counts the rest."""
    pools = [f"192.0.2.{n} - 192.0.2.{n}" for n in range(10, 250, 2)]
    made = pair_of(pools=pools, kea_s1={"subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "pools": [
        {"pool": "192.0.2.10 - 192.0.2.10"}]}]}).start()
    made.wait_state("NORMAL")   # and not for addresses: there is but one that both have
    here, there = pools_text(made.s2)
    assert there == "nothing"
    assert here.startswith("192.0.2.12, 192.0.2.14, ") and here.endswith("and 111 more ranges")


# ---- mode and hash-input ----

def test_different_ways_to_serve(pair_of):
    """Each side warns where hash-input or mode differ, at the handshake and after a reload of either, over the
    connection that there is; the status shows it, and what the partner has."""
    def differs(server, partner_mode, partner_input, *keys):
        server.wait_status(lambda status: (
            status["partner-mode"], status["partner-hash-input"], status["differences"]) ==
            (partner_mode, partner_input, list(keys)), 5, what=str(keys))

    made = pair_of(hook={"load-balance-percent": 100},
                   hook_s2={"hash-input": "hw-address"}).start()
    made.wait_state("NORMAL")   # and not for addresses: the secondary is due few
    made.s1.wait_log("hash-input is client-identifier here, but partner s2's is hw-address")
    made.s2.wait_log("hash-input is hw-address here, but partner s1's is client-identifier")
    differs(made.s1, "load-balancing", "hw-address", "hash-input")
    differs(made.s2, "load-balancing", "client-identifier", "hash-input")

    made.hook_sides["s1"] = {"hash-input": "hw-address", "mode": "hot-standby",
                             "load-balance-percent": None}
    made.s1.reload(made.config_of("s1"))
    made.s2.wait_log("FAILOVER_MODE_DIFFERS s1-s2: the mode is load-balancing here, but partner s1's is "
                     "hot-standby")
    differs(made.s1, "load-balancing", "hw-address", "mode")
    differs(made.s2, "hot-standby", "hw-address", "mode")

    made.hook_sides["s2"] = made.hook_sides["s1"]
    made.s2.reload(made.config_of("s2"))
    differs(made.s1, "hot-standby", "hw-address")
    differs(made.s2, "hot-standby", "hw-address")
    for server in (made.s1, made.s2):
        assert server.log().count("FAILOVER_CONNECTED") == 1
        assert server.failover()["state"] == "normal"


# ---- examples ----

def example(name, server):
    """An example of ours, with the paths of this machine put in."""
    path = os.path.join(pairs.TOP, "kea-config-examples", name)
    with open(path, encoding="utf-8") as text:
        lines = [line for line in text if not line.strip().startswith("//")]
    config = json.loads("".join(lines))["Dhcp4"]
    assert hook_of(config) is not None
    library = next(lib for lib in config["hooks-libraries"] if "failover" in lib["library"])
    library["library"] = pairs.library()
    config["control-socket"]["socket-name"] = server.socket_path
    config["lease-database"]["name"] = server.lease_file
    config["loggers"][0]["output_options"][0]["output"] = server.log_file
    return config


@pytest.mark.parametrize("mode", ["load-balancing", "hot-standby"])
def test_examples(lab, mode):
    """Both example files of a mode load, on hosts with the addresses they name, and reach NORMAL."""
    segment = pairs.Segment(lab)
    servers = []
    try:
        for number, place in (("1", 2), ("2", 3)):
            namespace = segment.host(f"e{number}", place)
            server = segment.server(f"e{number}", {}, namespace=namespace)
            server.configure(example(f"{mode}-server{number}.json", server))
            server.start()
            servers.append(server)
        for server in servers:
            server.wait_state("NORMAL", 40)
            assert server.failover()["mode"] == mode
            # The first may have asked for a connection before the second was there.
            said = [line for line in re.findall(r".*FAILOVER_.*", server.log())
                    if "FAILOVER_CONNECTION_FAILED" not in line]
            assert said and "WARN" not in "".join(said)
    finally:
        segment.close()
