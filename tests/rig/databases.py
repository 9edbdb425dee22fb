# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Private MariaDB and PostgreSQL servers that keep a Kea's leases.

Each runs in the namespace of its Kea, where it has 127.0.0.1 for itself, with all its files in a
directory of its own; nothing of it is left when the test is over. An empty one with Kea's schema
(kea-admin's, of the scripts of the very Kea) is made once in a process, and copied for each test: making it
takes some seconds.

Files are in memory, where there is such a place: a commit costs nothing then, and what is killed
loses nothing all the same. `on_disk` is for those who want to see what commits cost.
"""

import atexit
import contextlib
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import netns

NAME = USER = PASSWORD = "kea"


def memory():
    """Where files are that need not survive anything."""
    return netns.MEMORY if os.path.isdir(netns.MEMORY) else tempfile.gettempdir()


def owner():
    """The process that templates belong to: of a run of tests with several workers their parent."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


@atexit.register
def _remove_templates():
    if owner() == os.getpid():
        for directory in glob.glob(os.path.join(memory(), f"{netns.PREFIX}-{os.getpid()}n0-*")):
            shutil.rmtree(directory, ignore_errors=True)


def _read(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as text:
        return text.read()
    return ""


def _descendants(pid):
    """A process and all that it has started."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        if stat := _read(path):
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(
                int(path.split("/")[2]))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


class Database:
    """A database server; what differs between the two is in the classes below."""

    kind = None         # Kea's name of the type
    short = None        # kea-admin's
    port = None

    # pylint: disable-next=too-many-arguments,too-many-positional-arguments
    def __init__(self, lab, namespace, label, kea, on_disk=False):
        self.namespace, self.kea = namespace, kea
        self.process = None
        if on_disk:
            self.directory = os.path.join(lab.workdir, label)
        else:
            # Named like a Lab's, so that the next one removes it, should this process be killed.
            self.directory = os.path.join(memory(), f"{netns.PREFIX}-{lab.tag}-{label}")
            lab.at_close(lambda: shutil.rmtree(self.directory, ignore_errors=True))
        shutil.copytree(self._template(kea), self.directory)
        self._own()
        lab.at_close(self.kill9)

    @classmethod
    def _template(cls, kea):
        """The directory of an empty database.  All workers of a run of tests share it."""
        directory = os.path.join(memory(), f"{netns.PREFIX}-{owner()}n0-{cls.short}-{kea.version}")
        os.makedirs(directory, exist_ok=True)
        place = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(place, fcntl.LOCK_EX)
            if not os.path.exists(os.path.join(directory, "empty")):
                cls._make_template(os.path.join(directory, "making"), kea)
                os.rename(os.path.join(directory, "making"), os.path.join(directory, "empty"))
        finally:
            os.close(place)
        return os.path.join(directory, "empty")

    @classmethod
    def _make_template(cls, directory, kea):
        os.mkdir(directory)
        made = cls.__new__(cls)
        made.namespace, made.directory, made.process = None, directory, None
        made._create()
        made._start(hasty=True)
        try:
            made._admit()
            netns.run("kea-admin", "db-init", made.short, "-n", NAME, "-u", USER, "-p", PASSWORD,
                      "-d", f"{kea.root}/usr/share/kea/scripts", *made._local())
        finally:
            made.stop()

    def lease_database(self, **more):
        """For Kea's configuration.  Kea tries again, twice a second, when it loses this server."""
        return {"type": self.kind, "name": NAME, "user": USER, "password": PASSWORD,
                "host": "127.0.0.1", "port": self.port, "max-reconnect-tries": 1000,
                "reconnect-wait-time": 500, **more}

    def libraries(self):
        """What Kea has to load for it: newer ones have each kind of database in a library."""
        name = f"libdhcp_{self.short}.so"
        return [{"library": os.path.join(self.kea.hooks, name)}] if self.kea.has_hook(name) else []

    # ---- life ----

    def start(self):
        """Start it, and return when it answers."""
        self._start()
        return self

    def _start(self, hasty=False):
        command = self._command(hasty)
        with open(os.path.join(self.directory, "log"), "ab") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                netns.command_in(self.namespace, *command) if self.namespace else command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.kind} does not start:\n"
                                   f"{_read(os.path.join(self.directory, 'log'))[-3000:]}")
            time.sleep(0.05)

    def answers(self):
        """Does it take queries?"""
        return self._query("SELECT 1", check=False).strip() == "1"

    def stop(self):
        """An orderly end."""
        if self.process:
            self.sigcont()
            self.process.send_signal(self._fast_end)
            self.process.wait(60)
            self.process = None

    def kill9(self):
        """A crash, of all its processes."""
        if self.process:
            for pid in _descendants(self.process.pid):
                self._signal(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def sigstop(self):
        """Freeze it."""
        for pid in _descendants(self.process.pid):
            self._signal(pid, signal.SIGSTOP)

    def sigcont(self):
        """Thaw it."""
        for pid in _descendants(self.process.pid):
            self._signal(pid, signal.SIGCONT)

    @staticmethod
    def _signal(pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    # ---- its rows ----

    def slow(self, seconds):
        """From now on each row of a lease takes so long to write, without any work."""
        for statement in self._slow(seconds):
            self._query(statement)

    def query(self, sql):
        """What a statement gives: a list of rows, each a list of texts."""
        return [line.split("\t") for line in self._query(sql).splitlines()]

    def _query(self, sql, check=True):
        return netns.run(*self._client(), sql, check=check)


class MariaDb(Database):
    """Debian's mariadb-server."""

    kind, short, port = "mysql", "mysql", 3306
    _fast_end = signal.SIGTERM

    def _socket(self):
        return os.path.join(self.directory, "socket")

    def _local(self):
        return ["-h", "localhost", "-x", f"--socket={self._socket()}"]

    def _client(self):
        return ["mariadb", "--no-defaults", f"--socket={self._socket()}", "-u", "root", "-N", "-B",
                NAME, "-e"]

    def _own(self):
        """Its files are root's."""

    def _create(self):
        # Of its own: in a common one each server, when it starts, removes the temporary tables of all.
        os.mkdir(f"{self.directory}/tmp")
        netns.run("mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db",
                  f"--datadir={self.directory}/data", "--innodb-log-file-size=8M",
                  "--auth-root-authentication-method=normal")
        os.mkdir(f"{self.directory}/data/{NAME}")

    def _admit(self):
        for host in ("localhost", "127.0.0.1"):
            self._query(f"GRANT ALL ON {NAME}.* TO '{USER}'@'{host}' IDENTIFIED BY '{PASSWORD}'")

    def _command(self, hasty):
        return ["mariadbd", "--no-defaults", "--user=root", f"--datadir={self.directory}/data",
                f"--socket={self._socket()}", f"--pid-file={self.directory}/pid",
                f"--tmpdir={self.directory}/tmp",
                "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve",
                "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M",
                *(["--skip-networking", "--innodb-flush-log-at-trx-commit=0"] if hasty else [])]

    @staticmethod
    def _slow(seconds):
        return [f"CREATE TRIGGER slow_{event} BEFORE {event} ON lease4 FOR EACH ROW DO SLEEP({seconds})"
                for event in ("INSERT", "UPDATE")]


class PostgreSql(Database):
    """Debian's postgresql, whose server refuses to be root."""

    kind, short, port = "postgresql", "pgsql", 5432
    _fast_end = signal.SIGINT

    @staticmethod
    def _program(name):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
        return found[-1] if found else name

    def _as_user(self, program, *arguments):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
                self._program(program), *arguments]

    def _local(self):
        return ["-h", self.directory]

    def _client(self):
        # A database of its name is there before Kea's is.
        name = NAME if self.namespace else "template1"
        return ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-h", self.directory, "-U", "postgres",
                "-d", name, "-c"]

    def _own(self):
        netns.run("chown", "-R", "postgres:", self.directory)

    def _create(self):
        self._own()
        netns.run(*self._as_user("initdb", "-D", f"{self.directory}/data", "--no-sync", "-A",
                                 "trust", "-U", "postgres", "--locale=C", "-E", "UTF8"))

    def _admit(self):
        self._query(f"CREATE USER {USER} PASSWORD '{PASSWORD}'")
        self._query(f"CREATE DATABASE {NAME} OWNER {USER}")

    def _command(self, hasty):
        # Nothing is left of its shared memory, either.
        return ["unshare", "--ipc", *self._as_user(
            "postgres", "-D", f"{self.directory}/data", "-k", self.directory, "-p", str(self.port),
            "-c", "dynamic_shared_memory_type=mmap", "-c", "max_connections=40", "-c",
            f"listen_addresses={'' if hasty else '127.0.0.1'}", *(["-F"] if hasty else []))]

    @staticmethod
    def _slow(seconds):
        return ["CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                f"'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END'",
                "CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON lease4 FOR EACH ROW EXECUTE FUNCTION slow()"]


KINDS = {"mariadb": MariaDb, "postgresql": PostgreSql}
