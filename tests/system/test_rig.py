# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The rig proves itself: what it reports is true, and it can fail.

Plain Kea servers only; our library is not involved.  The most important test is the one in which
two servers that know nothing of each other share a pool: an oracle that does not stop that one is
worth nothing in all others.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from rig import netns, pair, realism, rfc3074
from rig.clients import OracleViolation
from rig.server import hooks_directory

pytestmark = pytest.mark.native


# ---- simulated clients ----

def test_four_way_exchange_and_renewals(plain):
    """Each way to get and keep a lease gives the same address, and Kea knows of it."""
    segment, server = plain
    clients = segment.clients
    first = clients.do("discover", 1)
    assert first["result"] == "ack" and first["lease"] == 3600
    assert first["server"] == segment.address(1)
    assert first["ms"] < 1000
    for verb in ("renew", "rebind", "reboot", "discover"):
        again = clients.do(verb, 1)
        assert (again["result"], again["address"]) == ("ack", first["address"]), verb
    assert clients.do("inform", 1)["result"] == "ack"
    lease = server.leases()[first["address"]]
    assert lease["hw-address"] == "02:00:00:00:00:01"
    held = clients.status()[1]
    assert held["address"] == first["address"]
    assert abs(held["end"] - time.time() - 3600) < 5


def test_offer_then_select(plain):
    """An exchange stopped after the offer holds nothing; a wish is passed on."""
    segment, _server = plain
    clients = segment.clients
    assert clients.do("select", 4)["result"] == "no-offer"
    offer = clients.do("discover-only", 4, ask="192.0.2.77")
    assert (offer["result"], offer["address"]) == ("offer", "192.0.2.77")
    assert not clients.status()
    assert clients.do("select", 4)["result"] == "ack"
    assert clients.status()[4]["address"] == "192.0.2.77"


def test_timers_are_reported(segment_of, threading):
    """lease, t1 and t2 are those of the answer."""
    segment = segment_of()
    segment.server("kea", pair.kea_config(segment.subnet, lifetime=(400, 100, 200),
                                          threading=threading)).start()
    answer = segment.start_clients().do("discover", 1)
    assert (answer["lease"], answer["t1"], answer["t2"]) == (400, 100, 200)


def test_release_and_decline(plain):
    """A released address is free again; a declined one is not given to anybody."""
    segment, server = plain
    clients = segment.clients
    address = clients.do("discover", 1)["address"]
    assert clients.do("release", 1)["result"] == "sent"
    server.wait_log("DHCP4_RELEASE ")
    assert address not in server.leases() and not clients.status()
    assert clients.do("renew", 1)["result"] == "no-lease"
    assert clients.do("discover", 2, ask=address)["address"] == address
    assert clients.do("decline", 2)["result"] == "sent"
    server.wait_log("DHCP4_DECLINE_LEASE ")
    assert server.leases()[address]["state"] == 1
    assert clients.do("discover", 3, ask=address)["address"] != address


def test_refusal_is_no_violation_without_a_lease(plain):
    """A DHCPNAK to a client that holds nothing (or asks for another address) is just an answer."""
    segment, _server = plain
    clients = segment.clients
    address = clients.do("discover", 1)["address"]
    assert clients.do("renew", 1, ask="203.0.113.9", timeout=1)["result"] == "nak"
    assert clients.do("rebind", 2, ask=address, timeout=1)["result"] == "nak"
    assert clients.status()[1]["address"] == address


def test_client_identifier(plain):
    """The identifier is sent, and kept for later orders."""
    segment, server = plain
    clients = segment.clients
    address = clients.do("discover", 7, client_id="01aabbccddeeff")["address"]
    assert server.leases()[address]["client-id"] == "01:aa:bb:cc:dd:ee:ff"
    assert clients.do("renew", 7)["address"] == address
    assert server.leases()[address]["client-id"] == "01:aa:bb:cc:dd:ee:ff"


def test_through_a_relay(segment_of, threading):
    """giaddr chooses the subnet; answers come back to the relay; renewals go directly, through the
    router that the relay is."""
    segment = segment_of()
    config = pair.kea_config(segment.subnet, threading=threading)
    config["subnet4"].append({"id": 2, "subnet": "198.51.100.0/24",
                              "pools": [{"pool": "198.51.100.10 - 198.51.100.20"}]})
    segment.server("kea", config).start()
    clients = segment.start_clients()
    address = clients.do("discover", 1, giaddr="198.51.100.1")["address"]
    assert address.startswith("198.51.100.")
    for verb in ("renew", "rebind", "reboot"):
        answer = clients.do(verb, 1)
        assert (answer["result"], answer["address"]) == ("ack", address), verb
    assert clients.do("discover", 2)["address"].startswith("192.0.2.")


def test_option_82(segment_of, threading):
    """What the relay adds arrives: a class that looks at it decides."""
    segment = segment_of()
    config = pair.kea_config(segment.subnet, threading=threading, config={
        "client-classes": [{"name": "port7", "test": "relay4[1].hex == 0x0007"}]})
    config["subnet4"].append({"id": 2, "subnet": "198.51.100.0/24", "client-class": "port7",
                              "pools": [{"pool": "198.51.100.10 - 198.51.100.20"}]})
    segment.server("kea", config).start()
    clients = segment.start_clients()
    for client, option, result in ((1, b"\x01\x02\x00\x07", "ack"), (2, "01020008", "timeout")):
        answer = clients.do("discover", client, giaddr="198.51.100.1", option82=option, timeout=1)
        assert answer["result"] == result


def test_secs_and_retransmission(segment_of, threading):
    """secs= is on the wire; retransmissions come after about four seconds and count truthfully."""
    segment = segment_of()
    server = segment.server("kea", pair.kea_config(segment.subnet, threading=threading))
    clients = segment.start_clients()
    capture = Capture(segment)
    order = clients.order("discover", 9, secs=5, retransmit=True, timeout=20)
    time.sleep(1)
    server.start()
    answer = clients.wait(order, [9], 25)[9]
    assert answer["result"] == "ack" and answer["tries"] == 3
    assert 3000 <= answer["total_ms"] <= 5500
    seen = capture.secs()
    assert seen[0] == 5 and seen[1] in (8, 9, 10) and seen[2] == seen[1]


class Capture:
    """Listens on the segment like any host and notes the `secs` of what clients broadcast."""

    def __init__(self, segment):
        self.socket = netns.socket_in(segment.host("tap"), socket.AF_PACKET, socket.SOCK_RAW,
                                      socket.htons(0x0800))
        self.socket.bind(("eth0", 0x0800))
        self.socket.settimeout(0.3)

    def secs(self):
        """Of each client's message so far."""
        result = []
        try:
            while True:
                frame = self.socket.recv(2000)
                if frame[34:38] == b"\x00\x44\x00\x43":
                    result.append(struct.unpack("!H", frame[50:52])[0])
        except TimeoutError:
            self.socket.close()
            return result


def test_many_clients(plain):
    """A range is spread over time; every client gets an address of its own."""
    segment, server = plain
    start = time.monotonic()
    answers = segment.clients.do_range("discover", 1, 150, rate=300)
    assert time.monotonic() - start > 0.4
    assert {a["result"] for a in answers.values()} == {"ack"}
    assert len({a["address"] for a in answers.values()}) == 150
    assert server.leases().keys() == {a["address"] for a in answers.values()}
    answers = segment.clients.do_all("renew", [1, 70, 150])
    assert [a["result"] for a in answers.values()] == ["ack"] * 3


def test_load(segment_of, threading):
    """Thousands of clients: the rig itself loses nothing that Kea answers. (A server that is too busy
    for a packet gets it again.)"""
    segment = segment_of(subnet="10.0.0.0/16")
    server = segment.server("kea", pair.kea_config(
        segment.subnet, pools=["10.0.4.0 - 10.0.200.255"], threading=threading))
    server.start()
    answers = segment.start_clients().do_range("discover", 1, 4000, rate=1000, retransmit=True,
                                               timeout=40)
    assert not [n for n, a in answers.items() if a["result"] != "ack"]
    assert len({a["address"] for a in answers.values()}) == 4000


def test_answers_for_held_addresses(plain):
    """The segment's hosts can find a client's MAC address, as long as it holds its address."""
    segment, _server = plain
    clients = segment.clients
    address = clients.do("discover", 0x1234)["address"]
    host = segment.host("host", 253)
    neighbour = ["ip", "-n", host, "neigh", "show", address]

    def look():
        netns.run("ip", "-n", host, "neigh", "flush", "all")
        netns.run(*netns.command_in(host, sys.executable, "-c",
                                    "import socket; socket.socket(socket.AF_INET, "
                                    f"socket.SOCK_DGRAM).sendto(b'x', ('{address}', 9))"))
        time.sleep(0.3)
        return netns.run(*neighbour)
    assert "02:00:00:00:12:34" in look()
    clients.do("release", 0x1234)
    assert "02:00:00:00:12:34" not in look()


# ---- the oracle ----

def two_strangers(segment, threading):
    """Two servers with one pool and nothing between them."""
    for name in ("one", "two"):
        segment.server(name, pair.kea_config(segment.subnet, threading=threading)).start()
    return segment.start_clients()


def test_oracle_finds_a_double_lease(segment_of, threading):
    """Two unrelated servers give one address to a client each."""
    segment = segment_of()
    clients = two_strangers(segment, threading)
    first = clients.do("discover", 1, from_=segment.address(1))
    assert first["result"] == "ack"
    with pytest.raises(OracleViolation, match="two holders") as caught:
        clients.do("discover", 2, ask=first["address"], from_=segment.address(2))
    assert first["address"] in str(caught.value)
    with pytest.raises(OracleViolation):
        segment.close()


def test_oracle_finds_a_refused_holder(segment_of, threading):
    """The server that did not give the lease knows of another owner and refuses its holder."""
    segment = segment_of()
    segment.server("one", pair.kea_config(segment.subnet, threading=threading)).start()
    reserved = pair.kea_config(segment.subnet, threading=threading)
    reserved["subnet4"][0]["reservations"] = [
        {"hw-address": "02:00:00:00:00:63", "ip-address": "192.0.2.10"}]
    segment.server("two", reserved).start()
    clients = segment.start_clients()
    first = clients.do("discover", 1, ask="192.0.2.10", from_=segment.address(1))
    assert first["address"] == "192.0.2.10"
    with pytest.raises(OracleViolation, match="holder refused"):
        clients.do("renew", 1, server=segment.address(2))
    with pytest.raises(OracleViolation):
        segment.close()


def test_oracle_lets_leases_end(segment_of, threading):
    """After the lease has ended the address may be another's; a vanished client holds on."""
    segment = segment_of()
    server = segment.server("kea", pair.kea_config(
        segment.subnet, pools=["192.0.2.10 - 192.0.2.10"], lifetime=3, threading=threading))
    server.start()
    clients = segment.start_clients()
    assert clients.do("discover", 1)["result"] == "ack"
    assert clients.do("forget", 1)["result"] == "forgotten"
    assert clients.status()[1]["forgotten"]
    assert clients.do("renew", 1)["result"] == "no-lease"
    assert clients.do("discover", 2, timeout=0.5)["result"] == "timeout"
    time.sleep(4)
    assert not clients.status()
    assert clients.do("discover", 2)["result"] == "ack"
    assert clients.do("renew", 1)["result"] == "no-lease"


def test_second_answers_are_reported(segment_of, threading):
    """When both servers answer, the first answer counts and the other is extra."""
    segment = segment_of()
    clients = two_strangers(segment, threading)
    clients.do("discover-only", 1)
    time.sleep(0.5)
    assert len(clients.said_to(1)) == 2 and len(clients.extras(1)) == 1
    assert {a["server"] for a in clients.said_to(1)} == {segment.address(1), segment.address(2)}


def test_violation_fails_even_if_nobody_asks(lab):
    """Closing the segment raises what the oracle has found meanwhile."""
    segment = pair.Segment(lab)
    clients = two_strangers(segment, "single")
    address = clients.do("discover", 1, from_=segment.address(1))["address"]
    clients.order("discover", 2, ask=address, from_=segment.address(2))
    time.sleep(1)
    with pytest.raises(OracleViolation):
        segment.close()


# ---- servers ----

def test_server_life(plain):
    """Crash, orderly end, freeze: each does what it says."""
    segment, server = plain
    clients = segment.clients
    address = clients.do("discover", 1)["address"]
    server.kill9()
    assert not server.running()
    assert clients.do("renew", 1, timeout=0.5)["result"] == "timeout"
    server.start()
    assert clients.do("renew", 1)["address"] == address
    server.sigstop()
    assert clients.do("rebind", 1, timeout=0.5)["result"] == "timeout"
    server.sigcont()
    assert clients.do("rebind", 1)["address"] == address
    assert server.stop() == 0
    server.start()
    assert address in server.leases()
    assert server.statistic("subnet[1].assigned-addresses") == 1


def test_server_with_a_bad_configuration(segment_of, threading):
    """A server that refuses its configuration is reported with its reason."""
    segment = segment_of()
    server = segment.server("kea", pair.kea_config(segment.subnet, threading=threading,
                                                   config={"no-such-thing": 1}))
    with pytest.raises(RuntimeError, match="no-such-thing"):
        server.start()


def test_segment_cut(plain):
    """A server taken off the segment hears nothing; back again, it goes on."""
    segment, server = plain
    segment.clients.do("discover", 1)
    segment.cut_clients(server)
    assert segment.clients.do("renew", 1, timeout=0.5)["result"] == "timeout"
    segment.cut_clients(server, False)
    assert segment.clients.do("renew", 1)["result"] == "ack"


def test_real_clients(plain, lab):
    """dhclient and udhcpc get addresses on the same segment."""
    segment, server = plain
    real = [realism.Dhclient(segment.host("dhc"), lab.workdir),
            realism.Udhcpc(segment.host("udh"), lab.workdir)]
    addresses = {client.wait_bound() for client in real}
    assert len(addresses) == 2 and addresses <= server.leases().keys()
    for client in real:
        client.stop()


# ---- the pair, with another library in the place of ours ----

@pytest.fixture
def foreign_library(monkeypatch):
    """A library of Kea's that takes no notice of its parameters."""
    monkeypatch.setenv("FO_LIBRARY", os.path.join(hooks_directory(), "libdhcp_stat_cmds.so"))


def partner_answers(made, timeout=1):
    """Whether s1 can reach a listener at s2 by the failover link."""
    listener = netns.socket_in(made.s2.namespace)
    listener.bind((made.peers["s2"]["s2"], 647))
    listener.listen()
    caller = netns.socket_in(made.s1.namespace)
    caller.settimeout(timeout)
    try:
        caller.bind((made.peers["s1"]["s1"], 0))
        caller.connect((made.peers["s1"]["s2"], 647))
        taken, (seen, _port) = listener.accept()
        taken.sendall(b"\0\3x")
        return caller.recv(3) == b"\0\3x" and seen == made.peers["s2"]["s1"]
    except TimeoutError:
        return False
    finally:
        caller.close()
        listener.close()


@pytest.mark.parametrize("between", [False, True])
def test_pair(pair_of, foreign_library, between):     # pylint: disable=unused-argument
    """Both servers run and hear the clients; each reaches its partner where its peers say."""
    made = pair_of(proxy=between, hook={"offer-hold": 5}, hook_s2={"startup-delay": None}).start()
    relationship = made.s2.command("config-get")["Dhcp4"]["hooks-libraries"][1]["parameters"][
        "high-availability"][0]
    assert relationship["this-server-name"] == "s2" and relationship["offer-hold"] == 5
    assert "startup-delay" not in relationship
    made.clients.do("discover-only", 1)
    time.sleep(0.3)
    assert {made.server_at(a["server"]) for a in made.clients.said_to(1)} == {made.s1, made.s2}
    assert partner_answers(made)
    if not between:
        made.cut_link()
        assert not partner_answers(made)
        made.cut_link(False)
        assert partner_answers(made)


# ---- the hash, the namespaces ----

def test_hash_of_rfc3074():
    """The examples of the specification."""
    examples = {"000000000000": 254, "ffffffffffff": 79, "0a0000000001": 169, "0a0000000002": 246,
                "525400123456": 156, "01525400123456": 253, "00": 175,
                "ff000000010001000123456789abcdef": 197}
    for key, bucket in examples.items():
        assert rfc3074.bucket(bytes.fromhex(key)) == bucket, key
    assert sorted(rfc3074.TABLE) == list(range(256))
    assert len(rfc3074.clients_of(True, 30)) == 30
    assert not set(rfc3074.clients_of(True, 30)) & set(rfc3074.clients_of(False, 30))


HOLDER = """
import sys, time
sys.path.insert(0, {tests!r})
from rig import netns
netns.exit_on_signals()
with netns.Lab() as lab:
    name = lab.namespace("x")
    import subprocess
    subprocess.Popen(netns.command_in(name, "sleep", "1000"))
    while "sleep" not in netns.run("sh", "-c", "cat /proc/$(ip netns pids " + name + ")/cmdline"):
        pass
    print(name, lab.workdir, flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left(number):
    """Signals leave in order; after SIGKILL the next lab cleans up."""
    code = HOLDER.format(tests=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as holder:
        try:
            name, workdir = holder.stdout.readline().split()
            inside = [int(pid) for pid in netns.run("ip", "netns", "pids", name).split()]
            assert inside and os.path.isdir(workdir)
            holder.send_signal(number)
            holder.wait(10)
        finally:
            holder.kill()
    if number == signal.SIGKILL:
        with netns.Lab():
            pass
    assert name not in netns.run("ip", "netns", "list")
    assert not os.path.exists(workdir)
    assert not any(re.search(r"sleep", _command(pid)) for pid in inside)


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="ascii") as text:
            return text.read()
    except OSError:
        return ""
