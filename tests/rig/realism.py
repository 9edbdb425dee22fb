# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""One real dhclient and one real udhcpc: clients that nobody of us has written.

Each runs in a namespace of its own on the segment (Segment.host(label)), touches no file of the
machine, and configures nothing: what it was told is read from its own output.
"""

import os
import re
import signal
import stat
import subprocess
import time

from . import netns


class _Client:
    """A client program running in the foreground, its output in a file."""

    def __init__(self, namespace, directory, label, command):
        self.output_file = os.path.join(directory, f"{label}.log")
        with open(self.output_file, "wb") as output:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(netns.command_in(namespace, *command), stdout=output,
                                            stderr=output, stdin=subprocess.DEVNULL)

    def output(self):
        """All that it has printed."""
        with open(self.output_file, encoding="utf-8", errors="replace") as text:
            return text.read()

    def wait(self, pattern, timeout=30, count=1):
        """Wait for a regular expression to appear so many times; returns the last match."""
        deadline = time.monotonic() + timeout
        while len(found := list(re.finditer(pattern, self.output()))) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {pattern!r} in:\n{self.output()}")
            time.sleep(0.05)
        return found[count - 1]

    def stop(self):
        """End it without a release."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Dhclient(_Client):
    """ISC's client.  Its script does nothing."""

    def __init__(self, namespace, directory, label="dhclient", interface="eth0"):
        config = os.path.join(directory, f"{label}.conf")
        self.lease_file = os.path.join(directory, f"{label}.leases")
        with open(config, "w", encoding="ascii") as out:
            out.write("timeout 60;\nretry 5;\ninitial-interval 2;\n")
        super().__init__(namespace, directory, label, [
            netns.unconfined("dhclient", directory), "-4", "-d", "-v", "-sf", "/bin/true", "-cf", config,
            "-lf", self.lease_file, "-pf", os.path.join(directory, f"{label}.pid"), interface])

    def wait_bound(self, timeout=30, count=1):
        """Wait until it is bound (for the count-th time); returns its address."""
        self.wait(r"bound to (\S+)", timeout, count)
        return self.wait(r"bound to (\d+\.\d+\.\d+\.\d+)", timeout, count).group(1)


class Udhcpc(_Client):
    """Busybox's client.  Its script notes what it was told; SIGUSR1 makes it renew."""

    def __init__(self, namespace, directory, label="udhcpc", interface="eth0"):
        script = os.path.join(directory, f"{label}.sh")
        with open(script, "w", encoding="ascii") as out:
            out.write('#!/bin/sh\necho "event $1 address $ip lease $lease server $serverid"\n')
        os.chmod(script, stat.S_IRWXU)
        super().__init__(namespace, directory, label, [
            "udhcpc", "-f", "-i", interface, "-s", script, "-t", "10", "-T", "2"])

    def wait_bound(self, timeout=30, count=1):
        """Wait until it is bound; returns its address."""
        return self.wait(r"event bound address (\S+)", timeout, count).group(1)

    def renew(self, timeout=30):
        """Have it renew now; returns the address renewed."""
        count = self.output().count("event renew") + 1
        self.process.send_signal(signal.SIGUSR1)
        return self.wait(r"event renew address (\S+)", timeout, count).group(1)
