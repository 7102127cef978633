"""Cargo.lock: each crate a store path by its SHA-256, unpacked to where Cargo looks offline."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from apps.builds.builders.nix import entries
from apps.builds.builders.nix.entries import Contents, Entry, Pinned
from apps.builds.builders.nix.fetch import Fetcher, kept
from buildpacks.plan import Phase
from buildpacks.rust import CONFIGURATION

_CRATES = "/deps/crates"
_LINKS = ".paas/crates"
_SOURCES = ".paas/cargo.toml"
_VENDOR = "/deps/cargo/vendor"
_PUBLIC = "registry+https://github.com/rust-lang/"
_NAME = re.compile(r"[\w-]{1,100}")
_VERSION = re.compile(r"[\w.+-]{1,100}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIX = "Run `cargo update`, look at what changed, and commit Cargo.lock."
# the folder in which crates stay, so that another lock fetches the new ones alone
_HOME = 'CARGO_HOME="$HOME/cargo"'
_COLLECT = f'cp "$HOME"/cargo/registry/cache/*/*.crate {_CRATES}/'
_SCRIPT = ".paas/unpack-crates"
_UNPACK = f"""\
mkdir -p {_VENDOR} && cp {_SOURCES} /deps/cargo/config.toml && for crate in {_LINKS}/*; do
  name=${{crate##*/}}
  digest=$(sha256sum < "$crate")
  tar -xzf "$crate" -C {_VENDOR} && printf '{{"files":{{}},"package":"%s"}}' "${{digest%% *}}" \\
    > "{_VENDOR}/${{name%.crate}}/.cargo-checksum.json" || exit 1
done
"""


def pin(fetcher: Fetcher, phase: Phase, contents: Contents) -> Pinned | None:
    """As `pinned.pin`."""
    try:
        packages = tomllib.loads(contents[phase.files[0]].decode()).get("package", [])
        fetched = [one for one in packages if "source" in one]
        wanted = [_entry(one) for one in fetched]
        sources = _sources(contents, {str(one["source"]) for one in fetched})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if len({one.name for one in wanted}) < len(wanted):  # of several registries
        return None
    absent = entries.missing(fetcher, wanted)
    if absent:
        _fetch(fetcher, phase, contents, absent, len(wanted) - len(absent))
    return Pinned(
        {**contents, _SOURCES: sources.encode(), _SCRIPT: _UNPACK.encode()},
        (f"sh {_SCRIPT}",),
        links={f"{_LINKS}/{one.name}": one.path for one in wanted},
    )


def _entry(package: Mapping[str, Any]) -> Entry:
    """Raises ValueError for a package of git, KeyError for one without a checksum."""
    name, version, digest = package["name"], package["version"], package["checksum"]
    plain = _NAME.fullmatch(name) and _VERSION.fullmatch(version) and _DIGEST.fullmatch(digest)
    if not plain or not str(package["source"]).startswith(("registry+", "sparse+")):
        raise ValueError(f"{name} is no package of a registry")
    return Entry(f"{name}-{version}.crate", digest)


def _sources(contents: Contents, registries: Iterable[str]) -> str:
    """Cargo's configuration by which every source is the folder of unpacked crates.

    What the tree's own configuration says goes before this, so the sources it
    puts in the place of others are replaced in their turn.
    """
    own: dict[str, Any] = {}
    for name in CONFIGURATION:
        own |= tomllib.loads(contents.get(name, b"").decode()).get("source", {})
    others = sorted(one for one in registries if not one.startswith(_PUBLIC))
    lines = ["[source.vendored]", f'directory = "{_VENDOR}"']
    for name in dict.fromkeys(["crates-io", *own]):
        lines += [f"[source.{json.dumps(name)}]", 'replace-with = "vendored"']
    for number, url in enumerate(others):
        place = json.dumps(url.removeprefix("registry+"))
        lines += [f"[source.registry-{number}]", f"registry = {place}", 'replace-with = "vendored"']
    return "\n".join([*lines, ""])


def _fetch(
    fetcher: Fetcher, phase: Phase, contents: Contents, absent: list[Entry], here: int
) -> None:
    """By Cargo, which keeps what it downloaded and checks it by the lock."""
    *before, fetch = phase.commands
    download = Phase(
        "fetch",
        commands=(*before, f"{_HOME} {fetch}", _COLLECT),
        network=True,
        results=(_CRATES,),
        inert=phase.inert,
        hint=phase.hint,
    )
    title = f"Fetching {len(absent)} crates of Cargo.lock" + (f" ({here} are here)" if here else "")
    layer = fetcher.layer(download, contents, title)
    folder = Path(kept(layer, _CRATES))
    found = {one: folder / one.name for one in absent}
    entries.add(fetcher, absent, found, phase.files[0], _FIX)
