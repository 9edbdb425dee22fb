#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Instructions of a serving kea-dhcp4 for a four-way exchange, counted by callgrind: the same binary
gives the same number within some tenths of a percent, whatever else the machine does.  After
`make bench`:

    sudo tests/bench/instructions.py [--variant plain|empty|failover ...] [--mode single]
                                     [--exchanges 100] [--rate 10] [--keep DIRECTORY] [--top 40]

With another Kea (tools/other-keas --bench makes it): FO_KEA=3.0 before it.

Per thread, and for each of our callouts with all that it calls; --top lists the functions that take
most by themselves.  System calls are not in it, and at this rate the loop and the store commit for
one client what they commit for eighty under exchange.py's load.
"""

import argparse
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from exchange import VARIANTS, Bench, exchanges, start_load  # noqa: E402
from rig import installed  # noqa: E402
from rig.netns import Lab, exit_on_signals  # noqa: E402

POINTS = ("subnet4_select", "lease4_select", "lease4_renew", "pkt4_send")
THREADS = {"fo_service_step": "fo-loop", "fo_store_commit": "fo-store"}


def annotate(profile, *options):
    """(instructions, function) of a profile, the largest first."""
    text = subprocess.run(["callgrind_annotate", "--threshold=100", *options, profile],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=True).stdout
    return [(int(count.replace(",", "")), name)
            for count, name in re.findall(r"^\s*([\d,]+) \([^)]*\)\s+(\S.*)$", text, re.M)
            if not name.startswith("=>") and name != "events annotated"]


def thread_of(functions):
    """Whose profile it is, by what is in it."""
    for mark, name in THREADS.items():
        if any(mark in function for _count, function in functions):
            return name
    return "kea"


def tell(directory, done, top):
    """The figures of one server."""
    threads, ours, alone = {}, {}, {}
    for profile in glob.glob(os.path.join(directory, "profile.*")):
        functions = annotate(profile, "--inclusive=yes")
        total = [count for count, name in functions if "PROGRAM TOTALS" in name]
        if not total:
            continue
        thread = thread_of(functions)
        threads[thread] = threads.get(thread, 0) + total[0]
        for count, name in functions:
            point = re.search(r":(\w+)(?:'\d+)? \[.*libdhcp_ha_failover", name)
            if point and point.group(1) in POINTS:
                ours[point.group(1)] = ours.get(point.group(1), 0) + count
        for count, name in annotate(profile) if top else ():
            key = (thread, re.sub(r"^\S*?:", "", name))
            alone[key] = alone.get(key, 0) + count
    print(f"  {sum(threads.values()) / done:10,.0f} an exchange: " + ", ".join(
        f"{name} {count / done:,.0f}" for name, count in sorted(threads.items())), flush=True)
    if ours:
        print("  our callouts: " + ", ".join(
            f"{name} {count / done:,.0f}" for name, count in ours.items()))
    for (thread, name), count in sorted(alone.items(), key=lambda item: -item[1]):
        if top > 0 and "PROGRAM TOTALS" not in name:
            top -= 1
            print(f"    {count / done:9,.0f} {thread:9} {name[:120]}")


class Inside(installed.Kea):
    """A Kea in whose root the command line has begun already."""

    def __init__(self, kea):
        super().__init__(kea.version, kea.root, kea.built)

    def command(self, program, directory):
        return [program]


class Counted(Bench):
    """The serving process under callgrind, with pools that are balanced at once."""

    pools = ["10.0.1.0 - 10.0.99.254"]

    def __init__(self, lab, options, threading, variant, directory):
        self.directory, self.controller = directory, []
        super().__init__(lab, options, threading, variant)

    def start_pair(self):
        """The partner runs as it is; a server under callgrind takes its time to start."""
        self.wrap(self.segment.s1)
        for server in (self.segment.s1, self.segment.s2):
            server.start(wait=False)
        for server in (self.segment.s1, self.segment.s2):
            server.wait_ready(120)
        self.segment.wait_state("NORMAL", 120)
        self.server.wait_status(lambda s: s["updates"]["sent"] and not s["updates"]["pending"] and
                                not s["updates"]["unacknowledged"], 120, what="a balance")

    def start_alone(self):
        self.wrap(self.server)
        self.server.start(timeout=120)

    def wrap(self, server):
        """Puts callgrind before it."""
        options = ["--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
                   f"--callgrind-out-file={self.directory}/profile"]
        server.wrap = [*self.program(server, "valgrind"), *options]
        self.controller = self.program(server, "callgrind_control")
        if server.kea.root:
            server.kea = Inside(server.kea)

    @staticmethod
    def program(server, name):
        """A program of valgrind's, where Kea is."""
        return server.kea.command(name, server.directory) if server.kea.root else [name]

    def control(self, *order):
        """Says something to callgrind."""
        inside = ["unshare", "--mount", *self.controller] if self.server.kea.root else self.controller
        subprocess.run([*inside, *order, str(self.server.pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def count(self, options):
        """Counts so many exchanges; the first ones warm it up."""
        seconds = -(-options.exchanges // options.rate)
        self.control("-i", "on")
        for order in ("-z", "-d"):
            self.seed += 1
            load = start_load(self.segment, self.load_from, options.rate, seconds, self.seed, 5)
            done, sent = exchanges(load, seconds + 5)
            self.control(order)
        if done < sent:
            print(f"  (only {done} of {sent} exchanges were completed)")
        return done


def main():
    """Each variant after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=VARIANTS, nargs="+", default=VARIANTS)
    parser.add_argument("--mode", choices=("single", "multi"), default="single")
    parser.add_argument("--exchanges", type=int, default=100)
    parser.add_argument("--rate", type=int, default=10)
    parser.add_argument("--log", default="INFO", help="Kea's severity of logging")
    parser.add_argument("--top", type=int, default=0, help="so many functions")
    parser.add_argument("--keep", help="directory for the profiles")
    options = parser.parse_args()
    exit_on_signals()
    for variant in options.variant:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            bench = Counted(stack.enter_context(Lab()), options, options.mode, variant, directory)
            done = bench.count(options)
            print(f"Kea {installed.kea().version}, {options.mode}-threaded, {variant}: {done} exchanges")
            tell(directory, done, options.top)
            if options.keep:
                shutil.copytree(directory, os.path.join(options.keep, variant), dirs_exist_ok=True)


if __name__ == "__main__":
    main()
