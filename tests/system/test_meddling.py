# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Another library beside ours drops answers, keeps packets or prevents what clients want, after Kea has
written its row or before: row and table agree in the end, and so do both servers."""

import os

import pytest

from rig import agree, pair as pairs, rfc3074

pytestmark = pytest.mark.native

CLIENT, OTHER = rfc3074.clients_of(True, 2)
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEDDLER = os.path.join(TOP, "tests", "rig", ".libs", "meddler.so")


class Meddled:
    """A pair whose first server has the other library, before or after ours."""

    def __init__(self, pair_of, lab, first):
        self.orders = os.path.join(lab.workdir, "orders")
        self.say("")
        self.pair = pair_of(mclt=30)
        entry = {"library": MEDDLER, "parameters": {"orders": self.orders}}
        ours = self.pair.s1.config["hooks-libraries"]
        self.pair.s1.configure(pairs.merge(self.pair.s1.config, {
            "hooks-libraries": [entry, *ours] if first else [*ours, entry]}))
        self.pair.start(wait="NORMAL")
        agree.settled(self.pair)

    def say(self, what):
        """What it does from now on."""
        with open(self.orders, "w", encoding="ascii") as out:
            out.write(what + "\n")

    def do(self, verb, client=CLIENT, **keys):
        """One order to a client."""
        return self.pair.clients.do(verb, client, **keys)

    def leased(self, count):
        """Waits until both have so many leases."""
        agree.until(lambda: None if agree.count_of(self.pair.s1, "active") == count else
                    f"not {count} leases")
        agree.settled(self.pair)


@pytest.fixture(name="meddled", params=(True, False), ids=("before", "after"))
def meddled_pair(request, pair_of, lab):
    """One of each order of the two libraries."""
    return Meddled(pair_of, lab, request.param)


def test_answers_dropped(meddled):
    """An ACK that is never sent after Kea has written its row: the lease is there on both servers, and the
    client has it when it asks again; so with a renewal."""
    for order in ("drop", "drop-late"):
        client = CLIENT if order == "drop" else OTHER
        meddled.say(order)
        assert meddled.do("discover", client, timeout=3)["result"] == "timeout"
        meddled.leased(1 if order == "drop" else 2)
        meddled.say("")
        answer = meddled.do("discover", client)
        assert answer["result"] == "ack"
        assert answer["address"] in meddled.pair.s2.leases()
        meddled.leased(1 if order == "drop" else 2)
        meddled.say(order)
        assert meddled.do("renew", client, timeout=3)["result"] == "timeout"
        agree.settled(meddled.pair)
        meddled.say("")
        assert meddled.do("renew", client)["address"] == answer["address"]
        agree.settled(meddled.pair)
    agree.until(lambda: agree.held_unknown(meddled.pair))


def test_answers_kept(meddled):
    """An ACK that another library keeps for a while is committed when it leaves, and not before."""
    meddled.say("keep")
    order = meddled.pair.clients.order("discover", CLIENT, timeout=10)
    agree.until(lambda: None if meddled.pair.s1.leases() else "no row yet")
    assert agree.count_of(meddled.pair.s1, "active") == 0
    meddled.say("")
    other = meddled.do("discover", OTHER)   # any packet lets it go
    answer = meddled.pair.clients.wait(order, [CLIENT], 12)[CLIENT]
    assert answer["result"] == other["result"] == "ack"
    assert answer["address"] != other["address"]
    meddled.leased(2)
    agree.until(lambda: agree.held_unknown(meddled.pair))


def test_given_back_or_not(meddled):
    """A RELEASE or DECLINE that another library prevents ends nothing; without it both do."""
    first = meddled.do("discover")["address"]
    second = meddled.do("discover", OTHER)["address"]
    meddled.leased(2)
    meddled.say("prevent")
    meddled.do("release")
    meddled.do("decline", OTHER)
    agree.settled(meddled.pair)
    meddled.leased(2)
    meddled.say("")
    for client, address in ((CLIENT, first), (OTHER, second)):
        meddled.do("forget", client)
        assert meddled.do("discover", client)["address"] == address
    meddled.leased(2)
    meddled.do("release")
    meddled.leased(1)
    meddled.do("decline", OTHER)
    agree.until(lambda: None if agree.count_of(meddled.pair.s2, "abandoned") == 1 else "not declined")
    meddled.leased(0)


def test_a_lease_left_for_a_reservation(pair_of):
    """Kea deletes the row of a client that moves to its reservation outside the pools: its lease ends on
    both servers."""
    subnet = {"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10 - 192.0.2.29"}]}
    made = pair_of(mclt=20, kea={"subnet4": [subnet]}).start(wait="NORMAL")
    left = made.clients.do("discover", CLIENT)["address"]
    agree.settled(made)
    reserved = {**subnet, "reservations": [
        {"hw-address": rfc3074.mac_of_client(CLIENT).hex(":"), "ip-address": "192.0.2.250"}]}
    for server in (made.s1, made.s2):
        server.reload(pairs.merge(server.config, {"subnet4": [reserved]}))
    for server in (made.s1, made.s2):
        server.wait_state("NORMAL")
    assert made.clients.do("discover", CLIENT, retransmit=True, timeout=10)["address"] == "192.0.2.250"
    agree.until(lambda: None if agree.count_of(made.s1, "active") == 0 else "not ended")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    for server in (made.s1, made.s2):
        assert left not in server.leases()
