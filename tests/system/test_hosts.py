# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Reservations that are in a database (Kea's hosts-database), each server having one of its own: who gets
them, who does not, and what becomes of changes, and of a server that loses its database.

(Changes are made by SQL and config-reload here; test_at_run_time has those by command.)"""

import time

import pytest

from rig import agree, databases, pair as pairs, rfc3074

OURS = rfc3074.clients_of(True, 14)
THEIRS = rfc3074.clients_of(False, 14)
POOL = ["192.0.2.10 - 192.0.2.39"]
INSIDE = {OURS[0]: "192.0.2.20", THEIRS[0]: "192.0.2.21"}
OUTSIDE = {OURS[1]: "192.0.2.230", THEIRS[1]: "192.0.2.231"}
LATER = {OURS[2]: "192.0.2.22", THEIRS[2]: "192.0.2.23"}


def number(address):
    """An IPv4 address as both databases have it."""
    return int.from_bytes(bytes(int(byte) for byte in address.split(".")), "big")


def reserve(made, reserved):
    """Put reservations into both databases, by the clients' hardware addresses."""
    for database in made.hosts.values():
        for client, address in reserved.items():
            mac = rfc3074.mac_of_client(client).hex()
            key = f"x'{mac}'" if database.kind == "mysql" else f"decode('{mac}', 'hex')"
            database.query("INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, "
                           f"ipv4_address) VALUES ({key}, 0, 1, {number(address)})")


def pair_with_hosts(pair_of, kind, reserved, start=True, **options):
    """A pair in NORMAL, or to be started, whose servers each have these reservations in a database."""
    made = pair_of(mclt=20, lifetime=600, pools=POOL, hook={"max-response-delay": 3, "offer-hold": 2}, **options)
    made.hosts = {}
    for server in (made.s1, made.s2):
        database = databases.KINDS[kind](made.lab, server.namespace, f"hosts-of-{server.name}",
                                          server.kea).start()
        made.hosts[server.name] = database
        server.configure(pairs.merge(server.config, {
            "hosts-database": database.lease_database(),
            "hooks-libraries": [*database.libraries(), *server.config["hooks-libraries"]]}))
    reserve(made, reserved)
    if start:
        made.start(wait="NORMAL")
        agree.settled(made)
    return made


def have_their_own(made, reserved, verb="discover", **keys):
    """Each of these clients gets what is reserved for it."""
    answers = agree.acknowledged(made.clients.do_all(verb, reserved, retransmit=True, timeout=20, **keys))
    assert {client: answer["address"] for client, answer in answers.items()} == reserved
    return answers


def others_have_none(made, clients, reserved):
    """Clients without reservation get addresses, but none of these, even if they wish for it."""
    wish = next(iter(reserved.values()))
    answers = agree.acknowledged(made.clients.do_all("discover", clients, ask=wish, retransmit=True, timeout=20))
    assert not {answer["address"] for answer in answers.values()} & set(reserved.values())


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_reserved(pair_of, kind):
    """In the pool and outside, for clients of either server: each is given to its owner by its own server, to
    nobody else, and by the other server when that one is cut off."""
    made = pair_with_hosts(pair_of, kind, {**INSIDE, **OUTSIDE})
    for server in (made.s1, made.s2):
        assert agree.count_of(server, "reserved") == len(INSIDE)
    for client, answer in have_their_own(made, {**INSIDE, **OUTSIDE}).items():
        assert made.server_at(answer["server"]) is (made.s1 if client in OURS else made.s2)
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    others_have_none(made, OURS[4:8] + THEIRS[4:8], INSIDE)
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    made.cut_clients(made.s1)
    made.cut_link()
    for server in (made.s1, made.s2):
        server.wait_state("COMMUNICATIONS-INTERRUPTED")
    have_their_own(made, {**INSIDE, **OUTSIDE}, "rebind")
    for client in INSIDE:
        made.clients.do("release", client, server=[made.address(2)])
    others_have_none(made, OURS[8:10] + THEIRS[8:10], INSIDE)
    have_their_own(made, INSIDE)
    made.cut_clients(made.s1, False)
    made.cut_link(False)
    made.wait_state("NORMAL")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))


def test_changes(pair_of):
    """Reservations that come into the databases while the servers run, where there was none before, and go
    again. Until the configuration is loaded anew nobody else gets such an address from Kea's engine, and clients
    are served; from then on it is its owner's."""
    made = pair_with_hosts(pair_of, "mariadb", {})
    reserve(made, LATER)
    others_have_none(made, OURS[4:8] + THEIRS[4:8], LATER)
    for server in (made.s1, made.s2):
        server.reload()
    agree.until(lambda: None if agree.count_of(made.s1, "reserved") == len(LATER) else "not reserved")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2))
    have_their_own(made, LATER)
    others_have_none(made, OURS[8:12] + THEIRS[8:12], LATER)
    for client in LATER:
        made.clients.do("release", client)
    for server in (made.s1, made.s2):
        made.hosts[server.name].query("DELETE FROM hosts")
        server.reload()
    agree.until(lambda: None if agree.count_of(made.s1, "reserved") == 0 else "still reserved")
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2) or agree.rows_differ(made.s1, made.s2))
    wish = made.clients.do("discover", OURS[12], ask=LATER[OURS[2]], retransmit=True, timeout=10)
    assert wish["result"] == "ack"


def test_known_to_kea_alone(pair_of):
    """Reservations that come, and one that gets another owner, by SQL and without a reload: Kea's engine goes
    by them at once, and so they are offered to their owners, whichever server may give the address."""
    made = pair_with_hosts(pair_of, "mariadb", INSIDE)
    others_have_none(made, OURS[4:6] + THEIRS[4:6], INSIDE)
    for server in (made.s1, made.s2):
        made.hosts[server.name].query("UPDATE hosts SET dhcp_identifier = "
                                      f"x'{rfc3074.mac_of_client(OURS[1]).hex()}' "
                                      f"WHERE ipv4_address = {number(INSIDE[OURS[0]])}")
    now = {OURS[1]: INSIDE[OURS[0]], THEIRS[0]: INSIDE[THEIRS[0]], **LATER}
    reserve(made, LATER)
    have_their_own(made, now)
    agree.until(lambda: agree.bindings_differ(made.s1, made.s2) or agree.rows_differ(made.s1, made.s2))


def questions(made, verb, client, **keys):
    """How often Kea asks s1's database of reservations while a client is served."""
    log = "FROM mysql.general_log WHERE command_type = 'Execute' AND argument LIKE '%FROM hosts%'"
    database = made.hosts["s1"]
    before = int(database.query(f"SELECT COUNT(*) {log}")[0][0])
    answer = made.clients.do(verb, client, **keys)
    assert verb == "release" or answer["result"] == "ack"
    if verb == "rebind":
        time.sleep(1)   # both servers answer it, and the answer may be s2's
    return int(database.query(f"SELECT COUNT(*) {log}")[0][0]) - before


def all_questions(made, stranger, owner):
    """Of everything that a client without reservation does, and an owner."""
    return {(who, verb): questions(made, verb, client)
            for who, client in (("stranger", stranger), ("owner", owner))
            for verb in ("discover", "renew", "rebind", "reboot", "release")}


def test_questions(pair_of):
    """The database is asked as often as by a Kea without us; but where a reserved address is to be given anew
    to its owner, once more for the DISCOVER and once for the REQUEST."""
    made = pair_with_hosts(pair_of, "mariadb", INSIDE, start=False)
    made.hosts["s1"].query("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
    ours = made.s1.config
    made.s1.configure({**ours, "hooks-libraries": made.hosts["s1"].libraries()})
    made.s1.start()
    made.start_clients()
    plain = all_questions(made, OURS[4], OURS[0])
    assert plain["stranger", "discover"] >= 2 and plain["stranger", "renew"] >= 1
    made.s1.stop()
    made.s1.configure(ours)
    made.start(wait="NORMAL")
    agree.settled(made)
    with_us = all_questions(made, OURS[4], OURS[0])
    plain["owner", "discover"] += 2
    assert with_us == plain


def test_lost(pair_of):
    """A server that loses its database of reservations cannot know whose an address is: Kea serves nobody until
    it is back, and the partner is told, which gives everybody, owners too, what is theirs."""
    made = pair_with_hosts(pair_of, "mariadb", INSIDE)
    have_their_own(made, {OURS[0]: INSIDE[OURS[0]]})
    agree.settled(made)
    made.hosts["s1"].kill9()
    made.clients.do("renew", OURS[0], timeout=1)        # Kea sees it at the next query
    made.s1.wait_log("FAILOVER_PAUSED")
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED")
    have_their_own(made, {OURS[0]: INSIDE[OURS[0]]}, "rebind")
    have_their_own(made, {THEIRS[0]: INSIDE[THEIRS[0]]})
    others_have_none(made, OURS[4:6] + THEIRS[4:6], INSIDE)
    made.hosts["s1"].start()
    made.wait_state("NORMAL")
    agree.settled(made)


def test_no_refusal(pair_of):
    """What Kea's engine could not find out for want of that database, it answers by a NAK. No holder of a lease
    hears that. (Each question takes a moment, and the database ends during the second of a client.)"""
    made = pair_with_hosts(pair_of, "mariadb", INSIDE)
    stranger = OURS[4]
    leases = agree.acknowledged(made.clients.do_all("discover", [stranger]))
    agree.settled(made)
    for statement in ("RENAME TABLE hosts TO all_hosts",
                      "CREATE VIEW hosts AS SELECT all_hosts.* FROM all_hosts, (SELECT SLEEP(0.5)) AS slowly"):
        made.hosts["s1"].query(statement)
    reboot = made.clients.order("reboot", stranger, timeout=3)
    time.sleep(0.8)
    made.hosts["s1"].kill9()
    made.s1.wait_log("ALLOC_ENGINE_V4_ALLOC_ERROR")
    made.clients.wait(reboot, [stranger])
    made.s1.wait_log("FAILOVER_PAUSED")
    agree.kept(made.clients, leases)    # by the partner
