"""Cargo.lock: each crate a store path by its SHA-256, unpacked to where Cargo looks offline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

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
_FIELD = re.compile(r'^(name|version|source|checksum) = "([^"\n]{1,500})"$', re.MULTILINE)
_SOURCE = re.compile(r'^[ \t]*\[source\.(?:"([^"\n\\]{1,300})"|([\w-]{1,100}))\]', re.MULTILINE)
_REGISTRY = re.compile(r'^[ \t]*registry[ \t]*=[ \t]*"([^"\n\\]{1,500})"', re.MULTILINE)
_NAME = re.compile(r"[\w-]{1,100}")
_VERSION = re.compile(r"[\w.+-]{1,100}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIX = "Run `cargo update`, look at what changed, and commit Cargo.lock."
# the folder in which crates stay, so that another lock fetches the new ones alone
_HOME = 'CARGO_HOME="$HOME/cargo"'
_WANTED = ".paas/wanted"
# several registries may have one of that name
_COLLECT = f"""\
while read -r digest crate; do
  for file in "$HOME"/cargo/registry/cache/*/"$crate"; do
    [ "$(sha256sum < "$file")" != "$digest  -" ] || cp "$file" {_CRATES}/
  done
done < {_WANTED}"""
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
    packages = _packages(contents[phase.files[0]].decode(errors="replace"))
    try:
        wanted = [_entry(one) for one in packages]
    except (ValueError, KeyError):
        return None
    if len({one.name for one in wanted}) < len(wanted):  # of several registries
        return None
    absent = entries.missing(fetcher, wanted)
    if absent:
        _fetch(fetcher, phase, contents, absent, len(wanted) - len(absent))
    sources = _sources(contents, {one["source"] for one in packages})
    return Pinned(
        {**contents, _SOURCES: sources.encode(), _SCRIPT: _UNPACK.encode()},
        (f"sh {_SCRIPT}",),
        links={f"{_LINKS}/{one.name}": one.path for one in wanted},
    )


def _packages(lock: str) -> list[dict[str, str]]:
    """The packages that do not lie in the tree. Cargo writes a field a line."""
    found = (dict(_FIELD.findall(block)) for block in lock.split("[[package]]")[1:])
    return [one for one in found if "source" in one]


def _entry(package: Mapping[str, str]) -> Entry:
    """Raises ValueError for a package of git, KeyError for one without a checksum."""
    name, version, digest = package["name"], package["version"], package["checksum"]
    plain = _NAME.fullmatch(name) and _VERSION.fullmatch(version) and _DIGEST.fullmatch(digest)
    if not plain or not package["source"].startswith(("registry+", "sparse+")):
        raise ValueError(f"{name} is no package of a registry")
    return Entry(f"{name}-{version}.crate", digest)


def _sources(contents: Contents, registries: Iterable[str]) -> str:
    """Cargo's configuration by which every source is the folder of unpacked crates.

    What the tree's own configuration says goes before this, so the sources it
    puts in the place of others are replaced in their turn.
    """
    text = "\n".join(contents.get(one, b"").decode(errors="replace") for one in CONFIGURATION)
    own = [quoted or bare for quoted, bare in _SOURCE.findall(text)]
    known = set(_REGISTRY.findall(text))  # one must not be named twice
    urls = {one.removeprefix("registry+") for one in registries if not one.startswith(_PUBLIC)}
    lines = ["[source.vendored]", f'directory = "{_VENDOR}"']
    for name in dict.fromkeys(["crates-io", *own]):
        lines += [f"[source.{json.dumps(name)}]", 'replace-with = "vendored"']
    for number, url in enumerate(sorted(urls - known)):
        lines += [f"[source.registry-{number}]", f"registry = {json.dumps(url)}"]
        lines += ['replace-with = "vendored"']
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
    listed = "".join(f"{one.digest} {one.name}\n" for one in absent).encode()
    layer = fetcher.layer(download, {**contents, _WANTED: listed}, title)
    folder = Path(kept(layer, _CRATES))
    found = {one: folder / one.name for one in absent}
    entries.add(fetcher, absent, found, phase.files[0], _FIX)
