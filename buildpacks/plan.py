"""The Plan: what a builder must do to turn a source tree into something that runs.

It is a superset of the Nixpacks plan, so that `nixpacks.toml` and
`nixpacks.json` merge into it. One Plan has two executors: the host builder
runs its phases with the machine's toolchains, the Nix builder makes
derivations of them. A Plan holds no path of the machine and no secret.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from buildpacks.errors import PlanError
from buildpacks.tree import SourceTree

__all__ = [
    "CronTask",
    "EnvVar",
    "FormationEntry",
    "HealthCheck",
    "Manifest",
    "Phase",
    "Pin",
    "Plan",
    "PlanError",
    "PythonDependencies",
    "SourceTree",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Pin:
    """A language version the source asks for.

    `tool` is "python", "node", "go", "ruby", "php", "rust", or a package manager
    ("pnpm", "yarn"). `spec` is what was asked: for Python a PEP 440 specifier
    ("==3.11.*", ">=3.12,<4") or an exact "3.11.4", for the others a range of
    `buildpacks.ranges`, for a manager also "9.15.4+sha512.<hex>"
    (`packageManager`). An empty `spec` means the newest one here. `source`
    names where it was asked.
    """

    tool: str
    spec: str
    source: str


@dataclass(frozen=True)
class Phase:
    """One step of a build.

    Args:
        name: "setup", "fetch", "install", "build", or one of the user's own.
        commands: run one after another, each by `sh -c` inside the sandbox.
        depends_on: names of phases that come first.
        packages: Nixpacks' `nixPkgs`.
        libraries: Nixpacks' `nixLibs`.
        apt_packages: Nixpacks' `aptPkgs` (the Nix builder refuses them).
        paths: folders put in front of PATH.
        cache_directories: kept from build to build.
        network: whether the phase may reach the network.
        files: what the phase reads, relative to the root: its result may be
            shared by everyone with the same contents of these files; empty
            means the whole tree, unshared.
        results: what a phase with `files` makes: folders relative to the
            root, which are put into the tree, or below /deps, which are
            shown there.
        inert: whether it runs no code of the tree or of packages, so that
            its result may serve other apps.
        hint: what the user should do when a command of this phase fails.
    """

    name: str
    commands: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    apt_packages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    cache_directories: tuple[str, ...] = ()
    network: bool = False
    files: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    inert: bool = False
    hint: str = ""


@dataclass(frozen=True)
class PythonDependencies:
    """How a Python app's dependencies are installed, for the executor to do.

    `manager` is one of "uv", "requirements", "poetry", "pdm", "pipenv",
    "pyproject" or "none"; `files` are the lock and its companions, the first
    one being the one that decides. `extra` are requirements the plan adds
    (a server the framework needs and the app does not list). `project` says
    that something of the tree itself is installed beside them (it is a
    package, or a path in it is a dependency), `package` that the top of the
    tree is: this part belongs to one tree alone and cannot be shared by the
    lock's contents.
    """

    manager: str
    files: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    project: bool = False
    package: bool = False


@dataclass(frozen=True)
class HealthCheck:
    """One of app.json's `healthchecks`, in Dokku's words; times are in seconds."""

    type: str = "startup"  # startup | readiness | liveness
    path: str | None = None
    command: tuple[str, ...] | None = None
    listening: bool = False
    uptime: float | None = None
    content: str | None = None
    attempts: int = 3
    wait: float = 5.0
    timeout: float = 5.0
    initial_delay: float = 0.0


@dataclass(frozen=True)
class EnvVar:
    """One entry of app.json's `env`: `generator` is "secret" or None.

    It is set when the app has no such config var yet; with `sync`, its value
    is set again on every deploy (Dokku).
    """

    name: str
    value: str | None = None
    required: bool = True
    generator: str | None = None
    description: str = ""
    sync: bool = False


@dataclass(frozen=True)
class FormationEntry:
    """One entry of app.json's `formation`; None leaves the value as it is."""

    quantity: int | None = None
    size: str | None = None


@dataclass(frozen=True)
class CronTask:
    """One entry of app.json's `cron`, in Dokku's words; the schedule is in UTC.

    `concurrency_policy` is "forbid", "allow" or "replace"; with `maintenance`
    the task is there but not run.
    """

    command: str
    schedule: str
    concurrency_policy: str = "forbid"
    maintenance: bool = False


@dataclass(frozen=True)
class Manifest:
    """What app.json says that outlives the build."""

    env: tuple[EnvVar, ...] = ()
    formation: Mapping[str, FormationEntry] = field(default_factory=dict)
    healthchecks: Mapping[str, tuple[HealthCheck, ...]] = field(default_factory=dict)
    postdeploy: str | None = None
    cron: tuple[CronTask, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything a builder needs.

    `providers` are the languages found ("python", "node", "go", "ruby", "php", "rust",
    "static", "procfile"), the first one leading. `processes` are all process
    types with their commands, `release` among them. `variables` is the environment
    of build and run.
    `notes` are steps to show (` -----> ` lines), `warnings` what to show as
    ` !     ` lines. `static_root` is the folder a file server serves as
    `web`, relative to the root.
    """

    providers: tuple[str, ...]
    name: str  # as shown: "Python", "Static site", "Procfile"
    pins: tuple[Pin, ...] = ()
    phases: tuple[Phase, ...] = ()
    processes: Mapping[str, str] = field(default_factory=dict)
    processes_from: str = ""  # "Procfile", "nixpacks.toml", "Django", ...
    variables: Mapping[str, str] = field(default_factory=dict)
    python: PythonDependencies | None = None
    static_root: str | None = None
    manifest: Manifest = field(default_factory=Manifest)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The plan as plain data, for `builds:info`, the Nix builder and digests."""
        return cast("dict[str, object]", _plain(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Plan:
        """The plan that `to_json` wrote, by this version or an older one.

        Raises:
            KeyError, TypeError: `data` was not written by `to_json`.
        """
        fields = _known(cls, data)
        fields["pins"] = _each(Pin, fields.get("pins", ()))
        fields["phases"] = _each(Phase, fields.get("phases", ()))
        if fields.get("python") is not None:
            fields["python"] = _value(PythonDependencies, fields["python"])
        fields["manifest"] = _manifest(fields.get("manifest", {}))
        return cls(**fields)


def _plain(value: object) -> object:
    """`value` with lists for tuples, as JSON has no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _known(kind: type[Any], data: Mapping[str, object]) -> dict[str, Any]:
    """What of `data` is a field of `kind`, with tuples for lists."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {
        key: tuple(item) if isinstance(item, list) else item
        for key, item in data.items()
        if key in names
    }


def _value(kind: type[_T], data: Mapping[str, object]) -> _T:
    return kind(**_known(kind, data))


def _each(kind: type[_T], data: Any) -> tuple[_T, ...]:
    return tuple(_value(kind, item) for item in data)


def _manifest(data: Mapping[str, Any]) -> Manifest:
    return Manifest(
        env=_each(EnvVar, data.get("env", ())),
        formation={
            name: _value(FormationEntry, entry) for name, entry in data.get("formation", {}).items()
        },
        healthchecks={
            name: _each(HealthCheck, checks)
            for name, checks in data.get("healthchecks", {}).items()
        },
        postdeploy=data.get("postdeploy"),
        cron=_each(CronTask, data.get("cron", ())),
    )
