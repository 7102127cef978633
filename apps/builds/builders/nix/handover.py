"""Take what an evaluation has made into the real store, believing nothing of it.

It comes as a binary cache of plain files, written where the repository's code
ran. Only paths that are named after their contents are taken, and Nix computes
these names again from what it reads; only ones that the cache brings itself,
so that nobody names another app's path as an input.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.evaluation import Evaluated
from paas.nix.store import STORE, Store, is_store_path

_MAX_PATHS = 20_000  # of one evaluation; a whole NixOS has a few thousand
_MAX_NARINFO = 1024 * 1024
_FIELD = re.compile(r"^(?P<key>[A-Za-z]+): ?(?P<value>.*)$")


def take(store: Store, result: Evaluated) -> None:
    """Take the derivation and its inputs into `store`.

    Raises:
        BuildFailed: the result is not what an evaluation makes.
        NixFailed: a path is not named after what it holds.
    """
    if result.derivation not in set(_offered(result.cache)):
        raise _forged("the derivation is missing")
    source = f"file://{result.cache}"
    store.run("nix", "copy", "--derivation", "--from", source, "--", result.derivation)


def _offered(cache: Path) -> Iterator[str]:
    """The paths that the cache offers, having looked at what it says of them."""
    infos = [_narinfo(path) for path in _narinfo_files(cache)]
    offered = {info.get("StorePath", "") for info in infos}
    for info in infos:
        path = info.get("StorePath", "")
        if not is_store_path(path):
            raise _forged("a path has no proper name")
        if not info.get("CA", "").startswith(("text:sha256:", "fixed:")):
            raise _forged(f"{path} is not named after its contents")
        for name in info.get("References", "").split():
            if f"{STORE}/{name}" not in offered:
                raise _forged(f"{path} needs {name}, which is not part of it")
        yield path


def _narinfo_files(cache: Path) -> list[Path]:
    found = sorted(cache.glob("*.narinfo"))
    if len(found) > _MAX_PATHS:
        raise BuildFailed(
            f"The evaluation made {len(found)} derivations and files",
            f"At most {_MAX_PATHS} are taken.",
            "Describe the app with fewer packages and files.",
        )
    return found


def _narinfo(path: Path) -> dict[str, str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(_MAX_NARINFO).decode(errors="replace")
    matches = (_FIELD.match(line) for line in text.split("\n"))
    return {match["key"]: match["value"] for match in matches if match is not None}


def _forged(why: str) -> BuildFailed:
    return BuildFailed(
        "The evaluation's result was not accepted",
        f"It is not what Nix makes: {why}.",
        "Evaluate the repository with Nix on your machine to see what it makes.",
    )
