# SPDX-License-Identifier: MPL-2.0
# Copyright (C) 2026 the kea-failover contributors.
"""The versions of Kea that can be run here.

The machine's own is one; others are in directories kea-VERSION of /var/cache/kea-failover, the library for
them in build/kea-VERSION (tools/other-keas).  FO_KEA=3.0 in the environment makes all servers of the
rig run that one; a server may be given another.

A Kea of such a directory runs by chroot, with the machine's directory of temporary files, /dev and /proc where
it expects them, so that all paths of a test are the same inside and outside.  What is mounted for it is
seen by the process alone: `ip netns exec` gives it a view of its own, which ends with it.
"""

import functools
import glob
import os
import shutil
import subprocess
import sysconfig
import tempfile

from . import netns
from .clients import TOP

OWN_NAME = "libdhcp_ha_failover.so"
CACHE = os.environ.get("FO_CACHE", "/var/cache/kea-failover")

# Arguments: the root, the library outside, the library inside, the directory of temporary files; then the
# command.
ENTER = """
root=$1 built=$2 known=$3 work=$4
shift 4
mkdir -p "$root$work" &&
mount --rbind "$work" "$root$work" &&
mount --rbind /dev "$root/dev" &&
mount -t proc proc "$root/proc" &&
mount --bind "$built" "$root$known" &&
exec chroot "$root" "$@"
"""


def hooks_directory(root=""):
    """Where the distribution keeps Kea's own hook libraries."""
    triplet = sysconfig.get_config_var("MULTIARCH") or "*"
    found = (glob.glob(f"{root}/usr/lib/{triplet}/kea/hooks") or
             glob.glob(f"{root}/usr/lib/*/kea/hooks"))
    return found[0][len(root):] if found else "/usr/lib/kea/hooks"


class Kea:
    """One installed Kea.  `version` is like "2.6"; `root` is empty for the machine's own.  `library` may
    be another build of the hook library than the tree's."""

    def __init__(self, version, root="", library=None):
        self.version, self.root = version, root
        self.hooks = hooks_directory(root)
        self.built = library or self._built()

    @property
    def tree(self):
        """Where everything of ours is built for it."""
        return os.path.join(TOP, "build", f"kea-{self.version}") if self.root else TOP

    def _built(self):
        other = None if self.root else os.environ.get("FO_LIBRARY")
        return other or os.path.join(self.tree, "shim", ".libs", OWN_NAME)

    @property
    def number(self):
        """The version, to be compared: (2, 6)."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def library(self):
        """Path of the hook library as this Kea is to load it: newer ones take it from one directory only."""
        return os.path.join(self.hooks, OWN_NAME) if self.root else self.built

    def has_hook(self, name):
        """Whether a hook library of Kea's own is installed."""
        return os.path.exists(self.root + os.path.join(self.hooks, name))

    def command(self, program, directory):
        """The beginning of a command line that runs a program of this Kea, within a network namespace."""
        if not self.root:
            return [netns.unconfined(program, directory)]
        return ["sh", "-c", ENTER, "enter", self.root, self.built, self.library,
                tempfile.gettempdir(), program]


@functools.lru_cache(maxsize=None)
def own_version():
    """Of the machine's own Kea, like "2.2"."""
    told = subprocess.run([shutil.which("kea-dhcp4") or "kea-dhcp4", "-v"], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    return ".".join(told.split(".")[:2])


def kea(version=None, library=None):
    """A Kea by its version; without one, that of FO_KEA or the machine's own."""
    version = version or os.environ.get("FO_KEA") or own_version()
    if version == own_version():
        return Kea(version, library=library)
    other = Kea(version, os.path.join(CACHE, f"kea-{version}"), library)
    if not os.path.exists(other.built):
        raise LookupError(f"there is no Kea {version} with our library: tools/other-keas makes it")
    return other
