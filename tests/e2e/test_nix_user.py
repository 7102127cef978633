"""A plain user's instance that builds by Nix, in a store of its own: no root and no daemon."""

from __future__ import annotations

import json

import pytest

from tests.e2e.world import running
from tests.nix.stores import shared_store, unusable

_reason = unusable(by_root=False)
pytestmark = [
    pytest.mark.skipif(bool(_reason), reason=_reason or "-"),
    pytest.mark.timeout(900),
]
FIRST = 600.0


def test_a_plain_user_builds_runs_and_rolls_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = shared_store(tmp_path_factory)
    settings = {
        "PAAS_BUILDER": "nix",
        "PAAS_NIX_PACKAGES": "debian",
        "PAAS_NIX_STORE": str(store),
    }
    with running(tmp_path_factory.mktemp("plain"), **settings) as world:
        app = world.repository("flask", "users-own")
        world.paas("create", "users-own", cwd=app)
        world.git("push", "paas", "main", cwd=app, timeout=FIRST)
        assert "flask one" in world.get(app="users-own").body
        world.set_version(app, "flask two")
        said = world.git("push", "paas", "main", cwd=app).stderr
        assert "Released v2" in said and "python-dependencies" not in said
        assert "flask two" in world.get(app="users-own").body
        world.paas("cache:gc")
        world.paas("rollback", "v1", "-a", "users-own")
        assert world.wait_for("flask one", app="users-own").status == 200
        facts = json.loads(world.paas("cache:info", "--json").stdout)
        assert facts["store"] == str(store) and facts["kept_builds"] == 2
