# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""Fixtures of the system tests.

Every test that asks for `threading` (or for something that needs it: `pair_of`, `segment_of`) runs
twice, in both of Kea's threading modes.  When a test fails, the ends of all its servers' logs are
printed with it.  Whatever a test makes is gone after it.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from rig import installed, netns, pair as pairs  # noqa: E402

LAB = pytest.StashKey()


def pytest_configure(config):
    """Signals leave tests in order; marks are known."""
    for mark in ("long: takes minutes; run by `check --all` only",
                 "native: not about the version of Kea; run with the machine's own only",
                 "versions: chooses the versions of Kea by itself (installed.py)",
                 "kea_before(2, 6): of something that Kea has no more since that version",
                 "older: FO_OLDER_LIBRARY names an older build of the library"):
        config.addinivalue_line("markers", mark)
    netns.exit_on_signals()


def pytest_collection_modifyitems(config, items):
    """What this Kea does not have is no test of it."""
    number = installed.kea().number
    gone = [item for item in items if any(number >= mark.args for mark in item.iter_markers("kea_before"))]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]


def pytest_generate_tests(metafunc):
    """Both threading modes."""
    if "threading" in metafunc.fixturenames:
        metafunc.parametrize("threading", ["multi", "single"], scope="function")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Print the servers' last words with a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when in ("setup", "call"):
        for segment in item.stash.get(LAB, []):
            for server in segment.servers:
                report.sections.append((f"log of {server.name} ({server.namespace})",
                                        server.log_tail()))


@pytest.fixture
def lab():
    """Namespaces that vanish."""
    with netns.Lab() as made:
        yield made


def _maker(request, lab, threading, kind):
    made = []
    request.node.stash.setdefault(LAB, [])

    def make(**options):
        assert not made, "one segment or pair a test"
        if kind is pairs.Pair:
            options["threading"] = threading
        made.append(kind(lab, **options))
        request.node.stash[LAB].append(made[0])
        return made[0]
    yield make
    # A violation of the oracle must fail the test even if nobody has asked.
    for segment in made:
        segment.close()


@pytest.fixture
def pair_of(request, lab, threading):
    """pair_of(**options): make a Pair (see there), not started yet."""
    yield from _maker(request, lab, threading, pairs.Pair)


@pytest.fixture
def segment_of(request, lab, threading):
    """segment_of(**options): make a Segment for plain Kea servers."""
    yield from _maker(request, lab, threading, pairs.Segment)


@pytest.fixture
def plain(segment_of, threading):
    """One plain Kea server without failover, running, with clients: (segment, server)."""
    segment = segment_of()
    server = segment.server("kea", pairs.kea_config(segment.subnet, threading=threading))
    server.start()
    segment.start_clients()
    return segment, server
