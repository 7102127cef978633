"""One instance with an app that is live, for Heroku's CLI; the run writes the table of the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World, running
from tests.heroku.client import PROGRAM, Heroku
from tests.heroku.compatibility import PAGE, PROPERTY, Scenario, render

HERE = Path(__file__).parent
_results: dict[Scenario, str] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.heroku)
            scenario = Scenario.of(item.function) if isinstance(item, pytest.Function) else None
            if scenario is not None:
                item.user_properties.append((PROPERTY, [scenario.command, scenario.asserted]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Runs in the process that prints: with xdist, the one that hears all workers."""
    for name, value in report.user_properties:
        if name == PROPERTY and (report.when == "call" or report.outcome != "passed"):
            scenario = Scenario(*value)
            if _results.get(scenario) != "failed":
                _results[scenario] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole run writes the table anew; one that changes it fails, so that it is committed."""
    if hasattr(session.config, "workerinput") or not _whole(session):
        return
    page = render(_results)
    if PAGE.exists() and PAGE.read_text() == page:
        return
    PAGE.write_text(page)
    print(f"\n{PAGE.name} was not what this run found; it is written anew. Commit it.")
    session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _whole(session: pytest.Session) -> bool:
    """Whether all scenarios were to run: no file, word or test was chosen."""
    chosen = [Path(argument).resolve() for argument in session.config.args]
    return chosen == [HERE] and not session.config.option.keyword and bool(_results)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not PROGRAM.exists():
        pytest.skip("Heroku's CLI is not installed: make test-heroku")
    with running(tmp_path_factory.mktemp("heroku")) as world:
        yield world


@pytest.fixture(scope="session")
def heroku(world: World) -> Heroku:
    """The admin's CLI."""
    token = json.loads((world.home / "credentials.json").read_text())["token"]
    return Heroku(world, token, world.folder / "cli")


@pytest.fixture(scope="module")
def live(world: World, request: pytest.FixtureRequest) -> str:
    """The name of an app that is deployed; each module has its own."""
    name = "hk-" + request.module.__name__.rpartition("test_")[2].replace("_", "-")
    folder = world.repository("procfile", name)
    world.paas("create", name, cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    return name
