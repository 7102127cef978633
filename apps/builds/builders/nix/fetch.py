"""Fetched outside of Nix, by the ecosystem's own tool, and added to the store by contents.

The tool runs in the sandbox with the network and without secrets, on the lock
and its companions alone (`builders.layers`, which also keeps and shares the
result); its programs come from the package set. What it brought is the same
store path wherever it is fetched, and is remembered by what decided it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.builders import layers
from apps.builds.builders.base import BuildJob
from apps.builds.builders.environment import network_variables
from apps.builds.builders.layers import Layer, Tools
from apps.builds.builders.nix.packages import Package
from apps.builds.builders.nix.records import Records, key_of
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from buildpacks.plan import Phase
from paas.instance import Instance
from paas.nix.store import Store
from paas.sandbox import Bind, system_path

# uv's names, which the panel's environment has, in pip's words
_PIP = {
    "UV_DEFAULT_INDEX": "PIP_INDEX_URL",
    "UV_INDEX_URL": "PIP_INDEX_URL",
    "UV_INDEX": "PIP_EXTRA_INDEX_URL",
    "UV_EXTRA_INDEX_URL": "PIP_EXTRA_INDEX_URL",
    "UV_FIND_LINKS": "PIP_FIND_LINKS",
    "SSL_CERT_FILE": "PIP_CERT",
}


@dataclass
class Fetcher:
    """Fetches for one build."""

    instance: Instance
    store: Store
    records: Records
    job: BuildJob
    packages: Sequence[Package]
    log: BuildLog
    guard: Guard
    variables: Mapping[str, str] = field(default_factory=dict)
    places: tuple[tuple[str, str], ...] = ()
    """More programs: store path and where it is shown; its `bin` comes first in PATH."""

    @property
    def tools(self) -> Tools:
        """The packages' closures and their programs in PATH, for the sandbox."""
        closure = dict.fromkeys(path for package in self.packages for path in package.closure)
        known = network_variables()
        pip = {name: known[uv] for uv, name in _PIP.items() if known.get(uv)}
        if "UV_OFFLINE" in os.environ and "PIP_FIND_LINKS" in pip:
            pip["PIP_NO_INDEX"] = "1"
        folders = [f"{target}/bin" for _, target in self.places]
        folders += [f"{package.path}/bin" for package in self.packages]
        return Tools(
            (
                *(Bind(self.store.physical(path), path) for path in closure),
                *(Bind(self.store.physical(path), target) for path, target in self.places),
            ),
            {
                **pip,
                "LANG": "C.UTF-8",
                **self.variables,
                "PATH": ":".join([*folders, system_path()]),
            },
            (
                *(package.path for package in self.packages),
                *(path for path, _ in self.places),
                *(f"{name}={value}" for name, value in sorted(self.variables.items())),
            ),
        )

    def layer(self, phase: Phase, contents: Mapping[str, bytes], title: str = "") -> Layer:
        """Run a phase on `contents`; see `layers.make`.

        Raises:
            BuildFailed: a command failed.
        """
        request = layers.Request(self.job, phase, contents, None, self.tools, title)
        return layers.make(self.instance, request, self.log, self.guard)

    def stored(self, phase: Phase, contents: Mapping[str, bytes]) -> str:
        """The store path of a phase's result, with `app` and `deps` in it.

        Raises:
            BuildFailed: a command failed.
        """
        request = layers.Request(self.job, phase, contents, None, self.tools)
        found = self.records.find("layer", request.key)
        if found is not None:
            self.log.step("Using what was fetched for this lock before")
            return str(found)
        made = layers.make(self.instance, request, self.log, self.guard)
        path = self.store.add(made.path, "fetched")
        self.records.keep("layer", request.key, path, [path])
        return path

    def files(self, contents: Mapping[str, bytes]) -> str:
        """The store path of a folder that holds these files."""
        key = key_of(*(part for name in sorted(contents) for part in (name, contents[name])))
        found = self.records.find("files", key)
        if found is not None:
            return str(found)
        folder = self.job.tree.parent / f"files-{key}"
        for name, data in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        folder.mkdir(exist_ok=True)
        stored = self.store.add(folder, "files")
        self.records.keep("files", key, stored, [stored])
        return stored


def kept(layer: Layer, target: str) -> Path:
    """Where a layer keeps a folder below /deps."""
    return next(path for path, name in layer.mounts if name == target)
