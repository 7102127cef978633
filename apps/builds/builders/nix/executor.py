"""Executes a Plan with Nix."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from apps.builds.builders import extras, layers, managers, phases, python, steps
from apps.builds.builders.base import BuildFailed, BuildJob, Built, NixArtifact, PhaseTiming
from apps.builds.builders.installer import PROJECT
from apps.builds.builders.languages import LANGUAGES
from apps.builds.builders.nix import native, pinned, project, wheels
from apps.builds.builders.nix.activity import Activities, Step
from apps.builds.builders.nix.failures import explain
from apps.builds.builders.nix.fetch import Fetcher
from apps.builds.builders.nix.job import Layer, NixJob, PythonJob, derivations
from apps.builds.builders.nix.native import Native
from apps.builds.builders.nix.packages import Package, PackageSet
from apps.builds.builders.nix.paths import safe_name
from apps.builds.builders.nix.realise import realise
from apps.builds.builders.nix.records import Records, key_of
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from buildpacks.plan import Phase, Pin, Plan
from paas.instance import Instance
from paas.keys import KeysError
from paas.nix.cache import Cache
from paas.nix.errors import NixError
from paas.nix.publish import publish
from paas.nix.room import ensure_room
from paas.nix.roots import Roots
from paas.nix.store import Store
from paas.sandbox import remove_tree

_TYPE = re.compile(r"[A-Za-z0-9_-]{1,60}")
_COMPILERS = frozenset({"go", "rust"})  # languages whose programs need them no more
_ALONE = frozenset({"go", "static"})  # providers of programs that need no library
_COMPANIONS = {"php": ("composer",), "ruby": ("cc",), "rust": ("cc",)}
"""What builds need beside the language, and the running app does not."""
_SHELL_TOOLS = ("uv", "pip")


@dataclass(frozen=True)
class Settings:
    """What the administrator chose: the package set, where `nix/` lies, the image's annotations."""

    package_set: str
    expressions: Path
    annotations: str = "both"


class NixBuilder:
    """The Nix builder of one instance; `execute` may run in several threads at once."""

    def __init__(self, instance: Instance, store: Store, settings: Settings) -> None:
        self.instance, self.store, self.settings = instance, store, settings

    def execute(
        self, plan: Plan, job: BuildJob, log: Callable[[str], None], cancel: threading.Event
    ) -> Built:
        """Turn `job.tree` into a store path by `plan`; as `HostBuilder.execute`."""
        guard = Guard(cancel, self.instance.home)
        run = _Run(self, plan, job, BuildLog(log), guard)
        try:
            ensure_room(self.store, Cache.of(self.instance))
            guard.check_disk(steps.FREE_AT_START)
            with self.store.in_use():
                built = run.execute()
            run.publish(built)
            return built
        except (NixError, KeysError) as error:
            raise BuildFailed(
                "Nix could not do its part",
                str(error),
                "Ask the administrator to run `paas doctor` on the server.",
            ) from error
        finally:
            Roots.of(self.instance).remove(native.root_name(job))
            remove_tree(job.tree)
            remove_tree(run.tmp)


class _Run:
    """One execution: what the steps hand on to each other."""

    def __init__(
        self, builder: NixBuilder, plan: Plan, job: BuildJob, log: BuildLog, guard: Guard
    ) -> None:
        self.instance, self.store, self.settings = builder.instance, builder.store, builder.settings
        self.plan, self.job, self.log, self.guard = plan, job, log, guard
        self.set = PackageSet(
            self.instance, self.store, self.settings.package_set, self.settings.expressions
        )
        self.records = Records(self.instance, self.store)
        self.tmp = job.tree.parent / "nix"
        self.timings: list[PhaseTiming] = []
        self.native: Native | None = None
        self.phases = phases.ordered(plan.phases)

    def execute(self) -> Built:
        self._check()
        if native.is_native(self.plan):
            with steps.timed("evaluate", self.guard, self.timings):
                self._describe()
        with steps.timed("toolchain", self.guard, self.timings):
            attributes = self._attributes()
            packages = self._packages(attributes)
        fetcher = self._managed(self._fetcher(packages))
        contents = {
            one.name: layers.read_contents(self.job, one)
            for one in self.phases
            if phases.apart(one)
        }
        with steps.timed("fetch", self.guard, self.timings):
            fetcher, environment = self._python(fetcher, packages, attributes)
            made = tuple(self._layers(fetcher, contents))
        job = self._job(attributes, environment, made, fetcher.places)
        with steps.timed("build", self.guard, self.timings):
            release, image, done = self._build(job)
        with steps.timed("artifact", self.guard, self.timings):
            described = self.native.steps if self.native is not None else ()
            artifact = self._keep(release, image, [*described, *done])
        return Built(artifact, tuple(self.timings), tuple(self.log.warnings), self.plan)

    def _describe(self) -> None:
        """Let the repository's own Nix say what is missing in the plan."""
        self.native = native.describe(self.set, self.plan, self.job, self.log, self.guard)
        self.plan = self.native.plan
        self.phases = phases.ordered(self.plan.phases)

    def publish(self, built: Built) -> None:
        """To the cache, for nodes."""
        artifact = built.artifact
        assert isinstance(artifact, NixArtifact)
        paths = [artifact.path, artifact.image]
        pushed = publish(self.instance, self.store, self.job.build_id, paths)
        if pushed is not None and pushed.paths:
            size = f"{pushed.size / 1024**2:.1f} MiB"
            self.log.step(f"Pushed {pushed.paths} paths to the cache ({size})")

    # --- what the plan asks for ------------------------------------------------
    def _check(self) -> None:
        extras.refuse_apt(self.plan, self.set.name)
        for phase in self.phases:
            if phase.network and phase.commands and not phases.apart(phase):
                raise _online(phase)
        packages = [name for phase in self.plan.phases for name in phase.packages]
        libraries = [name for phase in self.plan.phases for name in phase.libraries]
        self.set.check_names(packages, "nixPkgs of nixpacks.toml", self.tmp)
        self.set.check_names(libraries, "nixLibs of nixpacks.toml", self.tmp)

    def _attributes(self) -> dict[str, str]:
        """Language → attribute."""
        found = {}
        for pin in self._pins():
            attribute, version = self.set.choose(pin)
            source = f" ({pin.source})" if pin.spec else ""
            shown = LANGUAGES[pin.tool].shown if pin.tool in LANGUAGES else "Python"
            self.log.step(f"Using {shown} {version}{source}, from the package set {self.set.name}")
            found[pin.tool] = attribute
        return found

    def _pins(self) -> list[Pin]:
        pins = {pin.tool: pin for pin in self.plan.pins if pin.tool not in managers.MANAGERS}
        if self.plan.python is not None:
            pins.setdefault("python", Pin("python", "", "default"))
        return list(pins.values())

    @property
    def _tools(self) -> tuple[str, ...]:
        """Programs besides the languages, in the build as in the running app."""
        programs = {line.split()[0] for line in self.plan.processes.values() if line.split()}
        return ("caddy",) if "caddy" in programs or "php" in self.plan.providers else ()

    def _packages(self, attributes: Mapping[str, str]) -> dict[str, Package]:
        """What fetching needs: the languages, and Python's installers."""
        wanted = [*attributes.values(), *_companions(attributes)]
        wanted += _SHELL_TOOLS if self.plan.python is not None else ()
        return {one.attribute: one for one in self.set.get(wanted, self.log, self.guard, self.tmp)}

    def _fetcher(self, packages: Mapping[str, Package]) -> Fetcher:
        chosen = [one for name, one in packages.items() if name not in _SHELL_TOOLS]
        return Fetcher(
            self.instance,
            self.store,
            self.records,
            self.job,
            chosen,
            self.log,
            self.guard,
            self.plan.variables,
        )

    def _managed(self, fetcher: Fetcher) -> Fetcher:
        """With the package managers that the plan pins, fetched by npm."""
        for pin in self.plan.pins:
            if pin.tool in managers.MANAGERS:
                place = (self._manager(fetcher, pin), f"{managers.PLACE}/{pin.tool}")
                fetcher = replace(fetcher, places=(*fetcher.places, place))
        return fetcher

    def _manager(self, fetcher: Fetcher, pin: Pin) -> str:
        tools = replace(fetcher, variables={}).tools
        key = key_of(pin.tool, pin.spec, *tools.facts)
        found = self.records.find("manager", key)
        if found is None:
            made = managers.fetch(self.instance, self.job, pin, tools, self.log, self.guard)
            found = self.store.add(made, safe_name(f"{pin.tool}-{pin.spec.partition('+')[0]}"))
            self.records.keep("manager", key, found, [found])
        return str(found)

    # --- fetched outside --------------------------------------------------------
    def _python(
        self, fetcher: Fetcher, packages: Mapping[str, Package], attributes: Mapping[str, str]
    ) -> tuple[Fetcher, PythonJob | None]:
        """The wheels, and with the fetcher what the tree installs of itself."""
        needs = self.plan.python
        if needs is None:
            return fetcher, None
        interpreter = attributes["python"]
        tools = wheels.Tools(packages[interpreter], packages["pip"], packages["uv"])
        own = replace(fetcher, packages=list(packages.values()), variables={}, places=())
        files = python.read_inputs(self.job.tree, needs)
        version = self.set.versions["python"][interpreter]
        made, requires = project.install(own, needs, files, packages[interpreter], version)
        needs = replace(needs, extra=(*needs.extra, *requires))
        if made is not None:
            fetcher = replace(fetcher, places=((made, PROJECT), *fetcher.places))
        return fetcher, PythonJob(interpreter, tuple(wheels.fetch(own, needs, files, tools)))

    def _layers(
        self, fetcher: Fetcher, contents: Mapping[str, Mapping[str, bytes]]
    ) -> Iterator[Layer]:
        """One layer for each set of files that phases see alone."""
        by_files: dict[tuple[str, ...], list[Phase]] = {}
        for phase in self.phases:
            if phases.apart(phase):
                by_files.setdefault(phase.files, []).append(phase)
        for group in by_files.values():
            made = self._layer(fetcher, group, contents[group[0].name])
            yield self._pruned(fetcher, made, contents[group[0].name])

    def _pruned(self, fetcher: Fetcher, made: Layer, contents: Mapping[str, bytes]) -> Layer:
        """With what the running app gets in its place: without the development dependencies."""
        commands = tuple(c for phase in self.phases if _prunes(phase) for c in phase.commands)
        if "node_modules" not in made.results or not commands:
            return made
        files = made.pruned or made.files or fetcher.files(contents)
        before = replace(made, production=None)
        return replace(
            made,
            production=Layer(
                made.results, files=files, commands=commands, inputs=made.inputs, layers=(before,)
            ),
        )

    def _layer(self, fetcher: Fetcher, group: list[Phase], contents: Mapping[str, bytes]) -> Layer:
        results = group[-1].results  # which goes on from what the others made
        fetching = [phase for phase in group if phase.network]
        offline = tuple(c for phase in group if not phase.network for c in phase.commands)
        found = pinned.pin(fetcher, fetching[0], contents) if fetching else None
        if found is not None:
            return Layer(
                results,
                files=fetcher.files(found.contents),
                commands=(*found.commands, *offline),
                inputs=found.inputs,
                links=found.links,
                pruned=None if found.pruned is None else fetcher.files(found.pruned),
            )
        fetched = tuple(Layer(one.results, path=fetcher.stored(one, contents)) for one in fetching)
        if not offline and len(fetched) == 1:
            return fetched[0]
        files = fetcher.files(contents)
        return Layer(results, files=files, commands=offline, layers=fetched)

    # --- built inside -----------------------------------------------------------
    def _job(
        self,
        attributes: Mapping[str, str],
        environment: PythonJob | None,
        made: tuple[Layer, ...],
        places: tuple[tuple[str, str], ...],
    ) -> NixJob:
        pruned = any(layer.production is not None for layer in made)
        seen = [
            phase
            for phase in self.phases
            if not phases.apart(phase) and not (pruned and _prunes(phase))
        ]
        paths = [f"{target}/bin" for _, target in places]
        paths += [path for phase in self.phases for path in phase.paths]
        if "node" in self.plan.providers:
            paths.append("/app/node_modules/.bin")
        if self.native is not None:
            paths += self.native.path
            places = (*places, (self.native.root, "/deps/nix"))
        caches = [name for phase in seen for name in extras.cached_names(phase)]
        plan = json.dumps(self.plan.to_json(), sort_keys=True).encode()
        labels = {
            "org.opencontainers.image.revision": self.job.commit,
            "paas.plan": f"sha256:{hashlib.sha256(plan).hexdigest()}",
        }
        return NixJob(
            toolchain=(*(n for t, n in attributes.items() if t not in _COMPILERS), *self._tools),
            compilers=(
                *(n for t, n in attributes.items() if t in _COMPILERS),
                *_companions(attributes),
            ),
            foreign=not _ALONE.issuperset(self.plan.providers),
            packages=tuple(dict.fromkeys(n for phase in self.phases for n in phase.packages)),
            libraries=tuple(dict.fromkeys(n for phase in self.phases for n in phase.libraries)),
            source=str(self.job.tree),
            python=environment,
            layers=made,
            commands=tuple(command for phase in seen for command in phase.commands),
            caches=tuple(dict.fromkeys(caches)),
            places=tuple({"path": path, "target": target} for path, target in places),
            paths=tuple(dict.fromkeys(paths)),
            variables=self.plan.variables,
            processes={n: c for n, c in self.plan.processes.items() if _TYPE.fullmatch(n)},
            image={"User": "1000:1000", "WorkingDir": "/app", "Labels": labels},
            annotations=self.settings.annotations,
        )

    def _build(self, job: NixJob) -> tuple[str, str, list[Step]]:
        """The release root and the image."""
        self.tmp.mkdir(mode=0o755, exist_ok=True)
        file = self.tmp / "job.json"
        file.write_text(json.dumps(job.to_json(), sort_keys=True))
        wanted = ("--argstr", "job", str(file), "--argstr", "set", self.set.name)
        argv = [str(self.settings.expressions / "lib"), *wanted, "-A", "release", "-A", "image"]
        key = key_of(self.set.digest, *job.toolchain, *job.compilers, *job.packages, *job.libraries)
        if self.records.find("provided", key) is None:
            self.set.provide(self.store.run("nix-instantiate", *argv).split(), self.log)
        activities = Activities(self.log, derivations(job))
        name = f"nix-{self.job.build_id}"
        link = Roots.of(self.instance).link(self.job.build_id)  # keeps both until it is removed
        done = realise(
            self.store,
            ("nix-build", "--out-link", str(link), *argv),
            activities,
            self.guard,
            name=name,
            tmp=self.tmp,
        )
        if done.status != 0:
            raise explain(self.plan, activities, done)
        self.records.keep("provided", key, True, [])
        release, image = done.paths
        return release, image, activities.steps

    def _keep(self, release: str, image: str, done: list[Step]) -> NixArtifact:
        self._sum_up(done)
        return NixArtifact(
            path=release,
            digest=f"nix:{release.rpartition('/')[2][:32]}",
            image=image,
            steps=tuple((one.name, one.how, one.seconds) for one in done),
        )

    def _sum_up(self, done: list[Step]) -> None:
        built = sum(one.how == "built" for one in done)
        fetched = [one for one in done if one.how == "fetched"]
        size = sum(one.size for one in fetched)
        more = f", fetched {len(fetched)} ({size / 1024**2:.1f} MiB)" if fetched else ""
        self.log.step(f"Built {built} paths{more}" if done else "Nothing changed: nothing to build")


def _companions(languages: Iterable[str]) -> list[str]:
    """The attributes of the set that go with these languages, each once."""
    found = (name for language in languages for name in _COMPANIONS.get(language, ()))
    return list(dict.fromkeys(found))


def _prunes(phase: Phase) -> bool:
    """The phase that takes the development dependencies out of node_modules."""
    return phase.name == "prune" or phase.name.endswith(":prune")


def _online(phase: Phase) -> BuildFailed:
    return BuildFailed(
        f"The phase {phase.name} wants the network, which builds by Nix have not",
        f"`{steps.shown(phase.commands[0])}` would see all of the source, so what it fetches "
        "could not be known beforehand, nor kept for the next build.",
        "Let a lock file name what is to be fetched, and the package manager's own phase fetch "
        f"it: take phases.{phase.name} out of nixpacks.toml. A tool that must be there can be "
        "named in nixPkgs.",
    )
