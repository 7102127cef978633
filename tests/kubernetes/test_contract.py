"""The Kubernetes runtime keeps the contract, on a fake API server."""

from __future__ import annotations

import pytest

from paas.runtimes.base import AppSpec
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.kubernetes.conftest import SETTINGS
from tests.kubernetes.driving import namespace as namespace_of
from tests.kubernetes.scenarios import Scenarios
from tests.runtimes.conformance import Case, Contract


class TestContract(Contract):
    @pytest.fixture
    def case(self, app: AppSpec) -> Case:
        return Case(
            app,
            failing="echo oops; exit 9",
            printing="echo one; echo two >&2; exit 3",
            serves_from_ready=True,
        )


class TestScenarios(Scenarios):
    @pytest.fixture
    def settings(self) -> ClusterSettings:
        return SETTINGS

    @pytest.fixture
    def namespace(self, app: AppSpec) -> str:
        return namespace_of(app)
