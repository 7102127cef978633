"""What the languages of a plan, Python aside, bring into every sandbox of the build and the app."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.builders import languages
from apps.builds.builders.base import BuildFailed, HostMount
from apps.builds.builders.languages import LANGUAGES, Toolchain
from apps.builds.builders.output import BuildLog
from buildpacks.plan import Plan
from buildpacks.ranges import shown_version
from paas.sandbox import interpreter_binds, system_path

# language → the programs that a plan of it runs besides, and how to get them on Debian
_COMPANIONS = {"node": ("npm", "npm")}


@dataclass
class Toolset:
    """Mounts and PATH entries; `facts` name all of it that can change what is installed."""

    mounts: list[HostMount] = field(default_factory=list)
    path_entries: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def add(self, toolchain: Toolchain) -> None:
        binds = interpreter_binds(toolchain.prefix)
        self.mounts += [HostMount(str(bind.source), bind.target) for bind in binds]
        if toolchain.bin not in system_path().split(":"):
            self.path_entries.append(toolchain.bin)
        self.facts.append(f"{toolchain.path} {shown_version(toolchain.version)}")


def find(plan: Plan, log: BuildLog) -> Toolset:
    """The toolchains for the plan's pins.

    Raises:
        BuildFailed: one is not installed here.
    """
    toolset = Toolset()
    for pin in plan.pins:
        if pin.tool not in LANGUAGES:
            continue
        toolchain, warning = languages.resolve(pin, languages.installed(pin.tool))
        if warning:
            log.warn(warning)
        source = f" ({pin.source})" if pin.spec else ""
        shown = LANGUAGES[pin.tool].shown
        log.step(f"Using {shown} {shown_version(toolchain.version)}{source}")
        _check_companions(toolchain)
        toolset.add(toolchain)
    if "node" in plan.providers:
        toolset.path_entries.append("/app/node_modules/.bin")
    return toolset


def _check_companions(toolchain: Toolchain) -> None:
    for program, package in _companions(toolchain.tool):
        folders = [toolchain.bin, *system_path().split(":")]
        if not any(os.access(Path(folder) / program, os.X_OK) for folder in folders):
            raise BuildFailed(
                f"{program} is not installed on this server",
                f"It installs the packages of a {LANGUAGES[toolchain.tool].shown} app.",
                f"Ask the administrator to add it (Debian: apt install {package}), and push again.",
            )


def _companions(tool: str) -> Iterator[tuple[str, str]]:
    if tool in _COMPANIONS:
        yield _COMPANIONS[tool]
