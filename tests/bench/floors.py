"""What the machine needs at least for the parts of a deploy, without us."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import git_server
from tests.bench.ground import seconds
from tests.bench.table import Invalid, Samples
from tests.e2e.world import World, free_port

_DEPENDENCIES = "/deps/python"
_START_WITHIN = 30.0


def git_push(world: World, source: Path, times: int) -> Samples:
    """Seconds of a plain push of a one-line change to a bare repository over HTTP."""
    folder = world.folder / "plain"
    folder.mkdir()
    git_server.make_bare(folder, "plain.git")
    with git_server.serving(folder) as address:
        world.git("remote", "add", "plain", f"{address}/plain.git", cwd=source)
        world.git("push", "-q", "plain", "main", cwd=source)

        def measure(number: int) -> float:
            world.set_version(source, f"plain {number}")
            taken = seconds(lambda: world.git("push", "-q", "plain", "main", cwd=source))
            _require_delivered(world, source, folder / "plain.git")
            return taken

        return Samples.take(times, measure)


def command_start(world: World, times: int) -> Samples:
    """Seconds of `paas --version`: what every command pays before it does anything."""
    return Samples.take(times, lambda _: seconds(lambda: world.paas("--version")))


def install(world: World, requirements: Path, times: int) -> Samples:
    """Seconds of uv making a byte-compiled environment, everything downloaded before."""
    python = (_dependencies(world) / "bin" / "python").resolve()
    cache = {"UV_CACHE_DIR": str(world.folder / "floor-cache"), "UV_PYTHON_DOWNLOADS": "never"}

    def make(name: str) -> None:
        target = world.folder / name
        into = ["--python", str(target / "bin" / "python"), "--link-mode", "copy"]
        wanted = ["--compile-bytecode", "-r", str(requirements)]
        for argv in (
            ["uv", "venv", "-q", "--python", str(python), str(target)],
            ["uv", "pip", "install", "-q", *into, *wanted],
        ):
            subprocess.run(argv, env=world.environment | cache, check=True, timeout=120)
        if not list(target.glob("lib/python*/site-packages/flask/__pycache__/app.*.pyc")):
            raise Invalid("uv did not install and compile Flask")

    make("floor-warm")
    return Samples.take(times, lambda i: seconds(lambda: make(f"floor-{i}")))


def app_start(world: World, text: str, times: int) -> Samples:
    """Seconds from starting the newest artifact's gunicorn, without us, until it says `text`."""
    dependencies = _dependencies(world)
    folder = Path(_newest_artifact(world)["path"])
    (packages,) = dependencies.glob("lib/python*/site-packages")
    python = (dependencies / "bin" / "python").resolve()
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(packages)}

    def measure(_: int) -> float:
        port = free_port()
        argv = [str(python), "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "app:app"]
        started = time.perf_counter()
        with _process(argv, folder, environment):
            _wait_for(port, text)
            return time.perf_counter() - started

    return Samples.take(times, measure)


@contextlib.contextmanager
def _process(argv: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, cwd=folder, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            yield
        finally:
            process.terminate()


def _wait_for(port: int, text: str) -> None:
    deadline = time.monotonic() + _START_WITHIN
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_WITHIN)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/")
            body = connection.getresponse().read().decode()
            if text in body:
                return
            raise Invalid(f"the app says {body!r}, not {text!r}, when started without us")
        time.sleep(0.002)
    raise Invalid("the app does not start without us")


def _dependencies(world: World) -> Path:
    """The newest artifact's virtual environment."""
    mounts = {mount["target"]: mount["source"] for mount in _newest_artifact(world)["mounts"]}
    return Path(mounts[_DEPENDENCIES])


def _newest_artifact(world: World) -> dict[str, Any]:
    found = (world.home / "artifacts").glob("*/artifact.json")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    contents: dict[str, Any] = json.loads(newest.read_text())
    return contents


def _require_delivered(world: World, source: Path, bare: Path) -> None:
    here = world.git("rev-parse", "main", cwd=source).stdout
    there = world.git("rev-parse", "main", cwd=bare).stdout
    if here != there:
        raise Invalid("the plain push did not arrive")
