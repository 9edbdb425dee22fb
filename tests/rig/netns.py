# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Network namespaces that belong to one test and are gone after it, whatever happens.

A Lab makes namespaces, bridges and veth links with names that carry the process id, so that labs
of several processes live side by side, and so that what a killed process left behind can be told
from what is in use: the next Lab on the machine removes it.  Nothing is made in the namespace of
the machine itself.

A Lab is a context manager; leaving it kills every process inside its namespaces and removes them.
SIGTERM and SIGHUP become an exception (see exit_on_signals), so they leave it in order, too.
"""

import atexit
import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PREFIX = "kfo"
MEMORY = "/dev/shm"     # files that need not survive anything
KEPT = "kfokept"        # what a demo left running on purpose; only remove_kept() removes it
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
_counter = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


class CommandFailed(RuntimeError):
    """A command of the rig itself failed."""


def run(*command, check=True):
    """Run a command of the rig and return its output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def exit_on_signals():
    """Turn the polite signals into SystemExit, so that every `with` is left in order."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    if threading.current_thread() is not threading.main_thread():
        return      # pytest's workers, on a busy machine, run the tests in another one
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)


@contextlib.contextmanager
def undisturbed():
    """Let nobody's impatience interrupt what is done in here (by the main thread)."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def enter(namespace):
    """Move the calling thread (only it) into a namespace; sockets that it makes stay there."""
    with open(f"/run/netns/{namespace}", encoding="ascii") as handle:
        if _libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def socket_in(namespace, *kind):
    """A socket (arguments as socket.socket's) that lives in a namespace; calls time out."""
    made = []

    def make():
        enter(namespace)
        made.append(socket.socket(*kind))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].settimeout(2)
    if made[0].family == socket.AF_INET:
        made[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made[0]


def command_in(namespace, *command):
    """The command line that runs a command inside a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def _pids(namespace):
    return [int(pid) for pid in run("ip", "netns", "pids", namespace, check=False).split()
            if pid.isdigit()]


def _remove(namespace):
    deadline = time.monotonic() + 5
    while (pids := _pids(namespace)) and time.monotonic() < deadline:
        for pid in pids:
            # A thread of our own (a proxy) may still be inside: that is not a process to be killed.
            if pid != os.getpid():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if pids == [os.getpid()]:
            break
        time.sleep(0.02)
    run("ip", "netns", "del", namespace, check=False)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def remove_leftovers(prefix=PREFIX, even_alive=False):
    """Remove the namespaces and directories of processes that are gone."""
    places = (("/run/netns", re.compile(rf"{prefix}(\d+)n\d+-.*"), None),
              *((place, re.compile(rf"{prefix}-(\d+)n\d+-.*"), shutil.rmtree)
                for place in (tempfile.gettempdir(), MEMORY)))
    removed = []
    for place, pattern, remove in places:
        for name in os.listdir(place) if os.path.isdir(place) else []:
            match = pattern.fullmatch(name)
            if not match or _alive(int(match.group(1))) and not even_alive:
                continue
            if remove:
                remove(os.path.join(place, name), ignore_errors=True)
            else:
                _remove(name)
            removed.append(name)
    return removed


def remove_kept():
    """Remove what demos have left running on purpose.  Returns the names."""
    return remove_leftovers(KEPT, even_alive=True)


def unconfined(program, directory):
    """A path of the program to which no AppArmor profile applies (profiles go by path).

    Debian's profiles of kea-dhcp4 and dhclient allow the files of the system's service only."""
    path = shutil.which(program) or program
    if not os.path.exists("/sys/kernel/security/apparmor/profiles"):
        return path
    copy = os.path.join(directory, os.path.basename(path))
    if not os.path.exists(copy):
        shutil.copy(path, copy)
    return copy


class Lab:
    """A set of namespaces with one life.

    With `may_keep` (for a demo) setting `keep` leaves all of it running at the end."""

    def __init__(self, may_keep=False):
        self.keep = False
        self.prefix = KEPT if may_keep else PREFIX
        self.tag = f"{os.getpid()}n{next(_counter)}"
        self.namespaces = []
        self.workdir = None
        self._ports = itertools.count(1)
        self._stops = []
        self._closed = False

    def __enter__(self):
        remove_leftovers()
        self.workdir = tempfile.mkdtemp(prefix=f"{self.prefix}-{self.tag}-")
        # Kea may run as another user one day; the directory holds nothing secret.
        os.chmod(self.workdir, 0o755)
        atexit.register(self.close)
        return self

    def __exit__(self, *_exception):
        self.close()

    def at_close(self, stop):
        """Have a function called, last added first, before the namespaces go."""
        self._stops.append(stop)

    def close(self):
        """Undo everything.  Never raises; may be called more than once."""
        if self._closed or self.keep:
            return
        self._closed = True
        atexit.unregister(self.close)
        with undisturbed():
            self._undo()

    def _undo(self):
        for stop in reversed(self._stops):
            try:
                stop()
            except Exception as error:  # pylint: disable=broad-except
                print(f"while cleaning up: {error!r}")
        for namespace in self.namespaces:
            _remove(namespace)
        shutil.rmtree(self.workdir, ignore_errors=True)

    def namespace(self, label):
        """Make a namespace, with loopback up and without IPv6's chatter."""
        name = f"{self.prefix}{self.tag}-{label}"
        self.namespaces.append(name)
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        run(*command_in(name, "sh", "-c",
                        "for i in all default; do"
                        " echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done 2>/dev/null; true"))
        return name

    def bridge(self, label, interface="br0"):
        """Make a namespace that is nothing but a switch."""
        name = self.namespace(label)
        self.add_bridge(name, interface)
        return name

    @staticmethod
    def add_bridge(name, interface):
        """One more switch in such a namespace."""
        run("ip", "-n", name, "link", "add", interface, "type", "bridge", "stp_state", "0",
            "forward_delay", "0", "mcast_snooping", "0")
        run("ip", "-n", name, "link", "set", interface, "up")

    def link(self, one, other):
        """Join (namespace, interface[, address/length]) with another by a cable."""
        run("ip", "link", "add", one[1], "netns", one[0], "type", "veth",
            "peer", "name", other[1], "netns", other[0])
        for namespace, interface, *address in (one, other):
            for value in address:
                run("ip", "-n", namespace, "addr", "add", value, "dev", interface)
            run("ip", "-n", namespace, "link", "set", interface, "up")

    def plug(self, switch, namespace, interface="eth0", address=None, bridge="br0"):
        """Plug a new interface of a namespace into a switch made by `bridge`."""
        port = f"p{next(self._ports)}"
        end = (namespace, interface, address) if address else (namespace, interface)
        self.link((switch, port), end)
        run("ip", "-n", switch, "link", "set", port, "master", bridge)
        return port

    @staticmethod
    def set_port(switch, port, connected, bridge="br0"):
        """Take a port out of its switch, or put it back: frames vanish, no host sees its link go
        down."""
        run("ip", "-n", switch, "link", "set", port,
            *(("master", bridge) if connected else ("nomaster",)))
