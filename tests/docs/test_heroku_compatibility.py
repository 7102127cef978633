"""docs/heroku-compatibility.md lists the scenarios of tests/heroku, and all of them hold."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import tests.heroku
from tests.heroku.compatibility import PAGE, Scenario, render, rows_of


def scenarios() -> list[Scenario]:
    modules = (
        import_module(f"tests.heroku.{found.name}")
        for found in pkgutil.iter_modules(tests.heroku.__path__)
        if found.name.startswith("test_")
    )
    return [
        scenario
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and (scenario := Scenario.of(test)) is not None
    ]


def test_every_test_is_a_scenario_of_its_own():
    found = scenarios()
    assert len(found) == len(set(found)) > 50


def test_the_page_is_that_of_a_run_in_which_all_passed():
    page = PAGE.read_text()
    assert sorted(rows_of(page)) == sorted(scenarios()), "run: make test-heroku"
    assert page == render(dict.fromkeys(scenarios(), "passed")), "run: make test-heroku"
