# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What an operator and his tools read: failover-status-get in each state, with reason, deadline and
way out wherever clients are refused, and status-get in the shape that Kea's own HA library has."""

import time

from rig import agree, partner, rfc3074

COUNTER = {"connecting-clients", "unacked-clients", "unacked-clients-left", "analyzed-packets"}
LOCAL = {"server-name": str, "role": str, "scopes": list, "state": str, "system-time": type(None)}
REMOTE = {"server-name": str, "role": str, "last-state": str, "last-scopes": list, "age": int,
          "in-touch": bool, "communication-interrupted": bool, "system-time": type(None),
          "clock-skew": type(None), **{name: int for name in COUNTER}}
FAILOVER = {"relationship": str, "role": str, "state": str, "state-code": int, "state-since": int,
            "partner-state": str, "partner-state-code": int, "connected": bool, "last-contact": int,
            "mclt": int, "split": int, "unacked-updates": int, "queued-updates": int,
            "ha-state": str, "pools": list}
WORDS = {"backup", "communication-recovery", "hot-standby", "load-balancing", "in-maintenance",
         "partner-down", "partner-in-maintenance", "passive-backup", "ready", "syncing",
         "terminated", "waiting", "unavailable"}


def has_types(value, types):
    """Exactly these keys, each of exactly this type (bool is none of int's here)."""
    assert value.keys() == types.keys(), value
    for key, wanted in types.items():
        assert type(value[key]) is wanted, (key, value[key])    # pylint: disable=C0123


def status_of(server):
    """status-get: (local, remote, our own entry), their shapes checked."""
    answer = server.command("status-get")
    for key in ("pid", "uptime", "reload"):
        assert type(answer[key]) is int                         # pylint: disable=C0123
    (entry,), (own,) = answer["high-availability"], answer["failover"]
    assert entry.keys() == {"ha-mode", "ha-servers"} and entry["ha-mode"] == "load-balancing"
    assert entry["ha-servers"].keys() == {"local", "remote"}
    local, remote = entry["ha-servers"]["local"], entry["ha-servers"]["remote"]
    has_types(local, LOCAL)
    has_types(remote, REMOTE)
    has_types(own, FAILOVER)
    for pool in own["pools"]:
        has_types(pool, {"subnet-id": int, "active": int, "free": int, "backup": int})
    assert {local["state"], remote["last-state"]} <= WORDS
    assert remote["age"] >= 0 and not any(remote[name] for name in COUNTER)
    assert own["ha-state"] == local["state"]
    return local, remote, own


def refuses(server, why, way_out, deadline=None):
    """B3: reason, way out and, where there is one, the deadline (seconds from now, roughly)."""
    status = server.failover()
    assert why in status["refusing"] and way_out in status["way-out"], status
    assert status["meaning"]
    if deadline is None:
        assert status["deadline"] is None
    else:
        assert abs(status["deadline"] - time.time() - deadline) <= 2, status
    return status


def test_normal(pair_of):
    """Both sides of a pair in NORMAL, then alone: shapes, types, words, scopes and counts."""
    made = pair_of(mclt=20).start(wait="NORMAL")
    agree.acknowledged(made.clients.do_range("discover", 1, 20, retransmit=True, timeout=15))
    agree.settled(made)
    for server, name, role, other, their_role in ((made.s1, "s1", "primary", "s2", "secondary"),
                                                  (made.s2, "s2", "secondary", "s1", "primary")):
        local, remote, own = status_of(server)
        assert (local["server-name"], local["role"], local["state"], local["scopes"]) == \
            (name, role, "load-balancing", [name])
        assert (remote["server-name"], remote["role"], remote["last-state"],
                remote["last-scopes"]) == (other, their_role, "load-balancing", [other])
        assert remote["in-touch"] is True and remote["communication-interrupted"] is False
        assert own["state"] == "normal" and own["state-code"] == 2 and own["connected"]
        assert own["partner-state"] == "normal" and own["partner-state-code"] == 2
        assert own["relationship"] == "s1-s2" and own["split"] == 128 and own["mclt"] == 20
        assert own["unacked-updates"] == own["queued-updates"] == 0
        (pool,) = own["pools"]
        assert pool["active"] == 20 and pool["free"] + pool["backup"] == 180
        assert abs(own["state-since"] - time.time()) < 60
        full = server.failover()
        assert full["refusing"] is full["way-out"] is full["deadline"] is None
        assert full["connection"] == "established" and full["buckets"] == 128
        assert full["listen-error"] is None
        assert full["subnets"][0]["active"] == 20 and full["subnets"][0]["total"] == 200
        assert abs(full["clock-difference"]) <= 1
        assert "failover-status-get" in server.command("list-commands")
        assert server.statistic("subnet[1].assigned-addresses") == 20
        assert server.statistic("declined-addresses") == 0
        assert server.statistic("assigned-addresses") is None   # Kea's own, newer than this one
    drops = sum(s.failover()["queries-dropped"] for s in (made.s1, made.s2))
    assert drops >= 20          # each client was the other server's to one of them
    made.s2.stop()
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED", 5)
    local, remote, own = status_of(made.s1)
    assert local["state"] == "communication-recovery" and local["scopes"] == ["s1", "s2"]
    assert remote["last-state"] == "unavailable" and remote["last-scopes"] == []
    assert remote["in-touch"] is False and remote["communication-interrupted"] is True
    assert own["connected"] is False
    full = made.s1.failover()
    assert full["partner-state"] == "paused" and full["refusing"] is None
    assert "not partner-down" in full["meaning"] and full["last-error"]
    assert abs(full["last-error-time"] - time.time()) < 10
    client = rfc3074.clients_of(True, 1, first=100)[0]
    assert made.clients.do("discover", client)["result"] == "ack"
    made.clients.do("release", client)
    made.s1.wait_status(lambda status: status["updates"]["pending"] == 1, 5)


def test_last_contact(pair_of):
    """A quiet connection is one, too: each sign of life counts."""
    made = pair_of(hook={"contact-interval": 1}).start(wait="NORMAL")
    time.sleep(2.5)
    for server in (made.s1, made.s2):
        assert server.failover()["last-contact"] >= time.time() - 2.2
        assert status_of(server)[1]["age"] <= 2


def test_arguments(pair_of):
    """failover-status-get of one relationship, and what is wrong to ask."""
    made = pair_of()
    made.s1.start()
    for arguments, text in (({"relationship": "s1-s3"}, "no relationship 's1-s3'"),
                            ({"relationship": 1}, "a string"), ({"name": "x"}, "'name'"),
                            ([], "map")):
        answer = made.s1.ask("failover-status-get", arguments)
        assert answer["result"] == 1 and text in answer["text"], answer
    one = made.s1.command("failover-status-get", {"relationship": "s1-s2"})
    assert [status["name"] for status in one["relationships"]] == ["s1-s2"]


def test_states_of_the_secondary(pair_of):
    """STARTUP to PARTNER-DOWN and POTENTIAL-CONFLICT, with a partner that says what leads there."""
    made = pair_of(mclt=60)
    server = made.s2
    with partner.RawPartner(made, "s1") as primary:
        server.start()
        status = refuses(server, "just started", "startup-delay", deadline=2)
        assert status["state"] == "startup" and abs(status["state-since"] - time.time()) < 3
        assert status_of(server)[0]["state"] == "waiting"
        server.wait_state("RECOVER", 5)
        server.wait_log("FAILOVER_NO_BINDINGS s1-s2: no client is served")
        refuses(server, "partner must send them first", "contact with the partner")
        local, remote, _own = status_of(server)
        assert (local["state"], local["scopes"]) == ("syncing", [])
        assert remote["last-state"] == "unavailable"

        # A partner that does not say that it is new: the MCLT has to pass.
        primary.handshake(VENDOR_CLASS=None, VENDOR_OPTIONS=None)
        primary.say("NORMAL")
        request = primary.expect(partner.UPDREQALL)
        primary.send(partner.UPDDONE, xid=request.xid)
        server.wait_state("RECOVER-WAIT", 5)
        status = server.failover()
        assert 50 < status["deadline"] - time.time() <= 60
        refuses(server, "MCLT must pass", "deadline", status["deadline"] - time.time())
        assert status["state-code"] == 254 and status_of(server)[0]["state"] == "waiting"
        assert "FAILOVER_RECOVER_WAIT" in server.log()


def test_states_of_new_partners(pair_of):
    """RECOVER-DONE, PARTNER-DOWN, POTENTIAL-CONFLICT and RESOLUTION-INTERRUPTED."""
    made = pair_of(mclt=60)
    server = made.s2
    with partner.RawPartner(made, "s1") as primary:
        server.start()
        primary.handshake()
        primary.say("RECOVER")
        primary.send(partner.UPDDONE, xid=primary.expect(partner.UPDREQ).xid)
        server.wait_state("RECOVER-DONE", 5)
        refuses(server, "leases are renewed", "partner's state NORMAL")
        assert status_of(server)[0]["state"] == "ready"
        primary.say("NORMAL")
        server.wait_state("NORMAL", 5)

        primary.say("PAUSED")
        server.wait_state("COMMUNICATIONS-INTERRUPTED", 5)
        assert server.failover()["refusing"] is None
        assert "interrupted: its state is PAUSED" in server.log()
        primary.say("NORMAL")
        server.wait_state("NORMAL", 5)

        primary.say("PARTNER-DOWN")
        server.wait_state("POTENTIAL-CONFLICT", 5)
        refuses(server, "compare their bindings", "exchange of updates")
        assert status_of(server)[0]["state"] == "syncing"
        primary.hang_up()
        server.wait_state("RESOLUTION-INTERRUPTED", 5)
        assert server.failover()["refusing"] is None
        assert status_of(server)[0]["state"] == "communication-recovery"


def test_partner_down(pair_of):
    """A partner that shuts down for good: PARTNER-DOWN at once, with the time of its addresses."""
    made = pair_of(mclt=60)
    server = made.s2
    with partner.RawPartner(made, "s1") as primary:
        server.start()
        primary.to_normal()
        primary.say("SHUTDOWN")
        server.wait_state("PARTNER-DOWN", 5)
        status = server.failover()
        assert status["refusing"] is None and abs(status["deadline"] - time.time() - 60) <= 2
        local, remote, own = status_of(server)
        assert local["state"] == "partner-down" and local["scopes"] == ["s2", "s1"]
        assert own["state-code"] == 4 and remote["last-state"] == "in-maintenance"


def test_states_of_the_primary(pair_of):
    """CONFLICT-DONE is the primary's alone."""
    made = pair_of(mclt=60)
    server = made.s1
    with partner.RawPartner(made, "s2") as secondary:
        server.start()
        secondary.to_normal()
        secondary.say("POTENTIAL-CONFLICT")
        server.wait_state("POTENTIAL-CONFLICT", 5)
        secondary.send(partner.UPDDONE, xid=secondary.expect(partner.UPDREQ).xid)
        server.wait_state("CONFLICT-DONE", 5)
        assert server.failover()["refusing"] is None
        assert status_of(server)[0]["state"] == "ready"
