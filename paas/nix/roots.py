"""Which store paths this instance keeps: links in `$PAAS_HOME/nix/roots`, each a root of Nix's.

They alone decide what a collection leaves, in the store and in the binary
cache. Looking and letting go needs no Nix.
"""

from __future__ import annotations

import re
from pathlib import Path

from paas.instance import Instance

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NTH = re.compile(r"-\d{1,2}$")  # a build's id ends with twelve digits


class Roots:
    """The roots in `folder`. A root has a name and one store path or several.

    Names have letters, digits, `.`, `_` and `-`, and no number after a dash at
    the end: "<build id>". Nix numbers the links of one root: `name`, `name-2`, …
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, instance: Instance) -> Roots:
        return cls(instance.home / "nix" / "roots")

    def link(self, name: str) -> Path:
        """The first link of a root, as for `nix-build --out-link`."""
        if not _NAME.fullmatch(name) or _NTH.search(name):
            raise ValueError(f"{name!r} is no name for a root")
        return self.folder / name

    def links(self, name: str) -> list[Path]:
        """All links that a root of that name has, or its first one."""
        first = self.link(name)
        others = [one for one in self.folder.glob(f"{name}-*") if _NTH.sub("", one.name) == name]
        return [first, *sorted(others, key=lambda one: int(one.name.rpartition("-")[2]))]

    def all(self) -> dict[str, list[str]]:
        """Name → store paths."""
        found = dict[str, list[str]]()
        for link in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if link.is_symlink():
                found.setdefault(_NTH.sub("", link.name), []).append(str(link.readlink()))
        return found

    def age(self, name: str, now: float) -> float:
        """Seconds since the root was made."""
        return now - self.link(name).lstat().st_mtime

    def remove(self, name: str) -> None:
        """Harmless when there is none."""
        for link in self.links(name):
            link.unlink(missing_ok=True)
