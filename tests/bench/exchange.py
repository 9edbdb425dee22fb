#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What the library costs a serving kea-dhcp4: CPU per four-way exchange, with the partner connected
and updates flowing, against the same Kea without the library, in turns in one run.

    sudo tests/bench/exchange.py [--rate 800] [--seconds 5] [--turns 9] [--mode single]
                                 [--log INFO] [--saturated]

The load is perfdhcp's; each exchange is a new client's, unicast to the primary, which serves all
buckets.  CPU is what the scheduler has counted for all threads of the process, until a second after
the last packet, so that the updates of the last clients are in it.  The order of the two servers
changes from turn to turn.  A turn in which a client was not served, or an update not acknowledged,
is told: its figures are of something else.  --saturated adds the rates at which each answers when
it is offered more than it can take.
"""

import argparse
import collections
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig.netns import Lab, command_in, exit_on_signals  # noqa: E402
from rig.pair import Pair, Segment, kea_config  # noqa: E402

SUBNET = "10.0.0.0/8"
POOLS = ["10.0.1.0 - 10.200.255.254"]
MORE_THAN_ANYBODY_TAKES = 20000


def cpu_of_threads(pid):
    """Microseconds on a processor, by the name of the thread."""
    used = collections.Counter()
    for task in os.listdir(f"/proc/{pid}/task"):
        place = f"/proc/{pid}/task/{task}/"
        with open(place + "comm", encoding="ascii") as name, \
                open(place + "schedstat", encoding="ascii") as figures:
            used[name.read().strip()] += int(figures.read().split()[0]) / 1000
    return used


def load(segment, namespace, rate, seconds, seed):
    """Exchanges completed, by perfdhcp; the base of the hardware addresses moves on."""
    base = f"mac=02:{seed >> 8 & 255:02x}:{seed & 255:02x}:00:00:00"
    out = subprocess.run(
        command_in(namespace, "perfdhcp", "-4", "-l", "eth0", "-r", str(rate), "-R", "1000000",
                   "-p", str(seconds), "-b", base, "-W", "1000000", segment.address(1)),
        capture_output=True, text=True, timeout=seconds + 30, check=False).stdout
    sent = [int(n) for n in re.findall(r"sent packets: (\d+)", out)]
    received = [int(n) for n in re.findall(r"received packets: (\d+)", out)]
    return (received[1], sent[0]) if len(received) > 1 else (0, sum(sent[:1]))


class Bench:
    """One server or pair under load."""

    def __init__(self, lab, options, threading, with_library):
        logging = {"loggers": [{"name": "kea-dhcp4", "severity": options.log,
                                "output_options": [{"output": f"{lab.workdir}/kea.log",
                                                    "flush": True, "maxsize": 0}]}]}
        self.with_library = with_library
        if with_library:
            self.segment = Pair(lab, threading=threading, subnet=SUBNET, pools=POOLS, kea=logging,
                                hook={"load-balance-percent": 100}, mclt=3600)
            self.server = self.segment.s1
            self.segment.start("NORMAL")
        else:
            self.segment = Segment(lab, SUBNET)
            self.server = self.segment.server(
                "plain", kea_config(self.segment.subnet, POOLS, 3600, threading, logging))
            self.server.start()
        self.load_from = self.segment.host("ld", 9)
        self.seed = 1
        self.sent = 0           # updates, until the last turn

    def cost(self, rate, seconds):
        """Microseconds of CPU an exchange by thread, and exchanges a second."""
        self.seed += 1
        before = cpu_of_threads(self.server.pid)
        done, sent = load(self.segment, self.load_from, rate, seconds, self.seed)
        after = cpu_of_threads(self.server.pid)
        if rate != MORE_THAN_ANYBODY_TAKES:
            self.check(done, sent)
        return {name: (used - before[name]) / max(done, 1) for name, used in after.items()}, \
            done / seconds

    def check(self, done, sent):
        """What makes a turn's figures worthless."""
        if done < 0.98 * sent:
            print(f"  (only {done} of {sent} exchanges were completed)")
        if self.with_library:
            updates = self.server.failover()["updates"]
            if updates["pending"] or updates["unacknowledged"]:
                print(f"  (after a second {updates['pending']} updates not sent, "
                      f"{updates['unacknowledged']} not acknowledged)")
            if updates["sent"] - self.sent < done:
                print(f"  (only {updates['sent'] - self.sent} updates for {done} leases)")
            self.sent = updates["sent"]


def by_thread(costs):
    """The median of each thread's share."""
    names = sorted({name for cost in costs for name in cost})
    shares = {name: statistics.median(cost.get(name, 0) for cost in costs) for name in names}
    return ", ".join(f"{name} {share:.1f}" for name, share in shares.items() if share >= 0.05)


def saturated(benches, options, threading):
    """Rates under more load than either takes, in turns."""
    rates = ([], [])
    for _ in range(3):
        for each, bench in zip(rates, benches):
            each.append(bench.cost(MORE_THAN_ANYBODY_TAKES, options.seconds)[1])
            time.sleep(2)       # what is queued in either is worked off
    plain, failover = (statistics.median(each) for each in rates)
    print(f"{threading:7} saturated: plain {plain:.0f}/s, failover {failover:.0f}/s (load, server "
          "and partner share the processors)", flush=True)


def measure(threading, options):
    """The table of one threading mode."""
    with Lab() as one, Lab() as other:
        benches = [Bench(lab, options, threading, library)
                   for lab, library in ((one, False), (other, True))]
        costs, ratios = ([], []), []
        for bench in benches:
            bench.cost(options.rate, 2)     # warm
        for turn in range(options.turns):
            for which in ((0, 1), (1, 0))[turn % 2]:
                costs[which].append(benches[which].cost(options.rate, options.seconds)[0])
            ratios.append(sum(costs[1][-1].values()) / sum(costs[0][-1].values()))
        totals = [[sum(cost.values()) for cost in each] for each in costs]
        plain, failover = (statistics.median(each) for each in totals)
        print(f"{threading:7} CPU/exchange at {options.rate}/s: plain {plain:6.1f} us, failover "
              f"{failover:6.1f} us, ratio {statistics.median(ratios):.3f} "
              f"({min(ratios):.3f} to {max(ratios):.3f}, {options.turns} paired turns; least "
              f"against least {min(totals[1]) / min(totals[0]):.3f})")
        for name, each in zip(("plain", "failover"), costs):
            print(f"          {name}: {by_thread(each)}", flush=True)
        if options.saturated:
            saturated(benches, options, threading)


def main():
    """Both modes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=800)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--mode", choices=("single", "multi"))
    parser.add_argument("--log", default="INFO", help="Kea's severity of logging")
    parser.add_argument("--saturated", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    for threading in (options.mode,) if options.mode else ("single", "multi"):
        measure(threading, options)


if __name__ == "__main__":
    main()
