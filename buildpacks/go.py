"""The Go provider: modules fetched once per go.sum, programs built into bin/.

Railpack's choice of what to build (the main package at the top, else those in
cmd/), Heroku's place for it (`bin/<name>`), so that a Procfile can name each.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace

from buildpacks.errors import PlanError, shown
from buildpacks.plan import Phase, Pin, Plan
from buildpacks.ranges import parse_range
from buildpacks.tree import SourceTree

MODULE, SUMS, WORK = "go.mod", "go.sum", "go.work"
MAX_FILES = 100  # Go files at the top, and commands in cmd/, that are looked at
_VERSION = re.compile(r"^go[ \t]+(\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)", re.MULTILINE)
_NAME = re.compile(r"^module[ \t]+\"?([^\s\"]{1,200})", re.MULTILINE)
_REQUIRES = re.compile(r"^require\b", re.MULTILINE)
_LOCAL = re.compile(r"=>[ \t]+\./([\w./-]{1,200})")
_USES = re.compile(r"^(?:use)?[ \t]+\.?/?([\w./-]{1,200})[ \t]*$", re.MULTILINE)
_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_PREFERRED = ("web", "server", "app", "api")  # of several commands, the one that serves
_VARIABLES = {
    "CGO_ENABLED": "0",  # as Railpack: what is built needs no C library and no compiler
    "GOMODCACHE": "/deps/go",
    "GOTOOLCHAIN": "local",
}
_BUILD = "go build -trimpath -ldflags='-s -w' -o {target} {packages}"
_TIDY = (
    "Its output above says why. If it misses modules or sums: run `go mod tidy`, commit go.mod and "
    "go.sum, and push again. The build has no network."
)


def is_go(tree: SourceTree) -> bool:
    """Whether the tree looks like a Go program."""
    return any(tree.is_file(name) for name in (MODULE, "main.go", WORK))


def plan_go(tree: SourceTree, variables: Mapping[str, str], *, default_web: bool) -> Plan:
    """The plan of a Go program.

    Args:
        variables: those of nixpacks.toml.
        default_web: whether one of the programs is to be started as web.

    Raises:
        PlanError: go.sum is not there, or nothing is a program.
    """
    text = tree.read(MODULE) or ""
    pin, warnings = _pin(text, variables)
    programs = _programs(tree, text, variables)
    plan = Plan(
        providers=("go",),
        name="Go",
        pins=(pin,),
        phases=(Phase("setup"), *_fetch(tree, text), _build(programs)),
        variables=_VARIABLES,
        notes=(f"Building {', '.join(f'bin/{shown(name)}' for name in programs)}",),
        warnings=warnings,
    )
    if not default_web:
        return plan
    return replace(
        plan,
        processes={"web": shlex.quote(f"bin/{_web(programs)}")},
        processes_from="Go",
    )


def _web(programs: Mapping[str, str]) -> str:
    """The program that serves: the one at the top, else the one that is called so."""
    first = next(iter(programs))
    if not programs[first].startswith("./"):
        return first
    return next((name for name in _PREFERRED if name in programs), first)


def _pin(text: str, variables: Mapping[str, str]) -> tuple[Pin, tuple[str, ...]]:
    asked = variables.get("NIXPACKS_GO_VERSION")
    if asked:
        try:
            parse_range(asked)
        except ValueError:
            raise PlanError(
                f'"{shown(asked)}" in NIXPACKS_GO_VERSION is not a Go version',
                why="It must be a version such as 1.22.",
                fix="Correct it in nixpacks.toml.",
            ) from None
        return Pin("go", asked, "NIXPACKS_GO_VERSION"), ()
    match = _VERSION.search(text)
    if match is not None:
        return Pin("go", f">={match[1]}", MODULE), ()
    warning = "No Go version was specified, so the newest one here is used. Run `go mod init`."
    return Pin("go", "", "default"), (warning,)


def _fetch(tree: SourceTree, text: str) -> Iterator[Phase]:
    """The modules, unless there are none or they are committed in vendor/."""
    if tree.is_file("vendor/modules.txt"):
        return
    members = [*_members(tree), *_LOCAL.findall(text)]
    if not _REQUIRES.search(text) and not members:
        return
    if _REQUIRES.search(text) and not tree.is_file(SUMS):
        raise PlanError(
            "There is no go.sum",
            why="go.mod requires modules, and go.sum proves what they are.",
            fix="Run `go mod tidy` and commit go.sum.",
            file=MODULE,
        )
    folders = ["", *(f"{one.strip('/')}/" for one in members[:MAX_FILES])]
    names = [f"{folder}{file}" for folder in folders for file in (MODULE, SUMS)]
    names = [SUMS, WORK, f"{WORK}.sum", *names]
    yield Phase(
        "fetch",
        commands=("go mod download",),
        depends_on=("setup",),
        network=True,
        files=tuple(dict.fromkeys(name for name in names if _is_plain(tree, name))),
        results=("/deps/go",),
        inert=True,
        hint=_TIDY,
    )


def _members(tree: SourceTree) -> list[str]:
    """The modules that go.work uses."""
    text = tree.read(WORK)
    return _USES.findall(text)[:MAX_FILES] if text is not None else []


def _is_plain(tree: SourceTree, name: str) -> bool:
    return ".." not in name.split("/") and tree.is_file(name)


def _build(programs: Mapping[str, str]) -> Phase:
    commands = tuple(
        _BUILD.format(target=shlex.quote(f"bin/{name}"), packages=shlex.quote(package))
        for name, package in programs.items()
    )
    return Phase(
        "build",
        commands=commands,
        depends_on=("setup", "fetch"),
        cache_directories=(".cache/go-build",),
        hint=_TIDY,
    )


def _programs(tree: SourceTree, text: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Names of the programs and the packages they are built from.

    Raises:
        PlanError: there is none.
    """
    asked = variables.get("NIXPACKS_GO_BIN", "")
    commands = [
        name
        for name in tree.names("cmd")[:MAX_FILES]
        if tree.is_dir(f"cmd/{name}") and asked in {"", name}
    ]
    found = {name: f"./cmd/{name}" for name in commands}
    names = [name for name in sorted(tree.entries) if name.endswith(".go")][:MAX_FILES]
    sources = [name for name in names if not name.endswith("_test.go")]
    if not asked and any(_MAIN.search(tree.glance(name)) for name in sources):
        return {_module_name(text): "." if text else "main.go"} | found
    if found:
        return found
    for folder in _members(tree):
        if _is_plain(tree, f"{folder.strip('/')}/main.go"):
            return {folder.strip("/").rpartition("/")[2]: f"./{folder.strip('/')}"}
    raise PlanError(
        "There is no program to build",
        why="No file at the top says `package main`, and cmd/ holds no folder"
        + (f" called {shown(asked)}." if asked else "."),
        fix="Put the main package at the top or into cmd/<name>; or build it yourself by "
        "`phases.build.cmds` in nixpacks.toml and start it by a Procfile.",
        file=MODULE if text else None,
    )


def _module_name(text: str) -> str:
    """The last part of the module's path that is no major version, as `go build` names it."""
    match = _NAME.search(text)
    parts = [part for part in (match[1] if match is not None else "").split("/") if part]
    if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]):
        parts.pop()
    name = parts[-1] if parts else "app"
    return name if re.fullmatch(r"[\w.-]+", name) and name not in {".", ".."} else "app"
