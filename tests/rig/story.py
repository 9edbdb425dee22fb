# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The demo's story: a pair of servers, sixty clients, a crash and a return.

Each line is printed when the thing has been seen, with the seconds since the beginning; what is not
seen ends the story with exit status 1 and both servers' last words.  The oracle of the simulated
clients watches all the time: it ends the story if two clients ever hold one address, or a holder is
refused.
"""

import sys
import time

from . import netns, rfc3074
from .pair import Pair

MCLT = 20
LIFETIME = 600
CLIENTS = range(1, 61)
NEWCOMERS = range(61, 81)


class NotSeen(Exception):
    """Something that should have happened did not."""


class Story:
    """The story, chapter by chapter."""

    def __init__(self, pair):
        self.pair = pair
        self.start = time.monotonic()
        self.leases = {}

    def tell(self, text):
        """One line with its time."""
        print(f"{time.monotonic() - self.start:6.1f} s  {text}", flush=True)

    @staticmethod
    def expect(good, complaint):
        """End the story unless it is so."""
        if not good:
            raise NotSeen(complaint)

    def until(self, good, timeout, complaint):
        """Wait until a function finds nothing to complain of; it returns what is wrong, or None."""
        deadline = time.monotonic() + timeout
        while (wrong := good()) is not None:
            self.expect(time.monotonic() < deadline, f"{complaint}: {wrong}")
            time.sleep(0.2)

    def all_acknowledged(self, answers, what):
        """Every client must have got its DHCPACK."""
        refused = {n: a["result"] for n, a in answers.items() if a["result"] != "ack"}
        self.expect(not refused, f"{what}: not acknowledged: {refused}")

    # ---- chapters ----

    def meet(self):
        """Both servers start and find each other."""
        pair = self.pair
        self.tell("two Kea servers start: s1 (primary) and s2 (secondary), load balancing 50 %,")
        self.tell(f"MCLT {MCLT} s, leases of {LIFETIME} s, one pool of 200 addresses for both")
        pair.start(wait="NORMAL", timeout=60)
        self.tell("both servers are in state NORMAL")

    def first_leases(self):
        """Sixty clients, each served by the server of its bucket."""
        answers = self.pair.clients.do_range("discover", CLIENTS[0], CLIENTS[-1], rate=60,
                                             retransmit=True, timeout=30)
        self.all_acknowledged(answers, "first leases")
        wrong, of_primary = [], 0
        for client, answer in answers.items():
            primary = rfc3074.primary_serves(rfc3074.mac_of_client(client))
            of_primary += primary
            due = self.pair.s1 if primary else self.pair.s2
            if self.pair.server_at(answer["server"]) is not due:
                wrong.append(client)
        self.expect(not wrong, f"served by the wrong server: clients {wrong}")
        self.expect(len({a["address"] for a in answers.values()}) == len(CLIENTS),
                    "an address was given twice")
        lengths = {a["lease"] for a in answers.values()}
        self.expect(all(MCLT - 1 <= length <= MCLT for length in lengths),
                    f"first leases of {sorted(lengths)} s, not {MCLT} s")
        self.leases = answers
        self.tell(f"{len(CLIENTS)} clients have leases: {of_primary} from s1, "
                  f"{len(CLIENTS) - of_primary} from s2,")
        self.tell("each from the server that its RFC 3074 bucket names (computed independently)")
        self.tell(f"each first lease is {MCLT} s long: the MCLT")

    def both_know(self):
        """Lazy updates have arrived."""
        def missing():
            for server in (self.pair.s1, self.pair.s2):
                rows = server.leases()
                for answer in self.leases.values():
                    if answer["address"] not in rows:
                        return f"{answer['address']} is not on {server.name}"
            return None
        self.until(missing, 10, "leases are not on both servers")
        self.tell(f"all {len(self.leases)} leases are in both servers' databases")

    def renewals(self):
        """At T1 the lease becomes as long as configured."""
        t1 = max(a["t"] + (a["t1"] or a["lease"] / 2) for a in self.leases.values())
        self.tell(f"waiting for T1 ({t1 - time.time():.0f} s more) ...")
        time.sleep(max(0, t1 - time.time()))
        answers = self.pair.clients.do_range("renew", CLIENTS[0], CLIENTS[-1], rate=60)
        self.all_acknowledged(answers, "renewals")
        lengths = {a["lease"] for a in answers.values()}
        self.expect(lengths == {LIFETIME}, f"renewed for {sorted(lengths)} s, not {LIFETIME} s")
        self.leases = answers
        self.tell(f"{len(answers)} clients have renewed: their leases are now {LIFETIME} s long")
        time.sleep(1)           # let the last updates reach the partner: they are lazy

    def crash(self):
        """The secondary dies; its clients keep their addresses at the primary."""
        pair = self.pair
        pair.s2.kill9()
        self.tell("s2 is killed (kill -9)")
        pair.s1.wait_state("COMMUNICATIONS-INTERRUPTED", timeout=30)
        self.tell("s1 is in state COMMUNICATIONS-INTERRUPTED")
        orphans = [n for n, a in self.leases.items() if pair.server_at(a["server"]) is pair.s2]
        answers = pair.clients.do_all("rebind", orphans, rate=60)
        self.all_acknowledged(answers, "rebinding")
        moved = [n for n, a in answers.items() if a["address"] != self.leases[n]["address"]]
        self.expect(not moved, f"clients {moved} lost their addresses")
        self.leases.update(answers)
        self.tell(f"the {len(orphans)} clients of s2 rebind by broadcast, as at T2: "
                  "all keep their addresses, at s1")
        answers = pair.clients.do_range("discover", NEWCOMERS[0], NEWCOMERS[-1], rate=60,
                                        retransmit=True, timeout=20)
        self.all_acknowledged(answers, "new clients")
        self.expect(not {a["address"] for a in answers.values()} &
                    {a["address"] for a in self.leases.values()}, "a held address was given away")
        self.leases.update(answers)
        self.tell(f"{len(NEWCOMERS)} new clients get addresses from s1, "
                  f"for {max(a['lease'] for a in answers.values())} s")

    def returned(self):
        """It comes back, and both agree on every lease."""
        pair = self.pair
        pair.s2.start()
        self.tell("s2 is started again")
        pair.wait_state("NORMAL", timeout=60)
        self.tell("both servers are in state NORMAL")
        self.until(self.difference, 20, "the databases differ")
        self.both_know()
        self.tell("both databases are equal: same addresses, clients, states, ends (within 1 s)")
        pair.clients.check()
        self.tell(f"{len(pair.clients.status())} leases are held; no address was ever held twice, "
                  "no holder was refused")

    def difference(self):
        """What the databases of the two servers do not agree on, or None."""
        one, two = self.pair.s1.leases(), self.pair.s2.leases()
        if one.keys() != two.keys():
            return f"only one server has {sorted(one.keys() ^ two.keys())}"
        for address, row in one.items():
            other = two[address]
            ends = [r["cltt"] + r["valid-lft"] for r in (row, other)]
            if abs(ends[0] - ends[1]) > 1 or any(
                    row.get(key) != other.get(key) for key in ("hw-address", "client-id", "state")):
                return f"{row} against {other}"
        return None

    def run(self):
        """All chapters."""
        self.meet()
        self.first_leases()
        self.both_know()
        self.renewals()
        self.crash()
        self.returned()


def how_to_talk(pair):
    """Printed when the pair is left running."""
    print("\nThe pair is left running.  From this directory:")
    for server in (pair.s1, pair.s2):
        print(f"  PYTHONPATH=tests python3 -m rig.ask {server.socket_path} failover-status-get")
    print(f"  ip netns exec {pair.client_namespace} tests/rig/clients eth0"
          "     (then, say: discover 100)")
    print(f"  ip netns exec {pair.s1.namespace} tcpdump -ni fo0 port 647")
    print(f"  less {pair.s1.log_file} {pair.s2.log_file}")
    print(f"  kill -9 {pair.s1.pid}     (s1; s2 is {pair.s2.pid})")
    print("  ./demo --remove")


def main(arguments):
    """Exit status 0 only if everything was seen."""
    if "--remove" in arguments:
        print("removed:", *netns.remove_kept())
        return 0
    netns.exit_on_signals()
    with netns.Lab(may_keep="--keep" in arguments) as lab:
        pair = Pair(lab, subnet="192.0.2.0/24", lifetime=LIFETIME, mclt=MCLT)
        try:
            Story(pair).run()
        # Whatever ends the story, its reader wants the reason and the logs, not a traceback.
        except (NotSeen, AssertionError, LookupError, OSError, RuntimeError) as error:
            for server in (pair.s1, pair.s2):
                print(f"\n---- last words of {server.name}\n{server.log_tail(25)}")
            print(f"\nNOT SEEN: {error}")
            return 1
        if "--keep" in arguments:
            lab.keep = True
            how_to_talk(pair)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
