"""The Nix builder over a store that is empty when a test run begins, and shared by its tests."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from apps.builds.builders.base import BuildFailed, BuildJob, Built, NixArtifact
from apps.builds.builders.nix import executor
from apps.builds.builders.nix.executor import NixBuilder, Settings
from apps.source.archives import unpack
from buildpacks import PlanError, SourceTree, plan
from paas import sandbox
from paas.instance import Instance, current
from paas.keys import ensure_keys
from paas.nix.store import Store
from paas.runtimes.base import Artifact
from paas.runtimes.local.views import Views
from paas.sandbox import Overlay, Sandbox, remove_tree, run_user_command, uid_for
from tests.nix.stores import shared_store, unusable

CHECKOUT = Path(__file__).resolve().parents[3]
SAMPLES = CHECKOUT / "tests/apps"
APP_NUMBER = 7


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    reason = unusable()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))
            # one process builds what all of them need; Go's library, which takes longest, another
            go = "[go]" in item.nodeid
            item.add_marker(pytest.mark.xdist_group("nix-go" if go else "nix"))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Site:
    """An instance that builds by Nix, and what its last build said."""

    instance: Instance
    store: Store
    folder: Path
    settings: Settings = field(default_factory=lambda: Settings("debian", CHECKOUT / "nix"))
    log: list[str] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    @property
    def said(self) -> str:
        return "\n".join(self.log)

    def tree(self, source: Path | Mapping[str, str | bytes], number: int = APP_NUMBER) -> Path:
        """An unpacked source, as a push leaves it."""
        name = uuid.uuid4().hex
        if not isinstance(source, Path):
            source = write(self.folder / f"source-{name}", source)
        archive = self.folder / f"{name}.tar"
        subprocess.run(["tar", "-C", str(source), "-cf", str(archive), "."], check=True)
        tree = self.instance.build_dirs / name / "app"
        tree.mkdir(parents=True)
        unpack(archive, tree, uid=uid_for(number, self.instance.home))
        archive.unlink()
        return tree

    def build(
        self,
        source: Path | Mapping[str, str | bytes],
        *,
        number: int = APP_NUMBER,
        change: Callable[[Path], None] | None = None,
    ) -> Built:
        tree = self.tree(source, number)
        if change is not None:
            change(tree)
        try:
            return self.build_tree(tree, number=number)
        except PlanError:
            remove_tree(tree)
            raise

    def build_tree(self, tree: Path, *, number: int = APP_NUMBER) -> Built:
        """Plan and build an unpacked source, which is used up."""
        made = plan(SourceTree(tree))
        self.log, self.cancel = [], threading.Event()
        job = BuildJob(uuid.uuid4().hex, "app", number, tree, "c" * 40)
        builder = NixBuilder(self.instance, self.store, self.settings)
        return builder.execute(made, job, self.log.append, self.cancel)

    def fails(
        self, source: Path | Mapping[str, str | bytes], **more: object
    ) -> BuildFailed | PlanError:
        """The reason why a build of `source` fails; nothing may be left of it."""
        before = set(self.instance.build_dirs.rglob("*"))
        with pytest.raises((BuildFailed, PlanError)) as failure:
            self.build(source, **more)  # type: ignore[arg-type]
        assert {path for path in self.instance.build_dirs.rglob("*") if path.is_file()} <= before
        return failure.value

    def run(self, built: Built, command: str, **environment: str) -> str:
        """What a command prints inside the closure alone."""
        artifact = built.artifact
        view = Views(self.instance).of(Artifact("nix", artifact.path, artifact.digest))
        box = Sandbox(
            name=f"test-{uuid.uuid4().hex[:8]}",
            binds=view.binds,
            overlay=Overlay(
                view.tree, Path(tempfile.mkdtemp(dir=self.folder)), "/app", owned=view.owned
            ),
            root=view.root,
            environment={**view.environment, "HOME": "/app", **environment},
            uid=uid_for(APP_NUMBER, self.instance.home),
        )
        child = sandbox.start(
            box, run_user_command(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert child.stdout is not None
        text = child.stdout.read().decode()
        child.wait()
        return text

    def closure(self, built: Built) -> list[str]:
        return self.store.requisites([built.artifact.path])

    def dependencies(self, built: Built) -> list[str]:
        """The paths of the closure that a change of the source must not touch."""
        return [path for path in self.closure(built) if "dependencies" in path]


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    folder.mkdir(exist_ok=True)
    return folder


def steps(built: Built) -> dict[str, str]:
    """What was built or fetched, and which of the two."""
    assert isinstance(built.artifact, NixArtifact)
    return {name: how for name, how, _ in built.artifact.steps}


@contextmanager
def new_site(store: Path) -> Iterator[Site]:
    """An instance of its own that builds in the store in the folder `store`."""
    folder = Path(tempfile.mkdtemp(prefix="nix-builder-"))
    instance = current({"PAAS_HOME": str(folder / "home"), "PAAS_RUN": str(folder / "run")})
    ensure_keys(instance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAAS_NIX_STORE", str(store))
        yield Site(instance, Store.of(instance), folder)
    remove_tree(folder)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with new_site(shared_store(tmp_path_factory)) as site:
        yield site


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long a build may take."""

    def limit(value: float) -> None:
        original = executor.Guard

        def guard(cancel: threading.Event, disk: Path) -> executor.Guard:
            return original(cancel, disk, seconds=value)

        monkeypatch.setattr(executor, "Guard", guard)

    return limit
