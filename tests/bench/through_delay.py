#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Updates a second to a partner that is far away: the same leases told through a proxy that delays nothing, and
through one that makes a round trip of 100 ms, in turns, in one run.

    sudo tests/bench/through_delay.py [--leases 60000] [--rate 2000] [--turns 2] [--delay 0.05]

perfdhcp leases with the partner's connection held back, so that all of them wait to be told; then the proxy
lets go, and the time until the last is acknowledged counts. As many leases as take some round trips to tell:
of fewer, most of the time is the one round trip that the last acknowledgement takes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from rig.netns import Lab, command_in, exit_on_signals  # noqa: E402
from rig.pair import Pair  # noqa: E402

SUBNET, POOLS = "10.0.0.0/8", ["10.0.1.0 - 10.20.255.254"]


def lease(pair, namespace, options, seed):
    """New clients, all at the primary."""
    subprocess.run(
        command_in(namespace, "perfdhcp", "-4", "-l", "eth0", "-r", str(options.rate), "-R", "1000000",
                   "-p", str(options.leases // options.rate), "-b", f"mac=02:{seed:02x}:00:00:00:00",
                   "-W", "500000", pair.address(1)),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def told(pair, delay):
    """Updates a second, from the moment the proxy lets go."""
    pair.proxy.delay(delay)
    waiting = pair.s1.failover()["updates"]
    count = waiting["pending"] + waiting["unacknowledged"]
    begin = time.monotonic()
    pair.proxy.resume()
    while True:
        updates = pair.s1.failover()["updates"]
        if updates["pending"] + updates["unacknowledged"] == 0:
            return count / (time.monotonic() - begin)
        if time.monotonic() - begin > 120:
            raise TimeoutError(updates)
        time.sleep(0.01)


def main():
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leases", type=int, default=60000)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds, each way")
    options = parser.parse_args()
    exit_on_signals()
    rates = {0.0: [], options.delay: []}
    with Lab() as lab:
        pair = Pair(lab, subnet=SUBNET, pools=POOLS, mclt=3600, proxy=True,
                    hook={"load-balance-percent": 100})
        pair.start("NORMAL")
        namespace = pair.host("ld", 9)
        for turn in range(options.turns):
            for i, delay in enumerate(rates):
                pair.proxy.hold()
                lease(pair, namespace, options, 1 + 2 * turn + i)
                rates[delay].append(told(pair, delay))
    near, far = (statistics.median(each) for each in rates.values())
    print(f"updates a second: without delay {near:.0f}, with {2000 * options.delay:.0f} ms of round trip "
          f"{far:.0f}: ratio {far / near:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
