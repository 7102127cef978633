"""Users of their own for the builders that a root's Nix starts.

Without them a builder is root outside of its user namespace: as the owner of
every store path it is given, it could change what others build from. Nix
looks its build users up in the system's passwd and group. These stay as they
are: each Nix command that may build runs in a mount namespace in which they
are copies with our users at the end. A copy lies on its file as a mount, and the
kernel takes that away when the file is replaced, as by useradd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from paas.nix import files
from paas.sandbox import builder_uids

GROUP = "paas-nixbld"
_GONE = re.compile(rf"(error: )?the (group|user '{GROUP}\d+' in the group) '{GROUP}' .*not exist")
_PROGRAMS = ("nix", "nix-build", "nix-instantiate", "nix-store")
_WRAPPER = """\
#!/bin/sh
# Written by paas (paas/nix/builders.py): runs the program of this name that is next in PATH.
here=${0%/bin/*}
program=${0##*/}
PATH=${PATH#"$here/bin:"}
case "$program ${1-}" in
  "nix-store --query" | "nix-store --check-validity" | "nix-store --add-fixed" | \\
    "nix path-info" | "nix copy" | "nix store") exec "$program" "$@" ;;
esac
exec unshare --mount --propagation private -- sh -c '
  mount --bind "$1/etc/passwd" /etc/passwd && mount --bind "$1/etc/group" /etc/group || exit 1
  shift
  exec "$@"' sh "$here" "$program" "$@"
"""


def users_are_gone(error: str) -> bool:
    """Whether Nix found no build users, because the system's files were replaced meanwhile."""
    return _GONE.match(error) is not None  # not what a builder printed, which stands further on


def programs(home: Path) -> Path:
    """The folder that comes first in the PATH of Nix commands."""
    return home / "bin"


def prepare(home: Path, owner: Path) -> None:
    """Write what the commands need below `home`; harmless when it is there.

    Args:
        owner: the instance's `PAAS_HOME`, which has these uids for itself.
    """
    uids = builder_uids(owner)
    names = [f"paas-nixbld{number}" for number in range(1, len(uids) + 1)]
    group = f"{GROUP}:x:{uids[0]}:{','.join(names)}\n"
    files.put(home / "etc" / "group", "".join(_others("/etc/group")) + group)
    users = (
        f"{name}:x:{uid}:{uids[0]}:builds for paas:/var/empty:/bin/false\n"
        for name, uid in zip(names, uids, strict=True)
    )
    files.put(home / "etc" / "passwd", "".join((*_others("/etc/passwd"), *users)))
    for name in _PROGRAMS:
        files.put(programs(home) / name, _WRAPPER, 0o755)


def _others(path: str) -> Iterator[str]:
    """The system's own lines."""
    text = Path(path).read_text(errors="surrogateescape")
    yield from (line for line in text.splitlines(keepends=True) if not line.startswith(GROUP))
