"""What the languages of a plan, Python aside, bring into every sandbox of the build and the app."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from apps.builds.builders import languages
from apps.builds.builders.base import BuildFailed, HostMount
from apps.builds.builders.environment import TOOLS
from apps.builds.builders.languages import LANGUAGES, Toolchain
from apps.builds.builders.output import BuildLog
from buildpacks.plan import Plan
from buildpacks.ranges import shown_version
from paas.sandbox import interpreter_binds, system_path

_DEBIAN = {
    "npm": "npm",
    "bundle": "bundler",
    "composer": "composer",
    "php-fpm": "php-fpm",
    "cargo": "cargo-web",
    "cc": "gcc",
}
_PHP_SETTINGS = Path("/etc/php")  # Debian's: which extensions are loaded


@dataclass
class Toolset:
    """Mounts, PATH entries and variables of the build.

    `facts` name all of it that can change what is installed.
    """

    mounts: list[HostMount] = field(default_factory=list)
    path_entries: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def add(self, toolchain: Toolchain) -> None:
        binds = interpreter_binds(toolchain.prefix)
        self.mounts += [HostMount(str(bind.source), bind.target) for bind in binds]
        if toolchain.bin not in system_path().split(":"):
            self.path_entries.append(toolchain.bin)
        self.facts.append(f"{toolchain.path} {shown_version(toolchain.version)}")

    def add_php(self, toolchain: Toolchain, *, serving: bool) -> None:
        """PHP's settings, and php-fpm of the same version where the app is served by it.

        Raises:
            BuildFailed: there is no such php-fpm.
        """
        if _PHP_SETTINGS.is_dir():
            self.mounts.append(HostMount(str(_PHP_SETTINGS), str(_PHP_SETTINGS)))
        if serving:
            self.mounts.append(HostMount(str(_php_fpm(toolchain)), f"{TOOLS}/php-fpm"))


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
        toolset.add(toolchain)
        if (toolchain.prefix / "include/node/node.h").is_file():  # else node-gyp would fetch them
            toolset.variables["npm_config_nodedir"] = str(toolchain.prefix)
        for program in _companions(plan, pin.tool):
            _check(program, toolchain)
        if pin.tool == "php":
            toolset.add_php(toolchain, serving=plan.processes.get("web", "").endswith("serve-php"))
    if "node" in plan.providers:
        toolset.path_entries.append("/app/node_modules/.bin")
    return toolset


def _companions(plan: Plan, tool: str) -> Iterator[str]:
    """The programs that a plan runs besides the language itself."""
    if tool == "node":
        yield "npm"
    if tool == "ruby":
        yield "bundle"
    if tool == "rust":
        yield from ("cargo", "cc")
    commands = (command for phase in plan.phases for command in phase.commands)
    if tool == "php" and any(command.startswith("composer ") for command in commands):
        yield "composer"


def _check(program: str, toolchain: Toolchain) -> None:
    folders = [toolchain.bin, *system_path().split(":")]
    if not any(os.access(Path(folder) / program, os.X_OK) for folder in folders):
        raise _missing(program, toolchain)


def _php_fpm(toolchain: Toolchain) -> Path:
    major, minor, _ = toolchain.version
    folders = (toolchain.prefix / "sbin", Path("/usr/sbin"), Path("/usr/local/sbin"))
    for folder in folders:
        for name in (f"php-fpm{major}.{minor}", "php-fpm"):
            path = Path(os.path.realpath(folder / name))
            if os.access(path, os.X_OK) and (name != "php-fpm" or folder == folders[0]):
                return path
    raise _missing("php-fpm", toolchain)


def _missing(program: str, toolchain: Toolchain) -> BuildFailed:
    language = f"{LANGUAGES[toolchain.tool].shown} {shown_version(toolchain.version)}"
    return BuildFailed(
        f"{program} is not installed on this server",
        f"This app needs it beside {language}.",
        f"Ask the administrator to add it (Debian: apt install {_DEBIAN[program]}), "
        "and push again.",
    )
