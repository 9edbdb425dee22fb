# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Hot standby: the active server, primary or secondary, serves all clients, the standby none; it takes
over with its reserve of free addresses, and steps back when the active one returns."""

import time

import pytest

from rig import agree, rfc3074

ACTIVE = pytest.mark.parametrize("active", ["s1", "s2"])
SIZE, HOLDERS, RESERVE = 200, 20, 10    # addresses; clients of the active; the standby's addresses


def standby_pair(pair_of, active, **hook):
    """A pair in NORMAL, and of it (pair, the active server, the standby)."""
    hook = {"mode": "hot-standby", "active": active, "max-response-delay": 3, "offer-hold": 2, **hook}
    made = pair_of(mclt=20, lifetime=600, hook=hook).start(wait="NORMAL")
    serving = made.s1 if active == "s1" else made.s2
    agree.until(lambda: reserve_is(made, serving, RESERVE))
    return made, serving, made.partner_of(serving)


def reserve_is(made, active, wanted):
    """A complaint if the standby has another number of free addresses, as either counts."""
    counts = {server.name: agree.count_of(server, "backup" if active is made.s1 else "free")
              for server in (made.s1, made.s2)}
    return None if set(counts.values()) == {wanted} else f"a reserve of {counts}, not {wanted}"


def answered_by(made, client, verb="discover-only", **keys):
    """Names of all servers that answer, not only of the first."""
    since = time.time()
    made.clients.do(verb, client, timeout=0.5, **keys)
    time.sleep(0.3)
    return agree.servers_of(made, client, since)


def ha_of(server):
    """What status-get says of both servers: (mode, {name: (state, scopes)})."""
    (entry,) = server.command("status-get")["high-availability"]
    local, remote = entry["ha-servers"]["local"], entry["ha-servers"]["remote"]
    return entry["ha-mode"], {local["server-name"]: (local["state"], local["scopes"]),
                              remote["server-name"]: (remote["last-state"], remote["last-scopes"])}


@ACTIVE
def test_normal(pair_of, active):
    """Only the active server answers, however long a client has been trying; the standby knows every
    lease, and renews those of whom asks it. Both say who serves."""
    made, serving, standing = standby_pair(pair_of, active)
    for client in (*rfc3074.clients_of(True, 2), *rfc3074.clients_of(False, 2)):
        for secs in (0, 9, 300):
            assert answered_by(made, client, secs=secs) == {active}
    leases = agree.acknowledged(made.clients.do_range("discover", 1, HOLDERS))
    assert {made.server_at(a["server"]) for a in leases.values()} == {serving}
    assert not made.clients.extras()
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    assert answered_by(made, 1, "rebind") == {"s1", "s2"}
    for server in (made.s1, made.s2):
        assert ha_of(server) == ("hot-standby", {active: ("hot-standby", [active]),
                                                 standing.name: ("hot-standby", [])})
        status = server.failover()
        assert (status["mode"], status["active"]) == ("hot-standby", active)
        assert status["buckets"] == (256 if server is serving else 0)
        assert status["refusing"] is None
        shown = status["parameters"]
        assert shown.items() >= {"mode": "hot-standby", "active": active,
                                 "reserve-percent": 5}.items()
        assert not [key for key in shown if key.startswith("load-balance")]
        assert "DIFFERS" not in server.log()
    assert "this one is active" in serving.failover()["meaning"]
    assert "this one stands by" in standing.failover()["meaning"]
    assert standing.failover()["queries-dropped"] >= HOLDERS


@ACTIVE
def test_takeover(pair_of, active):
    """The active server dies: who has a lease keeps it, new clients get the reserve, and when that is
    used up none. When it is back it serves alone, and there is a reserve again."""
    made, serving, standing = standby_pair(pair_of, active)
    leases = agree.acknowledged(made.clients.do_range("discover", 1, HOLDERS))
    agree.settled(made)
    serving.kill9()
    standing.wait_state("COMMUNICATIONS-INTERRUPTED", 10)
    assert ha_of(standing)[1][standing.name] == ("communication-recovery", [standing.name, active])
    kept = agree.acknowledged(made.clients.do_range("rebind", 1, HOLDERS))
    assert {n: a["address"] for n, a in kept.items()} == \
        {n: a["address"] for n, a in leases.items()}
    given = agree.acknowledged(made.clients.do_range("discover", 101, 100 + RESERVE,
                                                     retransmit=True, timeout=15))
    assert {made.server_at(a["server"]) for a in given.values()} == {standing}
    assert made.clients.do("discover", 200, timeout=1)["result"] == "timeout"
    status = standing.failover()
    assert status["clients-refused"] > 0 and status["subnets"][0]["available"] == 0
    assert "FAILOVER_NO_ADDRESS" in standing.log()
    agree.acknowledged(made.clients.do_all("renew", given))

    serving.start()
    made.wait_state("NORMAL", 30)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    rest = SIZE - HOLDERS - RESERVE
    of_secondary = rest * (5 if active == "s1" else 95) // 100      # it is rounded down
    agree.until(lambda: reserve_is(made, serving,
                                   of_secondary if active == "s1" else rest - of_secondary))
    assert answered_by(made, 200) == {active}
    late = agree.acknowledged(made.clients.do_range("discover", 201, 210))
    assert {made.server_at(a["server"]) for a in late.values()} == {serving}
    agree.acknowledged(made.clients.do_all("renew", given))     # at the standby, which gave them
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


def test_swap(pair_of):
    """A reload makes the other server the active one, and again another reserve."""
    made, _serving, _standing = standby_pair(pair_of, "s1")
    made.hook = {**made.hook, "active": "s2", "reserve-percent": 20}
    for server in (made.s2, made.s1):
        server.reload(made.config_of(server.name))
    made.s1.wait_status(lambda status: status["buckets"] == 0, 10)
    made.s2.wait_status(lambda status: status["buckets"] == 256 and status["state"] == "normal", 10)
    agree.until(lambda: reserve_is(made, made.s2, SIZE // 5))
    answers = agree.acknowledged(made.clients.do_range("discover", 1, HOLDERS, retransmit=True,
                                                       timeout=10))
    assert {made.server_at(a["server"]) for a in answers.values()} == {made.s2}
    agree.settled(made)     # a balance that does not know of these leases yet may end near the other
    made.hook = {**made.hook, "reserve-percent": 50}    # nothing on the wire: at once
    connected = made.s1.failover()["state-since"]
    made.s1.reload(made.config_of("s1"))
    agree.until(lambda: reserve_is(made, made.s2, (SIZE - HOLDERS) // 2))
    assert made.s1.failover()["state-since"] == connected
    agree.settled(made)


def test_modes_differ(pair_of):
    """Hot standby here, load balancing there: told, and what the primary says is done."""
    made = pair_of(mclt=20, hook_s1={"mode": "hot-standby"}).start(wait="NORMAL")
    made.s2.wait_log("FAILOVER_DIVISION_DIFFERS s1-s2: the primary's division of clients is used "
                     "(0 of 256 buckets here), not the configured one (128)", 5)
    for client in (rfc3074.clients_of(True, 1)[0], rfc3074.clients_of(False, 1)[0]):
        assert answered_by(made, client) == {"s1"}
