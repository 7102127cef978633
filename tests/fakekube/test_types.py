"""Quantities, paths and merges: the arithmetic that server-side apply rests on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .fields import Path, decode, encode, flatten, merge, remove
from .kinds import KINDS, named
from .quantity import amount, canonical
from .schema import Type, complaints, normal, type_of

DEPLOYMENT = type_of(named("Deployment"))
CONTAINERS: Type = DEPLOYMENT.fields["spec"].fields["template"].fields["spec"].fields["containers"]


@pytest.mark.parametrize(
    ("given_", "stored"),
    [
        ("50m", "50m"), (0.05, "50m"), ("0.05", "50m"), (0.5, "500m"), (1, "1"), ("1000m", "1"),
        ("1024Mi", "1Gi"), ("1536Mi", "1536Mi"), ("1.5Gi", "1536Mi"), (1073741824, "1073741824"),
        ("1e3", "1k"), ("0", "0"), ("64Mi", "64Mi"), ("100M", "100M"),
    ],
)  # fmt: skip
def test_the_canonical_form(given_: Any, stored: str) -> None:
    assert canonical(given_) == stored
    assert amount(given_) == amount(stored)


@pytest.mark.parametrize("text", ["", "lots", "1Zi", "--1", "1 Gi", "."])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        canonical(text)


def items(names: list[str], mark: str) -> list[dict[str, str]]:
    return [{"name": name, "image": mark} for name in names]


NAMES = st.lists(st.sampled_from("abcdef"), unique=True)


@given(live=NAMES, config=NAMES)
def test_a_merge_keeps_all_items_in_configs_order(live: list[str], config: list[str]) -> None:
    merged = merge(CONTAINERS, items(live, "live"), items(config, "config"))
    names = [each["name"] for each in merged]
    assert sorted(names) == sorted({*live, *config})
    assert [name for name in names if name in config] == config
    left = [name for name in live if name not in config]
    assert [name for name in names if name not in config] == left
    assert all((each["image"] == "config") == (each["name"] in config) for each in merged)


@given(names=NAMES, gone=NAMES)
def test_paths_lead_back_to_their_items(names: list[str], gone: list[str]) -> None:
    value = {"spec": {"template": {"spec": {"containers": items(names, "x:1")}}}}
    paths = flatten(DEPLOYMENT, value).keys()
    assert decode(encode(paths)) == paths
    holder = ("f:spec", "f:template", "f:spec", "f:containers")
    picked: set[Path] = {(*holder, f'k:{{"name":"{name}"}}') for name in gone}
    left = remove(DEPLOYMENT, value, picked)["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in left] == [name for name in names if name not in gone]


def test_what_decoding_drops() -> None:
    pod = type_of(named("Pod"))
    spec: dict[str, Any] = {
        "nodeSelector": {}, "volumes": [{"name": "t", "emptyDir": {}}], "affinity": {},
        "containers": [{"name": "m", "command": [], "env": [{"name": "A", "value": ""}]}],
        "hostname": None,
    }  # fmt: skip
    assert normal(pod, {"spec": spec}) == {
        "spec": {
            "volumes": [{"name": "t", "emptyDir": {}}],
            "affinity": {},
            "containers": [{"name": "m", "env": [{"name": "A"}]}],
        }
    }


def test_ports_are_keyed_by_port_and_protocol() -> None:
    ports = CONTAINERS.element.fields["ports"]
    same = [{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]
    (text,) = complaints(ports, same, ".ports")
    assert text == '.ports: duplicate entries for key [containerPort=80,protocol="TCP"]'
    assert not list(complaints(ports, [same[0], {"containerPort": 80, "protocol": "UDP"}]))
    (text,) = complaints(ports, [{"name": "x"}], ".ports")
    assert 'omits key field "containerPort"' in text


def test_every_kind_has_a_type() -> None:
    for kind in KINDS:
        assert type_of(kind).child("metadata") is not None
