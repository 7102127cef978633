"""The local runtime with builds of Nix: a closure alone, in the contract and in what it shows."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from paas.nix.store import Store
from paas.runtimes.base import AppSpec, Artifact, RuntimeFailure
from paas.runtimes.local import LocalRuntime
from tests.nix import release
from tests.runtimes import sample
from tests.runtimes.conformance import Case, Contract, finish
from tests.runtimes.world import World

TOP = ["app", "bin", "dev", "etc", "nix", "proc", "run", "tmp", "usr", "var"]


@pytest.fixture(scope="module")
def store(world: World) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAAS_NIX_STORE", str(world.root / "store"))
        yield Store.of(world.instance)


@pytest.fixture(scope="module")
def build(world: World, store: Store) -> Artifact:
    files = {"file": "one\n", "sub/file": "one\n"}
    return release.make(store, world.root / "nix-build", files, environment={"FROM_BUILD": "1"})


@pytest.fixture
def app(app: AppSpec) -> AppSpec:
    return replace(app, processes=(sample.web(release.WEB),))


def ask(runtime: LocalRuntime, app: AppSpec, command: str) -> list[str]:
    one_off = runtime.run(app, command, name="run.1")
    return list(one_off.lines())


class TestContract(Contract):
    @pytest.fixture
    def case(self, app: AppSpec) -> Case:
        return Case(app, failing="echo oops; exit 9", printing="echo one; echo two >&2; exit 3")


def test_it_serves(world: World, runtime: LocalRuntime, app: AppSpec) -> None:
    finish(runtime.apply(app, 1))
    assert world.get(app.hosts[0]) == (200, "hello\n")


def test_only_the_closure_is_seen(runtime: LocalRuntime, app: AppSpec, store: Store) -> None:
    assert ask(runtime, app, "ls /") == TOP
    assert ask(runtime, app, "ls /usr /usr/bin") == ["/usr:", "bin", "", "/usr/bin:", "env"]
    closure = {path.rpartition("/")[2] for path in store.requisites([app.artifact.path])}
    assert set(ask(runtime, app, "ls /nix/store")) == closure
    assert len(closure) == 3
    etc = ["group", "hosts", "nsswitch.conf", "passwd", "resolv.conf", "ssl"]
    assert ask(runtime, app, "ls /etc") == etc
    assert ask(runtime, app, "cat /etc/passwd")[1].startswith("app:")  # not the closure's


def test_app_is_the_processes_own(runtime: LocalRuntime, app: AppSpec, store: Store) -> None:
    said = ask(runtime, app, "echo two >> file; echo two >> sub/file; touch new; cat file sub/file")
    assert said == ["one", "two", "one", "two"]
    assert ask(runtime, app, "ls; cat file") == ["file", "public", "sub", "one"]
    assert ask(runtime, app, "touch /nix/store/x /bin/x; echo x > /tmp/x; cat /tmp/x")[-1] == "x"
    assert store.run("nix-store", "--verify", "--check-contents") == ""


def test_variables_of_the_build_lie_under_the_apps(runtime: LocalRuntime, app: AppSpec) -> None:
    shown = dict(line.split("=", 1) for line in ask(runtime, app, "env"))
    assert shown["FROM_BUILD"] == "1" and shown["BODY"] == "one" and shown["HOME"] == "/app"
    assert shown["PATH"].startswith("/nix/store/")
    own = replace(app, environment={"FROM_BUILD": "2", "PATH": "/bin"})
    assert ask(runtime, own, "echo $FROM_BUILD $PATH") == ["2 /bin"]


def test_a_closure_is_worked_out_once(
    runtime: LocalRuntime, app: AppSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = Store.run
    monkeypatch.setattr(
        Store,
        "run",
        lambda self, *argv, **more: asked.append(argv[0]) or original(self, *argv, **more),
    )
    started = time.monotonic()
    for _ in range(3):
        assert ask(runtime, app, "echo x") == ["x"]
    assert len(asked) == 1
    assert time.monotonic() - started < 3


def test_a_build_that_is_gone_is_told(runtime: LocalRuntime, app: AppSpec) -> None:
    for path in ("/nix/store/00000000000000000000000000000000-x", "/etc", "/nix/store/../../etc"):
        gone = replace(app, artifact=replace(app.artifact, path=path))
        with pytest.raises(RuntimeFailure, match=r"gone from the Nix store\. Push again"):
            runtime.run(gone, "true", name="run.1")


@pytest.mark.parametrize(
    "extra",
    [
        "rm $out/app; ln -s {secret} $out/app",
        "rm $out/app; ln -s $app/../../../{secret} $out/app",
        "rm $out/environment.json; ln -s {secret}/variables.json $out/environment.json",
        "rm -r $out/root; ln -s {secret} $out/root",
        "rm -r $out/root/etc; ln -s {secret} $out/root/etc",
        "rm $out/app; ln -s loop $out/app; ln -s app $out/loop",
        "rm $out/environment.json; echo [] > $out/environment.json",
    ],
)
def test_a_hostile_build_shows_nothing_of_the_machine(
    world: World, runtime: LocalRuntime, app: AppSpec, store: Store, extra: str
) -> None:
    secret = world.root / "secret"
    secret.mkdir(exist_ok=True)
    (secret / "variables.json").write_text(json.dumps({"CANARY": "4711"}))
    bad = release.make(store, world.root / "nix-build", extra=extra.format(secret=secret))
    with pytest.raises(RuntimeFailure, match=r"Push again|not in the store|link without end"):
        runtime.run(replace(app, artifact=bad), "env; ls / /app", name="run.1")


def test_a_store_path_that_is_a_link_is_not_followed(
    world: World, runtime: LocalRuntime, app: AppSpec, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("4711")
    folder = world.root / "nix-link"
    folder.mkdir(exist_ok=True)
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to(tmp_path)
    link = store.add(folder / "link")
    assert store.physical(link).is_symlink()
    bad = release.make(
        store, folder, {"file": link}, extra="echo $refers > $out/refers", refers=[link]
    )
    assert link in store.requisites([bad.path])
    said = ask(runtime, replace(app, artifact=bad), f"cat {link}/secret; ls -l {link}; cat file")
    assert "4711" not in "".join(said) and said[-1] == link
