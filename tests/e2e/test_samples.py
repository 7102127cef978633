"""Every sample app, pushed as a user would and answering over HTTP."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support import SAMPLE_APPS, versions, write
from tests.e2e.world import World


def _push(world: World, sample: str) -> tuple[Path, str, str]:
    """The repository, the app's name and what the push said."""
    name = f"sample-{sample.replace('_', '-')}"
    app = world.repository(sample, name)
    if sample == "flask_uv":  # a lock names the index it was made with, so none is committed
        world.shell(["uv", "lock"], cwd=app, check=True)
        world.commit(app, "lock")
    world.paas("create", name, cwd=app)
    return app, name, world.git("push", "paas", "main", cwd=app).stderr


@pytest.fixture(scope="module")
def proven() -> Iterator[dict[str, str]]:
    """Samples that answered and the languages they used; written into docs/ when asked for."""
    found: dict[str, str] = {}
    yield found
    if os.environ.get("PAAS_WRITE_SUPPORT"):
        write(found)


@pytest.mark.parametrize("sample", SAMPLE_APPS, ids=lambda sample: sample.name)
def test_a_sample_answers(world, proven, sample):
    if sample.missing:
        pytest.skip(sample.missing)
    app, name, said = _push(world, sample.name)
    assert "Released v1" in said
    first = world.get(app=name)
    assert first.status == 200
    if sample.name != "static":
        world.set_version(app, f"{sample.name} two")
        again = world.git("push", "paas", "main", cwd=app).stderr
        assert "Released v2" in again
        assert f"{sample.name} two" in world.get(app=name).body
        if "Installing dependencies" in said or "npm ci" in said:
            assert "Using cached dependencies" in again, "an unchanged lock installs nothing"
            assert "npm ci" not in again
    proven[sample.name] = versions(said)


def test_the_one_page_answers_for_every_path(world):
    if not (world.folder / "sample-vite").exists():
        pytest.skip("there is no Node.js on this machine")
    page = world.get("/deep/link", app="sample-vite")
    assert page.status == 200
    assert "vite two" in page.body
    (script,) = re.findall(r'src="(/assets/[^"]+)"', page.body)
    answer = world.get(script, app="sample-vite")
    assert answer.status == 200 and "javascript" in answer.headers["Content-Type"]
    assert not list((world.home / "artifacts").glob("*/app/node_modules/vite"))


def test_php_keeps_its_sources_to_itself(world):
    if not (world.folder / "sample-php").exists():
        pytest.skip("there is no PHP on this machine")
    assert "/any/path?x=1" in world.get("/any/path?x=1", app="sample-php").body
    for path in ("/../composer.json", "/.paas/Caddyfile", "/.git/config"):
        assert "php-fpm.sock" not in world.get(path, app="sample-php").body


def test_django_serves_collected_files(world):
    name = "sample-django"
    page = world.get(app=name).body
    (style,) = [word for word in page.split() if word.endswith(".css")]
    assert world.get(style, app=name).status == 200
    assert "visits=" in page


def test_a_static_site_hides_what_is_hidden(world):
    for path in ("/.git/config", "/.env", "/.git/"):
        assert world.get(path, app="sample-static").status == 404


def test_app_json_sets_what_it_says(world):
    app = world.repository("procfile", "manifest")
    (app / "once.py").write_text("print('postdeploy ran')\n")
    manifest = {
        "env": {"GREETING": {"value": "from app.json"}, "KEY": {"generator": "secret"}},
        "formation": {"web": {"quantity": 2}},
        "scripts": {"postdeploy": "python3 once.py"},
    }
    (app / "app.json").write_text(json.dumps(manifest))
    world.commit(app, "app.json")
    world.paas("create", "manifest", cwd=app)
    said = world.git("push", "paas", "main", cwd=app).stderr
    assert "postdeploy ran" in said
    assert "from app.json" in world.get(app="manifest").body
    config = json.loads(world.paas("config", "--json", cwd=app).stdout)
    assert len(config["KEY"]) == 64
    dynos = json.loads(world.paas("ps", "--json", cwd=app).stdout)
    assert {dyno["name"] for dyno in dynos} == {"web.1", "web.2"}

    world.paas("config:set", "GREETING=mine", cwd=app)
    world.git("commit", "-q", "--allow-empty", "-m", "again", cwd=app)
    said = world.git("push", "paas", "main", cwd=app).stderr
    assert "postdeploy ran" not in said, "it runs once"
    after = json.loads(world.paas("config", "--json", cwd=app).stdout)
    assert after == {"GREETING": "mine", "KEY": config["KEY"]}, "what is set is kept"


def test_app_json_can_require(world):
    app = world.repository("procfile", "demanding")
    (app / "app.json").write_text(json.dumps({"env": {"API_KEY": {"required": True}}}))
    world.commit(app, "app.json")
    world.paas("create", "demanding", cwd=app)
    said = world.git("push", "paas", "main", cwd=app, check=False)
    assert said.returncode != 0 and "API_KEY" in said.stderr and "config:set" in said.stderr
    world.paas("config:set", "API_KEY=x", cwd=app)
    assert world.git("push", "paas", "main", cwd=app).returncode == 0


def test_a_health_check_decides(world):
    app = world.repository("procfile", "checked")
    checks = {"healthchecks": {"web": [{"type": "startup", "path": "/", "content": "procfile"}]}}
    (app / "app.json").write_text(json.dumps(checks))
    world.commit(app, "app.json")
    world.paas("create", "checked", cwd=app)
    assert world.git("push", "paas", "main", cwd=app).returncode == 0
    checks["healthchecks"]["web"][0] |= {"content": "not there", "attempts": 2, "wait": 0.2}
    (app / "app.json").write_text(json.dumps(checks))
    world.commit(app, "a check that fails")
    said = world.git("push", "paas", "main", cwd=app, check=False)
    assert said.returncode != 0 and "not there" in said.stderr
    assert world.get(app="checked").status == 200
