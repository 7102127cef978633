"""Which unprivileged user an app's processes run as."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

from paas.sandbox.spec import SandboxError

BUILDERS = 32
"""How many builders of Nix's may run at once; no app gets their uids."""
INSTALLER = 0
"""The app number that stands for no app: whoever fetches dependencies for all."""

# No system hands these out: systemd.io/UIDS-GIDS lists 1879048192..2147352575 as unused.
_FIRST = 1_879_048_192
_SLOT = 65_536  # apps of one instance
_SLOTS = 4_000


def uid_for(app_number: int, home: Path) -> int | None:
    """The uid (and gid) of an app's processes, or None where the panel is a plain user.

    Args:
        app_number: unique in the instance and never re-used, or `INSTALLER`.
        home: the instance's PAAS_HOME; two instances get different uids.

    Raises:
        SandboxError: the instance has had more than 65,503 apps, or this
            container maps too few users to tell apps apart.
    """
    if os.geteuid() != 0:
        return None
    first, count = _slot(home)
    return _within(first, count - BUILDERS, app_number)


def builder_uids(home: Path) -> range:
    """The uids of Nix's builders, beside those of the instance's apps; for a panel that is root."""
    first, count = _slot(home)
    return range(first + count - BUILDERS, first + count)


def _slot(home: Path) -> tuple[int, int]:
    """The first uid of an instance, and how many it has."""
    mark = int.from_bytes(hashlib.sha256(os.fsencode(home)).digest()[:4])
    mapped = _mapped_users()
    if mapped > _FIRST + _SLOT * _SLOTS:
        return _FIRST + mark % _SLOTS * _SLOT, _SLOT
    # A container with its own user namespace (often 65,536 users): stay inside it.
    span = (mapped - 20_000) // 2
    return 20_000 + mark % max(span, 1), span


def _within(first: int, count: int, number: int) -> int:
    if number < count:
        return first + number
    raise SandboxError(
        f"There is no free user id for app number {number}, so it cannot be isolated. "
        f"This instance has room for {max(count, 0)} apps: use another PAAS_HOME, or a container "
        "that maps more users."
    )


@functools.lru_cache(maxsize=1)
def _mapped_users() -> int:
    """How many uids from 0 on exist in this user namespace."""
    try:
        rows = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except OSError:
        return 2**32
    return sum(int(row[2]) for row in rows)
