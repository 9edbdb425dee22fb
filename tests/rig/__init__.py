# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The test rig: real Kea servers, a client segment and simulated clients in network namespaces.

Used by the system tests and by the demo.  Needs root, Linux namespaces, iproute2 and Kea; nothing
outside Python's standard library.

    netns.Lab        namespaces, bridges and links that vanish on any exit
    server.KeaServer one kea-dhcp4 with its own directories
    pair.Pair        two of them as failover partners on one client segment
    clients.Clients  thousands of simulated clients, with the oracle
    proxy.Proxy      stands between the partners and spoils their conversation
    realism          one real dhclient, one real udhcpc
    rfc3074          an independent computation of the load-balancing hash
"""
