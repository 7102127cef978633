"""What of this machine's Nix an evaluation gets to see: the programs, and never the store.

Everybody's apps lie in the machine's store, and what is evaluated may read
whatever it can see. Nix itself may lie there, too (on NixOS it does): then its
own closure is all that is shown, of the whole machine.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from paas.nix.errors import NixError
from paas.nix.store import STORE, require_nix
from paas.sandbox import Bind, Root


@dataclass(frozen=True)
class Toolbox:
    """Nix' programs.

    Args:
        folder: where they lie, seen from inside.
        closure: what they need of the store; empty where they lie in the system.
    """

    folder: Path
    closure: tuple[Bind, ...] = ()

    @property
    def root(self) -> Root | None:
        """What stands at `/`: nothing, or the machine's system where Nix is part of it."""
        return Root() if self.closure else None

    def binds(self, nothing: Path) -> Iterator[Bind]:
        """What to show of the machine's store.

        Args:
            nothing: an empty folder, to hide it behind.
        """
        yield from self.closure
        if not self.closure and Path(STORE).is_dir():
            yield Bind(nothing, STORE)


def find() -> Toolbox:
    """This machine's.

    Raises:
        BuildFailed: there is no Nix, or it does not know what it needs.
    """
    try:
        require_nix()
    except NixError as error:
        raise _unusable(str(error)) from None
    program = shutil.which("nix")
    assert program is not None
    folder = Path(program).resolve().parent
    if not folder.is_relative_to(STORE):
        return Toolbox(folder)
    return Toolbox(folder, tuple(Bind(path, str(path)) for path in _closure(folder)))


def _closure(folder: Path) -> list[Path]:
    """All that Nix needs, asked of the machine's own store, whichever the apps use."""
    argv = ["nix-store", "--query", "--requisites", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise _unusable(done.stderr.strip()[-500:])
    return [Path(line) for line in done.stdout.split()]


def _unusable(why: str) -> BuildFailed:
    return BuildFailed(
        "Nix cannot be used on this server", why, "Ask the administrator to run `paas doctor`."
    )
