# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Two Kea servers as failover partners, and a segment with clients.

    s1 (primary)   eth0 ──┐              ┌── eth0 ── clients
                          ├── switch ────┤
    s2 (secondary) eth0 ──┘              └── eth0 ── real clients, if a test plugs any
    s1 fo0 10.99.0.1 ── a switch of its own ── 10.99.0.2 fo0 s2

With `proxy=True` a namespace stands in the failover link: each server then has its partner's place
taken by the proxy, so the two lists of peers differ in their addresses:

    s1 fo0 10.99.0.1 ── 10.99.0.2 proxy 10.99.1.1 ── 10.99.1.2 fo0 s2

`Segment` is the part without failover: a switch, clients, and any number of plain Kea servers.
"""

import copy
import ipaddress
import os

from . import installed
from .clients import TOP, Clients
from .databases import KINDS
from .proxy import Proxy
from .server import KeaServer

FAILOVER_PORT = 647


def library():
    """The hook library under test, as the Kea under test is to load it."""
    return installed.kea().library


def merge(base, extra):
    """A copy of a configuration with another laid over it, maps merged; None removes a key."""
    result = copy.deepcopy(base)
    for key, value in (extra or {}).items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def default_pool(subnet):
    """200 addresses from the tenth on, or as many as the subnet has."""
    return f"{subnet[10]} - {subnet[min(209, subnet.num_addresses - 2)]}"


def kea_config(subnet, pools=None, lifetime=3600, threading="multi", config=None):
    """A plain server's configuration for one subnet of one client interface.

    `pools` are Kea's strings; `lifetime` is the valid lifetime, or (valid, renew, rebind);
    `config` is laid over the result."""
    valid, *timers = lifetime if isinstance(lifetime, (tuple, list)) else (lifetime,)
    base = {
        "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "raw",
                              "service-sockets-max-retries": 5},
        "valid-lifetime": valid,
        "multi-threading": {"enable-multi-threading": threading == "multi",
                            "thread-pool-size": 4, "packet-queue-size": 64},
        "subnet4": [{"id": 1, "subnet": str(subnet),
                     "pools": [{"pool": pool} for pool in pools or [default_pool(subnet)]]}],
    }
    base.update(zip(("renew-timer", "rebind-timer"), timers))
    return merge(base, config)


class Segment:
    """A client segment: a switch, simulated clients, servers plugged in one by one."""

    def __init__(self, lab, subnet="192.0.2.0/24"):
        self.lab = lab
        self.subnet = ipaddress.ip_network(subnet)
        self.switch = lab.bridge("sw")
        self.servers = []
        self._ports = {}
        self.client_namespace = lab.namespace("cl")
        lab.plug(self.switch, self.client_namespace)
        self.clients = None
        lab.at_close(self.close)

    def address(self, place):
        """The so-manieth address of the subnet; servers take the first ones."""
        return str(self.subnet[place])

    def host(self, label, place=None):
        """A namespace plugged into the segment, with the so-manieth address if any."""
        namespace = self.lab.namespace(label)
        address = f"{self.address(place)}/{self.subnet.prefixlen}" if place else None
        self._ports[namespace] = self.lab.plug(self.switch, namespace, address=address)
        return namespace

    def server(self, name, config, namespace=None, **options):
        """A server (not started) on the segment, in a new namespace unless one is given."""
        if namespace is None:
            namespace = self.host(name, len(self.servers) + 1)
        server = KeaServer(name, namespace, self.lab.workdir, config, **options)
        self.servers.append(server)
        return server

    def start_clients(self):
        """Start the simulated clients; relays among them send to all servers."""
        if self.clients is None:
            servers = [self.address(n + 1) for n in range(len(self.servers))]
            self.clients = Clients(self.client_namespace, servers=servers)
        return self.clients

    def cut_clients(self, server, cut=True):
        """Take one server off the client segment (or put it back)."""
        self.lab.set_port(self.switch, self._ports[server.namespace], not cut)

    def close(self):
        """End everything; a violation found by the oracle comes out of here at the latest."""
        for server in self.servers:
            server.kill9()
        if self.clients:
            clients, self.clients = self.clients, None
            clients.close()


class Pair(Segment):
    """Partners s1 (primary) and s2 (secondary).

    threading   "multi" or "single": Kea's threading mode
    subnet      of the clients
    pools       Kea's strings, or None for 200 addresses
    lifetime    valid lifetime, or (valid, renew, rebind)
    mclt        max-client-lead-time
    hook        more parameters of the relationship; hook_s1, hook_s2 for one side only
                (None as a value removes a parameter)
    kea         laid over Kea's configuration; kea_s1, kea_s2 for one side only
    backends    where each keeps its leases: (of s1, of s2), or one name for both: "memfile",
                "mariadb" or "postgresql"; the servers of these are pair.databases["s1"], ["s2"]
    on_disk     their files are not in memory
    proxy       put a Proxy between the partners (pair.proxy)
    keas        the versions of Kea: (of s1, of s2), or None; see installed.py
    libraries   other builds of the hook library: (for s1, for s2)
    wrap        put before kea-dhcp4's command line, e.g. ["valgrind", ...]
    environment more environment variables for Kea
    """

    # pylint: disable-next=too-many-arguments
    def __init__(self, lab, *, threading="multi", subnet="192.0.2.0/24", pools=None, lifetime=3600,
                 mclt=60, hook=None, hook_s1=None, hook_s2=None, kea=None, kea_s1=None, kea_s2=None,
                 backends="memfile", on_disk=False, keas=(None, None), libraries=(None, None),
                 proxy=False, wrap=(), environment=None):
        super().__init__(lab, subnet)
        self.threading, self.pools, self.lifetime, self.mclt = threading, pools, lifetime, mclt
        self.hook, self.hook_sides = hook, {"s1": hook_s1, "s2": hook_s2}
        self.kea, self.kea_sides = kea, {"s1": kea_s1, "s2": kea_s2}
        hosts = {"s1": self.host("s1", 1), "s2": self.host("s2", 2)}
        self._join(hosts, proxy)
        if isinstance(backends, str):
            backends = (backends, backends)
        self.keas = {name: installed.kea(version, built)
                     for name, version, built in zip(hosts, keas, libraries)}
        self.databases = {
            name: KINDS[kind](lab, hosts[name], f"database-{name}", self.keas[name], on_disk)
            for name, kind in zip(hosts, backends) if kind in KINDS}
        self.s1, self.s2 = (
            self.server(name, self.config_of(name), namespace=hosts[name], wrap=wrap,
                        environment=environment, kea=self.keas[name]) for name in ("s1", "s2"))

    def _join(self, hosts, proxy):
        self.proxy = self._failover_port = None
        if not proxy:
            self.lab.add_bridge(self.switch, "br1")
            for name, address in (("s1", "10.99.0.1/24"), ("s2", "10.99.0.2/24")):
                self._failover_port = self.lab.plug(self.switch, hosts[name], "fo0", address,
                                                    bridge="br1")
            common = {"s1": "10.99.0.1", "s2": "10.99.0.2"}
            self.peers = {"s1": common, "s2": common}
            return
        middle = self.lab.namespace("px")
        self.lab.link((hosts["s1"], "fo0", "10.99.0.1/24"), (middle, "p1", "10.99.0.2/24"))
        self.lab.link((middle, "p2", "10.99.1.1/24"), (hosts["s2"], "fo0", "10.99.1.2/24"))
        self.peers = {"s1": {"s1": "10.99.0.1", "s2": "10.99.0.2"},
                      "s2": {"s1": "10.99.1.1", "s2": "10.99.1.2"}}
        self.proxy = Proxy(middle, left=("10.99.0.2", "10.99.0.1"),
                           right=("10.99.1.1", "10.99.1.2"), port=FAILOVER_PORT)
        self.lab.at_close(self.proxy.close)

    def relationship_of(self, name):
        """The entry of "high-availability" of one side."""
        peers = self.peers[name]
        base = {
            "this-server-name": name,
            "mode": "load-balancing",
            "max-client-lead-time": self.mclt,
            "startup-delay": 2,
            "connect-retry-delay": 1,
            "peers": [{"name": "s1", "url": f"tcp://{peers['s1']}:{FAILOVER_PORT}",
                       "role": "primary"},
                      {"name": "s2", "url": f"tcp://{peers['s2']}", "role": "secondary"}],
            "state-file": os.path.join(self.lab.workdir, name, "kea-leases4.csv.failover"),
        }
        return merge(merge(base, self.hook), self.hook_sides[name])

    def config_of(self, name):
        """Kea's configuration of one side, as the present settings of the pair make it."""
        plain = kea_config(self.subnet, self.pools, self.lifetime, self.threading)
        plain["hooks-libraries"] = [
            {"library": self.keas[name].library,
             "parameters": {"high-availability": [self.relationship_of(name)]}}]
        if name in self.databases:
            plain["lease-database"] = self.databases[name].lease_database()
            plain["hooks-libraries"][:0] = self.databases[name].libraries()
        return merge(merge(plain, self.kea), self.kea_sides[name])

    def start(self, wait=None, timeout=60):
        """Start both servers and the clients; with wait="NORMAL" wait until both are in that state
        and have addresses to give: the first balance comes after it, and a client that is refused
        until then (it would ask again) is not what most tests are about."""
        for database in self.databases.values():
            database.start()
        self.s1.start(wait=False)
        self.s2.start(wait=False)
        for server in (self.s1, self.s2):
            server.wait_ready()
        self.start_clients()
        if wait:
            self.wait_state(wait, timeout)
        if wait == "NORMAL":
            self.wait_available()
        return self

    def wait_available(self, timeout=10):
        """Wait until both servers have addresses that they can give to new clients."""
        for server in (self.s1, self.s2):
            server.wait_status(lambda s: any(subnet["available"] for subnet in s["subnets"]),
                               timeout, what="a free address of its own")

    def wait_state(self, state="NORMAL", timeout=60):
        """Wait until both servers are in that state."""
        for server in (self.s1, self.s2):
            server.wait_state(state, timeout)

    def partner_of(self, server):
        """The other server."""
        return self.s2 if server is self.s1 else self.s1

    def server_at(self, address):
        """The server with that address on the client segment (as in answers' "server")."""
        return {self.address(1): self.s1, self.address(2): self.s2}[address]

    def cut_link(self, cut=True):
        """Pull (or plug) the failover cable: packets vanish, nobody is told.  Not with a proxy."""
        self.lab.set_port(self.switch, self._failover_port, not cut, bridge="br1")
