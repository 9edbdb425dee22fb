# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Where Kea keeps its leases: in MariaDB, in PostgreSQL, in a lease file, or nowhere; and what becomes
of a pair when a database is lost, slow, or knows less than it did."""

import os
import time

import pytest

from rig import agree, databases, rfc3074, server

OURS = rfc3074.clients_of(True, 40)
THEIRS = rfc3074.clients_of(False, 40)
MCLT = 10
QUICK = {"max-response-delay": 3, "startup-delay": 2, "offer-hold": 2}
DATABASE = pytest.mark.parametrize("backend", ["mariadb", "postgresql"])


def with_leases(pair_of, **options):
    """A running pair, and ten clients of each server with long leases."""
    made = pair_of(mclt=MCLT, lifetime=600, hook=QUICK, **options).start(wait="NORMAL")
    return made, agree.long_leases(made, OURS[:10] + THEIRS[:10])


def still_held(pair):
    """Leases that clients hold, and for some seconds more."""
    return {n: held for n, held in pair.clients.status().items() if held["end"] > time.time() + 5}


def unacknowledged(by):
    """How many bindings of one server its partner has not acknowledged."""
    updates = by.failover()["updates"]
    return updates["pending"] + updates["unacknowledged"]


@DATABASE
def test_life(pair_of, backend):
    """What clients do is in both databases, and stays there through an orderly restart and a crash."""
    made, leases = with_leases(pair_of, backends=backend)
    made.clients.do("release", OURS[0])
    made.clients.do("decline", THEIRS[0])
    declined = leases.pop(THEIRS[0])["address"]
    released = leases.pop(OURS[0])["address"]
    agree.acknowledged(made.clients.do_all("renew", [OURS[1], THEIRS[1]], host_name=b"O'Name \\"))
    agree.settled(made)
    made.s1.restart()
    made.s2.restart(orderly=False)
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)
    for each in (made.s1, made.s2):
        rows = each.leases()
        assert rows[declined]["state"] == agree.DECLINED
        assert released not in rows
        count, = made.databases[each.name].query("SELECT count(*) FROM lease4")
        assert count == [str(len(leases) + 1)]


@DATABASE
def test_infinite(pair_of, backend):
    """A lease without end: both databases keep it as such, though they know no time after 2038."""
    made = pair_of(mclt=MCLT, lifetime=agree.INFINITE, hook=QUICK, backends=backend).start(wait="NORMAL")
    clients = OURS[:2] + THEIRS[:2]
    agree.acknowledged(made.clients.do_all("discover", clients))
    agree.settled(made)
    for restarted in (made.s1, made.s2):
        answers = agree.acknowledged(made.clients.do_all("renew", clients))
        assert {answer["lease"] for answer in answers.values()} == {agree.INFINITE}
        agree.settled(made)
        for each in (made.s1, made.s2):
            assert {row["valid-lft"] for row in each.leases().values()} == {agree.INFINITE}
            assert "FAILOVER_ROW_FAILED" not in each.log()
        restarted.restart(orderly=False)
        made.wait_state("NORMAL")


@DATABASE
def test_database_killed(pair_of, backend):
    """Under load one server's database dies.  What it cannot write it does not acknowledge; its partner
    takes over; when the database is back, nothing is lost, not even what it has forgotten itself."""
    made, _leases = with_leases(pair_of, backends=backend)
    made.databases["s1"].query("DELETE FROM lease4 WHERE address % 2 = 0")
    load = made.clients.order_range("discover", 101, 160, rate=20, retransmit=True, timeout=60)
    time.sleep(1)
    made.databases["s1"].kill9()
    for client in OURS[:10]:
        made.clients.order("renew", client)  # so that more than one thread finds its connection lost
    agree.until(lambda: None if unacknowledged(made.s2) else "all is acknowledged")
    made.s1.wait_log("FAILOVER_PAUSED")
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED")
    agree.acknowledged(made.clients.wait(load, range(101, 161), 60))
    assert unacknowledged(made.s2)
    made.databases["s1"].start()
    made.s1.wait_log("FAILOVER_RESUMED", timeout=30)
    made.wait_state("NORMAL")
    agree.all_keep(made, still_held(made), 30)
    assert "FAILOVER_ROW_REMOVED" not in made.s1.log()  # nobody has added rows


@pytest.mark.long
@DATABASE
def test_database_hangs(pair_of, backend):
    """The same with one that gives no answer: Kea's main thread waits for it, and the pair does not."""
    made, _leases = with_leases(pair_of, backends=backend)
    load = made.clients.order_range("discover", 101, 160, rate=20, retransmit=True, timeout=60)
    time.sleep(1)
    made.databases["s1"].sigstop()
    agree.until(lambda: None if unacknowledged(made.s2) else "all is acknowledged")
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", 40)
    agree.acknowledged(made.clients.wait(load, range(101, 161), 60))
    assert unacknowledged(made.s2)
    made.databases["s1"].sigcont()
    made.wait_state("NORMAL")
    agree.all_keep(made, still_held(made), 30)


@pytest.mark.long
@DATABASE
def test_mixed(pair_of, backend):
    """One with a lease file, one with a database; leases end, and their rows with them."""
    made, leases = with_leases(pair_of, backends=("memfile", backend))
    agree.acknowledged(made.clients.do_all("discover", OURS[10:20] + THEIRS[10:20]))
    agree.settled(made)
    assert agree.count_of(made.s1, "active") == 40
    agree.until(lambda: None if len(made.s1.leases()) == len(leases) else "not all have ended", 30)
    agree.settled(made)
    assert agree.count_of(made.s2, "active") == len(leases)
    made.s2.restart()
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["mariadb", "postgresql", "memfile"])
def test_lost_store(pair_of, backend):
    """A server that has lost store and rows gets some thousand from its partner, which serves all
    clients meanwhile."""
    made = pair_of(mclt=2 * MCLT, lifetime=3600, hook=QUICK, backends=("memfile", backend),
                   subnet="10.1.0.0/19", pools=["10.1.1.0 - 10.1.16.255"])
    made.start(wait="NORMAL")
    for first in range(1, 3000, 500):
        for verb in ("discover", "renew"):      # for long, when the first is known to both
            agree.acknowledged(made.clients.do_range(verb, first, first + 499, rate=250,
                                                     retransmit=True))
            agree.until(lambda: agree.bindings_differ(made.s1, made.s2), 60)
    agree.settled(made, 120)
    made.s2.kill9()
    for name in os.listdir(made.s2.directory):
        if name.startswith("kea-leases4.csv"):
            os.unlink(made.s2.path(name))
    if backend in databases.KINDS:
        made.databases["s2"].query("DELETE FROM lease4")
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED")
    made.s2.start(wait=False)
    new = made.clients.do_range("discover", 3001, 3300, rate=30, retransmit=True)
    agree.acknowledged(new)
    made.wait_state("NORMAL", 120)
    agree.settled(made, 120)
    assert len(made.s2.leases()) >= 3000
    agree.until(lambda: agree.held_unknown(made))


@DATABASE
def test_slow_database(pair_of, backend):
    """A batch of the partner's updates goes to a database that takes its time for each row, and Kea's main
    thread, which receives what clients say, waits for it.  Clients are served between the rows: none waits
    as long as even a quarter of them takes."""
    rows, a_row = 160, 0.02
    made = pair_of(mclt=60, lifetime=600, hook=QUICK, backends=("memfile", backend),
                   subnet="10.1.0.0/22", pools=["10.1.1.0 - 10.1.2.255"]).start(wait="NORMAL")
    made.cut_link()
    made.wait_state("COMMUNICATIONS-INTERRUPTED", 20)
    made.cut_clients(made.s2)
    leases = agree.acknowledged(made.clients.do_range("discover", 1, rows))
    made.cut_clients(made.s2, False)
    made.databases["s2"].slow(a_row)
    own = iter(rfc3074.clients_of(False, 400, first=1001))
    orders, since = {}, None
    made.cut_link(False)
    while unacknowledged(made.s1):
        client = next(own)
        orders[client] = made.clients.order("discover", client, timeout=10)
        since = since or (time.time() if made.s1.failover()["state"] == "normal" else None)
        time.sleep(0.1)
    took = time.time() - since
    answers = agree.acknowledged({n: made.clients.wait(order, [n], 15)[n] for n, order in orders.items()})
    longest = max(a["total_ms"] for a in answers.values()) / 1000
    assert took > rows * a_row, f"{rows} rows took {took} s: not slow"
    assert longest < rows * a_row / 4, f"{rows} rows took {took} s, and a client waited {longest} s"
    assert {a["address"] for a in leases.values()} <= made.s2.leases().keys()
    agree.settled(made)


@pytest.mark.long
def test_without_persistence(pair_of):
    """Kea keeps its leases in memory alone.  Our store brings them back after a restart, and after a
    crash too, with the doubts of a power cut."""
    made, leases = with_leases(pair_of, kea={"lease-database": {"type": "memfile", "persist": False}})
    made.s1.restart()
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)
    made.s2.restart(orderly=False)
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)
    agree.acknowledged(made.clients.do_all("discover", OURS[10:20] + THEIRS[10:20],
                                           retransmit=True))
    agree.settled(made)


@pytest.mark.long
@DATABASE
def test_kea_gives_up(pair_of, backend):
    """By default Kea ends when it has lost its database: that is an orderly stop, and what comes after
    is as after any other."""
    made, leases = with_leases(pair_of, backends=backend)
    database = made.databases["s1"]
    made.kea_sides["s1"] = {"lease-database": {"max-reconnect-tries": 0}}
    made.s1.reload(made.config_of("s1"))
    made.wait_state("NORMAL")
    database.kill9()
    made.s1.process.wait(30)
    assert "FAILOVER_STOPPED" in made.s1.log()
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=1)
    database.start()
    made.s1.start()
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)


@pytest.mark.long
@DATABASE
def test_serve_retry(pair_of, backend):
    """A Kea that is told to serve on without database cannot, and its partner hears of it all the same."""
    made, leases = with_leases(pair_of, backends=backend, kea_s1={
        "lease-database": {"on-fail": "serve-retry-continue"}})
    made.databases["s1"].kill9()
    made.clients.order_range("rebind", OURS[0], OURS[0])
    made.s1.wait_log("FAILOVER_PAUSED", 15)
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED")
    answers = agree.acknowledged(made.clients.do_all("rebind", leases))
    assert {made.server_at(a["server"]).name for a in answers.values()} == {"s2"}
    made.databases["s1"].start()
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)


@DATABASE
def test_stop_without_database(pair_of, backend):
    """A server that is stopped while its database is lost stops in order: afterwards nothing is in doubt."""
    made, leases = with_leases(pair_of, backends=backend)
    made.databases["s1"].kill9()
    made.clients.order_range("rebind", OURS[0], OURS[0])
    made.s1.wait_log("FAILOVER_PAUSED", 15)
    made.s1.stop()
    assert "FAILOVER_STOPPED" in made.s1.log()
    made.databases["s1"].start()
    made.s1.start()
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)


@pytest.mark.long
@DATABASE
def test_reload_without_database(pair_of, backend):
    """A reload while the database is lost fails, and the next one is all that it takes."""
    made, leases = with_leases(pair_of, backends=backend)
    made.databases["s1"].kill9()
    made.clients.order_range("rebind", OURS[0], OURS[0])
    made.s1.wait_log("FAILOVER_PAUSED", 15)
    with pytest.raises(server.CommandError):
        made.s1.reload()
    made.databases["s1"].start()
    made.s1.reload()
    made.wait_state("NORMAL")
    agree.all_keep(made, leases, 30)


@pytest.mark.long
@DATABASE
def test_after_2038(pair_of, backend):
    """No database keeps a time after January 2038: there the row of a partner's lease ends earlier than
    the lease, and nothing waits for it."""
    made = pair_of(mclt=MCLT, lifetime=500_000_000, hook=QUICK, backends=("memfile", backend),
                   kea_s2={"valid-lifetime": 600}).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_all("discover", OURS[:3]))
    agree.settled(made)
    leases = agree.acknowledged(made.clients.do_all("renew", OURS[:3]))
    assert {a["lease"] for a in leases.values()} == {500_000_000}
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    rows = made.s2.leases()
    assert {agree.end_of(rows[a["address"]]) for a in leases.values()} == {2**31 - 1}
    made.s2.restart()
    made.wait_state("NORMAL")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    assert all(agree.end_of(row) > 2**31 for row in made.s1.leases().values())
