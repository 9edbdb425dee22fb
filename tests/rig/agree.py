# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What two partners must agree on, and waiting for it.

Functions named after a complaint return what is wrong as a text, or None; `until` waits for None.
Updates between partners are lazy by design, so every comparison of two servers has to wait a
little, and must say what was different if it never became equal.
"""

import math
import time

COUNTS = ("total", "free", "backup", "active", "expired", "released", "abandoned", "reset")
DEFAULT, DECLINED = 0, 1        # states of Kea's rows
INFINITE = 0xffffffff           # a lease's length


def until(complaint, timeout=15):
    """Wait until a function finds nothing to complain of."""
    deadline = time.monotonic() + timeout
    while (wrong := complaint()) is not None:
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still: {wrong}")
        time.sleep(0.1)


def end_of(row):
    """When a row of Kea's database ends: an endless one never, whenever it began (a partner that has the
    client's next transaction in the same second counts it later)."""
    return math.inf if row["valid-lft"] == INFINITE else row["cltt"] + row["valid-lft"]


def rows_differ(one, two):
    """Both databases: same addresses, clients, states, and ends within a second."""
    ours, theirs = one.leases(), two.leases()
    if ours.keys() != theirs.keys():
        return f"only one server has {sorted(ours.keys() ^ theirs.keys())}"
    for address, row in ours.items():
        other = theirs[address]
        # A server that was away when a lease was renewed at the other knows no fraction of seconds.
        if not math.isclose(end_of(row), end_of(other), rel_tol=0, abs_tol=1) or any(
                row.get(key) != other.get(key)
                for key in ("hw-address", "client-id", "state", "subnet-id")):
            return f"{one.name} has {row}, {two.name} {other}"
    return None


def bindings_differ(one, two):
    """Both binding tables count alike, and nothing is on its way, to the partner or to the disk."""
    counts = []
    for server in (one, two):
        status = server.failover()
        # An older library (a rolling upgrade) says nothing of what is not stored yet.
        updates = {key: status["updates"].get(key, 0) for key in ("pending", "unacknowledged", "unstored")}
        if any(updates.values()):
            return f"{server.name} has updates under way: {updates}"
        counts.append([{key: subnet[key] for key in ("subnet-id", *COUNTS)}
                       for subnet in status["subnets"]])
    return None if counts[0] == counts[1] else f"{one.name} counts {counts[0]}, " \
                                               f"{two.name} {counts[1]}"


def miscounted(server):
    """Kea's statistics are what a recount of its rows gives."""
    rows = server.leases().values()
    declined = sum(row["state"] == DECLINED for row in rows)
    wanted = {"declined-addresses": declined}
    for subnet in {row["subnet-id"] for row in rows} | {1}:
        of_it = [row for row in rows if row["subnet-id"] == subnet]
        # Kea counts a declined address as assigned, too.
        wanted[f"subnet[{subnet}].assigned-addresses"] = sum(
            row["state"] in (DEFAULT, DECLINED) for row in of_it)
        wanted[f"subnet[{subnet}].declined-addresses"] = sum(
            row["state"] == DECLINED for row in of_it)
    counted = {name: server.statistic(name) for name in wanted}
    return None if counted == wanted else f"{server.name} counts {counted}, its rows say {wanted}"


def settled(pair, timeout=15):
    """Wait until both partners agree on everything."""
    def complaint():
        return (bindings_differ(pair.s1, pair.s2) or rows_differ(pair.s1, pair.s2) or
                miscounted(pair.s1) or miscounted(pair.s2))
    until(complaint, timeout)


def held_unknown(pair):
    """Every lease that a client holds is on both servers, for as long as the client holds it."""
    held = pair.clients.status()
    for server in (pair.s1, pair.s2):
        rows = server.leases()
        for client, lease in held.items():
            row = rows.get(lease["address"])
            mac = f"02:00:{client >> 24:02x}:{client >> 16 & 255:02x}:" \
                  f"{client >> 8 & 255:02x}:{client & 255:02x}"
            if row is None or row["hw-address"] != mac:
                return f"client {client} holds {lease}, {server.name} has {row}"
            if end_of(row) < lease["end"] - 2:
                return f"client {client} holds {lease}, longer than on {server.name}: {row}"
    return None


def count_of(server, name, subnet=1):
    """One count of the binding table."""
    return next(s[name] for s in server.failover()["subnets"] if s["subnet-id"] == subnet)


def acknowledged(answers):
    """All answers are DHCPACKs: returns them, {client: answer}."""
    refused = {n: a["result"] for n, a in answers.items() if a["result"] != "ack"}
    assert not refused, f"not acknowledged: {refused}"
    return answers


def long_leases(pair, wanted):
    """What these clients get that had none: leases of full length, known to both servers."""
    acknowledged(pair.clients.do_all("discover", wanted, timeout=10))   # a database may be slow at first
    settled(pair)
    leases = acknowledged(pair.clients.do_all("renew", wanted))
    settled(pair)
    return leases


def kept(clients, leases):
    """Each client rebinds by broadcast, as at T2, and keeps its address."""
    answers = acknowledged(clients.do_all("rebind", leases))
    assert {n: a["address"] for n, a in answers.items()} == \
        {n: a["address"] for n, a in leases.items()}
    return answers


def all_keep(pair, leases, timeout=15):
    """The same, and both servers know it."""
    kept(pair.clients, leases)
    settled(pair, timeout)
    until(lambda: held_unknown(pair))


def servers_of(pair, client, since, results=("offer", "ack", "nak")):
    """Names of the servers that answered a client since then, with one of the results."""
    return {pair.server_at(a["server"]).name for a in pair.clients.said_to(client, since)
            if a.get("server") and a["result"] in results}
