# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Starts (draft 9.3, 9.5 to 9.7): with leases from before failover, after an orderly stop, without
stable storage, without a partner for longer than the MCLT, and with rows in Kea's lease file that
the store does not expect (rule of safety 8 of the design)."""

import os
import shutil
import time

import pytest

from rig import agree, pair as pairs, rfc3074

OURS = rfc3074.clients_of(True, 30)
THEIRS = rfc3074.clients_of(False, 30)
MCLT = 10
EITHER = pytest.mark.parametrize("primary", [True, False], ids=["s1", "s2"])


def sides(pair, primary):
    """The server that a test is about, and its partner.  The longest tests take one in each
    threading mode, and so are seen from both."""
    return (pair.s1, pair.s2) if primary else (pair.s2, pair.s1)


def quick_pair(pair_of, **options):
    """A pair that is not started."""
    hook = {"max-response-delay": 3, "startup-delay": 2, "offer-hold": 2}
    return pair_of(mclt=MCLT, lifetime=600, hook=hook, **options)


def with_leases(pair_of):
    """A running pair with ten clients of each server, whose leases are long."""
    made = quick_pair(pair_of).start(wait="NORMAL")
    leases = agree.long_leases(made, OURS[:10] + THEIRS[:10])
    assert {a["lease"] for a in leases.values()} == {600}
    return made, leases


# ---- from one server to a pair ----

@EITHER
def test_one_has_leases(pair_of, primary):
    """A plain Kea that has served for a while gets a new partner: no lease is lost, and a declined
    address stays declined."""
    made = quick_pair(pair_of)
    old, _new = sides(made, primary)
    with_hook = old.config
    old.configure(pairs.kea_config(made.subnet, lifetime=600, threading=made.threading))
    old.start()
    made.start_clients()
    leases = agree.acknowledged(made.clients.do_all("discover", OURS[:8] + THEIRS[:8]))
    made.clients.do("decline", OURS[7])
    declined = leases.pop(OURS[7])["address"]
    old.wait_log("DHCP4_DECLINE_LEASE ")
    old.stop()
    old.configure(with_hook)
    made.start(wait="NORMAL")
    agree.all_keep(made, leases)
    for server in (made.s1, made.s2):
        assert server.leases()[declined]["state"] == agree.DECLINED
        assert agree.count_of(server, "active") == len(leases)
    taken = {a["address"] for a in leases.values()} | {declined}
    answers = made.clients.do_all("discover", OURS[10:20] + THEIRS[10:20])
    assert not taken & {a["address"] for a in agree.acknowledged(answers).values()}
    agree.settled(made)


# ---- restarts ----

@EITHER
def test_orderly_restart(pair_of, primary):
    """Kea's orderly exit says PAUSED: the partner serves everybody at once, without waiting for its
    receive timer; afterwards both are NORMAL without RECOVER."""
    made, leases = with_leases(pair_of)
    leaving, staying = sides(made, primary)
    assert leaving.stop() == 0
    staying.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=1)
    assert staying.failover()["partner-state"] == "paused"
    answers = agree.acknowledged(made.clients.do_all("rebind", leases))
    assert all(made.server_at(a["server"]) is staying for a in answers.values())
    agree.acknowledged(made.clients.do_all("discover", OURS[10:15] + THEIRS[10:15]))
    leaving.start()
    made.wait_state("NORMAL", timeout=10)
    agree.all_keep(made, leases)
    assert "state is RECOVER" not in leaving.log().rsplit("FAILOVER_STARTED", 1)[1]


def test_what_a_crash_leaves(pair_of):
    """Own state, the partner's, the last contact (to 10 s) and the MCLT in force are there after a
    kill -9, without the partner; and a short absence is no reason to wait for it."""
    made = quick_pair(pair_of, hook_s1={"max-client-lead-time": 25, "contact-interval": 1},
                      hook_s2={"contact-interval": 1}).start(wait="NORMAL")
    server, partner = sides(made, made.threading == "multi")
    agree.acknowledged(made.clients.do_all("discover", OURS[:2] + THEIRS[:2]))
    agree.settled(made)
    time.sleep(13)
    before = server.failover()
    for each in (server, partner):
        each.kill9()
    server.start()
    after = server.failover()
    assert after["state"] == "startup" and after["refusing"]
    assert after["partner-state"] == "normal" and after["mclt"] == 25
    assert before["last-contact"] - 11 <= after["last-contact"] <= before["last-contact"] + 2
    since = time.time()
    server.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=5)      # and not RECOVER
    assert time.time() - since < 4
    assert abs(server.failover()["state-since"] - time.time()) <= 5
    for client, verb in ((OURS[5], "discover"), (THEIRS[0], "rebind")):
        assert made.clients.do(verb, client, from_=made.address(
            1 if server is made.s1 else 2))["result"] == "ack"


@pytest.mark.parametrize("rows_too", [False, True], ids=["store", "all"])
def test_lost_store(pair_of, rows_too):
    """Stable storage is gone, perhaps with Kea's leases: all comes back from the partner by
    UPDREQALL, and nobody is served before leases that may be forgotten are over: MCLT from the
    start, since nothing says when it went down."""
    made, leases = with_leases(pair_of)
    losing, keeping = sides(made, (made.threading == "multi") != rows_too)
    losing.kill9()
    os.unlink(losing.path("kea-leases4.csv.failover"))
    if rows_too:
        os.unlink(losing.lease_file)
    keeping.wait_state("COMMUNICATIONS-INTERRUPTED")
    newcomers = made.clients.do_all("discover", OURS[10:13] + THEIRS[10:13])
    leases.update(agree.acknowledged(newcomers))
    started = time.time()
    losing.start()
    status = losing.wait_state("RECOVER-WAIT", timeout=5)
    assert "UPDREQALL" in losing.log() and keeping.failover()["state"] != "normal"
    assert status["refusing"] and abs(status["deadline"] - started - MCLT) < 3, status
    # Everybody is served meanwhile, by the partner alone.
    answers = agree.acknowledged(made.clients.do_all("rebind", leases))
    assert all(made.server_at(a["server"]) is keeping for a in answers.values())
    newcomers = made.clients.do_all("discover", OURS[13:16] + THEIRS[13:16])
    leases.update(agree.acknowledged(newcomers))
    losing.wait_state(["RECOVER-DONE", "NORMAL"], timeout=MCLT + 4)
    assert MCLT - 1 <= time.time() - started <= MCLT + 3
    made.wait_state("NORMAL", timeout=5)
    agree.all_keep(made, leases)


def test_alone_after_long_stop(pair_of):
    """Down for longer than the MCLT, and no partner: who knows what it has done meanwhile. With
    startup-without-partner "known" leases that are known go on; nobody new is served, and the status
    says why, and what ends it. With "auto" and no auto-partner-down everybody is served."""
    made, leases = with_leases(pair_of)
    made.hook["startup-without-partner"] = "known"
    first, second = sides(made, made.threading == "multi")
    first.stop()
    second.wait_state("COMMUNICATIONS-INTERRUPTED")
    second.stop()
    time.sleep(MCLT + 1)
    first.configure(made.config_of(first.name))
    first.start()
    first.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=10)
    assert "alone" in first.failover()["refusing"] and first.failover()["way-out"]
    since = time.time()
    answers = agree.acknowledged(made.clients.do_all("rebind", leases))
    assert all(made.server_at(a["server"]) is first for a in answers.values())
    for client in (OURS[12], THEIRS[12]):
        assert made.clients.do("discover", client, timeout=0.5)["result"] == "timeout"
        assert made.clients.do("discover", client, secs=9, timeout=0.5)["result"] == "timeout"
    for client in (OURS[0], THEIRS[0]):     # a known client that starts anew has to wait, too
        assert made.clients.do("reboot", client, timeout=0.5)["result"] == "timeout"
    assert not [a for n in OURS[12:13] + THEIRS[12:13]
                for a in made.clients.said_to(n, since) if a["result"] in ("offer", "ack", "nak")]
    made.hook["startup-without-partner"] = "auto"
    first.reload(made.config_of(first.name))
    assert first.failover()["refusing"] is None and "longer than" in first.failover()["meaning"]
    agree.acknowledged(made.clients.do_all("discover", [OURS[13], THEIRS[13]]))
    second.start()
    made.wait_state("NORMAL", timeout=15)
    assert first.failover()["refusing"] is None
    agree.all_keep(made, leases)
    agree.acknowledged(made.clients.do_all("discover", [OURS[12], THEIRS[12]]))


# ---- a store that is restored from a copy ----

@EITHER
def test_older_copy(pair_of, primary):
    """Somebody restores yesterday's state file (5.16): the partner knows better. The server treats it
    as lost, waits, and has every lease again; nobody loses an address, and none is given twice."""
    made, leases = with_leases(pair_of)
    server, partner = sides(made, primary)
    server.stop()
    state, copy = server.lease_file + ".failover", server.path("copy.failover")
    shutil.copy(state, copy)
    server.start()
    made.wait_state("NORMAL", timeout=15)
    # A day passes: leases end and others are given, at the same addresses.
    for client in OURS[5:10] + THEIRS[5:10]:
        leases.pop(client)
    made.clients.do_all("release", OURS[5:10] + THEIRS[5:10], secs=9)
    agree.settled(made)
    new = OURS[10:20] + THEIRS[10:20]
    agree.acknowledged(made.clients.do_all("discover", new))
    agree.settled(made)
    leases.update(agree.acknowledged(made.clients.do_all("renew", new)))    # 600 s now
    agree.settled(made)
    server.kill9()
    shutil.copy(copy, state)
    server.start()
    server.wait_log("FAILOVER_ROLLED_BACK")
    server.wait_state("RECOVER-WAIT", timeout=10)
    made.wait_state("NORMAL", timeout=MCLT + 10)
    agree.settled(made)
    agree.all_keep(made, leases)
    assert set(server.leases()) == set(partner.leases()) == {a["address"] for a in leases.values()}


# ---- rows that the store does not expect ----

def row_of(address, client, since, length, state=0):
    """One line of Kea's lease file."""
    mac = rfc3074.mac_of_client(client).hex(":")
    return f"{address},{mac},,{length},{since + length},1,0,0,,{state},"


def edit(server, change):
    """Kea's lease file, its lines changed by a function; it is not running.  Columns that newer ones have
    behind the others: pool_id is a number."""
    with open(server.lease_file, encoding="ascii") as text:
        head, *lines = text.read().splitlines()
    columns = head.split(",")
    with open(server.lease_file, "w", encoding="ascii") as out:
        for line in [head, *change(lines)]:
            missing = columns[line.count(",") + 1:]
            out.write(",".join([line, *("0" if name == "pool_id" else "" for name in missing)]) + "\n")


@EITHER
def test_lost_rows(pair_of, primary):
    """Kea's memfile has lost its last rows: the store has them, and they are written again."""
    made, leases = with_leases(pair_of)
    server, _partner = sides(made, primary)
    server.kill9()
    lost = {a["address"] for n, a in leases.items() if n in OURS[5:10] + THEIRS[5:10]}
    edit(server, lambda lines: [line for line in lines if line.split(",")[0] not in lost])
    server.start()
    made.wait_state("NORMAL", timeout=10)
    agree.settled(made)
    assert lost <= server.leases().keys()
    agree.all_keep(made, leases)


@EITHER
def test_unknown_rows(pair_of, primary):
    """Rows that the store does not know.  One over a free address of this server's own was written
    in the moment of a crash: it is a lease, and the partner learns of it.  So is one over the
    partner's free address, if later than anything known of it (Kea ran without us), and a later end
    of a known lease.  What is older than the store is corrected: another client over a known lease,
    a lease that has ended since."""
    made, leases = with_leases(pair_of)
    server, partner = sides(made, primary)
    ended = leases.pop(OURS[9])["address"]
    made.clients.do("release", OURS[9])     # nobody answers it: both servers may be equal before
    agree.until(lambda: f"{ended} is not released yet" if ended in {
        **server.leases(), **partner.leases()} else None)
    agree.settled(made)
    now = int(time.time())
    own, other = (made.clients.do("discover-only", OURS[20 + place], secs=9,
                                  from_=made.address(place + 1))["address"]
                  for place in ((0, 1) if primary else (1, 0)))
    known, longer = leases[OURS[0]]["address"], leases[THEIRS[0]]["address"]
    rows = [row_of(own, OURS[22], now, 300), row_of(other, OURS[23], now, 400),
            row_of(known, OURS[24], now - 3000, 6000), row_of(longer, THEIRS[0], now + 1, 900)]
    if not primary:     # FREE is the primary's: there it would be a lease of its own
        rows.append(row_of(ended, OURS[9], now - 3000, 6000))
    server.kill9()
    edit(server, lambda lines: lines + rows)
    server.start()
    made.wait_state("NORMAL", timeout=10)
    agree.settled(made)
    for each in (server, partner):
        rows = each.leases()
        for address, client, end in ((own, OURS[22], now + 300), (other, OURS[23], now + 400),
                                     (longer, THEIRS[0], now + 901)):
            assert rows[address]["hw-address"] == rfc3074.mac_of_client(client).hex(":"), each.name
            assert abs(agree.end_of(rows[address]) - end) <= 2
        assert rows[known]["hw-address"] == rfc3074.mac_of_client(OURS[0]).hex(":"), each.name
        assert ended not in rows, each.name
    for client, address in ((OURS[22], own), (OURS[23], other)):
        answer = made.clients.do("reboot", client, ask=address)
        assert (answer["result"], answer["address"]) == ("ack", address)
    agree.all_keep(made, leases)


@EITHER
def test_all_rows_lost(pair_of, primary):
    """Kea's lease file is gone, the store is there: every row comes back from it."""
    made, leases = with_leases(pair_of)
    server, _partner = sides(made, primary)
    server.stop()
    os.unlink(server.lease_file)
    server.start()
    made.wait_state("NORMAL", timeout=10)
    agree.settled(made)
    agree.all_keep(made, leases)


# ---- leases without end ----


def endless(made, leases):
    """Until both servers have exactly these leases, in the same form: without end."""
    addresses = {lease["address"] for lease in leases.values()}
    agree.until(lambda: next((
        f"{server.name} has {rows}" for server in (made.s1, made.s2)
        if (rows := {address: row["valid-lft"] for address, row in server.leases().items()}) !=
        dict.fromkeys(addresses, agree.INFINITE)), None))
    agree.settled(made)


def renewed_for_ever(made, leases):
    """Each is renewed by its own server, and has no end."""
    answers = agree.acknowledged(made.clients.do_all("renew", leases))
    assert {answer["lease"] for answer in answers.values()} == {agree.INFINITE}
    endless(made, answers)


def test_infinite(pair_of):
    """A lifetime without end: the first lease is as long as the MCLT, the next has no end, and so has the
    row of either server, whatever becomes of them; a client that comes while a server is away hears of the
    MCLT, and in PARTNER-DOWN of no end."""
    made = quick_pair(pair_of)
    made.lifetime = agree.INFINITE
    for server in (made.s1, made.s2):
        server.configure(made.config_of(server.name))
    made.start(wait="NORMAL")
    leases = agree.acknowledged(made.clients.do_all("discover", OURS[:3] + THEIRS[:3]))
    assert {lease["lease"] for lease in leases.values()} <= {MCLT - 1, MCLT}
    agree.settled(made)
    renewed_for_ever(made, leases)

    made.s1.kill9()
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED")
    assert made.clients.do("rebind", OURS[0])["lease"] == MCLT
    made.s2.command("failover-partner-down", {"force": True})
    made.s2.wait_state("PARTNER-DOWN")
    time.sleep(0.5)     # what is not on disk yet counts for nothing (9.4.2)
    answers = agree.acknowledged(made.clients.do_all("rebind", OURS[:2]))
    assert {answer["lease"] for answer in answers.values()} == {agree.INFINITE}
    made.s1.start()
    made.wait_state("NORMAL")
    endless(made, leases)

    for orderly in (True, False):
        made.s2.restart(orderly=orderly)
        made.wait_state("NORMAL")
        renewed_for_ever(made, leases)

    made.s1.kill9()
    os.unlink(made.s1.path("kea-leases4.csv.failover"))
    os.unlink(made.s1.lease_file)
    made.s1.start()
    made.wait_state("NORMAL")
    endless(made, leases)
    time.sleep(2)       # or the RELEASE might be of before the partner's last word (Kea 2.2 cannot tell)
    made.clients.do("release", OURS[2])
    del leases[OURS[2]]
    endless(made, leases)
    made.s1.command("lease4-del", {"ip-address": leases.pop(THEIRS[2])["address"]})
    endless(made, leases)
