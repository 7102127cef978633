"""Executes a Plan with the machine's own toolchains, in the sandbox."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from apps.builds.builders import (
    artifact,
    extras,
    layers,
    managers,
    phases,
    project,
    python,
    steps,
    toolchains,
    toolset,
)
from apps.builds.builders.base import (
    BuildCancelled,
    BuildFailed,
    BuildJob,
    Built,
    HostArtifact,
    HostMount,
    PhaseTiming,
    UnfitPython,
)
from apps.builds.builders.environment import TOOLS, network_binds, network_variables, tool
from apps.builds.builders.installer import PROJECT, TARGET
from apps.builds.builders.layers import Layer, Tools
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from apps.builds.builders.toolchains import Interpreter
from buildpacks.plan import Phase, Pin, Plan
from buildpacks.ranges import shown_version
from paas.instance import Instance
from paas.sandbox import (
    Bind,
    Sandbox,
    interpreter_binds,
    remove_tree,
    run_user_command,
    system_path,
    uid_for,
)

__all__ = [
    "BuildCancelled",
    "BuildFailed",
    "BuildJob",
    "Built",
    "HostArtifact",
    "HostBuilder",
    "HostMount",
    "PhaseTiming",
]

_COMPILE_FROM = 30  # Python files; fewer compile faster at the start than a sandbox starts
_COMPILE_TO = 3000


class HostBuilder:
    """The builder of one instance; `execute` may run in several threads at once."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def execute(
        self, plan: Plan, job: BuildJob, log: Callable[[str], None], cancel: threading.Event
    ) -> Built:
        """Turn `job.tree` into an artifact by `plan`.

        Args:
            log: takes one line of the build's log at a time, without its end.
            cancel: set by whoever wants the build ended; looked at many times a second.

        Raises:
            BuildFailed: the source is at fault, or the machine; nothing is left of the build.
            BuildCancelled: `cancel` was set; nothing is left of the build.
        """
        guard = Guard(cancel, self.instance.home)
        guard.check_disk(steps.FREE_AT_START)
        run = _Run(self.instance, plan, job, BuildLog(log), guard)
        try:
            return run.execute()
        except BaseException:
            remove_tree(job.tree)
            remove_tree(run.folder)
            raise


class _Run:
    """One execution: what the steps hand on to each other."""

    def __init__(
        self, instance: Instance, plan: Plan, job: BuildJob, log: BuildLog, guard: Guard
    ) -> None:
        self.instance, self.plan, self.job, self.log, self.guard = instance, plan, job, log, guard
        self.uid = uid_for(job.app_number, instance.home)
        self.folder = instance.artifacts / job.build_id
        self.mounts: list[HostMount] = []
        self.path_entries: list[str] = []
        self.facts: list[str] = []
        self.variables: dict[str, str] = {}  # of the build alone
        self.layers: list[Layer] = []  # made, and not yet in the tree
        self.timings: list[PhaseTiming] = []

    def execute(self) -> Built:
        for warning in extras.ignored(self.plan):
            self.log.warn(warning)
        interpreter = self._python()
        self._languages()
        self._tools()
        ordered = phases.ordered(self.plan.phases)
        install = "python:install" if "python" in self.plan.providers[1:] else "install"
        if interpreter is not None and install not in {phase.name for phase in ordered}:
            ordered.insert(phases.after_fetch(ordered), Phase(install))
        apart = filter(phases.apart, ordered)
        contents = {one.name: layers.read_contents(self.job, one) for one in apart}
        for phase in ordered:
            with steps.timed(phase.name, self.guard, self.timings):
                if interpreter is not None and phase.name == install:
                    interpreter = self._install(interpreter)
                    self.mounts += _mounts(interpreter)
                if phases.apart(phase):
                    self._layer(phase, contents[phase.name])
                else:
                    self._commands(phase)
        self._place_layers()
        if interpreter is not None:
            with steps.timed("compile", self.guard, self.timings):
                self._compile(interpreter)
        with steps.timed("artifact", self.guard, self.timings):
            made = self._keep()
        return Built(made, tuple(self.timings), tuple(self.log.warnings))

    def _python(self) -> Interpreter | None:
        if self.plan.python is None:
            return None
        installed = toolchains.installed_pythons()
        interpreter, warning = toolchains.resolve(self._pin, installed)
        if warning:
            self.log.warn(warning)
        kept = self._kept_python(interpreter, installed)
        if kept is not None:
            interpreter = kept
        source = f" ({self._pin.source})" if self._pin.spec else ""
        why = " (the last build needed it)" if kept is not None else source
        self.log.step(f"Using Python {interpreter.version}{why}")
        return interpreter

    @property
    def _pin(self) -> Pin:
        asked = (pin for pin in self.plan.pins if pin.tool == "python")
        return next(asked, Pin("python", "", "default"))

    @property
    def _python_note(self) -> Path:
        """Where an older Python is noted that the dependencies made necessary."""
        return self.instance.cache / "apps" / str(self.job.app_number) / "python-version"

    def _kept_python(self, newest: Interpreter, installed: list[Interpreter]) -> Interpreter | None:
        try:
            noted = self._python_note.read_text()
        except FileNotFoundError:
            return None
        fitting = toolchains.older(self._pin, newest, installed)
        return next((one for one in fitting if one.minor == noted), None)

    def _languages(self) -> None:
        found = toolset.find(self.plan, self.log)
        self.mounts += found.mounts
        self.path_entries += found.path_entries
        self.facts += found.facts
        self.variables.update(found.variables)
        for pin in self.plan.pins:
            if pin.tool in managers.MANAGERS:
                self._manager(pin)

    def _manager(self, pin: Pin) -> None:
        own = managers.own(pin)
        if own is not None:
            self.facts.append(f"{own[0]} {shown_version(own[1])}")
            return
        made = managers.fetch(
            self.instance, self.job, pin, self._layer_tools({}), self.log, self.guard
        )
        place = f"{managers.PLACE}/{pin.tool}"
        self.mounts.append(HostMount(str(made), place))
        self.path_entries.insert(0, f"{place}/bin")
        self.facts.append(str(made))  # its key is part of it

    def _tools(self) -> None:
        """Sites and PHP apps are served by the panel's own file server."""
        programs = {line.split()[0] for line in self.plan.processes.values() if line.split()}
        if "caddy" in programs or "php" in self.plan.providers:
            found = tool("caddy")
            self.mounts.append(HostMount(str(found.source), found.target))
            self.path_entries.append(TOOLS)

    def _install(self, interpreter: Interpreter) -> Interpreter:
        """Install the dependencies; returns the Python they go with.

        Nobody asks for the newest Python by asking for none, so older ones
        that the plan allows are tried before the push is rejected.
        """
        try:
            self._install_for(interpreter)
            return interpreter
        except UnfitPython as failure:
            older = toolchains.older(self._pin, interpreter, toolchains.installed_pythons())
            for other in older:
                self.log.warn(f"{failure.what}: trying Python {other.version}.")
                with suppress(UnfitPython):
                    self._install_for(other)
                    self._note_python(other)
                    return other
            raise

    def _note_python(self, interpreter: Interpreter) -> None:
        self.log.warn(
            f"Python {interpreter.version} is used, and by the next builds too. To say so "
            f"yourself, write {interpreter.minor} into a file called .python-version."
        )
        self._python_note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._python_note.write_text(interpreter.minor)

    def _install_for(self, interpreter: Interpreter) -> None:
        needs = self.plan.python
        assert needs is not None
        files = python.read_inputs(self.job.tree, needs)
        job = project.Job(self.job, needs, interpreter, files)
        layer = project.install(self.instance, job, self.log, self.guard) if job.needed else None
        requires = layer.requires if layer is not None else ()
        request = python.Request(self.job, needs, interpreter, files, requires)
        made = python.install(self.instance, request, self.log, self.guard)
        self.mounts.append(HostMount(str(made), TARGET))
        if layer is not None:
            self.mounts.append(HostMount(str(layer.path), PROJECT))
            self.path_entries.insert(0, f"{PROJECT}/bin")
        self.path_entries.insert(0, f"{TARGET}/bin")

    def _layer(self, phase: Phase, contents: Mapping[str, bytes]) -> None:
        """Run a phase apart from the tree; it goes on from an earlier one with the same files."""
        before = next((one for one in self.layers if one.files == phase.files), None)
        tools = self._layer_tools(self.plan.variables)
        request = layers.Request(self.job, phase, contents, before, tools)
        made = layers.make(self.instance, request, self.log, self.guard)
        self.layers = [*(one for one in self.layers if one is not before), made]

    def _layer_tools(self, variables: Mapping[str, str]) -> Tools:
        """What phases apart from the tree get: nothing that lies in it, not even in PATH."""
        folders = [one for one in self.path_entries if not one.startswith("/app/")]
        return Tools(
            tuple(Bind(Path(mount.source), mount.target) for mount in self.mounts),
            {
                "LANG": "C.UTF-8",
                **self.variables,
                **variables,
                "PATH": ":".join([*folders, system_path()]),
            },
            (*self.facts, *(f"{name}={value}" for name, value in sorted(variables.items()))),
        )

    def _place_layers(self) -> None:
        for layer in self.layers:
            layers.place(self.job, layer, self.uid, self.guard)
            self.mounts += [HostMount(str(source), target) for source, target in layer.mounts]
        self.layers = []

    def _commands(self, phase: Phase) -> None:
        if phase.commands:
            self._place_layers()
        for command in phase.commands:
            self.log.step(f"Running {steps.shown(command)}")
            box = self._box(network=phase.network, paths=phase.paths, binds=self._caches(phase))
            ended = steps.run(box, run_user_command(command), self.log.program, self.guard)
            if ended.status != 0:
                raise steps.command_failed(phase, command, ended)

    def _caches(self, phase: Phase) -> tuple[Bind, ...]:
        folder = self.instance.cache / "apps" / str(self.job.app_number) / "directories"
        return extras.cache_binds(phase, self.job.tree, folder, self.uid)

    def _compile(self, interpreter: Interpreter) -> None:
        """Byte-compile the app where that saves more at each start than it takes now."""
        sources = sum(name.endswith(".py") for name, _, _ in artifact.entries(self.job.tree))
        if _COMPILE_FROM <= sources <= _COMPILE_TO:
            argv = [str(interpreter.path), "-I", "-S", "-m", "compileall", "-q", "-j", "0", "/app"]
            steps.run(self._box(), argv, lambda _line: None, self.guard)

    def _box(
        self,
        *,
        network: bool = False,
        paths: tuple[str, ...] = (),
        binds: tuple[Bind, ...] = (),
    ) -> Sandbox:
        reachable = network_variables() if network else {}
        return Sandbox(
            name=f"build-{self.job.build_id}",
            binds=(
                Bind(self.job.tree, "/app", writable=True),
                *(Bind(Path(mount.source), mount.target) for mount in self.mounts),
                *binds,
                *network_binds(reachable),
            ),
            environment={
                "LANG": "C.UTF-8",
                "SECRET_KEY": secrets.token_hex(32),  # thrown away: builds see no secrets
                **self.variables,
                **self.plan.variables,
                **reachable,
                "HOME": "/app",
                "PATH": self._path(*paths),
                "SOURCE_VERSION": self.job.commit,
            },
            network=network,
            uid=self.uid,
            limits=steps.LIMITS,
        )

    def _path(self, *first: str) -> str:
        return ":".join([*first, *self.path_entries, system_path()])

    def _keep(self) -> HostArtifact:
        mounts = tuple(self.mounts)
        made = HostArtifact(
            path=str(self.folder / "app"),
            digest=artifact.digest(self.job.tree, mounts),
            mounts=mounts,
            path_entries=tuple(self.path_entries),
        )
        remove_tree(self.folder)  # of the same build, by a worker that was killed
        artifact.keep(self.job.tree, self.folder, made)
        return made


def _mounts(interpreter: Interpreter) -> list[HostMount]:
    binds = interpreter_binds(interpreter.prefix)
    return [HostMount(str(bind.source), bind.target) for bind in binds]
