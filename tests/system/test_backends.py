# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Kea's lease backends: memfile, MariaDB, PostgreSQL."""

import pytest

from rig import agree, rfc3074

OURS = rfc3074.clients_of(True, 40)
THEIRS = rfc3074.clients_of(False, 40)
MCLT = 10
SQL = ["mariadb", "postgresql"]
QUICK = {"max-response-delay": 3, "startup-delay": 2, "offer-hold": 2}


@pytest.mark.parametrize("backend", SQL)
def test_story(pair_of, backend):
    made = pair_of(backends=backend, mclt=MCLT, lifetime=600, hook=QUICK).start(wait="NORMAL")
    leases = agree.acknowledged(made.clients.do_all("discover", OURS[:10] + THEIRS[:10]))
    agree.settled(made)
    leases = agree.acknowledged(made.clients.do_all("renew", OURS[:10] + THEIRS[:10]))
    agree.settled(made)
    made.clients.do("release", OURS[0])
    made.clients.do("decline", THEIRS[0])
    agree.settled(made)
