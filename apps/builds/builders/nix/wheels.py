"""A Python app's dependencies as wheels, each a store path named by its own hash.

pip fetches what the lock says (uv translates its own lock, and resolves where
there is none), checks every hash that the lock carries, and builds a wheel of
what comes as source only. What runs no code of packages is shared by all apps.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from apps.builds.builders import locks
from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix.fetch import Fetcher, kept
from apps.builds.builders.nix.packages import Package
from apps.builds.builders.nix.records import key_of
from apps.builds.builders.output import BuildLog
from buildpacks.plan import Phase, PythonDependencies
from buildpacks.python.requirements import split_local

_WHEELS = "/deps/wheels"
_LISTED = "/tmp/requirements.txt"  # noqa: S108 - inside, and private
_NO_WHEEL = "no matching distribution found"
_FORMAT = "1"  # changes when the way of fetching does: then nothing old is used


@dataclass(frozen=True)
class Tools:
    """The programs that fetch: the app's Python, pip and uv."""

    python: Package
    pip: Package
    uv: Package

    @property
    def uv_command(self) -> str:
        python = shlex.quote(f"{self.python.path}/bin/python3")
        return f"UV_PYTHON_DOWNLOADS=never UV_PYTHON={python} {self.uv.path}/bin/uv"

    def wheel(self, *arguments: str) -> str:
        """A command that puts wheels into `_WHEELS`; `{only}` says whether it may build some."""
        pip = f"{self.python.path}/bin/python3 {self.pip.path}/pip"
        flags = "--quiet --no-input --disable-pip-version-check --no-color"
        return f"{pip} wheel {flags} {{only}} --wheel-dir {_WHEELS} {' '.join(arguments)}"


def fetch(
    fetcher: Fetcher, needs: PythonDependencies, files: Mapping[str, bytes], tools: Tools
) -> list[str]:
    """The store paths of the wheels.

    Args:
        files: the lock and its companions.

    Raises:
        BuildFailed: they cannot be resolved, downloaded or built, or a hash is wrong.
    """
    contents, commands = _inputs(needs, files, tools)
    if not commands:
        return []
    facts = (part for name in sorted(contents) for part in (name, contents[name]))
    key = key_of(_FORMAT, *fetcher.tools.facts, *commands, *facts)
    found = fetcher.records.find("wheels", key)
    if found is not None:
        fetcher.log.step("Using the packages fetched for this lock before")
        return list(found)
    named = needs.files[0] if needs.files else "the plan"
    phase = Phase(
        "fetch",
        commands=commands,
        network=True,
        results=(_WHEELS,),
        hint=f"Correct {named} so that `pip install` works on your machine, commit and push again.",
    )
    paths = _fetched(fetcher, phase, contents, f"Fetching the packages that {named} asks for")
    fetcher.records.keep("wheels", key, paths, paths)
    return paths


def _fetched(
    fetcher: Fetcher, phase: Phase, contents: Mapping[str, bytes], title: str
) -> list[str]:
    """Wheels only, for all apps; else, for this app alone, what must be built too."""
    held: list[str] = []
    shared = replace(phase, commands=_filled(phase, "--only-binary=:all:"), inert=True)
    try:
        layer = replace(fetcher, log=BuildLog(held.append)).layer(shared, contents, title)
    except BuildFailed:
        if not any(_NO_WHEEL in line.lower() for line in held):
            _tell(fetcher.log, held)
            raise
        own = replace(phase, commands=_filled(phase, "--prefer-binary"))
        fetcher.log.step(title)
        fetcher.log.detail("Something must be built from source, so the result is this app's alone")
        layer = fetcher.layer(own, contents, title)
    else:
        _tell(fetcher.log, held)
    folder = kept(layer, _WHEELS)
    wheels = sorted(path for path in folder.iterdir() if path.suffix == ".whl")
    names = ", ".join(" ".join(wheel.name.split("-")[:2]) for wheel in wheels)
    fetcher.log.detail(f"{len(wheels)} packages: {names[:600]}")
    return fetcher.store.add_fixed("sha256", wheels) if wheels else []


def _tell(log: BuildLog, lines: list[str]) -> None:
    for line in lines:
        log.line(line)


def _filled(phase: Phase, only: str) -> tuple[str, ...]:
    return tuple(command.replace("{only}", only) for command in phase.commands)


def _inputs(
    needs: PythonDependencies, files: Mapping[str, bytes], tools: Tools
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files that the commands read, and the commands; none where nothing is needed."""
    contents = dict(files)
    translated = locks.translate(needs, files)
    extra = [shlex.quote(one) for one in needs.extra]
    if needs.manager == "requirements":
        for name, data in files.items():
            contents[name] = split_local(data.decode(errors="replace"))[0].encode()
        listed = ["-r", shlex.quote(needs.files[0])]
        if "--hash" not in contents[needs.files[0]].decode(errors="replace"):
            return contents, (tools.wheel(*listed, "--", *extra),)
        commands = [tools.wheel(*listed)]
    elif translated is not None:
        contents[locks.TRANSLATED] = translated.requirements.encode()
        contents[locks.CONSTRAINTS] = translated.constraints.encode()
        listed = ["--no-deps"] if translated.exact else []
        listed += ["-c", locks.CONSTRAINTS] if translated.constraints else []
        commands = [tools.wheel(*listed, "-r", locks.TRANSLATED)]
    elif needs.manager == "uv":
        export = "export --quiet --frozen --no-default-groups --no-emit-local --no-header"
        commands = [_exported(tools, f"{export} --output-file {_LISTED}")]
    elif needs.manager == "pyproject" and locks.static_pyproject(files):
        compile_ = f"pip compile --quiet --no-header --no-annotate --output-file {_LISTED}"
        commands = [_exported(tools, f"{compile_} pyproject.toml")]
    else:
        commands = []
    if extra:  # beside what the lock proves, in the versions that go with it
        held = "ls /deps/wheels | sed 's/-\\([^-]*\\)-.*/==\\1/' > /tmp/held.txt"
        commands.append(f"{held} && {tools.wheel('-c', '/tmp/held.txt', '--', *extra)}")  # noqa: S108
    return contents, tuple(commands)


def _exported(tools: Tools, arguments: str) -> str:
    return f"{tools.uv_command} {arguments} && {tools.wheel('--no-deps', '-r', _LISTED)}"
