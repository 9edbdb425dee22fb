# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""`./demo` as a user runs it: the whole story, exit status 0, and nothing left behind; also where it
is interrupted."""

import glob
import json
import os
import re
import signal
import subprocess
import time

import pytest

from rig import agree
from rig.clients import TOP

pytestmark = pytest.mark.native

STORY = [
    "both servers are in state NORMAL",
    r"60 clients have leases: (\d+) from s1, (\d+) from s2",
    "each from the server that its RFC 3074 bucket names (computed independently)",
    "each first lease is 20 s long: the MCLT",
    "all 60 leases are in both servers' databases",
    "60 clients have renewed: their leases are now 600 s long",
    "s2 is killed (kill -9)",
    "s1 is in state COMMUNICATIONS-INTERRUPTED",
    "all keep their addresses, at s1",
    "20 new clients get addresses from s1",
    "s2 is started again",
    "both servers are in state NORMAL",
    "both databases are equal: same addresses, clients, states, ends (within 1 s)",
    "80 leases are held; no address was ever held twice, no holder was refused",
]


def start(*options):
    """The demo, in a process group of its own, as a shell starts it."""
    # pylint: disable-next=consider-using-with
    return subprocess.Popen([os.path.join(TOP, "demo"), "--yes", *options], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            start_new_session=True)


def left_behind(pid):
    """Namespaces, files and processes of the demo with this process id (its names carry it)."""
    found = glob.glob(f"/run/netns/kfo*{pid}n*") + glob.glob(f"/tmp/kfo*{pid}n*")
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, encoding="utf-8", errors="replace") as text:
                line = text.read().replace("\0", " ")
        except OSError:
            continue
        if re.search(rf"kfo\w*-?{pid}n\d", line):
            found.append(line)
    return found or None


def system_services():
    """Kea servers that run with the configuration of Debian's packages."""
    lines = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.splitlines()
    return [line for line in lines if "kea-" in line and "/etc/kea/" in line]


def test_demo():
    """The whole story."""
    services, begun = system_services(), time.monotonic()
    demo = start()
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    at = 0
    for line in STORY:
        pattern = line if "\\d" in line else re.escape(line)
        match = re.compile(pattern).search(output, at)
        assert match, f"{line!r} is not there, or in another place:\n{output}"
        at = match.end()
    shares = re.search(STORY[1], output)
    assert int(shares.group(1)) + int(shares.group(2)) == 60 and "0" not in shares.groups()
    assert time.monotonic() - begun < 120
    agree.until(lambda: left_behind(demo.pid), 5)
    assert system_services() == services
    assert not glob.glob("/usr/sbin/policy-rc.d.kea-failover*")


def test_kept():
    """--keep leaves the pair running; what it prints to talk to it works; --remove ends it."""
    demo = start("--keep")
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    try:
        ask = re.findall(r"  (PYTHONPATH=tests python3 -m rig\.ask .* failover-status-get)", output)
        assert len(ask) == 2
        for command in ask:
            said = subprocess.run(command, shell=True, cwd=TOP, check=True, capture_output=True)
            status = json.loads(said.stdout)["arguments"]["relationships"][0]
            assert (status["state"], status["subnets"][0]["active"]) == ("normal", 80)
        clients = re.search(r"  (ip netns exec \S+ tests/rig/clients eth0) .*say: (.*)\)", output)
        said = subprocess.run(f"(echo {clients.group(2)}; sleep 2) | {clients.group(1)}", shell=True,
                              cwd=TOP, check=True, capture_output=True)
        assert b'"result":"ack"' in said.stdout.replace(b" ", b""), said.stdout
        for log in re.search(r"  less (\S+) (\S+)", output).groups():
            assert os.path.exists(log)
        for pid in re.search(r"  kill -9 (\d+) .*s2 is (\d+)", output).groups():
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line:
                assert "kea-dhcp4" in line.read()
    finally:
        subprocess.run([os.path.join(TOP, "demo"), "--remove"], check=True)
    agree.until(lambda: left_behind(demo.pid), 5)


@pytest.mark.parametrize("program", ["demo", "check"])
def test_options(program, tmp_path):
    """--help says what it does; a word that is no option is named; without root it is said so."""
    def run(*options, path=""):
        done = subprocess.run([os.path.join(TOP, program), *options], stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATH": path + os.environ["PATH"]}, text=True,
                              capture_output=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr
    status, said, complaint = run("--help")
    assert status == 0 and f"Usage: ./{program} [--yes]" in said and not complaint
    status, said, complaint = run("--yse")
    assert status == 2 and "there is no option '--yse'" in complaint and "Usage" in complaint
    if program == "demo":
        (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
        (tmp_path / "id").chmod(0o755)
        status, said, complaint = run(path=f"{tmp_path}:")
        assert status == 1 and "run it as root" in complaint and not said


@pytest.mark.parametrize("number,times", [(signal.SIGINT, 1), (signal.SIGINT, 3),
                                          (signal.SIGTERM, 1), (signal.SIGHUP, 1)])
def test_interrupted(number, times):
    """Ctrl-C (once, or by somebody impatient), or a polite signal, in the middle of it."""
    demo = start()
    for line in demo.stdout:
        if "clients have leases" in line:
            break
    for _ in range(times):
        os.killpg(demo.pid, number)
        time.sleep(0.1)
    output, _ = demo.communicate(timeout=30)
    # A last signal may find nobody at home any more: a shell calls both the same.
    assert demo.returncode in (128 + number, -number), output
    assert "Traceback" not in output
    agree.until(lambda: left_behind(demo.pid), 5)
