"""heroku3, a client of Heroku's API that is not ours: apps, config, releases, formation."""

from __future__ import annotations

import heroku3
import heroku3.api
import pytest

from apps.accounts.authorizations import issue
from apps.catalog.models import App
from apps.formation.change import roll_out_change
from apps.formation.models import Process
from apps.releases.models import Release
from apps.releases.queries import current_release


@pytest.fixture
def heroku(live_server, alice, monkeypatch):
    """heroku3 with Alice's token, against Django's own server."""
    monkeypatch.setattr(
        heroku3.api, "HEROKU_URL", live_server.url.replace("127.0.0.1", "localhost")
    )
    connected = heroku3.from_key(issue(alice).token)
    assert connected.is_authenticated
    return connected


def roll_out() -> None:
    """What the worker does with a release that was asked for."""
    for release in Release.objects.filter(state="pending"):
        roll_out_change(str(release.id))


@pytest.fixture
def live(heroku, hello, make_build, make_release):
    """`hello`, deployed."""
    make_release(make_build(), GREETING="hi")
    roll_out()
    return heroku.app("hello")


def test_apps(heroku):
    made = heroku.create_app(name="by-heroku3")
    assert App.objects.get(name="by-heroku3").owner.email == "alice@example.org"
    assert [app.name for app in heroku.apps()] == ["by-heroku3"]
    assert heroku.apps()["by-heroku3"].id == made.id
    assert heroku.app("by-heroku3").owner.email == "alice@example.org"
    made.rename("renamed")
    assert App.objects.get().name == "renamed"
    heroku.app("renamed").enable_maintenance_mode()
    assert App.objects.get().maintenance
    heroku.app("renamed").disable_maintenance_mode()
    assert not App.objects.get().maintenance
    heroku.app("renamed").delete()
    assert not App.objects.exists()


def test_many_apps_come_in_ranges(heroku, alice):
    names = [f"app-{number:03}" for number in range(205)]
    App.objects.bulk_create(
        App(number=number, name=name, owner=alice) for number, name in enumerate(names)
    )
    assert sorted(app.name for app in heroku.apps(order_by="name")) == names
    assert [app.name for app in heroku.apps(order_by="name", limit=3, sort="desc")] == [
        "app-204",
        "app-203",
        "app-202",
    ]


def test_config(live):
    config = live.config()
    assert config["GREETING"] == "hi"
    config["DEBUG"] = "0"
    roll_out()
    assert live.config().to_dict() == {"GREETING": "hi", "DEBUG": "0"}
    del config["GREETING"]
    roll_out()
    assert "GREETING" not in live.config()


def test_releases(live, hello):
    live.config()["GREETING"] = "ho"
    roll_out()
    assert [release.version for release in live.releases()] == [1, 2]
    assert live.releases(sort="desc")[0].description == "Set GREETING config vars"
    assert live.releases()[0].user.email == "alice@example.org"
    assert live.rollback("v1").version == 3
    roll_out()
    assert current_release(hello).description == "Rollback to v1"
    assert live.config()["GREETING"] == "hi"


def test_formation(live, hello):
    formation = live.process_formation()
    assert {one.type: (one.quantity, one.command) for one in formation} == {
        "web": (1, "serve"),
        "worker": (0, "work"),
    }
    formation["worker"].scale(2)
    live.scale_formation_process("web", 3)
    live.batch_scale_formation_processes({"web": 2})
    assert dict(Process.objects.values_list("type", "quantity")) == {"web": 2, "worker": 2}


def test_calls_are_counted(heroku, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "calls"}
    }
    settings.API_CALLS_PER_HOUR = 3
    assert heroku.account().email == "alice@example.org"
    assert heroku._ratelimit_remaining == "2"
    heroku.apps()
    heroku.apps()
    with pytest.raises(heroku3.api.RateLimitExceeded, match="Try again in the next one"):
        heroku.apps()
