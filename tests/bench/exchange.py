#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What the library costs a serving kea-dhcp4: CPU per four-way exchange, with the partner connected
and updates flowing, against the same Kea without the library and against one with a library that
does nothing at the same callouts, side by side: all three are under the same load at the same time,
so that whatever else the machine does, it does to each of them.  The three have one processor, load
and partner the others: a process that moves, or is put aside for what loads it, pays for that, the
more the more it does, and figures scatter twice as much.  After `make bench`:

    sudo tests/bench/exchange.py [--rate 400] [--seconds 5] [--turns 15] [--mode single]
                                 [--log INFO] [--saturated]

With another Kea (tools/other-keas --bench makes it): FO_KEA=3.0 before it.

The load is perfdhcp's; each exchange is a new client's, unicast to the primary, which serves all
buckets.  CPU is what the scheduler has counted for all threads of the process, until a second after
the last packet, so that the updates of the last clients are in it.  A turn in which a client was
not served, or an update not acknowledged, is told: its figures are of something else.  --saturated
adds the rates at which each answers, alone, when it is offered more than it can take.
"""

import argparse
import collections
import contextlib
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig import installed  # noqa: E402
from rig.netns import Lab, command_in, exit_on_signals  # noqa: E402
from rig.pair import Pair, Segment, kea_config, merge  # noqa: E402

VARIANTS = ("plain", "empty", "failover")
PROCESSORS = sorted(os.sched_getaffinity(0))
SERVING, LOADING = PROCESSORS[:1], PROCESSORS[1:] or PROCESSORS
SUBNET = "10.0.0.0/8"
MORE_THAN_ANYBODY_TAKES = 20000


def empty_kea():
    """The Kea under test with the library that does nothing in the place of ours."""
    tree = installed.kea().tree
    return installed.kea(library=os.path.join(tree, "tests", "bench", ".libs", "empty_hook.so"))


def cpu_of_threads(pid):
    """Microseconds on a processor, by the name of the thread."""
    used = collections.Counter()
    for task in os.listdir(f"/proc/{pid}/task"):
        place = f"/proc/{pid}/task/{task}/"
        with open(place + "comm", encoding="ascii") as name, \
                open(place + "schedstat", encoding="ascii") as figures:
            used[name.read().strip()] += int(figures.read().split()[0]) / 1000
    return used


def keep_on(processors, pid):
    """All threads that the process has by now, and what these begin."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), processors)


def start_load(segment, namespace, rate, seconds, seed, patience=1):
    """perfdhcp under way, so many seconds longer than it sends; the base of the hardware addresses
    moves on with the seed."""
    base = f"mac=02:{seed >> 8 & 255:02x}:{seed & 255:02x}:00:00:00"
    return subprocess.Popen(
        command_in(namespace, "perfdhcp", "-4", "-l", "eth0", "-r", str(rate), "-R", "1000000",
                   "-p", str(seconds), "-b", base, "-W", str(patience * 1000000),
                   segment.address(1)),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def exchanges(perfdhcp, seconds):
    """Those completed, and those begun."""
    out = perfdhcp.communicate(timeout=seconds + 30)[0]
    sent = [int(n) for n in re.findall(r"sent packets: (\d+)", out)]
    received = [int(n) for n in re.findall(r"received packets: (\d+)", out)]
    return (received[1], sent[0]) if len(received) > 1 else (0, sum(sent[:1]))


class Bench:
    """One server or pair under load."""

    pools = ["10.0.1.0 - 10.200.255.254"]

    def __init__(self, lab, options, threading, variant):
        self.with_library = variant == "failover"
        if self.with_library:
            self.segment = Pair(lab, threading=threading, subnet=SUBNET, pools=self.pools,
                                hook={"load-balance-percent": 100}, mclt=3600)
        else:
            kea = empty_kea() if variant == "empty" else installed.kea()
            hooks = {"hooks-libraries": [{"library": kea.library}]} if variant == "empty" else {}
            self.segment = Segment(lab, SUBNET)
            self.segment.server(variant, kea_config(self.segment.subnet, self.pools, 3600, threading, hooks),
                                kea=kea)
        for server in self.segment.servers:
            loggers = [{**logger, "severity": options.log} for logger in server.config["loggers"]]
            server.configure(merge(server.config, {"loggers": loggers}))
        self.server = self.segment.servers[0]
        (self.start_pair if self.with_library else self.start_alone)()
        for server in self.segment.servers:
            keep_on(SERVING if server is self.server else LOADING, server.pid)
        self.load_from = self.segment.host("ld", 9)
        self.seed = 1
        self.sent = 0           # updates, until the last turn
        self.served = 0         # exchanges so far

    def start_pair(self):
        """Until both are NORMAL."""
        self.segment.start("NORMAL")

    def start_alone(self):
        """A server without partner."""
        self.server.start()

    def begin(self, rate, seconds):
        """A turn, under way."""
        self.seed += 1
        before = cpu_of_threads(self.server.pid)
        load = start_load(self.segment, self.load_from, rate, seconds, self.seed)
        keep_on(LOADING, load.pid)
        return before, load, seconds

    def end(self, turn):
        """Microseconds of CPU an exchange by thread; exchanges completed, and begun."""
        before, perfdhcp, seconds = turn
        done, sent = exchanges(perfdhcp, seconds)
        after = cpu_of_threads(self.server.pid)
        self.served += done
        return {name: (used - before[name]) / max(done, 1) for name, used in after.items()}, \
            done, sent

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
    """Rates under more load than any takes, in turns."""
    rates = collections.defaultdict(list)
    for _ in range(3):
        for name, bench in benches.items():
            done = bench.end(bench.begin(MORE_THAN_ANYBODY_TAKES, options.seconds))[1]
            rates[name].append(done / options.seconds)
            time.sleep(2)       # what is queued in it is worked off
    print(f"{threading:7} saturated: " +
          ", ".join(f"{name} {statistics.median(each):.0f}/s" for name, each in rates.items()) +
          " (load, server and partner share the processors)", flush=True)


def callout_times(bench, threading):
    """What a library built with -DFO_TIME_CALLOUTS tells at its end."""
    bench.server.stop()
    with open(bench.server.console_file, encoding="utf-8", errors="replace") as console:
        told = re.findall(r"callout (\w+) calls (\d+) nanoseconds (\d+)", console.read())
    if told:
        spent = {name: int(nanoseconds) / 1000 / max(bench.served, 1)
                 for name, _calls, nanoseconds in told}
        print(f"{threading:7} in callouts: {sum(spent.values()):.1f} us an exchange (" +
              ", ".join(f"{name} {share:.1f}" for name, share in spent.items() if share) + ")")


def measure(threading, options):
    """The table of one threading mode."""
    with contextlib.ExitStack() as labs:
        benches = {variant: Bench(labs.enter_context(Lab()), options, threading, variant)
                   for variant in VARIANTS}
        costs, ratios = collections.defaultdict(list), collections.defaultdict(list)
        for turn in range(options.turns + 1):
            under_way = {name: bench.begin(options.rate, options.seconds)
                         for name, bench in benches.items()}
            ended = {name: benches[name].end(each) for name, each in under_way.items()}
            if turn == 0:
                continue    # everybody is warm now
            for name, (cost, done, sent) in ended.items():
                benches[name].check(done, sent)
                costs[name].append(cost)
                ratios[name].append(sum(cost.values()) / sum(ended["plain"][0].values()))
        print(f"Kea {installed.kea().version}, {threading}-threaded, {options.rate} exchanges/s each, "
              f"{options.turns} turns: us of CPU an exchange, ratio to plain")
        totals = {name: [sum(cost.values()) for cost in each] for name, each in costs.items()}
        for name in VARIANTS:
            of_medians = statistics.median(totals[name]) / statistics.median(totals["plain"])
            low, middle, high = statistics.quantiles(ratios[name], n=4)
            print(f"  {name:8} {statistics.median(totals[name]):6.1f}   ratio of medians "
                  f"{of_medians:.3f}, of a turn {middle:.3f} (half of the turns from {low:.3f} to "
                  f"{high:.3f})   {by_thread(costs[name])}", flush=True)
        if options.saturated:
            saturated(benches, options, threading)
        callout_times(benches["failover"], threading)


def main():
    """Both modes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--mode", choices=("single", "multi"))
    parser.add_argument("--log", default="INFO", help="Kea's severity of logging")
    parser.add_argument("--saturated", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    for threading in (options.mode,) if options.mode else ("single", "multi"):
        measure(threading, options)


if __name__ == "__main__":
    main()
