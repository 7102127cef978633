"""The package set: which versions it has, which of them a plan gets, and getting them ready."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import Version

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.languages import LANGUAGES
from apps.builds.builders.nix import sources
from apps.builds.builders.nix.activity import Activities
from apps.builds.builders.nix.realise import realise
from apps.builds.builders.nix.records import Records, key_of
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from apps.builds.builders.toolchains import specifier
from buildpacks.plan import Pin
from buildpacks.ranges import parse_range, parse_version
from paas.instance import Instance
from paas.nix.store import Store

SETS = ("debian", "nixpkgs")
_providing = threading.Lock()  # two builds would download the same twice


@dataclass(frozen=True)
class Package:
    """An attribute of the set, realised: its store path and its closure."""

    attribute: str
    path: str
    closure: tuple[str, ...]


class PackageSet:
    """`nix/packages/<name>`, evaluated as seldom as possible.

    Args:
        expressions: the folder `nix` of this installation.
    """

    def __init__(self, instance: Instance, store: Store, name: str, expressions: Path) -> None:
        self.instance, self.store, self.name = instance, store, name
        self.path = expressions / "packages" / name
        self.records = Records(instance, store)

    @cached_property
    def digest(self) -> str:
        """Of all that the set is written in, the pin of nixpkgs among it."""
        files = sorted(path for path in self.path.iterdir() if path.suffix in (".nix", ".json"))
        files += [pin for pin in (self.path.parents[1] / "flake.lock",) if pin.exists()]
        return key_of(*(part for file in files for part in (file.name, file.read_bytes())))

    @cached_property
    def versions(self) -> Mapping[str, Mapping[str, str]]:
        """Language → attribute → version."""
        found: dict[str, dict[str, str]] | None = self.records.find("set", self.digest)
        if found is None:
            found = self._evaluate(str(self.path), "-A", "versions")
            self.records.keep("set", self.digest, found, [])
        return found

    @cached_property
    def sources(self) -> frozenset[str]:
        """The derivations of the downloads that the set itself is made of: nobody else's."""
        key = key_of(self.digest, "sources")
        found: list[str] | None = self.records.find("set", key)
        if found is None:
            expression = f"map (one: one.drvPath) (import {self.path} {{ }}).sources"
            found = self._evaluate("--expr", expression)
            self.records.keep("set", key, found, [])
        return frozenset(found)

    @property
    def nixpkgs(self) -> Path | None:
        """Where the pinned nixpkgs lies, for the set that is made of it; fetched when missing."""
        if self.name != "nixpkgs":
            return None
        return self.store.physical(str(self._evaluate(str(self.path / "source.nix"))))

    def _evaluate(self, *arguments: str) -> Any:
        flags = ("--eval", "--strict", "--json")
        return json.loads(self.store.run("nix-instantiate", *flags, *arguments))

    def choose(self, pin: Pin) -> tuple[str, str]:
        """The attribute and version for `pin`: the newest that fits.

        Raises:
            BuildFailed: none fits, or this is no version.
        """
        known = self.versions.get(pin.tool, {})
        newest = sorted(known, key=lambda one: Version(known[one]), reverse=True)
        for attribute in newest:
            if _fits(pin, known[attribute]):
                return attribute, known[attribute]
        raise self._missing(pin, [known[one] for one in newest])

    def _missing(self, pin: Pin, known: Sequence[str]) -> BuildFailed:
        language = LANGUAGES[pin.tool].shown if pin.tool in LANGUAGES else pin.tool.title()
        if not known:
            return BuildFailed(
                f"The package set `{self.name}` has no {language}",
                f"{pin.source} asks for it.",
                "Ask the administrator for a package set that has it.",
            )
        nearest = min(known, key=lambda one: _distance(pin.spec, one))
        return BuildFailed(
            f"{language} {pin.spec.removeprefix('==')} is not in the package set `{self.name}`",
            f"{pin.source} asks for it. The set has {', '.join(known)}.",
            f"Change {pin.source} to {nearest}, the nearest; or ask the administrator for a "
            "package set that has it.",
        )

    def check_names(self, names: Sequence[str], asked_by: str, tmp: Path) -> None:
        """Raises BuildFailed for a name of nixPkgs or nixLibs that the set does not know.

        Args:
            asked_by: where they stand, for the message.
            tmp: a folder of the caller's.
        """
        if not names:
            return
        key = key_of(self.digest, *names)
        found = self.records.find("names", key)
        if found is None:
            tmp.mkdir(parents=True, exist_ok=True)
            file = tmp / "names.json"
            file.write_text(json.dumps(list(names)))
            wanted = ("--argstr", "set", self.name, "--argstr", "names", str(file))
            found = self._evaluate(str(self.path.parents[1] / "lib/unknown.nix"), *wanted)
            self.records.keep("names", key, found, [])
        if found["unknown"]:
            listed = ", ".join(found["listed"])
            raise BuildFailed(
                f"{found['unknown'][0]} is not in the package set `{self.name}`",
                f"{asked_by} asks for it." + (f" The set knows {listed}." if listed else ""),
                f"Take it out of {asked_by}, or ask the administrator for a package set that "
                "has it.",
            )

    def get(
        self, attributes: Sequence[str], log: BuildLog, guard: Guard, tmp: Path
    ) -> list[Package]:
        """The packages of these attributes, built or fetched now if they are not there.

        Raises:
            BuildFailed: a source cannot be downloaded, or a build fails.
        """
        missing = [one for one in attributes if self._found(one) is None]
        if missing:
            self._make(missing, log, guard, tmp)
        found = [self._found(one) for one in attributes]
        return [one for one in found if one is not None]

    def _found(self, attribute: str) -> Package | None:
        kept = self.records.find("package", self._key(attribute))
        return None if kept is None else Package(attribute, kept["path"], tuple(kept["closure"]))

    def provide(self, derivations: Sequence[str], log: BuildLog, tmp: Path) -> None:
        """Download what these derivations are made of, as far as the store has not.

        Args:
            tmp: a folder of the caller's.
        """
        with _providing:
            got = sources.provide(self.store, derivations, tmp)
        if got:
            names = ", ".join(f"{one.package} {one.version}" for one in got)
            log.detail(f"downloaded of the package set: {names[:300]}")

    def _make(self, attributes: Sequence[str], log: BuildLog, guard: Guard, tmp: Path) -> None:
        log.step(f"Getting {', '.join(attributes)} ready")
        named = [word for attribute in attributes for word in ("-A", attribute)]
        derivations = self.store.run("nix-instantiate", str(self.path), *named).split()
        self.provide(derivations, log, tmp)
        activities = Activities(log, {})
        argv = ("nix-store", "--realise", *derivations)
        done = realise(
            self.store, argv, activities, guard, name=f"nix-set-{tmp.parent.name}", tmp=tmp
        )
        if done.status != 0:
            raise BuildFailed(
                f"The package set `{self.name}` could not be built",
                (activities.errors or ["Nix does not say why."])[-1][:500],
                "Ask the administrator to run `paas doctor` on the server.",
            )
        for attribute, path in zip(attributes, done.paths, strict=True):
            closure = self.store.requisites([path])
            value = {"path": path, "closure": closure}
            self.records.keep("package", self._key(attribute), value, closure)

    def _key(self, attribute: str) -> str:
        return key_of(self.digest, attribute)


def _fits(pin: Pin, version: str) -> bool:
    if not pin.spec:
        return True
    if pin.tool != "python":
        parsed = parse_version(version)
        return parsed is not None and parsed in parse_range(pin.spec.partition("+")[0])
    return specifier(pin).contains(version)


def _distance(spec: str, version: str) -> tuple[int, ...]:
    """How far `version` is from the first version named in `spec`, part by part."""
    digits = "".join(char if char.isdigit() else " " for char in spec).split()
    parts = [int(one) for one in digits[:3]] or [0]
    known = Version(version).release
    return tuple(abs(a - b) for a, b in zip(parts, known, strict=False))
