# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""A pair in Kea under valgrind, and with the AddressSanitizer build of the library: start, leases,
release, decline, reload, exit.  Kea and its libraries may have faults of their own; a report counts
when a frame of ours is in it.
"""

import glob
import os
import re
import subprocess

import pytest

from rig import agree, rfc3074
from rig.clients import TOP

pytestmark = pytest.mark.long

OURS = rfc3074.clients_of(True, 6)
THEIRS = rfc3074.clients_of(False, 6)
LIBRARY = "libdhcp_ha_failover"
PATIENCE = {"max-response-delay": 120, "startup-delay": 10}     # both tools are slow


def live(pair):
    """The life that is looked at."""
    pair.s1.start(wait=False)
    pair.s2.start(wait=False)
    for server in (pair.s1, pair.s2):
        server.wait_ready(timeout=120)
    clients = pair.start_clients()
    pair.wait_state("NORMAL", 120)
    pair.wait_available(60)
    everybody = OURS + THEIRS
    agree.acknowledged(clients.do_all("discover", everybody, retransmit=True, timeout=60))
    agree.settled(pair, timeout=60)
    agree.acknowledged(clients.do_all("renew", everybody, retransmit=True, timeout=60))
    for client in OURS[:2] + THEIRS[:2]:
        clients.do("release", client)
    for client in OURS[2:3] + THEIRS[2:3]:
        clients.do("decline", client)
    agree.settled(pair, timeout=60)
    pair.s1.reload()
    pair.wait_state("NORMAL", 120)
    agree.acknowledged(clients.do_all("reboot", OURS[3:] + THEIRS[3:], retransmit=True, timeout=60))
    for server in (pair.s2, pair.s1):
        assert server.command("failover-status-get")
        server.stop(timeout=120)


def reports(pattern, start, end):
    """The reports in log files, from a line that matches `start` up to one that matches `end`, that
    have a frame of ours.  There must be a file of each server."""
    files = glob.glob(pattern)
    found = []
    for name in files:
        with open(name, encoding="utf-8", errors="replace") as text:
            block = []
            for line in [*text, "", ""]:
                if block or re.search(start, line):
                    block.append(line)
                    if len(block) > 1 and re.search(end, line):
                        found.append("".join(block))
                        block = []
    return [report for report in found if LIBRARY in report]


def test_valgrind(pair_of, lab):
    """No invalid access, no use of undefined memory, no leak."""
    log = os.path.join(lab.workdir, "valgrind")
    made = pair_of(mclt=30, hook=PATIENCE, wrap=[
        "valgrind", "--leak-check=full", "--show-leak-kinds=definite,possible",
        "--num-callers=40", "--keep-debuginfo=yes", f"--log-file={log}.%p"])
    live(made)
    with_summary = [name for name in glob.glob(log + ".*")
                    if "ERROR SUMMARY" in open(name, encoding="utf-8", errors="replace").read()]
    assert len(with_summary) >= 2
    ours = reports(log + ".*", r"^==\d+== \S", r"^==\d+== *$")
    assert not ours, "\n".join(ours)


def test_address_sanitizer(pair_of, lab, monkeypatch):
    """The first fault ends a server, and the test; leaks are reported at the exit."""
    library = os.path.join(TOP, "build", "asan", "shim", ".libs", LIBRARY + ".so")
    assert os.path.exists(library), "run tools/check-sanitizers first"
    runtimes = [subprocess.run(["gcc", f"-print-file-name={name}.so"], check=True, text=True,
                               capture_output=True).stdout.strip()
                for name in ("libasan", "libubsan")]
    log = os.path.join(lab.workdir, "asan")
    monkeypatch.setenv("FO_LIBRARY", library)
    made = pair_of(mclt=30, hook=PATIENCE, environment={
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": f"halt_on_error=1:detect_leaks=1:log_path={log}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={log}"})
    live(made)
    for server in (made.s1, made.s2):
        with open(server.log_file, encoding="utf-8", errors="replace") as text:
            assert "FAILOVER_STARTED" in text.read()
    ours = reports(log + ".*", r"ERROR: |runtime error|(Direct|Indirect) leak", r"^\s*$")
    assert not ours, "\n".join(ours)
