# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Other versions of Kea than the machine's own (tools/other-keas), beside it and each for itself; and two
versions of our library in one pair."""

import os
import subprocess
import time

import pytest

from rig import agree, installed, netns, pair as pairs, rfc3074

from test_config import hook_of

pytestmark = pytest.mark.versions
OURS = rfc3074.clients_of(True, 8)
THEIRS = rfc3074.clients_of(False, 8)
OTHERS = ["2.6", "3.0"]


def life_of_a_pair(made):
    """Leases at both, renewals, a release, a decline; the secondary dies, its clients come over, and
    it comes back: nobody loses an address, and the two agree each time."""
    clients = OURS + THEIRS
    first = agree.acknowledged(made.clients.do_all("discover", clients))
    agree.settled(made)
    assert {made.server_at(a["server"]).name for a in first.values()} == {"s1", "s2"}
    renewed = agree.acknowledged(made.clients.do_all("renew", clients))
    assert {a["lease"] for a in renewed.values()} == {600}
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    for mine in (OURS, THEIRS):
        made.clients.do("release", mine[0])
        made.clients.do("decline", mine[1])
    agree.until(lambda: None if agree.count_of(made.s1, "abandoned") == 2 else "not declined")
    agree.settled(made)
    held = made.clients.status()
    assert len(held) == len(clients) - 4
    made.s2.kill9()
    made.s1.wait_state("COMMUNICATIONS-INTERRUPTED")
    moved = agree.acknowledged(made.clients.do_all("rebind", THEIRS[2:]))
    assert {client: a["address"] for client, a in moved.items()} == {
        client: held[client]["address"] for client in THEIRS[2:]}
    made.s2.start()
    made.wait_state("NORMAL")
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


@pytest.mark.parametrize("version", OTHERS)
def test_life(pair_of, version):
    """Leases, renewals and their ends, a crash; a reload, which is no end of the connection, and an orderly
    exit, which the partner hears of."""
    made = pair_of(keas=(version, version), mclt=20, lifetime=600,
                   hook={"max-response-delay": 5}).start(wait="NORMAL")
    agree.settled(made)
    life_of_a_pair(made)
    for server in (made.s1, made.s2):
        connections = server.log().count("FAILOVER_CONNECTED")
        server.reload()
        time.sleep(1)
        assert server.log().count("FAILOVER_CONNECTED") == connections
        assert "FAILOVER_STOPPED" not in server.log()
    agree.settled(made)
    made.s1.stop()
    made.s2.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=1)
    assert made.s2.failover()["partner-state"] == "paused"
    agree.acknowledged(made.clients.do_all("rebind", OURS[2:] + THEIRS[2:]))
    made.s1.start()
    made.wait_state("NORMAL")
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))


@pytest.mark.parametrize("keas", [("2.2", "3.0"), ("3.0", "2.2")], ids="-".join)
def test_mixed_pair(pair_of, keas):
    """The oldest and the newest Kea as partners."""
    made = pair_of(keas=keas, mclt=20, lifetime=600, hook={"max-response-delay": 5}).start(wait="NORMAL")
    agree.settled(made)
    life_of_a_pair(made)


@pytest.mark.parametrize("version", OTHERS)
def test_check_mode(pair_of, version):
    """`kea-dhcp4 -T` names what is wrong with our parameters, and finds nothing wrong with right ones;
    it makes no file and asks for no connection."""
    made = pair_of(keas=(version, version))
    server = made.s1

    def check():
        done = subprocess.run(netns.command_in(
            server.namespace, *server.kea.command("kea-dhcp4", server.directory), "-T",
            server.config_file), env=server.environment, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout
    status, said = check()
    assert status == 0, said
    config = made.config_of("s1")
    hook_of(config)["heartbeat-delay"] = 10000
    server.configure(config)
    status, said = check()
    assert status != 0 and "heartbeat-delay: 10000" in said and "use contact-interval" in said, said
    assert not [name for name in os.listdir(server.directory) if "failover" in name]


@pytest.mark.parametrize("version", OTHERS)
def test_offers_that_are_leases(pair_of, version):
    """offer-lifetime, wherever it stands, is refused with the reason."""
    made = pair_of(keas=(version, version))
    made.s1.start()
    subnet = {**made.s1.config["subnet4"][0], "offer-lifetime": 60}
    for change, who in (({"offer-lifetime": 60}, "subnet 1"),
                        ({"subnet4": [subnet]}, "subnet 1"),
                        ({"client-classes": [{"name": "phones", "test": "member('ALL')",
                                              "offer-lifetime": 60}]}, "client class phones")):
        config = pairs.merge(made.s1.config, change)
        for command in ("config-test", "config-set"):
            answer = made.s1.ask(command, {"Dhcp4": config})
            assert answer["result"] == 1, (command, change)
            assert f"{who}: offer-lifetime must be 0 with failover" in answer["text"], answer


@pytest.mark.older
@pytest.mark.parametrize("older", [0, 1], ids=["s1", "s2"])
def test_rolling_upgrade(pair_of, older):
    """A pair of which one server has the older library; then it gets the present one, over the store
    that the older one has written."""
    libraries = [None, None]
    libraries[older] = os.environ["FO_OLDER_LIBRARY"]
    made = pair_of(libraries=libraries, mclt=20, lifetime=600,
                   hook={"max-response-delay": 5}).start(wait="NORMAL")
    agree.settled(made)
    life_of_a_pair(made)
    name = ("s1", "s2")[older]
    server = getattr(made, name)
    server.stop()
    made.keas[name] = server.kea = installed.kea()
    server.configure(made.config_of(name))
    server.start()
    made.wait_state("NORMAL")
    agree.settled(made)
    agree.until(lambda: agree.held_unknown(made))
    agree.acknowledged(made.clients.do_all("renew", OURS[2:] + THEIRS[2:]))
    agree.settled(made)
