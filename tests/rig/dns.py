# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""DNS for a pair: Debian's named on the clients' segment, and a kea-dhcp-ddns beside each Kea, which
enters names of the zone "example.org" and of the reverse zone of the subnet.

All of them run in the lab's namespaces and write into its directory; no service of the system is
touched."""

import json
import os
import re
import socket
import struct
import subprocess
import time

from . import netns

ZONE = "example.org"
NAMED_CONF = """
options {{ directory "{directory}"; pid-file "{directory}/named.pid"; session-keyfile none;
  listen-on {{ {address}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no;
  empty-zones-enable no; notify no; allow-query {{ any; }}; }};
controls {{ }};
zone "{zone}" {{ type primary; file "forward.zone"; allow-update {{ any; }}; }};
zone "{reverse}" {{ type primary; file "reverse.zone"; allow-update {{ any; }}; }};
"""
EMPTY_ZONE = "$TTL 60\n@ IN SOA ns.invalid. root.invalid. (1 3600 600 86400 60)\n@ IN NS ns.invalid.\n"
A, PTR = 1, 12

# What Kea needs of it in its own configuration.
KEA = {"dhcp-ddns": {"enable-updates": True}, "ddns-send-updates": True,
       "ddns-qualifying-suffix": ZONE}


def kea_dhcp_ddns_config(log_file, server, reverse):
    """The configuration of kea-dhcp-ddns."""
    def domain(name):
        return {"ddns-domains": [{"name": f"{name}.", "dns-servers": [{"ip-address": server}]}]}
    return {"DhcpDdns": {
        "ip-address": "127.0.0.1", "port": 53001, "forward-ddns": domain(ZONE),
        "reverse-ddns": domain(reverse), "tsig-keys": [],
        "loggers": [{"name": "kea-dhcp-ddns", "severity": "INFO",
                     "output_options": [{"output": log_file, "flush": True, "maxsize": 0}]}]}}


class Names:
    """Begins before the pair's servers do.  `place` is the name server's address in the subnet."""

    def __init__(self, pair, place=5):
        self.pair, self.address = pair, pair.address(place)
        self.reverse = ".".join(reversed(str(pair.subnet[0]).split(".")[:3])) + ".in-addr.arpa"
        self.namespace = pair.host("dns", place)
        self.directory = os.path.join(pair.lab.workdir, "dns")
        os.makedirs(self.directory)
        self._processes, self._logs = [], {}
        pair.lab.at_close(self.close)
        self._start_named()
        for server in (pair.s1, pair.s2):
            self._start_d2(server)

    def _write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return path

    def _run(self, namespace, label, *command, environment=None):
        with open(os.path.join(self.directory, f"{label}.log"), "ab") as log:
            # pylint: disable-next=consider-using-with
            self._processes.append(subprocess.Popen(
                netns.command_in(namespace, netns.unconfined(command[0], self.directory),
                                 *command[1:]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **(environment or {})}))

    def _start_named(self):
        self._write("forward.zone", EMPTY_ZONE)
        self._write("reverse.zone", EMPTY_ZONE)
        conf = self._write("named.conf", NAMED_CONF.format(
            directory=self.directory, address=self.address, zone=ZONE, reverse=self.reverse))
        self._run(self.namespace, "named", "named", "-g", "-n", "1", "-c", conf)
        deadline = time.monotonic() + 15
        while True:
            try:
                self.ask(ZONE, A)
                return
            except OSError:
                if time.monotonic() > deadline or self._processes[0].poll() is not None:
                    raise
                time.sleep(0.1)

    def _start_d2(self, server):
        self._logs[server.name] = os.path.join(self.directory, f"d2-{server.name}.log")
        conf = self._write(f"d2-{server.name}.conf", json.dumps(
            kea_dhcp_ddns_config(self._logs[server.name], self.address, self.reverse)))
        place = os.path.join(self.directory, server.name)
        os.makedirs(place)
        self._run(server.namespace, f"d2-{server.name}-console", "kea-dhcp-ddns", "-c", conf,
                  environment={"KEA_PIDFILE_DIR": place, "KEA_LOCKFILE_DIR": place})

    def close(self):
        """End all of it."""
        for process in self._processes:
            process.kill()
            process.wait()

    # ---- what is there ----

    def ask(self, name, kind):
        """How many records of that kind a name has."""
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        query = struct.pack("!6H", os.getpid() & 0xffff, 0, 1, 0, 0, 0) + labels + b"\0" + \
            struct.pack("!2H", kind, 1)
        with netns.socket_in(self.namespace, socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.connect((self.address, 53))
            channel.send(query)
            answer = channel.recv(4096)
        return struct.unpack("!6H", answer[:12])[3]

    def has(self, host, address):
        """Both records of a host are there, once: True; neither is: False."""
        reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        found = self.ask(f"{host}.{ZONE}", A), self.ask(reverse, PTR)
        return {(1, 1): True, (0, 0): False}.get(found, found)

    def count(self, what):
        """How many requests to "ADD" or "REMOVE" the two kea-dhcp-ddns have carried out, in all."""
        total = 0
        for path in self._logs.values():
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as text:
                    total += len(re.findall(rf"DHCP_DDNS_{what}_(?:SUCCEEDED|FAILED)", text.read()))
        return total

    def wait_count(self, what, wanted, timeout=10):
        """Wait until so many were carried out; a moment later they are no more."""
        deadline = time.monotonic() + timeout
        while self.count(what) < wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        assert self.count(what) == wanted, f"{self.count(what)} times {what}, wanted {wanted}"

    def wait(self, host, address, there, timeout=10):
        """Wait until a host's records are there, or gone."""
        deadline = time.monotonic() + timeout
        while (found := self.has(host, address)) is not there:
            assert time.monotonic() < deadline, f"{host} at {address}: {found}, wanted {there}"
            time.sleep(0.05)
