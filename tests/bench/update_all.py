#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A partner has lost all that it had (UPDREQALL): bindings a second until its Kea has every row again, from its
start on, and what clients of the serving one feel meanwhile; beside it, in the same run, how Kea's
own HA hook brings the same leases to an empty partner.

    sudo tests/bench/update_all.py [--leases 500000] [--rate 20] [--without-ha]
    sudo tests/bench/update_all.py --leases 5000 --backend mariadb [--on-disk]

Both write their leases to disk (memfile, persist); with --backend our partner keeps them in a database, whose
files are in memory (so commits cost no disk) or on disk, and there is no comparison with HA.  perfdhcp's clients do four-way exchanges with the full
server while it tells its bindings, and for as long again when all is quiet: the same exchanges, so their
waiting times may be compared.  HA's partner serves nobody until it has all; its time is the one that it
logs itself.  Exit status 1 if one of the two did not end in time.
"""

import argparse
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig.databases import KINDS  # noqa: E402
from rig.netns import Lab, command_in, exit_on_signals  # noqa: E402
from rig.pair import Pair, kea_config  # noqa: E402
from rig.server import hooks_directory  # noqa: E402

SUBNET, POOLS = "10.0.0.0/8", ["10.1.0.0 - 10.100.255.255"]
FIRST = (10 << 24) + (1 << 16)
HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"
LIFETIME = 86400


def write_leases(path, count):
    """A lease file as Kea would have left it."""
    end = int(time.time()) + LIFETIME - 60
    with open(path, "w", encoding="ascii") as out:
        out.write(HEADER + "\n")
        for i in range(count):
            address = ".".join(str((FIRST + i) >> shift & 255) for shift in (24, 16, 8, 0))
            hardware = "1e:00:" + ":".join(f"{i >> shift & 255:02x}" for shift in (24, 16, 8, 0))
            out.write(f"{address},{hardware},,{LIFETIME},{end},1,0,0,,0,\n")


def rows(server):
    """How many leases its Kea counts."""
    return server.statistic("subnet[1].assigned-addresses") or 0


def exchanges(segment, namespace, rate, seconds, seed):
    """perfdhcp's clients at the first server, under way."""
    return subprocess.Popen(
        command_in(namespace, "perfdhcp", "-4", "-l", "eth0", "-r", str(rate), "-R", "100000", "-p",
                   str(seconds), "-b", f"mac=02:{seed:02x}:00:00:00:00", "-W", "500000",
                   segment.address(1)),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def lose_everything(pair, server):
    """It crashes, and its disk with it."""
    server.kill9()
    if server.name in pair.databases:
        pair.databases[server.name].query("DELETE FROM lease4")
    for name in os.listdir(server.directory):
        if name.startswith("kea-leases4.csv"):
            os.unlink(server.path(name))


def felt(loaded):
    """(mean ms of OFFER and ACK, the longest of both, answers missing)"""
    out = loaded.communicate(timeout=600)[0]
    means = [float(n) for n in re.findall(r"avg delay: ([\d.]+)", out)]
    longest = [float(n) for n in re.findall(r"max delay: ([\d.]+)", out)]
    return sum(means), max(longest), sum(int(n) for n in re.findall(r"drops: (\d+)", out))


def failover(options):
    """Bindings a second, and what was felt."""
    with Lab() as lab:
        pair = Pair(lab, subnet=SUBNET, pools=POOLS, lifetime=LIFETIME, mclt=60,
                    hook={"load-balance-percent": 100}, on_disk=options.on_disk,
                    backends=("memfile", options.backend))
        for database in pair.databases.values():
            database.start()
        write_leases(pair.s1.lease_file, options.leases)
        pair.s1.start(timeout=120)
        pair.s2.start()
        pair.wait_state("NORMAL", options.timeout)
        lose_everything(pair, pair.s2)
        namespace = pair.host("ld", 9)
        guess = max(4, options.leases // 20000)
        pair.s2.start()
        begin = time.monotonic()
        loaded = exchanges(pair, namespace, options.rate, guess, 1)
        while rows(pair.s2) < options.leases and time.monotonic() - begin < options.timeout:
            time.sleep(0.1)
        took, done = time.monotonic() - begin, rows(pair.s2)
        print(f"failover: {done} rows at the partner after {took:.1f} s: {done / took:.0f}/s", flush=True)
        during = felt(loaded)
        pair.wait_state("NORMAL", options.timeout)
        time.sleep(2)
        quiet = felt(exchanges(pair, namespace, options.rate, guess, 2))
        for what, (mean, longest, lost) in (("meanwhile", during), ("in peace", quiet)):
            print(f"  an exchange {what}: {mean:.2f} ms (the longest answer {longest:.1f}), "
                  f"{lost} answers missing", flush=True)
        print(f"  ratio of the means {during[0] / quiet[0]:.2f}", flush=True)
        for server in (pair.s1, pair.s2):
            size = os.path.getsize(server.path("kea-leases4.csv.failover"))
            print(f"  the state file of {server.name}: {size / options.leases:.0f} bytes a binding", flush=True)
        return done / took if done >= options.leases else None


def ha_config(name, segment):
    """Hot standby of Kea's own, each server with a listener of its own."""
    peers = [{"name": peer, "url": f"http://10.99.0.{i + 1}:8000/", "role": role}
             for i, (peer, role) in enumerate((("s1", "primary"), ("s2", "standby")))]
    threads = {"enable-multi-threading": True, "http-dedicated-listener": True,
               "http-listener-threads": 4, "http-client-threads": 4}
    library = os.path.join(hooks_directory(), "libdhcp_ha.so")
    return kea_config(segment.subnet, POOLS, LIFETIME, "multi", {"hooks-libraries": [
        {"library": os.path.join(hooks_directory(), "libdhcp_lease_cmds.so")},
        {"library": library, "parameters": {"high-availability": [
            {"this-server-name": name, "mode": "hot-standby", "peers": peers,
             "multi-threading": threads}]}}]})


def kea_ha(options):
    """Leases a second, by its own log."""
    with Lab() as lab:
        pair = Pair(lab, subnet=SUBNET, pools=POOLS)
        for server in (pair.s1, pair.s2):
            server.configure(ha_config(server.name, pair))
        write_leases(pair.s1.lease_file, options.leases)
        pair.s1.start(timeout=120)
        pair.s2.start()
        pair.s2.wait_log("HA_SYNC_SUCCESSFUL", timeout=options.timeout)
        line = next(line for line in pair.s2.log().splitlines() if "HA_SYNC_SUCCESSFUL" in line)
        number, unit = re.search(r"([\d.]+) (ms|s|us)\b", line).groups()
        took = float(number) * {"s": 1, "ms": 1e-3, "us": 1e-6}[unit]
        if took <= 0:
            raise RuntimeError(line)
        print(f"Kea's HA: {options.leases} rows after {took:.1f} s: {options.leases / took:.0f}/s", flush=True)
        return options.leases / took


def main():
    """Both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leases", type=int, default=500000)
    parser.add_argument("--rate", type=int, default=20)
    parser.add_argument("--timeout", type=int, default=240)
    parser.add_argument("--without-ha", action="store_true")
    parser.add_argument("--backend", default="memfile", choices=["memfile", *KINDS])
    parser.add_argument("--on-disk", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    ours = failover(options)
    if ours is None:
        return 1
    if not options.without_ha and options.backend == "memfile":
        print(f"ratio {ours / kea_ha(options):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
