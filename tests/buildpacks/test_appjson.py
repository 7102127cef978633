"""app.json, by Heroku's schema and Dokku's rules."""

from __future__ import annotations

import json

import pytest

from buildpacks import plan
from buildpacks.plan import EnvVar, FormationEntry, HealthCheck, Manifest
from tests.buildpacks.conftest import MakeTree, Refusal

PROCFILE: dict[str, str | bytes] = {"Procfile": "web: x\n"}


def _manifest(make_tree: MakeTree, data: object) -> Manifest:
    return plan(make_tree(PROCFILE | {"app.json": json.dumps(data)})).manifest


def test_no_app_json_is_an_empty_manifest(make_tree: MakeTree) -> None:
    assert plan(make_tree(PROCFILE)).manifest == Manifest()


def test_env(make_tree: MakeTree) -> None:
    manifest = _manifest(
        make_tree,
        {
            "env": {
                "PLAIN": "text",
                "KEY": {"generator": "secret", "description": "signs"},
                "MUST": {},
                "MAY": {"required": False, "value": "x"},
                "SYNC": {"value": "1", "sync": True},
            }
        },
    )
    assert manifest.env == (
        EnvVar("PLAIN", "text"),
        EnvVar("KEY", generator="secret", description="signs"),
        EnvVar("MUST"),
        EnvVar("MAY", "x", required=False),
        EnvVar("SYNC", "1", sync=True),
    )


def test_formation(make_tree: MakeTree) -> None:
    data = {"formation": {"web": {"quantity": 2, "size": "large"}, "worker": {"quantity": 0}}}
    assert _manifest(make_tree, data).formation == {
        "web": FormationEntry(2, "large"),
        "worker": FormationEntry(0),
    }


def test_healthchecks(make_tree: MakeTree) -> None:
    checks = [
        {"type": "startup", "path": "/up", "attempts": 5, "wait": 0.5, "content": "ok"},
        {"type": "readiness", "command": ["./check", "a b"], "timeout": 1},
        {"type": "liveness", "listening": True, "initialDelay": 2},
        {"uptime": 3},
        {},
    ]
    assert _manifest(make_tree, {"healthchecks": {"web": checks}}).healthchecks["web"] == (
        HealthCheck(path="/up", attempts=5, wait=0.5, content="ok"),
        HealthCheck(type="readiness", command=("./check", "a b"), timeout=1.0),
        HealthCheck(type="liveness", listening=True, initial_delay=2.0),
        HealthCheck(uptime=3.0),
        HealthCheck(path="/"),
    )


def test_postdeploy(make_tree: MakeTree) -> None:
    data = {"scripts": {"postdeploy": "python seed.py && echo 'done'"}}
    assert _manifest(make_tree, data).postdeploy == "python seed.py && echo 'done'"


def test_what_has_no_effect_is_said(make_tree: MakeTree) -> None:
    data = {
        "name": "x",
        "addons": ["heroku-postgresql"],
        "scripts": {"dokku": {"predeploy": "x"}},
        "healthchecks": {"web": [{"path": "/", "port": 80}]},
    }
    made = plan(make_tree(PROCFILE | {"app.json": json.dumps(data)}))
    told = "\n".join(made.warnings)
    for key in ("addons", "scripts.dokku", "healthchecks.web[0].port"):
        assert f"{key} in app.json has no effect" in told


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"env": []}, "env"),
        ({"env": {"A-B": "x"}}, "env.A-B"),
        ({"env": {"1A": "x"}}, "env.1A"),
        ({"env": {"A": 5}}, "env.A"),
        ({"env": {"A": None}}, "env.A"),
        ({"env": {"A": {"value": 5}}}, "env.A.value"),
        ({"env": {"A": {"value": True}}}, "env.A.value"),
        ({"env": {"A": {"required": "yes"}}}, "env.A.required"),
        ({"env": {"A": {"generator": "uuid"}}}, "env.A.generator"),
        ({"env": {"A": "x\0y"}}, "env.A"),
        ({"formation": {"web": 2}}, "formation.web"),
        ({"formation": {"web": {"quantity": "2"}}}, "formation.web.quantity"),
        ({"formation": {"web": {"quantity": True}}}, "formation.web.quantity"),
        ({"formation": {"web": {"quantity": 1.5}}}, "formation.web.quantity"),
        ({"formation": {"web": {"quantity": -1}}}, "formation.web.quantity"),
        ({"formation": {"w b": {}}}, "formation"),
        ({"healthchecks": {"web": {}}}, "healthchecks.web"),
        ({"healthchecks": {"web": ["/"]}}, "healthchecks.web"),
        ({"healthchecks": {"web": [{"type": "x"}]}}, "healthchecks.web[0].type"),
        ({"healthchecks": {"web": [{"attempts": 0}]}}, "healthchecks.web[0].attempts"),
        ({"healthchecks": {"web": [{"wait": -1}]}}, "healthchecks.web[0].wait"),
        ({"healthchecks": {"web": [{"wait": "5"}]}}, "healthchecks.web[0].wait"),
        ({"healthchecks": {"web": [{"path": "up"}]}}, "healthchecks.web[0].path"),
        ({"healthchecks": {"web": [{"path": "/a\r\nX: y"}]}}, "healthchecks.web[0].path"),
        ({"healthchecks": {"web": [{"command": "x"}]}}, "healthchecks.web[0].command"),
        ({"healthchecks": {"web": [{"path": "/", "uptime": 1}]}}, "healthchecks.web[0].uptime"),
        ({"scripts": {"postdeploy": ["x"]}}, "scripts.postdeploy"),
        ({"scripts": "x"}, "scripts"),
        ([], "object"),
    ],
)
def test_wrong_values_are_named(refusal: Refusal, data: object, key: str) -> None:
    error = refusal(PROCFILE | {"app.json": json.dumps(data)})
    assert error.file == "app.json"
    assert key in error.what
    assert "app.json" in error.fix


def test_infinity_is_no_time(refusal: Refusal) -> None:
    text = '{"healthchecks": {"web": [{"wait": Infinity}]}}'
    assert "wait" in refusal(PROCFILE | {"app.json": text}).what
