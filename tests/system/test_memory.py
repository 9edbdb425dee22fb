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

pytestmark = [pytest.mark.long, pytest.mark.native]

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


def reports(files, start, end):
    """The reports in files, from a line that matches `start` up to one that matches `end`, that
    have a frame of ours: of our library, or of our sources, as both tools are told to name both."""
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
    sources = re.compile(rf"{re.escape(TOP)}/(hook|protocol|shim)/")
    return [report for report in found if LIBRARY in report or sources.search(report)]


def live_without_reports(pair, log, start, end):
    """Where a server dies of a fault, the report says more than the death."""
    try:
        live(pair)
    finally:
        # Not every part of a sanitizer obeys log_path.
        consoles = [server.console_file for server in (pair.s1, pair.s2)]
        ours = reports(glob.glob(log + ".*") + consoles, start, end)
        assert not ours, "\n".join(ours)


def test_valgrind(pair_of, lab):
    """No invalid access, no use of undefined memory, no leak."""
    log = os.path.join(lab.workdir, "valgrind")
    made = pair_of(mclt=30, hook=PATIENCE, wrap=[
        "valgrind", "--leak-check=full", "--show-leak-kinds=definite,possible",
        "--num-callers=40", "--keep-debuginfo=yes", "--fullpath-after=", f"--log-file={log}.%p"])
    live_without_reports(made, log, r"^==\d+== \S", r"^==\d+== *$")
    with_summary = [name for name in glob.glob(log + ".*")
                    if "ERROR SUMMARY" in open(name, encoding="utf-8", errors="replace").read()]
    assert len(with_summary) >= 2


def sanitizer_runtimes(directory):
    """What is to be preloaded, for Kea itself is not built with the sanitizers."""
    first = os.path.join(directory, "asan_first.so")    # why: see its source
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wl,-z,initfirst", "-o", first,
                    os.path.join(TOP, "tests", "rig", "asan_first.c")], check=True)
    found = [subprocess.run(["gcc", f"-print-file-name={name}.so"], check=True, text=True,
                            capture_output=True).stdout.strip()
             for name in ("libasan", "libubsan")]
    return " ".join([*found, first])


def test_address_sanitizer(pair_of, lab, monkeypatch):
    """The first fault ends a server, and the test; leaks are reported at the exit."""
    library = os.path.join(TOP, "build", "asan", "shim", ".libs", LIBRARY + ".so")
    assert os.path.exists(library), "run tools/check-sanitizers first"
    log = os.path.join(lab.workdir, "asan")
    # A frame with its source has no name of its library unless told so.
    common = f"log_path={log}:stack_trace_format='    #%n %p in %f %S (%m+%o)'"
    monkeypatch.setenv("FO_LIBRARY", library)
    made = pair_of(mclt=30, hook=PATIENCE, environment={
        "LD_PRELOAD": sanitizer_runtimes(lab.workdir),
        "ASAN_OPTIONS": f"halt_on_error=1:detect_leaks=1:{common}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:{common}"})
    live_without_reports(made, log, r"ERROR: |runtime error|(Direct|Indirect) leak", r"^\s*$")
    for server in (made.s1, made.s2):
        assert "FAILOVER_STARTED" in server.log()
