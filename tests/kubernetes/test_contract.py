"""The Kubernetes runtime keeps the contract, on a fake API server."""

from __future__ import annotations

import pytest

from paas.runtimes.base import AppSpec
from paas.runtimes.kubernetes.settings import ClusterSettings
from tests.kubernetes.conftest import SETTINGS
from tests.kubernetes.driving import namespace as namespace_of
from tests.kubernetes.scenarios import ClusterContract, Scenarios


class TestContract(ClusterContract):
    """Every test of it."""


class TestScenarios(Scenarios):
    @pytest.fixture
    def settings(self) -> ClusterSettings:
        return SETTINGS

    @pytest.fixture
    def namespace(self, app: AppSpec) -> str:
        return namespace_of(app)
