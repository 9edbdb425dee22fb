#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What the library costs a serving kea-dhcp4: CPU per four-way exchange, with the partner connected
and updates flowing, against the same Kea without the library, in turns in one run.

    sudo tests/bench/exchange.py [--rate 800] [--seconds 6] [--turns 5] [--saturated]

The load is perfdhcp's, as many clients as exchanges (each client is new).  CPU is the process's own
(user and system, all its threads).  Clients' packets are unicast to the primary, which serves all
buckets.  Both threading modes.  --saturated adds the rates at which each answers when it is offered
more than it can take.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig.netns import Lab, command_in  # noqa: E402
from rig.pair import Pair, Segment, kea_config  # noqa: E402

SUBNET = "10.0.0.0/8"
POOLS = ["10.0.1.0 - 10.200.255.254"]


def cpu_seconds(pid):
    """User and system time of a process, all threads."""
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(segment, namespace, rate, seconds, seed):
    """Exchanges completed, by perfdhcp; the base of the hardware addresses moves on."""
    base = f"mac=02:{seed >> 8 & 255:02x}:{seed & 255:02x}:00:00:00"
    out = subprocess.run(
        command_in(namespace, "perfdhcp", "-4", "-l", "eth0", "-r", str(rate), "-R", "1000000",
                               "-p", str(seconds), "-b", base, "-W", "1000000",
                               segment.address(1)),
        capture_output=True, text=True, timeout=seconds + 30, check=False).stdout
    received = [int(n) for n in re.findall(r"received packets: (\d+)", out)]
    return received[1] if len(received) > 1 else 0


class Bench:
    """One server or pair under load."""

    def __init__(self, lab, threading, with_library):
        if with_library:
            self.segment = Pair(lab, threading=threading, subnet=SUBNET, pools=POOLS,
                                hook={"load-balance-percent": 100}, mclt=3600)
            self.server = self.segment.s1
            self.segment.start("NORMAL")
        else:
            self.segment = Segment(lab, SUBNET)
            self.server = self.segment.server(
                "plain", kea_config(self.segment.subnet, POOLS, 3600, threading))
            self.server.start()
        self.load_from = self.segment.host("ld", 9)
        self.seed = 1

    def cost(self, rate, seconds):
        """Microseconds of CPU an exchange, and exchanges a second."""
        self.seed += 1
        before = cpu_seconds(self.server.pid)
        done = load(self.segment, self.load_from, rate, seconds, self.seed)
        used = cpu_seconds(self.server.pid) - before
        return used / max(done, 1) * 1e6, done / seconds


def measure(threading, options):
    """The table of one threading mode."""
    with Lab() as one, Lab() as other:
        plain = Bench(one, threading, False)
        failover = Bench(other, threading, True)
        ratios, costs = [], ([], [])
        for bench in (plain, failover):
            bench.cost(options.rate, 2)     # warm
        for _ in range(options.turns):
            pair = [bench.cost(options.rate, options.seconds) for bench in (plain, failover)]
            for each, (cost, _rate) in zip(costs, pair):
                each.append(cost)
            ratios.append(pair[1][0] / pair[0][0])
        print(f"{threading:7} CPU/exchange at {options.rate}/s: plain "
              f"{statistics.median(costs[0]):6.1f} us, failover "
              f"{statistics.median(costs[1]):6.1f} us, ratio {statistics.median(ratios):.3f} "
              f"({min(ratios):.3f} to {max(ratios):.3f}, {options.turns} paired turns)", flush=True)
        if options.saturated:
            rates = [bench.cost(20000, options.seconds)[1] for bench in (plain, failover)]
            print(f"{threading:7} saturated: plain {rates[0]:.0f}/s, failover {rates[1]:.0f}/s "
                  "(both servers and the load on the same processors)", flush=True)


def main():
    """Both modes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=800)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--saturated", action="store_true")
    options = parser.parse_args()
    for threading in ("single", "multi"):
        measure(threading, options)


if __name__ == "__main__":
    main()
