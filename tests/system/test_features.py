# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Kea's own features beside failover, with pairs of real servers.  (What libdhcp_host_cmds and
libdhcp_subnet_cmds change at run time is in test_at_run_time, for the Kea that has them.)"""

import contextlib
import os
import socket
import struct
import time

from rig import agree, netns, pair as pairs, rfc3074
from rig.server import hooks_directory

OURS = rfc3074.clients_of(True, 12)
THEIRS = rfc3074.clients_of(False, 12)


def beside(server, *libraries):
    """Kea's libraries (name, parameters) after ours in a server's configuration."""
    more = [{"library": os.path.join(hooks_directory(), f"libdhcp_{name}.so"), "parameters": keys}
            for name, keys in libraries]
    server.configure(pairs.merge(server.config, {
        "hooks-libraries": [*server.config["hooks-libraries"], *more]}))


def both_beside(made, *libraries):
    """The same in both."""
    for server in (made.s1, made.s2):
        beside(server, *libraries)
    return made


def test_statistics(pair_of):
    """libdhcp_stat_cmds counts the same on both servers, whoever gave the leases."""
    made = both_beside(pair_of(), ("stat_cmds", {})).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_all("discover", OURS[:3] + THEIRS[:3]))
    made.clients.do("decline", OURS[0])
    agree.settled(made)
    for server in (made.s1, made.s2):
        found = server.command("stat-lease4-get", {"subnet-id": 1})["result-set"]
        row = dict(zip(found["columns"], found["rows"][0]))
        assert (row["assigned-addresses"], row["declined-addresses"]) == (5, 1), server.name


def by_address(server, address):
    """A row of Kea's, or None."""
    return server.leases().get(address)


def guarded_network():
    """A shared network of two subnets: one for phones, one for computers, with a pool for those that are
    known and one for those that are not."""
    known = [{"hw-address": rfc3074.mac_of_client(client).hex(":"), "hostname": f"known{client}"}
             for client in OURS[:3] + THEIRS[:3]]
    one = {"id": 1, "subnet": "192.0.2.0/24", "reservations": known, "client-class": "computers",
           "pools": [{"pool": "192.0.2.10 - 192.0.2.29", "client-class": "KNOWN"},
                     {"pool": "192.0.2.50 - 192.0.2.69", "client-class": "UNKNOWN"}]}
    two = {"id": 2, "subnet": "198.51.100.0/24", "client-class": "phones",
           "pools": [{"pool": "198.51.100.10 - 198.51.100.29"}]}
    return {"subnet4": None, "shared-networks": [{"name": "office", "interface": "eth0", "subnet4": [two, one]}],
            "client-classes": [{"name": "phones", "test": "option[12].text == 'phone'"},
                               {"name": "computers", "test": "not member('phones')"}]}


def test_shared_network_and_guards(pair_of):
    """The pools of a shared network that are guarded by classes, KNOWN and UNKNOWN too: whichever server
    answers, each client has an address of a pool that is open to it, even where it wishes for another;
    and keeps it at the other server, when its own is dead."""
    made = pair_of(mclt=20, hook={"offer-hold": 2}, kea=guarded_network()).start(wait="NORMAL")
    held = {}
    for place, low, high, keys in (
            (0, "192.0.2.10", "192.0.2.29", {"ask": "192.0.2.55"}),
            (3, "192.0.2.50", "192.0.2.69", {"ask": "192.0.2.15"}),
            (6, "198.51.100.10", "198.51.100.29", {"ask": "192.0.2.55", "host_name": b"phone"})):
        group = OURS[place:place + 3] + THEIRS[place:place + 3]
        answers = agree.acknowledged(made.clients.do_all("discover", group, retransmit=True,
                                                         timeout=20, **keys))
        for client, answer in answers.items():
            assert low <= answer["address"] <= high, answer
            assert made.server_at(answer["server"]) is (made.s1 if client in OURS else made.s2)
        held.update(answers)
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2) or
                agree.rows_differ(made.s1, made.s2))
    made.s1.kill9()
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED")
    again = agree.acknowledged(made.clients.do_all("rebind", held))
    assert {c: a["address"] for c, a in again.items()} == {c: a["address"] for c, a in held.items()}


def test_lease_times(pair_of):
    """cache-threshold and calculate-tee-times: T1 < T2 < lease, also where the MCLT shortens the lease; and
    no renewal is answered out of the cache."""
    made = pair_of(mclt=20, lifetime=600,
                   kea={"cache-threshold": 0.9, "calculate-tee-times": True, "t1-percent": 0.5,
                        "t2-percent": 0.8}).start(wait="NORMAL")
    for client in (OURS[0], THEIRS[0]):
        first = made.clients.do("discover", client)
        assert 19 <= first["lease"] <= 20 and 0 < first["t1"] < first["t2"] < first["lease"]
        agree.settled(made)
        for _time in range(2):
            renewed = made.clients.do("renew", client)
            assert renewed["lease"] == 600 and 0 < renewed["t1"] < renewed["t2"] < 600
            agree.settled(made)
            agree.until(lambda: agree.held_unknown(made))


def test_cached_renewals(pair_of):
    """With cache-threshold alone, and leases that the MCLT shortens: each renewal moves the end."""
    made = pair_of(mclt=20, lifetime=600, kea={"cache-threshold": 0.9},
                   hook={"lease-growth": "gradual"}).start(wait="NORMAL")
    ends = []
    for verb in ("discover", "renew", "renew"):
        answer = made.clients.do(verb, OURS[0])
        ends.append(answer["t"] + answer["lease"])
        agree.settled(made)
        time.sleep(1.1)
    assert ends[0] + 1 <= ends[1] <= ends[2] - 1, ends


def test_run_script(pair_of, lab):
    """libdhcp_run_script hears of a lease at the server that gives it."""
    made, heard = pair_of(), {}
    for server in (made.s1, made.s2):
        heard[server] = os.path.join(lab.workdir, f"heard-by-{server.name}")
        script = server.path("script")      # newer Keas run scripts of one directory only
        with open(script, "w", encoding="ascii") as out:
            out.write(f'#!/bin/sh\necho "$1 $LEASES4_AT0_ADDRESS" >>{heard[server]}\n')
        os.chmod(script, 0o755)
        beside(server, ("run_script", {"name": script, "sync": False}))
    made.start(wait="NORMAL")

    def told(server, address):
        """Whether the script of a server was called for the lease."""
        with contextlib.suppress(OSError), open(heard[server], encoding="ascii") as text:
            return f"leases4_committed {address}\n" in text.read()
        return False
    for client, server, other in ((OURS[0], made.s1, made.s2), (THEIRS[0], made.s2, made.s1)):
        address = made.clients.do("discover", client)["address"]
        agree.until(lambda: None if told(server, address) else "not called", 5)
        agree.settled(made)
        assert not told(other, address)


def test_two_relays(pair_of):
    """The same client's query comes by two relays: one address is offered, and one lease comes of it."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    for client in (OURS[0], THEIRS[0]):
        offers = {made.clients.do("discover-only", client, giaddr=relay)["address"]
                  for relay in ("192.0.2.240", "192.0.2.241", "192.0.2.240")}
        assert len(offers) == 1
        lease = made.clients.do("discover", client, giaddr="192.0.2.241")
        again = made.clients.do("rebind", client, giaddr="192.0.2.240", secs=9)
        assert {lease["address"], again["address"]} == offers
    agree.settled(made)
    assert len(made.s1.leases()) == 2


def test_inform(pair_of):
    """A DHCPINFORM is answered by the server of the client's bucket, and leaves no lease."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    for client, server in ((OURS[0], made.s1), (THEIRS[0], made.s2)):
        lease = made.clients.do("discover", client)
        since = time.time()
        answer = made.clients.do("inform", client)
        assert (answer["result"], answer.get("lease", 0)) == ("ack", 0), answer
        time.sleep(0.2)
        assert agree.servers_of(made, client, since) == {server.name}
        assert by_address(server, lease["address"])
    agree.settled(made)
    assert len(made.s1.leases()) == 2


def test_offer_lifetime(pair_of):
    """An offer that is a lease before the client asks for it is refused: by us, or by a Kea that does not
    know the key."""
    made = pair_of()
    made.s1.start()
    wrong = pairs.merge(made.s1.config, {"offer-lifetime": 60})
    for command in ("config-test", "config-set"):
        answer = made.s1.ask(command, {"Dhcp4": wrong})
        assert answer["result"] == 1 and "offer-lifetime" in answer["text"], answer


def bootp_answers(made, client, seconds=1.0):
    """A BOOTREQUEST by way of a relay to both servers: (server, address) of each answer."""
    relay = "192.0.2.240"
    netns.run("ip", "-n", made.client_namespace, "addr", "replace", f"{relay}/24", "dev", "eth0")
    packet = struct.pack("!BBBBIHHIII4s16s64s128s64s", 1, 1, 6, 1, client, 0, 0, 0, 0, 0,
                         socket.inet_aton(relay), rfc3074.mac_of_client(client), b"", b"",
                         bytes([99, 130, 83, 99, 255]))
    answers = []
    with netns.socket_in(made.client_namespace, socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((relay, 67))
        for place in (1, 2):
            wire.sendto(packet, (made.address(place), 67))
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            wire.settimeout(left)
            try:
                data, (server, _port) = wire.recvfrom(2048)
            except socket.timeout:
                break
            answers.append((server, socket.inet_ntoa(data[16:20])))
    return answers


def bootp_lease(made, client):
    """What a client gets that asks again until it is answered: a reserved address is nobody's for the moment
    in which the servers agree that either may give it."""
    for _ in range(5):
        if answers := bootp_answers(made, client):
            return answers
    return []


def test_bootp(pair_of):
    """A BOOTP client has its reservation, from the server of its bucket, without term on both servers, and
    nobody else has it; one without reservation gets nothing."""
    reserved = {OURS[0]: "192.0.2.20", THEIRS[0]: "192.0.2.21"}
    hosts = [{"hw-address": rfc3074.mac_of_client(client).hex(":"), "ip-address": address}
             for client, address in reserved.items()]
    subnet = {"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10 - 192.0.2.39"}],
              "reservations": hosts}
    made = both_beside(pair_of(mclt=20, kea={"subnet4": [subnet]}), ("bootp", {})).start(wait="NORMAL")
    agree.settled(made)
    for client, address in reserved.items():
        own = made.address(1 if client in OURS else 2)
        assert bootp_lease(made, client) == [(own, address)]
    assert bootp_answers(made, OURS[1]) == [] == bootp_answers(made, THEIRS[1])
    made.s1.wait_log("FAILOVER_BOOTP_REFUSED")
    agree.settled(made)
    for server in (made.s1, made.s2):
        assert {row["valid-lft"] for row in server.leases().values()} == {agree.INFINITE}
    others = agree.acknowledged(made.clients.do_all("discover", OURS[2:8] + THEIRS[2:8],
                                                    retransmit=True, timeout=20))
    assert not {a["address"] for a in others.values()} & set(reserved.values())
    agree.settled(made)

    # The devices are gone: an operator ends their leases, each at the server that did not give it.
    for server, client in ((made.s1, THEIRS[0]), (made.s2, OURS[0])):
        server.command("lease4-del", {"ip-address": reserved[client]})
        server.wait_log(f"FAILOVER_LEASE_ENDED s1-s2: the lease of {reserved[client]}")
    agree.settled(made)
    assert not set(reserved.values()) & (made.s1.leases().keys() | made.s2.leases().keys())
    assert "FAILOVER_ROW_RESTORED" not in made.s1.log() + made.s2.log()
    for client, address in reserved.items():
        assert {given for _server, given in bootp_lease(made, client)} == {address}
    agree.settled(made)


def test_lease_commands_outside(pair_of):
    """A lease command outside the pools is Kea's own business: the row stays, on that server alone."""
    made = pair_of(pools=["192.0.2.10 - 192.0.2.39"]).start(wait="NORMAL")
    row = {"ip-address": "192.0.2.200", "hw-address": "02:aa:00:00:00:01", "subnet-id": 1}
    for server in (made.s1, made.s2):
        server.command("lease4-add", row)
        server.command("lease4-update", {**row, "hostname": "printer"})
    made.s1.command("lease4-del", {"ip-address": row["ip-address"]})
    made.s1.reload()
    time.sleep(0.5)
    assert not made.s1.leases()
    assert by_address(made.s2, "192.0.2.200")["hostname"] == "printer"
    assert "FAILOVER_ROW" not in made.s1.log() + made.s2.log()
