"""One instance for all tests that do not break it, and what instances build with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.parts import Faults
from tests.e2e.ssh import Keyring
from tests.e2e.world import World, running
from tests.nix.stores import nix_settings, unusable, warmed

WARM_WITHIN = 900.0
"""Seconds for a test that comes first in a test run, and so waits for the package set."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """By which builders a test runs; where it is the host's alone, its name says nothing of it."""
    if "builder" not in metafunc.fixturenames:
        return
    marks = list(metafunc.definition.iter_markers("by_nix"))
    chosen = metafunc.config.getoption("builder")
    if not marks and chosen != "nix":
        return
    only = any(mark.kwargs.get("only") for mark in marks)
    names = ["nix"] if only else ["host", "nix"] if chosen is None else [chosen]
    each = [pytest.param(name, marks=_MARKS[name]) for name in names]
    metafunc.parametrize("builder", each, indirect=True, scope="session")


_MARKS = {
    "host": [],
    "nix": [
        pytest.mark.skipif(bool(unusable()), reason=unusable() or "-"),
        pytest.mark.timeout(WARM_WITHIN),
    ],
}


@pytest.fixture(scope="session")
def builder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The settings by which an instance builds as this test wants."""
    if getattr(request, "param", "host") == "host":
        return {}
    warmed(tmp_path_factory)
    return nix_settings(tmp_path_factory)


@pytest.fixture(scope="session")
def world(builder: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("world"), **builder) as world:
        yield world


@pytest.fixture(scope="session")
def keyring(world: World) -> Keyring:
    """A key of the admin's, with which git comes in over SSH unless told otherwise."""
    keyring = Keyring(world)
    world.paas("keys:add", str(keyring.make("admin")))
    world.extra["GIT_SSH_COMMAND"] = keyring.command("admin")
    return keyring


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return Faults(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def broken(
    builder: dict[str, str], tmp_path_factory: pytest.TempPathFactory, faults: Faults
) -> Iterator[World]:
    """An instance whose fault points are armed, with an app that is live."""
    folder = tmp_path_factory.mktemp("broken")
    with running(folder, PAAS_FAULTS_DIR=str(faults.folder), **builder) as world:
        app = world.repository("flask", "app")
        world.paas("create", "victim", cwd=app)
        world.git("push", "paas", "main", cwd=app)
        yield world
