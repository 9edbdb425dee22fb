# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What an operator is told: the audit trail of clients left to the partner, a disk that is full,
state files that cannot be read, and that a quiet life is quiet in the log."""

import os
import re
import time

import pytest

from rig import agree, netns, rfc3074

OURS = rfc3074.clients_of(True, 4)
THEIRS = rfc3074.clients_of(False, 4)


def test_left_to_the_partner(pair_of):
    """The audit trail (debug): NoResp with the client's hardware address, its bucket and the server
    whose bucket it is; counted, too."""
    made = pair_of()
    for server in (made.s1, made.s2):
        ours = {"name": "kea-dhcp4.failover-hooks", "severity": "DEBUG", "debuglevel": 40,
                "output_options": [{"output": server.log_file, "flush": True}]}
        server.configure(server.config | {"loggers": [*server.config["loggers"], ours]})
    made.start(wait="NORMAL")
    for client, server, owner in ((OURS[0], made.s2, "s1"), (THEIRS[0], made.s1, "s2")):
        before = server.failover()["queries-dropped"]
        made.clients.do("discover", client)
        mac = rfc3074.mac_of_client(client)
        server.wait_log(f"FAILOVER_QUERY_DROPPED s1-s2: NoResp: query of {mac.hex(':')} "
                        f"(bucket {rfc3074.bucket(mac)}, of {owner}) is not answered here: "
                        "load balancing", 5)
        assert server.failover()["queries-dropped"] > before


def test_quiet(pair_of):
    """Leases, renewals, releases and a decline in a pair that is well: no warning, no line of ours
    at all."""
    made = pair_of(mclt=20, lifetime=30, hook={"offer-hold": 2}).start(wait="NORMAL")
    agree.settled(made)
    begun = {server: len(server.log()) for server in (made.s1, made.s2)}
    for _round in range(3):
        agree.acknowledged(made.clients.do_range("discover", 1, 80, retransmit=True, timeout=15))
        made.clients.do_range("renew", 1, 80)
        made.clients.do_range("release", 1, 60)
    made.clients.do("decline", 70)
    agree.settled(made)
    for server, since in begun.items():
        assert not re.findall(r"FAILOVER_.*", server.log()[since:])


@pytest.fixture
def small_disk(tmp_path):
    """A file system with little room, and a function that fills it."""
    netns.run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path))

    def fill():
        with open(tmp_path / "fill", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1024))
            except OSError:
                pass
    yield tmp_path, fill
    netns.run("umount", "-l", str(tmp_path))


def test_full_disk(pair_of, small_disk):
    """Clients are served on, the partner is told nothing that is not stored; log and status say what
    is wrong, until there is room again."""
    place, fill = small_disk
    made = pair_of(mclt=120, hook_s1={"state-file": f"{place}/state"}).start(wait="NORMAL")
    agree.settled(made)
    fill()
    leases = made.clients.do_range("discover", 1, 60, retransmit=True, timeout=10)
    agree.acknowledged(leases)
    status = made.s1.wait_status(lambda status: status["state-file-error"], 10)
    assert status["state-file-error"] == "No space left on device"
    assert status["state-file-error-since"] and status["state"] == "normal"
    assert re.findall(r"FAILOVER_STORE_FAILED.*", made.s1.log()) == [
        f"FAILOVER_STORE_FAILED writing the state file {place}/state failed: No space left on "
        "device; clients with leases go on being served, nothing is acknowledged to partners until "
        "it works again"]
    own = [n for n, a in leases.items() if made.server_at(a["server"]) is made.s1]
    agree.acknowledged(made.clients.do_all("renew", own))
    assert status["updates"]["pending"] > 0
    # What is promised now is not durable: the partner does not hear of it, and it stays within the MCLT.
    later = agree.acknowledged({n: made.clients.do("discover", n, from_=made.address(1), secs=9)
                                for n in range(101, 111)})
    time.sleep(1)
    assert not {a["address"] for a in later.values()} & made.s2.leases().keys()
    again = agree.acknowledged(made.clients.do_all("renew", later))
    assert all(a["lease"] <= 120 for a in again.values())
    os.unlink(place / "fill")
    made.s1.wait_log("FAILOVER_STORE_WORKS", 10)
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    assert made.s1.failover()["state-file-error"] is None


def test_state_files(pair_of):
    """A state file that cannot be used ends the start, with the file, the reason and what it is
    about; the answer of config-set says the same."""
    made = pair_of().start(wait="NORMAL")
    server, path = made.s1, made.s1.lease_file + ".failover"
    server.stop()
    bad = {"damaged": (path, "it is damaged, or no state file"),
           "directory": (server.directory, "Is a directory"),
           "nowhere": (server.path("nowhere/state"), "No such file or directory")}
    with open(path, "wb") as file:
        file.write(b"something else\n" * 1000)
    for file, why in bad.values():
        made.hook_sides["s1"] = {"state-file": file}
        server.configure(made.config_of("s1"))
        server.start(wait=False)
        assert server.process.wait(20) != 0
        assert f"FAILOVER_STORE_UNREADABLE the service cannot start with the state file {file}: " \
            f"{why}" in server.log()
        assert f"state-file: the service cannot start with {file}: {why}" in server.log()
