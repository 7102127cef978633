"""The job: the file that tells `nix/lib` what to build, and nothing of this machine.

Everything is plain data; paths are store paths, but for the source. The file's fields are in
docs/nix.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

NOT_RUN = frozenset({"/deps/cargo", "/deps/go"})
"""Results below /deps that only builds need."""


@dataclass(frozen=True)
class Layer:
    """Results of steps that see a lock and its companions alone.

    Either `path`, fetched outside, or `files` and the `commands` that run on
    them, going on from `layers`; `inputs` are store paths that `files`
    mention, `links` names in the tree of links to store paths. `production` is
    what the running app gets in its place, made with the files `pruned` where
    these are others.
    """

    results: tuple[str, ...]
    path: str | None = None
    files: str | None = None
    commands: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    pruned: str | None = None
    layers: tuple[Layer, ...] = ()
    production: Layer | None = None

    def to_json(self) -> dict[str, Any]:
        if self.path is not None:
            found: dict[str, Any] = {"path": self.path, "results": self.results}
        else:
            found = {
                "files": self.files,
                "commands": self.commands,
                "results": self.results,
                "inputs": self.inputs,
                "links": [{"name": n, "path": self.links[n]} for n in sorted(self.links)],
                "layers": [one.to_json() for one in self.layers],
            }
        if self.production is not None:
            found["production"] = self.production.to_json()
        return found


@dataclass(frozen=True)
class PythonJob:
    """An attribute of the package set, and the wheels of the environment."""

    interpreter: str
    wheels: tuple[str, ...]


@dataclass(frozen=True)
class NixJob:
    """One build.

    Args:
        toolchain: attributes of the package set that build and run the app.
        compilers: those that only build it.
        foreign: whether programs built elsewhere run (wheels, native modules).
        packages, libraries: names of the set's `named` (nixPkgs, nixLibs).
        source: the tree, the one path that is none of the store yet.
        commands: of the phases that see the tree.
        caches: folders below /app that are no part of the result.
        paths: what comes first in PATH.
        shown: results below /deps that the running app sees.
        image: OCI's configuration without entrypoint and environment.
        annotations: "both" or "closure".
    """

    toolchain: tuple[str, ...]
    source: str
    processes: Mapping[str, str]
    variables: Mapping[str, str]
    image: Mapping[str, Any]
    compilers: tuple[str, ...] = ()
    foreign: bool = True
    packages: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    python: PythonJob | None = None
    layers: tuple[Layer, ...] = ()
    commands: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    places: tuple[Mapping[str, str], ...] = field(default=())
    annotations: str = "both"

    def to_json(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in self.__dataclass_fields__}
        results = (one for layer in self.layers for one in layer.results)
        shown = [one for one in results if one.startswith("/deps/") and one not in NOT_RUN]
        return {
            **data,
            "python": None if self.python is None else asdict(self.python),
            "layers": [one.to_json() for one in self.layers],
            "shown": shown,
        }


def derivations(job: NixJob) -> Mapping[str, Sequence[str]]:
    """The plan's commands by the name of the derivation that runs them."""
    found: dict[str, Sequence[str]] = {"app": job.commands}
    for layer in job.layers:
        found["dependencies"] = layer.commands
        if layer.production is not None:
            found["dependencies-production"] = layer.production.commands
    return found
