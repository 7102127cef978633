"""nixpacks.toml / nixpacks.json: the user's changes to a plan, by Nixpacks' merge rules.

Provider < Procfile < file < `NIXPACKS_*` variables (here: those of the file,
as a build sees no config vars). Texts override; lists replace, and "..." in a
list stands for what was there before. A new `install` comes after `setup`, a
new `build` after `install`. Phases that reach for the network in Nixpacks
(all do) may do so here only in setup, fetch and install.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from buildpacks.document import Table, read_json, read_toml
from buildpacks.errors import PlanError, shown
from buildpacks.plan import Phase, Plan
from buildpacks.procfile import check_command
from buildpacks.tree import SourceTree

TOML, JSON = "nixpacks.toml", "nixpacks.json"
_HOLES = frozenset({"...", "@auto"})
_ONLINE = frozenset({"setup", "fetch", "install"})
_FOLLOWS = {"install": ("setup",), "build": ("install",)}
# key of the file (and its alias) → field of Phase
_LISTS = {
    "dependsOn": "depends_on",
    "nixPkgs": "packages",
    "nixPackages": "packages",
    "nixLibs": "libraries",
    "nixLibraries": "libraries",
    "aptPkgs": "apt_packages",
    "aptPackages": "apt_packages",
    "cmds": "commands",
    "commands": "commands",
    "cacheDirectories": "cache_directories",
    "paths": "paths",
    "envPaths": "paths",
}
_PHASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_TOP = frozenset({"providers", "variables", "phases", "start"})
_OWN_INSTALL = (
    "The dependencies are installed without a command of yours: delete phases.install.cmds from "
    '{file}, or begin it with "...", to have that done.'
)
Lists = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Overrides:
    """What the file says. `phases` holds, by name, the lists it gives."""

    file: str = ""
    providers: tuple[str, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    phases: Mapping[str, Lists] = field(default_factory=dict)
    start: str | None = None
    warnings: tuple[str, ...] = ()


def read_overrides(tree: SourceTree) -> Overrides:
    """The overrides of nixpacks.toml, else of nixpacks.json; empty ones when there is neither.

    Raises:
        PlanError: the file is invalid, or a value has a wrong type.
    """
    document = read_toml(tree, TOML)
    if document is None:
        document = read_json(tree, JSON)
    if document is None:
        return Overrides()
    variables = _variables(document)
    phases = document.table("phases") or Table({}, document.file)
    start = document.table("start") or Table({}, document.file)
    return Overrides(
        file=document.file,
        providers=document.texts("providers"),
        variables=variables,
        phases=_with_variables({name: _phase(phases, name) for name in phases}, variables),
        start=_start(start, variables),
        warnings=_ignored(document, phases, start),
    )


def merge(plan: Plan, overrides: Overrides) -> Plan:
    """`plan` with the changes of the file, its phases in the order they run in.

    Raises:
        PlanError: the phases depend on each other in a circle.
    """
    phases = {phase.name: phase for phase in plan.phases}
    for name, lists in overrides.phases.items():
        before = phases.get(name) or Phase(name, depends_on=_FOLLOWS.get(name, ()))
        phases[name] = _merged(before, lists)
    fetch = phases.get("fetch")
    if "rebuild" in phases and fetch is not None and not fetch.results:  # it goes on from the tree
        phases["rebuild"] = replace(phases["rebuild"], files=(), results=())
    if overrides.variables:  # they may make any program run code of theirs
        phases = {name: replace(phase, inert=False) for name, phase in phases.items()}
    plan = replace(
        plan,
        phases=_sorted(phases, overrides.file),
        variables={**plan.variables, **overrides.variables},
        warnings=(*plan.warnings, *overrides.warnings),
    )
    if overrides.start is not None:
        processes = {**plan.processes, "web": overrides.start}
        plan = replace(plan, processes=processes, processes_from=overrides.file)
    return _without_default_install(plan, overrides)


def fill(before: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """`given` with `before` in the place of every hole."""
    filled: list[str] = []
    for item in given:
        filled += before if item in _HOLES else (item,)
    return tuple(filled)


def _merged(before: Phase, lists: Lists) -> Phase:
    commands = lists.get("commands", ())
    own = any(command not in _HOLES for command in commands)
    return replace(
        before,
        depends_on=fill(before.depends_on, lists.get("depends_on", ("...",))),
        packages=fill(before.packages, lists.get("packages", ("...",))),
        libraries=fill(before.libraries, lists.get("libraries", ("...",))),
        apt_packages=fill(before.apt_packages, lists.get("apt_packages", ("...",))),
        commands=fill(before.commands, commands) if "commands" in lists else before.commands,
        cache_directories=fill(before.cache_directories, lists.get("cache_directories", ("...",))),
        paths=fill(before.paths, lists.get("paths", ("...",))),
        network=before.network or (own and before.name in _ONLINE),
        # the user's own commands may read anything of the tree
        files=() if own else before.files,
        results=() if own else before.results,
    )


def _without_default_install(plan: Plan, overrides: Overrides) -> Plan:
    """Install commands without a hole replace the installation of the dependencies."""
    commands = overrides.phases.get("install", {}).get("commands")
    if commands is None or not _HOLES.isdisjoint(commands):
        return plan
    note = f"Dependencies are installed by the commands of {overrides.file} alone"
    python = plan.python
    if python is not None:
        python = replace(python, manager="none", files=(), extra=(), project=False, package=False)
    return replace(
        plan,
        python=python,
        phases=tuple(_without_layer(phase, overrides.file) for phase in plan.phases),
        notes=(*plan.notes, note) if plan.providers else plan.notes,
    )


def _without_layer(phase: Phase, file: str) -> Phase:
    """`phase` in a plan whose `install` is the user's own: what it would have gone on from goes."""
    if phase.name == "install":
        return replace(phase, hint=_OWN_INSTALL.format(file=file))
    if phase.name in {"fetch", "rebuild"} and phase.results:
        return replace(phase, commands=())
    return phase


def _sorted(phases: Mapping[str, Phase], file: str) -> tuple[Phase, ...]:
    """Every phase after those it depends on; names that are no phase are passed over (Nixpacks)."""
    done: list[Phase] = []
    waiting = list(phases.values())
    while waiting:
        left = {phase.name for phase in waiting}
        ready = next((phase for phase in waiting if left.isdisjoint(phase.depends_on)), None)
        if ready is None:
            raise PlanError(
                f"The phases {shown(', '.join(sorted(left)))} depend on each other in a circle",
                why="None of them can be the first to run.",
                fix=f"Change dependsOn in {file}.",
                file=file,
            )
        done.append(ready)
        waiting.remove(ready)
    return tuple(done)


def _variables(document: Table) -> dict[str, str]:
    table = document.table("variables")
    variables = {}
    for name in table or ():
        assert table is not None
        if not _VARIABLE_NAME.fullmatch(name):
            raise table.wrong(
                name,
                "is not the name of a variable",
                "A name has letters, digits and `_`, and does not begin with a digit.",
            )
        variables[name] = table.text(name) or ""
    return variables


def _phase(phases: Table, name: str) -> Lists:
    if not _PHASE_NAME.fullmatch(name):
        raise phases.wrong(name, "is not the name of a phase", "A name has letters, digits, `-`.")
    table = phases.table(name) or Table({}, phases.file)
    lists: Lists = {}
    for key, target in _LISTS.items():
        values = table.texts(key)
        if values is not None:
            lists[target] = values
    return lists


def _start(start: Table, variables: Mapping[str, str]) -> str | None:
    if "NIXPACKS_START_CMD" in variables:
        return check_command(variables["NIXPACKS_START_CMD"], start.file, "NIXPACKS_START_CMD")
    command = start.text("cmd")
    return None if command is None else check_command(command, start.file, "start.cmd")


def _with_variables(phases: dict[str, Lists], variables: Mapping[str, str]) -> dict[str, Lists]:
    """`phases` with what the NIXPACKS_ variables say about them (Nixpacks' `from_environment`)."""
    for variable, phase, target in (
        ("PKGS", "setup", "packages"),
        ("APT_PKGS", "setup", "apt_packages"),
        ("LIBS", "setup", "libraries"),
    ):
        if items := re.findall(r"[^\s,]+", variables.get(f"NIXPACKS_{variable}", "")):
            lists = phases.setdefault(phase, {})
            lists[target] = fill(lists.get(target, ("...",)), (*items, "..."))
    for phase in ("install", "build"):
        if command := variables.get(f"NIXPACKS_{phase.upper()}_CMD"):
            phases.setdefault(phase, {})["commands"] = (command,)
    return phases


def _ignored(document: Table, phases: Table, start: Table) -> tuple[str, ...]:
    """Warnings about keys that have no effect here."""
    ignored = [document.where(key) for key in document if key not in _TOP]
    for name in phases:
        phase = phases.table(name) or Table({}, phases.file)
        ignored += [phase.where(key) for key in phase if key not in {*_LISTS, "name"}]
    ignored += [start.where(key) for key in start if key not in {"cmd", "command"}]
    return tuple(f"{key} in {document.file} has no effect here" for key in ignored)
