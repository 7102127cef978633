"""The null runtime keeps the contract."""

from __future__ import annotations

import pytest

from paas.runtimes.base import Artifact
from paas.runtimes.null import NullRuntime, Outcome
from tests.runtimes import sample
from tests.runtimes.conformance import Case, Contract


@pytest.fixture
def runtime() -> NullRuntime:
    outcomes = {"fail": Outcome(9), "print": Outcome(3, ("one", "two"))}
    return NullRuntime(outcomes)


@pytest.fixture
def case() -> Case:
    return Case(sample.spec(Artifact("host", "/nowhere", "d")), failing="fail", printing="print")


class TestNull(Contract):
    pass
