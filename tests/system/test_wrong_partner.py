# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Two real servers that are not each other's partner by their configurations: another name, another
address. Each says what is wrong; neither takes the other for its partner; mended by a reload."""

import pytest

from rig import agree, rfc3074

OURS = rfc3074.clients_of(True, 4)
THEIRS = rfc3074.clients_of(False, 4)


def stranger(pair, what):
    """s2 calls itself otherwise than s1 does, or expects s1 elsewhere."""
    peers = [dict(peer) for peer in pair.relationship_of("s2")["peers"]]
    if what == "name":
        peers[1]["name"] = "s3"
        return {"this-server-name": "s3", "peers": peers}
    peers[0]["url"] = "tcp://10.99.0.77:647"
    return {"peers": peers}


@pytest.mark.parametrize("what", ["name", "address"])
def test_wrong(pair_of, what):
    """The primary connects, and is refused: by name with the draft's reason (7.8.2), by address at
    accept. The one that had been NORMAL with its partner goes on alone, the other waits for one."""
    made = pair_of(mclt=20, hook={"max-response-delay": 3}).start(wait="NORMAL")
    leases = agree.acknowledged(made.clients.do_all("discover", OURS + THEIRS))
    agree.settled(made)
    right = made.config_of("s2")
    made.hook_sides["s2"] = stranger(made, what)
    made.s2.reload(made.config_of("s2"))
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED", 15)
    if what == "name":
        why = "there is no relationship \"s1-s2\" here, but \"s1-s3\""
        made.s1.wait_log("FAILOVER_CONNECTION_REJECTED s1-s2: partner s2 refused the connection: Connection "
                         f"rejected, invalid failover partner: {why}", 30)
        made.s2.wait_log(f"FAILOVER_CONNECT_REFUSED failover: a connection from 10.99.0.1 was refused: {why}", 5)
        assert why in made.s1.failover()["last-error"]
    else:
        made.s2.wait_log("FAILOVER_STRANGER a connection from 10.99.0.1", 30)
    for server in (made.s1, made.s2):
        assert not server.failover()["connected"]
    agree.kept(made.clients, leases)
    made.hook_sides["s2"] = None
    assert made.config_of("s2") == right
    made.s2.reload(right)
    made.wait_state("NORMAL", 90)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
