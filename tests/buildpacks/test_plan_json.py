"""A plan survives being written down as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildpacks import Plan, SourceTree, plan
from buildpacks.plan import FormationEntry, HealthCheck, Manifest

SAMPLES = Path(__file__).parents[1] / "apps"


def _written(value: Plan) -> Plan:
    return Plan.from_json(json.loads(json.dumps(value.to_json())))


# `size` and the rest are plain fields; the nested classes are built from their annotations
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
_mappings = st.dictionaries(st.text(), st.text())
_manifests = st.builds(
    Manifest,
    formation=st.dictionaries(st.text(), st.from_type(FormationEntry)),
    healthchecks=st.dictionaries(
        st.text(), st.lists(st.from_type(HealthCheck), max_size=3).map(tuple)
    ),
)


@given(st.builds(Plan, processes=_mappings, variables=_mappings, manifest=_manifests))
def test_round_trip(value: Plan) -> None:
    assert _written(value) == value


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir()))
def test_the_samples_plans_survive(sample: str) -> None:
    made = plan(SourceTree(SAMPLES / sample), by_nix=True)
    assert _written(made) == made


def test_an_older_plan_is_read_and_a_newer_ones_unknown_fields_are_passed_over() -> None:
    old = {"providers": ["x"], "name": "X", "phases": [{"name": "build", "from": "the future"}]}
    made = Plan.from_json(old)
    assert made.providers == ("x",)
    assert made.phases[0].name == "build"
    assert made.manifest == Manifest()
