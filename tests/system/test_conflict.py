# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Two servers that both ran on their own, at least one in PARTNER-DOWN (draft 9.10 to 9.12): a server was
declared down while it lived. They compare their bindings, and are NORMAL again by themselves; of two
clients on one address the primary's keeps it (7.1.3, note 5), and the operator is told."""

import re
import time

import pytest

from rig import agree, rfc3074
from rig.clients import Clients, OracleViolation

OURS = rfc3074.clients_of(True, 60)
THEIRS = rfc3074.clients_of(False, 60)
MCLT = 10
SLOW = 1.5      # seconds each way, so that the comparison of bindings can be seen, and cut


def quick_pair(pair_of, mclt=MCLT, **options):
    """A running pair with forty addresses; ten clients have leases of full length."""
    made = pair_of(mclt=mclt, lifetime=600, pools=["192.0.2.10 - 192.0.2.49"],
                   hook={"max-response-delay": 5, "startup-delay": 2, "offer-hold": 2},
                   **options).start(wait="NORMAL")
    return made, agree.long_leases(made, OURS[:5] + THEIRS[:5])


def given_by(made, server, clients, numbers, **keys):
    """New clients, who take a lease of one server only."""
    address = made.address(1 if server is made.s1 else 2)
    return agree.acknowledged({n: clients.do("discover", n, from_=address, **keys) for n in numbers})


def told(server):
    """The conflicts that it has told: [(address, client here, client there)]."""
    mac = "([0-9a-f:]{17})"
    return sorted(re.findall(r"FAILOVER_CONFLICT s1-s2: address (\S+) is leased to two clients: by this "
                             rf"server to {mac}, by partner s[12] to {mac}; the primary's lease stands",
                             server.log()))


def mac_of(client):
    """As the log writes it."""
    return rfc3074.mac_of_client(client).hex(":")


def normal_again(made):
    """From POTENTIAL-CONFLICT to NORMAL, and both agree on all."""
    made.wait_state("NORMAL", timeout=30)
    later = made.s1.log().rsplit("state is POTENTIAL-CONFLICT", 1)[1]
    assert "state is CONFLICT-DONE" in later
    assert "state is CONFLICT-DONE" not in made.s2.log()    # 9.12.1
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_one_was_told(pair_of):
    """The link is cut and one server told that the other is down, which serves on: both come from
    POTENTIAL-CONFLICT to NORMAL by themselves, and the leases of both sides live on both."""
    made, leases = quick_pair(pair_of)
    made.cut_link()
    made.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    alone = made.s1 if made.threading == "multi" else made.s2
    alone.command("failover-partner-down")
    agree.kept(made.clients, leases)
    for server, numbers in ((made.s1, OURS[10:14]), (made.s2, THEIRS[10:14])):
        leases.update(given_by(made, server, made.clients, numbers))
    made.cut_link(False)
    for server in (made.s1, made.s2):
        server.wait_log("state is POTENTIAL-CONFLICT", 20)
        server.wait_log("FAILOVER_POTENTIAL_CONFLICT s1-s2: this server and partner", 1)
    normal_again(made)
    agree.kept(made.clients, leases)
    assert not told(made.s1) and not told(made.s2)


def test_double_leases(pair_of):
    """Link and clients are in two halves, and both servers are told that the other is down: after the MCLT
    each gives the other's addresses, too. Then the cable is back."""
    made, leases = quick_pair(pair_of)
    others = Clients(made.host("c2"))       # they hear one server, and have an oracle of their own
    made.lab.at_close(lambda: others.violation or others.close())
    made.cut_link()
    made.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    for server in (made.s1, made.s2):
        server.command("failover-partner-down")
    for server in (made.s1, made.s2):
        server.wait_log("FAILOVER_TAKES_ALL", MCLT + 10)
    first = given_by(made, made.s1, made.clients, OURS[10:18])
    second = {}
    for mine, (n, lease) in zip(THEIRS[10:16], first.items()):
        second.update(given_by(made, made.s2, others, [mine], ask=lease["address"]))
        assert second[mine]["address"] == lease["address"], "this test's set-up: no double lease"
    alone = given_by(made, made.s2, others, THEIRS[20:24])
    assert not {a["address"] for a in alone.values()} & {a["address"] for a in first.values()}
    time.sleep(1)       # they are in stable storage
    for clients, of_them in ((made.clients, first), (others, {**second, **alone})):
        answers = agree.acknowledged(clients.do_all("renew", of_them))
        assert {a["lease"] for a in answers.values()} == {600}

    made.cut_link(False)
    for server in (made.s1, made.s2):
        server.wait_log("state is POTENTIAL-CONFLICT", 20)
    normal_again(made)
    owners = {a["address"]: n for n, a in {**leases, **first, **alone}.items()}
    for server in (made.s1, made.s2):
        rows = server.leases()
        assert {a: rows[a]["hw-address"] for a in rows} == \
            {a: mac_of(n) for a, n in owners.items()}, server.name
    doubly = sorted((first[n]["address"], mac_of(n), mac_of(loser))
                    for n, loser in zip(first, second))
    assert told(made.s1) == doubly
    assert told(made.s2) == [(address, there, here) for address, here, there in doubly]
    agree.kept(made.clients, {**leases, **first})
    agree.kept(others, alone)
    loser = next(iter(second))
    with pytest.raises(OracleViolation, match="holder refused"):       # it is told so, and begins anew
        others.do("renew", loser)
    answer = agree.acknowledged({loser: made.clients.do("discover", loser)})[loser]
    assert answer["address"] not in owners
    agree.settled(made)


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_interrupted(pair_of, how):
    """The connection is lost again while they compare, or one of the two dies then: who is left serves
    everybody (RESOLUTION-INTERRUPTED), and all begins anew."""
    mclt = 3 * MCLT     # nobody's lease is over before the end
    made, leases = quick_pair(pair_of, mclt, proxy=True)
    made.proxy.cut(refuse=True)
    made.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    for server in (made.s1, made.s2):
        server.command("failover-partner-down", {"force": True})    # it refuses: so it lives
    new = {server.name: given_by(made, server, made.clients, numbers)
           for server, numbers in ((made.s1, OURS[10:14]), (made.s2, THEIRS[10:14]))}
    made.proxy.delay(SLOW)
    made.proxy.allow()
    for server in (made.s1, made.s2):
        assert server.wait_state("POTENTIAL-CONFLICT", 20)["refusing"] == \
            "both servers ran on their own and compare their bindings"
    for verb, client in (("rebind", OURS[0]), ("rebind", THEIRS[0]), ("discover", OURS[20])):
        assert made.clients.do(verb, client, timeout=0.3)["result"] == "timeout"    # 9.10.2
    left, dead = (made.s1, made.s2) if made.threading == "multi" else (made.s2, made.s1)
    made.proxy.cut(refuse=how == "cut")
    if how == "killed":
        dead.kill9()
    for server in (left, dead) if how == "cut" else (left,):
        status = server.wait_state("RESOLUTION-INTERRUPTED", 10)
        assert status["refusing"] is None
        server.wait_log("FAILOVER_RESOLUTION_INTERRUPTED s1-s2: communications with partner", 2)
        answers = given_by(made, server, made.clients,
                           (OURS if server is made.s1 else THEIRS)[30:34])
        assert {a["lease"] for a in answers.values()} <= {mclt, mclt - 1}
        leases.update({**answers, **new[server.name]})
    agree.kept(made.clients, leases)      # what the dead one alone knew waits for it
    made.proxy.delay(0)
    made.proxy.allow()
    if how == "killed":
        dead.start()
    normal_again(made)
    leases.update({**new["s1"], **new["s2"]})
    assert left.log().count("state is POTENTIAL-CONFLICT") == 2
    agree.kept(made.clients, leases)
    assert not told(made.s1) and not told(made.s2)
    agree.settled(made)
