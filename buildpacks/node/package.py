"""What package.json says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from buildpacks.document import Table, read_json
from buildpacks.errors import PlanError, shown
from buildpacks.procfile import check_command
from buildpacks.tree import SourceTree

PACKAGE = "package.json"
_RUNS = re.compile(r"(?:npm|pnpm|yarn)\s+(?:(?:run|run-script)\s+)?([\w:.-]+)")
_LIFECYCLE = ("preinstall", "install", "postinstall", "prepare")
_MANAGER = re.compile(
    r"(?P<name>npm|pnpm|yarn|bun)@(?P<version>\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[\w.-]{1,40})?)"
    r"(?:\+(?P<proof>sha(?:1|224|256|384|512)\.[0-9a-f]{1,128}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Package:
    """package.json of the top of the tree."""

    table: Table

    @classmethod
    def read(cls, tree: SourceTree) -> Package:
        return cls(read_json(tree, PACKAGE) or Table({}, PACKAGE))

    @cached_property
    def scripts(self) -> Mapping[str, str]:
        return self.table.mapping("scripts")

    @property
    def lifecycle(self) -> tuple[str, ...]:
        """The project's own scripts that every package manager runs after installing."""
        return tuple(name for name in _LIFECYCLE if self.scripts.get(name))

    @cached_property
    def dependencies(self) -> Mapping[str, str]:
        """Names and wanted versions of what the app needs while it runs."""
        return {**self.table.mapping("dependencies"), **self.table.mapping("optionalDependencies")}

    @cached_property
    def development(self) -> Mapping[str, str]:
        """Names and wanted versions of what only the build and tests need."""
        return self.table.mapping("devDependencies")

    def depends_on(self, name: str) -> bool:
        return name in self.dependencies or name in self.development

    @cached_property
    def main(self) -> str | None:
        """The file that `main` names, where it is one that can be started."""
        main = self.table.text("main")
        return check_command(main, PACKAGE, "main") if main else None

    @property
    def engine(self) -> str | None:
        """The range of Node.js versions that `engines.node` asks for."""
        engines = self.table.table("engines")
        return engines.text("node") if engines is not None else None

    @cached_property
    def manager(self) -> re.Match[str] | None:
        """`packageManager`, as Corepack defines it, in its parts.

        Raises:
            PlanError: it is not written that way.
        """
        text = self.table.text("packageManager")
        if text is None:
            return None
        match = _MANAGER.fullmatch(text)
        if match is not None:
            return match
        raise PlanError(
            f'packageManager "{shown(text)}" is not a name and an exact version',
            why="One version of one package manager installs the dependencies.",
            fix='Write it as "pnpm@9.15.4", or remove the line.',
            file=PACKAGE,
        )

    @cached_property
    def workspaces(self) -> tuple[str, ...]:
        """The patterns of npm's and Yarn's workspaces."""
        value = self.table.data.get("workspaces")
        holder = self.table.table("workspaces") if isinstance(value, dict) else self.table
        assert holder is not None
        return holder.texts("packages" if isinstance(value, dict) else "workspaces") or ()

    def check_scripts(self, commands: Mapping[str, str], file: str) -> None:
        """Refuse a command that runs a script which is not there.

        Raises:
            PlanError: it names type, script, and what scripts there are.
        """
        for name, script in _named(commands):
            if script not in self.scripts and not (script == "start" and self.has_server):
                raise self.missing_script(script, f"{name} in {file} runs it")

    has_server: bool = False
    """Whether there is a server.js, which `npm start` runs without a script."""

    def missing_script(self, script: str, why: str) -> PlanError:
        known = shown(", ".join(sorted(self.scripts)), 200) or "none"
        return PlanError(
            f'There is no script "{shown(script)}"',
            why=f"{why}. Scripts of {PACKAGE}: {known}.",
            fix=f"Add it to `scripts` in {PACKAGE}, or write a Procfile. A static site says that "
            'it is one in nixpacks.toml: providers = ["staticfile"].',
            file=PACKAGE,
        )


def _named(commands: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(process type, script) of commands that do nothing but run a script."""
    for name, command in commands.items():
        match = _RUNS.fullmatch(command.strip())
        if match is not None and (match[1] == "start" or " run" in command):
            yield name, match[1]
