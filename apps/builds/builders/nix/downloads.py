"""Downloads that a repository's Nix promises by hash, made by us.

In Nix's sandbox such a derivation would have the machine's network, with the
machine's services in it. So its builder is never run: its file is fetched here
(`paas.outbound`: the internet and nothing else), and added to the store by its
hash, which is where Nix looks before it builds.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.paths import fixed_path
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from paas.nix.derivations import Derivation
from paas.nix.store import Store
from paas.outbound import OutboundError, download

LARGEST = 512 * 1024 * 1024
MOST = 100
_ALGORITHMS = frozenset({"sha256", "sha512"})  # others can be forged
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Download:
    """One file: `path` is where the store must have it, `digest` its hash in hexadecimal."""

    name: str
    url: str
    algorithm: str
    digest: str
    path: str


def read(one: Derivation) -> Download | None:
    """The download that a derivation is; None if it is more than one file by HTTPS and hash."""
    urls = one.words("url") or one.words("urls")
    if len(one.outputs) != 1 or one.outputs[0].algorithm not in _ALGORITHMS or not urls:
        return None
    (output,) = one.outputs
    name = output.path.rpartition("/")[2][33:]
    found = Download(name, urls[0], output.algorithm, output.hash, output.path)
    if fixed_path(name, output.algorithm, output.hash) != output.path:
        return None
    return found if found.url.startswith("https://") else None


def fetch(store: Store, downloads: Sequence[Download], log: BuildLog, guard: Guard) -> None:
    """Fetch the files and add them to the store.

    Raises:
        BuildFailed: one cannot be had, or is not what its hash says.
    """
    if len(downloads) > MOST:
        raise BuildFailed(
            f"The repository's Nix downloads {len(downloads)} files",
            f"At most {MOST} are fetched for one build.",
            "Use packages of the set, or commit what is needed.",
        )
    for one in downloads:
        log.step(f"Downloading {one.name} ({one.url[:200]})")
        # On the disk of the store's lock, which a build's guard watches.
        with tempfile.TemporaryDirectory(dir=store.config.home) as folder:
            file = Path(folder) / one.name
            try:
                download(one.url, file, limit=LARGEST, check=guard.check)
            except OutboundError as error:
                raise BuildFailed(
                    f"{one.name} could not be downloaded",
                    f"{one.url[:200]}: {error}.",
                    "Correct its address, commit the file, or use a package of the set.",
                ) from error
            _check(one, file)
            store.add_fixed(one.algorithm, [file])


def _check(one: Download, file: Path) -> None:
    digest = hashlib.new(one.algorithm)
    with file.open("rb") as data:
        while block := data.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != one.digest:
        raise BuildFailed(
            f"{one.name} is not what its hash says",
            f"{one.url[:200]} has the {one.algorithm} {digest.hexdigest()}, and {one.digest} was "
            "promised.",
            "If the file was changed on purpose, write its new hash; else find out by whom.",
        )
