"""Gemfile.lock with CHECKSUMS (Bundler 2.6 and newer): each gem a store path by its SHA-256."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from apps.builds.builders.nix import entries
from apps.builds.builders.nix.entries import Contents, Entry, Pinned
from apps.builds.builders.nix.fetch import Fetcher
from buildpacks.plan import Phase

CACHE = "vendor/cache"
_SECTION = re.compile(r"^([A-Z][A-Z ]+)\n((?:  .*\n?|\n(?=  ))*)", re.MULTILINE)
_SPEC = re.compile(r"^    ([\w.-]{1,200}) \(([\w.]{1,100})(?:-([\w.-]{1,100}))?\)$", re.MULTILINE)
_CHECKSUM = re.compile(
    r"^  ([\w.-]{1,200}) \(([\w.]{1,100}(?:-[\w.-]{1,100})?)\) sha256=([0-9a-f]{64})$", re.MULTILINE
)
# the best first; None is for gems without compiled parts, and for those compiled here
_PLATFORMS = ("x86_64-linux-gnu", "x86_64-linux", None)
_FIX = "Run `bundle lock --add-checksums`, look at what changed, and commit Gemfile.lock."


@dataclass(frozen=True)
class _Gem:
    name: str
    version: str
    platform: str | None

    @property
    def full(self) -> str:
        return f"{self.version}-{self.platform}" if self.platform else self.version


def pin(fetcher: Fetcher, phase: Phase, contents: Contents) -> Pinned | None:
    """As `pinned.pin`."""
    found = wanted(contents[phase.files[0]].decode(errors="replace"))
    if not found or any(name.startswith(f"{CACHE}/") for name in contents) or not phase.commands:
        return None
    absent = entries.missing(fetcher, found)
    if absent:
        _fetch(fetcher, phase, contents, found)
    return Pinned(contents, links={f"{CACHE}/{one.file}": one.path for one in found})


def wanted(lock: str) -> list[Entry]:
    """The gems that are installed here; none if one has no checksum, or comes from elsewhere."""
    sections: dict[str, str] = {}
    for name, text in _SECTION.findall(lock.replace("\r\n", "\n")):
        sections[name] = sections.get(name, "") + text
    if any(name in sections for name in ("GIT", "PATH", "PLUGIN SOURCE")):
        return []
    checksums = {
        (name, version): digest
        for name, version, digest in _CHECKSUM.findall(sections.get("CHECKSUMS", ""))
    }
    chosen = list(_chosen(sections.get("GEM", "")))
    if any((one.name, one.full) not in checksums for one in chosen):
        return []
    return [Entry(f"{one.name}-{one.full}.gem", checksums[one.name, one.full]) for one in chosen]


def _chosen(specs: str) -> Iterator[_Gem]:
    """Of each gem the one that Bundler takes on this platform."""
    by_name: dict[tuple[str, str], dict[str | None, _Gem]] = {}
    for name, version, platform in _SPEC.findall(specs):
        gem = _Gem(name, version, platform or None)
        by_name.setdefault((name, version), {})[gem.platform] = gem
    for found in by_name.values():
        best = next((found[one] for one in _PLATFORMS if one in found), None)
        if best is not None:
            yield best


def _fetch(fetcher: Fetcher, phase: Phase, contents: Contents, found: list[Entry]) -> None:
    """By Bundler, with a folder in which gems stay, so that another lock fetches the new alone."""
    absent = entries.missing(fetcher, found)
    here = len(found) - len(absent)
    title = f"Fetching {len(absent)} gems of {phase.files[0]}"
    kept = tuple(f"BUNDLE_GLOBAL_GEM_CACHE=true {command}" for command in phase.commands)
    layer = fetcher.layer(
        replace(phase, commands=kept), contents, title + (f" ({here} are here)" if here else "")
    )
    folder = layer.path / "app" / CACHE
    entries.add(fetcher, absent, {one: folder / one.name for one in absent}, phase.files[0], _FIX)
