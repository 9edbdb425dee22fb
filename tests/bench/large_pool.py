#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A pool of 16 million addresses, two real servers: how long the first balance takes, whether clients
are served meanwhile, and the memory when all is settled, against Kea without the library.

    sudo tests/bench/large_pool.py [--seconds 240] [--rate 50]

Memory is RSS and PSS of the process.  While addresses move, perfdhcp's clients do four-way exchanges
by broadcast; their waiting times are shown beside those of the plain server's clients in the same
seconds.  Exit status 1 if the balance did not end in time.
"""

import argparse
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig.netns import Lab, command_in, exit_on_signals  # noqa: E402
from rig.pair import Pair, Segment, kea_config  # noqa: E402

SUBNET, POOLS = "10.0.0.0/8", ["10.0.0.16 - 10.255.255.254"]


def memory(server):
    """RSS and PSS in MB."""
    with open(f"/proc/{server.pid}/smaps_rollup", encoding="ascii") as rollup:
        text = rollup.read()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) / 1024
                 for name in ("Rss", "Pss"))


def load(segment, options, seconds):
    """perfdhcp, not waited for."""
    command = ["perfdhcp", "-4", "-l", "eth0", "-r", str(options.rate), "-R", "100000", "-p",
               str(seconds), "-W", "500000"]
    return subprocess.Popen(command_in(segment.host("ld", 9), *command), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def waiting(loaded):
    """What its clients saw."""
    out = loaded.communicate(timeout=300)[0]
    drops = [int(n) for n in re.findall(r"drops: (\d+)", out)]
    averages = re.findall(r"avg delay: ([\d.]+)", out)
    longest = re.findall(r"max delay: ([\d.]+)", out)
    received = re.findall(r"received packets: (\d+)", out)
    return (f"{received[1]} exchanges, {sum(drops)} answers missing; OFFER after {averages[0]} ms "
            f"(longest {longest[0]}), ACK after {averages[1]} ms (longest {longest[1]})")


def settled(pair):
    """Nothing on its way, and the balance within its threshold."""
    status = pair.s1.failover()
    subnet = status["subnets"][0]
    updates = status["updates"]
    share = subnet["backup"] / (subnet["backup"] + subnet["free"])
    return updates["pending"] == updates["unacknowledged"] == 0 and share > 0.39


def run(options, one, other):
    """The table."""
    segment = Segment(one, SUBNET)
    plain = segment.server("plain", kea_config(segment.subnet, POOLS, 3600, "multi"))
    plain.start()
    pair = Pair(other, subnet=SUBNET, pools=POOLS, mclt=3600)
    begin = time.monotonic()
    pair.start("NORMAL")
    print(f"both NORMAL, with addresses to give: {time.monotonic() - begin:.1f} s")
    loaded = [load(each, options, 30) for each in (segment, pair)]
    begin = time.monotonic()
    while not settled(pair) and time.monotonic() - begin < options.seconds:
        time.sleep(2)
    ended = settled(pair)
    subnet = pair.s1.failover()["subnets"][0]
    print(f"balance {'done' if ended else 'NOT DONE'} after {time.monotonic() - begin:.0f} s: "
          f"{subnet['backup']} of {subnet['backup'] + subnet['free']} free ones are the secondary's")
    for name, each in zip(("plain Kea:", "pair, balancing:"), loaded):
        print(f"{name:20} {waiting(each)}")
    base = memory(plain)
    for server in (plain, pair.s1, pair.s2):
        rss, pss = memory(server)
        print(f"{server.name:6} RSS {rss:6.1f} MB, PSS {pss:6.1f} MB; above plain {rss - base[0]:5.1f}"
              f" and {pss - base[1]:5.1f}")
    for server in (pair.s1, pair.s2):
        size = os.path.getsize(server.path("kea-leases4.csv.failover"))
        print(f"{server.name} state file {size / 1e6:.1f} MB")
    return 0 if ended else 1


def main():
    """One run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--rate", type=int, default=50)
    options = parser.parse_args()
    exit_on_signals()
    with Lab() as one, Lab() as other:
        return run(options, one, other)


if __name__ == "__main__":
    sys.exit(main())
