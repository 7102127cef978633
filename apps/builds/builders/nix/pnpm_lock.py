"""pnpm-lock.yaml: its packages get the address of their store paths, for pnpm offline.

The lock is changed line by line and never parsed as YAML, so that what is not
understood stays as it is; pnpm then does not find it, as it has no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.builds.builders.nix import tarballs
from apps.builds.builders.nix.entries import Contents, Pinned
from apps.builds.builders.nix.fetch import Fetcher
from apps.builds.builders.nix.tarballs import Tarball
from buildpacks.plan import Phase

_VERSION = re.compile(r"^lockfileVersion: '?[69]\.", re.MULTILINE)
_SECTION = re.compile(r"^(?:packages|snapshots):$", re.MULTILINE)
# "  '@scope/name@1.0.0':", and with a slash before it and peers behind it in version 6
_KEY = re.compile(
    r"^  '?/?(?P<name>(?:@[\w.-]{1,100}/)?[\w.-]{1,200})@(?P<version>[\w.+-]{1,100})"
    r"(?:\([^'\n]{1,2000}\))?'?:$"
)
_RESOLUTION = re.compile(r"^    resolution: \{integrity: (sha512-[\w+/=]{88})\}$")
_PLATFORM = re.compile(r"^    (os|cpu|libc): \[([^\]\n]{1,200})\]$")
_BLOCK = re.compile(r"^(?=  \S)", re.MULTILINE)
# what pnpm notes of where packages came from; pruning goes by the lock as it was
_NOTES = "node_modules/.pnpm/lock.yaml"
_FORGET = rf"if [ -f {_NOTES} ]; then sed -i -E 's/, tarball: file:[^}}]*\}}/}}/' {_NOTES}; fi"


def pin(fetcher: Fetcher, phase: Phase, contents: Contents) -> Pinned | None:
    """As `pinned.pin`."""
    name = phase.files[0]
    text = contents[name].decode(errors="replace")
    if _VERSION.search(text[:1000]) is None:
        return None
    parts = _SECTION.split(text)
    if len(parts) < 2:
        return None
    try:
        blocks = [(block, _tarball(block)) for block in _BLOCK.split(parts[1])]
    except ValueError:
        return None
    found = [one for _, one in blocks if one is not None]
    tarballs.provide(fetcher, phase, contents, found)
    changed = "".join(_placed(block, one) for block, one in blocks)
    start = len(parts[0]) + len("packages:")
    lock = text[:start] + changed + text[start + len(parts[1]) :]
    return Pinned(
        {**contents, name: lock.encode()},
        tuple(
            f"{one.replace(' install ', ' install --offline ')} && {_FORGET}"
            for one in phase.commands
        ),
        tuple(sorted({one.entry.path for one in found})),
        pruned=contents,
    )


def _tarball(block: str) -> Tarball | None:
    """The package of a block; None for what is not installed here, or no package.

    Raises:
        ValueError: it is one whose hash is not there.
    """
    lines = block.splitlines()
    if not lines or not lines[0].startswith("  "):
        return None
    key, resolution = _KEY.match(lines[0]), _first(_RESOLUTION, lines)
    if key is None or resolution is None:
        raise ValueError(f"{lines[0].strip()} is no package of a registry")
    for match in (_PLATFORM.match(line) for line in lines):
        if match is not None and not _fits(match):
            return None
    return Tarball(key["name"], key["version"], tarballs.digest_of(resolution[1]))


def _first(pattern: re.Pattern[str], lines: list[str]) -> re.Match[str] | None:
    found: Iterator[re.Match[str] | None] = (pattern.match(line) for line in lines)
    return next((match for match in found if match is not None), None)


def _fits(match: re.Match[str]) -> bool:
    listed = [word.strip(" '\"") for word in match[2].split(",")]
    return tarballs.allows(listed, tarballs.PLATFORM[match[1]])


def _placed(block: str, one: Tarball | None) -> str:
    if one is None:
        return block
    place = f"{one.integrity}, tarball: file:{one.entry.path}}}"
    return block.replace(f"{one.integrity}}}", place, 1)
