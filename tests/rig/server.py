# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""One real kea-dhcp4 inside a namespace, with directories, lease file and socket of its own.

The configuration is a dict (the content of "Dhcp4").  What every server of the rig needs and no
test cares about is filled in: control socket, memfile, logging to a file, the hook library with the
lease commands.
"""

import json
import os
import signal
import socket
import subprocess
import time

from . import installed, netns
from .installed import hooks_directory  # noqa: F401 (others import it from here)

# How much of its log is shown with a failure.
LOG_LINES = int(os.environ.get("FO_LOG_LINES", "60"))


class CommandError(RuntimeError):
    """Kea answered a command with an error."""

    def __init__(self, name, answer):
        super().__init__(f"{name}: {answer}")
        self.answer = answer


class ServerDied(RuntimeError):
    """kea-dhcp4 is not running although it should."""


class KeaServer:
    """A kea-dhcp4 process.  `wrap` is put before its command line (valgrind, strace -D -f); `kea`
    is an installed.Kea."""

    # pylint: disable-next=too-many-arguments
    def __init__(self, name, namespace, workdir, config, wrap=(), environment=None, kea=None):
        self.name = name
        self.namespace = namespace
        self.kea = kea or installed.kea()
        self.directory = os.path.join(workdir, name)
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o750)     # newer versions want that of where their socket is
        self.config_file = self.path("kea-dhcp4.conf")
        self.socket_path = self.path("ctrl.sock")
        self.lease_file = self.path("kea-leases4.csv")
        self.log_file = self.path("kea.log")
        self.console_file = self.path("console.log")
        self.wrap = list(wrap)
        self.environment = {**os.environ, **(environment or {})}
        for key in ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR",
                    "KEA_LOG_FILE_DIR", "KEA_CONTROL_SOCKET_DIR", "KEA_HOOK_SCRIPTS_PATH"):
            self.environment[key] = self.directory
        self.process = None
        self.config = None
        self.configure(config)

    def path(self, name):
        """A file in the server's own directory."""
        return os.path.join(self.directory, name)

    # ---- configuration ----

    def complete(self, config):
        """The configuration with everything that the rig adds."""
        full = {
            "control-socket": {"socket-type": "unix", "socket-name": self.socket_path},
            "lease-database": {"type": "memfile", "persist": True, "name": self.lease_file,
                               "lfc-interval": 0},
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO",
                         "output_options": [{"output": self.log_file, "flush": True,
                                             "maxsize": 0}]}],
            **config}
        commands = os.path.join(self.kea.hooks, "libdhcp_lease_cmds.so")
        libraries = full.get("hooks-libraries", [])
        if self.kea.has_hook("libdhcp_lease_cmds.so") and not any(commands == lib["library"] for lib in libraries):
            full["hooks-libraries"] = [{"library": commands}, *libraries]
        return full

    def configure(self, config):
        """Write the configuration; it takes effect at start() or reload()."""
        self.config = self.complete(config)
        with open(self.config_file, "w", encoding="utf-8") as out:
            json.dump({"Dhcp4": self.config}, out, indent=2)

    def reload(self, config=None):
        """config-reload, with a new configuration if given."""
        if config is not None:
            self.configure(config)
        return self.command("config-reload")

    # ---- life ----

    @property
    def pid(self):
        """Process id, or None."""
        return self.process.pid if self.running() else None

    def running(self):
        """Whether the process exists."""
        return self.process is not None and self.process.poll() is None

    def start(self, wait=True, timeout=20):
        """Start the process and, with `wait`, return only when it answers commands."""
        if self.running():
            return
        # A control socket left by a killed server would only delay the first answer.
        for leftover in (self.socket_path, self.path("kea-dhcp4.kea-dhcp4.pid")):
            if os.path.exists(leftover):
                os.unlink(leftover)
        with open(self.console_file, "ab") as console:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                netns.command_in(self.namespace, *self.wrap,
                                 *self.kea.command("kea-dhcp4", self.directory),
                                 "-c", self.config_file),
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=self.environment,
                start_new_session=True)
        if wait:
            self.wait_ready(timeout)

    def wait_ready(self, timeout=20):
        """Wait until commands are answered."""
        deadline = time.monotonic() + timeout
        while True:
            if not self.running():
                raise ServerDied(
                    f"{self.name} ended with {self.process.poll()}:\n{self.log_tail()}")
            try:
                self.command("version-get", timeout=2)
                return
            except (OSError, ValueError):
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not answer commands:\n{self.log_tail()}")
            time.sleep(0.02)

    def stop(self, timeout=10):
        """An orderly end (SIGTERM).  Returns the exit status."""
        if self.running():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired as late:
                self.kill9()
                raise TimeoutError(f"{self.name} did not end in {timeout} s") from late
        return self.process.returncode if self.process else None

    def kill9(self):
        """A crash."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def sigstop(self):
        """Freeze: the kernel goes on receiving and acknowledging for it."""
        self.process.send_signal(signal.SIGSTOP)

    def sigcont(self):
        """Thaw."""
        self.process.send_signal(signal.SIGCONT)

    def restart(self, orderly=True):
        """Stop (or crash) and start again."""
        if orderly:
            self.stop()
        else:
            self.kill9()
        self.start()

    # ---- talking to it ----

    def ask(self, name, arguments=None, timeout=10):
        """Send a command; returns Kea's whole answer, errors included."""
        text = {"command": name}
        if arguments is not None:
            text["arguments"] = arguments
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(timeout)
            channel.connect(self.socket_path)
            channel.sendall(json.dumps(text).encode())
            channel.shutdown(socket.SHUT_WR)
            answer = b""
            while data := channel.recv(1 << 16):
                answer += data
        return json.loads(answer)

    def command(self, name, arguments=None, timeout=10):
        """Send a command; returns its arguments (its text if it has none).  Errors raise."""
        answer = self.ask(name, arguments, timeout)
        if answer.get("result") not in (0, 3):      # 3: carried out, nothing found
            raise CommandError(name, answer)
        return answer.get("arguments", answer.get("text"))

    def leases(self):
        """Rows of Kea's lease database: {address: row as lease4-get-all gives it}."""
        answer = self.command("lease4-get-all", timeout=30)
        return {lease["ip-address"]: lease for lease in answer["leases"]}

    def statistic(self, name):
        """The present value of a statistic, None if there is none of that name."""
        values = self.command("statistic-get", {"name": name}).get(name)
        return values[0][0] if values else None

    def failover(self, relationship=None):
        """Our status of one relationship (the only one, if not named)."""
        found = self.command("failover-status-get")["relationships"]
        for status in found:
            if relationship in (None, status["name"]):
                return status
        raise LookupError(f"{self.name} has no relationship {relationship}")

    def wait_state(self, state, timeout=60, relationship=None):
        """Wait until the relationship is in one of the states ("NORMAL" or a list)."""
        wanted = {state} if isinstance(state, str) else set(state)
        wanted = {name.upper() for name in wanted}
        return self.wait_status(lambda s: s["state"].upper() in wanted, timeout, relationship,
                                what="/".join(sorted(wanted)))

    def wait_status(self, good, timeout=60, relationship=None, what="a status"):
        """Wait until a function of the status is true; returns the status."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.failover(relationship)
            if good(status):
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not reach {what} in {timeout} s: {status}")
            time.sleep(0.05)

    # ---- its log ----

    def log(self):
        """Everything logged so far."""
        if not os.path.exists(self.log_file):
            return ""
        with open(self.log_file, encoding="utf-8", errors="replace") as text:
            return text.read()

    def log_tail(self, lines=LOG_LINES):
        """The end of the log, without the commands that a test asks by the dozen, and of what the
        process printed."""
        console = ""
        if os.path.exists(self.console_file):
            with open(self.console_file, encoding="utf-8", errors="replace") as text:
                console = text.read()
        said = [line for line in (self.log() + console).splitlines()
                if "COMMAND_RECEIVED" not in line]
        return "\n".join(said[-lines:])

    def wait_log(self, text, timeout=10, count=1):
        """Wait until a text has been logged so many times."""
        deadline = time.monotonic() + timeout
        while self.log().count(text) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not log {text!r}")
            time.sleep(0.05)
