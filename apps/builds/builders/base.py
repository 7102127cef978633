"""What goes into a builder and what comes out. No Django here, and in no builder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildpacks.plan import Plan


class BuildFailed(Exception):
    """The source or its build is at fault; fit for the user.

    Args:
        what: one line, without a full stop.
        why: the reason, in plain words.
        fix: what to do next.
    """

    def __init__(self, what: str, why: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.why, self.fix = what, why, fix


class UnfitPython(BuildFailed):
    """A dependency does not go with this version of Python; an older one may do."""


class BuildCancelled(Exception):
    """Somebody cancelled the build; nothing of it is left."""


@dataclass(frozen=True)
class BuildJob:
    """One build. `tree` is the unpacked source, which the builder uses up."""

    build_id: str
    app_id: str
    app_number: int
    tree: Path
    commit: str


@dataclass(frozen=True)
class HostMount:
    """A folder or file of the machine that the app's processes see read-only at `target`."""

    source: str
    target: str


@dataclass(frozen=True)
class HostArtifact:
    """An immutable result; the fields are those of `paas.runtimes.base.Artifact`."""

    path: str
    digest: str
    mounts: tuple[HostMount, ...] = ()
    path_entries: tuple[str, ...] = ()
    kind: str = "host"


@dataclass(frozen=True)
class NixArtifact:
    """An immutable result in the Nix store; the fields are those of `paas.runtimes.base.Artifact`.

    Args:
        path: the release root; its closure is all that the app needs.
        image: the store path of the image in nix-snapshotter's format.
        steps: what was built or fetched for it: name, "built" or "fetched", seconds.
    """

    path: str
    digest: str
    image: str
    steps: tuple[tuple[str, str, float], ...] = ()
    kind: str = "nix"


@dataclass(frozen=True)
class PhaseTiming:
    """How long a phase took, in seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Built:
    """A finished build; `warnings` have been logged already.

    `plan` is the one that was executed, where building told more of it.
    """

    artifact: HostArtifact | NixArtifact
    phases: tuple[PhaseTiming, ...]
    warnings: tuple[str, ...]
    plan: Plan | None = None


class Builder(Protocol):
    """What turns a plan into an artifact; see `HostBuilder.execute`."""

    def execute(
        self, plan: Plan, job: BuildJob, log: Callable[[str], None], cancel: threading.Event
    ) -> Built: ...
