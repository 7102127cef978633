"""How long a user waits for the Flask sample: pushes, config changes, rollbacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.bench import floors
from tests.bench.ground import instance, make_app, push, set_config, until_live
from tests.bench.table import Invalid, Row, Samples, at_most
from tests.e2e.world import World

_WEB_ONLY = "web: gunicorn --bind 0.0.0.0:$PORT app:app\n"
_NEW_APPS = 5
_CHANGES = 11


@dataclass(frozen=True)
class _Floors:
    """Seconds without us."""

    push: Samples
    install: Samples
    start: Samples
    command: Samples

    def of_push(self) -> str:
        return f"git push {self.push.median:.2f} + app start {self.start.median:.2f} s"

    def of_first_push(self) -> str:
        return f"the same + uv install {self.install.median:.2f} s"

    def of_command(self) -> str:
        return f"paas --version {self.command.median:.2f} + app start {self.start.median:.2f} s"


def measure() -> Iterator[Row]:
    """Rows about the sample with one web process, then one about it with its release phase."""
    with instance() as world:
        flask = make_app(world, "flask", "flask", _WEB_ONLY)
        push(world, flask)()  # fills the caches
        world.wait_for("flask first", app="flask", seconds=5)
        known = Samples.take(_NEW_APPS, lambda i: _first_push(world, f"new{i}", new_lock=False))
        fresh = Samples.take(_NEW_APPS, lambda i: _first_push(world, f"lock{i}", new_lock=True))
        back = Samples.take(_CHANGES, _Rollbacks(world, flask))
        change = Samples.take(_CHANGES, lambda i: _change(world, flask, f"change {i}."))
        config = Samples.take(_CHANGES, lambda i: _config(world, flask, f"greeting {i}."))
        full = _with_release_phase(world)
        floor = _measure_floors(world, flask)
    yield at_most("first push, dependencies known", known, 1.5, floor.of_push())
    yield at_most("first push, new requirements.txt", fresh, 1.5, floor.of_first_push())
    yield at_most("one-line change", change, 1.0, floor.of_push())
    yield at_most("… with worker and release phase", full, 1.0, floor.of_push())
    yield at_most("config:set → live", config, 0.8, floor.of_command())
    yield at_most("rollback → live", back, 0.8, floor.of_command())


def _first_push(world: World, name: str, *, new_lock: bool) -> float:
    """Seconds of an app's first push; with `new_lock` its dependencies must be installed too."""
    folder = make_app(world, "flask", name, _WEB_ONLY)
    if new_lock:
        requirements = folder / "requirements.txt"
        requirements.write_text(f"# for {name}\n{requirements.read_text()}")
        world.commit(folder, "A requirements.txt no app has had")
    output: list[str] = []

    def act() -> None:
        output.append(world.git("push", "paas", "main", cwd=folder).stderr)

    taken = until_live(world, name, f"{name} first", act)
    if ("Using cached dependencies" in output[0]) == new_lock:
        raise Invalid(f"the dependencies of {name} were not what this row is about")
    world.paas("apps:destroy", "--confirm", name, cwd=folder)
    return taken


def _change(world: World, folder: Path, text: str) -> float:
    world.set_version(folder, text)
    return until_live(world, folder.name, text, push(world, folder))


def _config(world: World, folder: Path, text: str) -> float:
    return until_live(world, folder.name, text, set_config(world, folder, text))


class _Rollbacks:
    """Rolls back to one of two releases with different bodies, in turn."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        world.set_version(folder, "second")
        push(world, folder)()
        self._bodies = {"v1": f"{folder.name} first", "v2": "second"}

    def __call__(self, number: int) -> float:
        release = ("v1", "v2")[number % 2]
        return until_live(
            self._world,
            self._folder.name,
            self._bodies[release],
            lambda: self._world.paas("rollback", release, cwd=self._folder),
        )


def _with_release_phase(world: World) -> Samples:
    """Seconds of a one-line change of the whole sample: web, worker and release phase."""
    folder = make_app(world, "flask", "full")
    push(world, folder)()
    world.paas("ps:scale", "worker=1", cwd=folder)
    numbers = count()

    def measure(_: int) -> float:
        text = f"full {next(numbers)}."
        world.set_version(folder, text)
        output: list[str] = []
        taken = until_live(
            world,
            "full",
            text,
            lambda: output.append(world.git("push", "paas", "main", cwd=folder).stderr),
        )
        if "release phase with greeting" not in output[0]:
            raise Invalid("the release phase did not run")
        return taken

    return Samples.take(_NEW_APPS, measure)


def _measure_floors(world: World, folder: Path) -> _Floors:
    return _Floors(
        start=floors.app_start(world, "full", _CHANGES),
        install=floors.install(world, folder / "requirements.txt", _NEW_APPS),
        push=floors.git_push(world, folder, _CHANGES),
        command=floors.command_start(world, _CHANGES),
    )
