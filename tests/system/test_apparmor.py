# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""What the library opens and locks is what Debian's AppArmor profile of kea-dhcp4 allows.

A server of a pair runs under strace from its start over leases and a reload to its exit.  The
profile's file rules are read from the package; the directories of the rig stand for those that the
profile names.  What a plain Kea without the library opens as well is Kea's own affair.
"""

import itertools
import os
import re
import time

from rig import agree, netns, pair as pairs, rfc3074

PROFILE = "/etc/apparmor.d/usr.sbin.kea-dhcp4"
# What of ours the profile allows by the abstractions that it includes: base, and nss-systemd by
# way of nameservice (package apparmor, which need not be installed here).
INCLUDED = {"/dev/urandom", "/dev/random", "/proc/sys/kernel/random/boot_id"}
CALLS = "trace=open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,link,linkat," \
        "symlink,symlinkat,mkdir,mkdirat,truncate,flock,fcntl,execve,socket"
BEGUN = re.compile(r'execve\("[^"]*kea-dhcp4".* = 0$')
LOCKS = re.compile(r"flock\(|F_(SETLK|SETLKW|OFD_SETLK|OFD_SETLKW)\b")


def rules(root):
    """The profile's rules for files: [(pattern, permissions)]."""
    found = []
    with open(root + PROFILE, encoding="utf-8") as text:
        for line in text:
            match = re.fullmatch(r"\s*(?:owner\s+)?(/\S*|@\{\S+)\s+([a-zA-Z]+),\s*", line)
            if match:
                found.append((glob_pattern(match.group(1)), match.group(2)))
    assert len(found) > 8, "the profile is not as it was: look at it"
    return found


def glob_pattern(text):
    """AppArmor's globbing as a regular expression: * stays in a directory, ** does not."""
    result, depth = "", 0
    for part in re.findall(r"\*\*|\*|\?|\[[^\]]*\]|[{},]|[^*?\[\]{},]+", text):
        if part == "{":
            depth += 1
        elif part == "}":
            depth -= 1
        if part in "{},":
            result += {"{": "(?:", "}": ")", ",": "|" if depth else ","}[part]
        else:
            result += {"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(
                part, part if part.startswith("[") else re.escape(part))
    return re.compile(result)


def in_the_package(server, path):
    """Where a file of the rig would be on a system installed from Debian's packages."""
    for name, real in (("kea-dhcp4.kea-dhcp4.pid", "/run/kea/kea-dhcp4.kea-dhcp4.pid"),
                       ("logger_lockfile", "/run/lock/kea/logger_lockfile"),
                       ("ctrl.sock.lock", "/run/kea/kea4-ctrl-socket.lock"),
                       ("ctrl.sock", "/run/kea/kea4-ctrl-socket"),
                       ("kea.log", "/var/log/kea/kea-dhcp4.log"),
                       ("kea-dhcp4.conf", "/etc/kea/kea-dhcp4.conf")):
        if path == server.path(name) or path == server.path(name) + ".lock":
            return real + path[len(server.path(name)):]
    return path.replace(server.directory, "/var/lib/kea") if \
        path.startswith(server.directory + "/") else path


def trace_of(server):
    """(paths opened {path: write?}, lines with locks, programs run) of a traced server, from where it runs:
    what the rig does before, to enter the directory of another Kea, is not its own."""
    opened, locks, programs, families = {}, [], [], set()
    with open(server.path("trace"), encoding="utf-8", errors="replace") as text:
        lines = itertools.dropwhile(lambda line: not BEGUN.search(line), text)
        for line in lines:
            if LOCKS.search(line):
                locks.append(line)
            if match := re.search(r"socket\((\w+), (\w+)", line):
                families.add(match.groups())
            match = re.search(r'(\w+)\((?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)"(.*)', line)
            if not match:
                continue
            call, path, rest = match.groups()
            if call == "execve":
                programs.append(path)
            elif " = -1 ENOENT" not in rest:
                writes = not call.startswith("open") or re.search(r"O_(WRONLY|RDWR|CREAT)", rest)
                opened[path] = opened.get(path, False) or bool(writes)
    return opened, locks, programs, families


def tracer_of(server):
    """Complains while the tracer still writes: it ends a moment after the server."""
    found = netns.run("pgrep", "-f", server.path("trace"), check=False)
    return f"tracer {found}" if found.strip() else None


def live(made):
    """Start, NORMAL, leases, a reload, exit."""
    made.start(wait="NORMAL")
    clients = rfc3074.clients_of(True, 5) + rfc3074.clients_of(False, 5)
    made.clients.do_all("discover", clients, retransmit=True, timeout=20)
    made.clients.do("release", clients[0])
    made.s1.reload()
    made.s1.wait_state("NORMAL", 10)
    time.sleep(1.2)             # the library stores at least once more
    made.s1.stop()


def test_profile(pair_of):
    """Of a pair's server: every file, lock, program and socket."""
    made = pair_of(hook={"state-file": None})
    plain = made.server("plain", pairs.kea_config(made.subnet, threading=made.threading))
    for server in (made.s1, plain):
        server.wrap = ["strace", "-D", "-f", "-qq", "-y", "-s", "256", "-e", CALLS, "-o",
                       server.path("trace")]
    live(made)
    plain.start()
    plain.stop()
    agree.until(lambda: tracer_of(made.s1) or tracer_of(plain))
    opened, locks, programs, families = trace_of(made.s1)
    own, own_locks, own_programs, own_families = trace_of(plain)

    state_file = made.s1.lease_file + ".failover"
    assert opened.get(state_file) is True, "the state file is beside the lease file"
    ours = {path for path in opened if path.startswith(made.s1.directory)} - \
        {path.replace(plain.directory, made.s1.directory) for path in own}
    assert ours == {state_file}, "and it is the only file of ours: no lock file"

    allowed = rules(made.s1.kea.root)
    libraries = os.path.dirname(pairs.library())
    for path, writes in opened.items():
        mapped = in_the_package(made.s1, path)
        foreign = path in own or not path.startswith("/")
        if foreign and not writes:
            continue            # Kea's own; abstractions that the profile includes allow it
        if path.startswith(libraries) or re.match(r"/(usr/)?lib/|/etc/ld\.so", path):
            assert not writes, path
            continue            # libraries: abstractions/base
        if path.startswith(("/proc/", "/sys/", "/dev/")):
            assert path in own or path in INCLUDED, path
            continue
        need = {"r", "w"} if writes and path == state_file else {"w"} if writes else {"r"}
        granted = set().union(*(set(permissions) for pattern, permissions in allowed
                                if pattern.fullmatch(mapped)))
        assert need <= granted, (path, mapped, need, granted)

    def places(lines, server):
        return {re.search(r"<([^>]*)>", line).group(1).replace(server.directory, "")
                for line in lines}
    assert places(locks, made.s1) <= places(own_locks, plain), "locks of ours"
    assert set(programs) - set(own_programs) <= {made.s1.path("kea-dhcp4")}
    assert families - own_families == {("AF_INET", "SOCK_STREAM")}, "sockets of ours are TCP"


def test_globbing():
    """The reading of the profile's patterns, which everything above rests on."""
    for pattern, good, bad in (("/var/lib/kea/kea-leases4.csv*",
                                "/var/lib/kea/kea-leases4.csv.failover",
                                "/var/lib/kea/kea-leases4.csv.d/x"),
                               ("/{tmp,run/kea}/kea4-ctrl-socket", "/run/kea/kea4-ctrl-socket",
                                "/kea4-ctrl-socket"),
                               ("/etc/kea/**", "/etc/kea/a/b", "/etc/other"),
                               ("/var/log/k.log.[0-9]*", "/var/log/k.log.1", "/var/log/k.log.x")):
        assert glob_pattern(pattern).fullmatch(good) and not glob_pattern(pattern).fullmatch(bad)
