"""What the pages show and do, through Django's client."""

import re

import pytest
from django.utils import timezone
from django.utils.html import escape

from apps.accounts.policy import Actor
from apps.builds.models import Build, BuildState
from apps.builds.paths import build_log
from apps.catalog.manage import create_app
from apps.catalog.models import App
from apps.formation.change import roll_out_change, set_config
from apps.formation.models import Process
from apps.releases.create import newest_good, variables_of
from apps.releases.models import Release
from tests.catalog.test_apps import METACHARACTERS

APP = "/dashboard/apps/hello"
PAYLOAD = """<script>alert(1)</script>"><img src=x onerror=alert(2)>' onfocus='alert(3)"""


@pytest.fixture
def alices(alice, browser):
    return browser(alice)


def _text(answer) -> str:
    """What one reads: no tags, single blanks."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


# --- the list ---------------------------------------------------------------
def test_without_apps_the_list_teaches_the_command(alices):
    assert "paas create" in _text(alices.get("/dashboard/"))


def test_the_list_tells_the_state(alices, hello, live):
    assert re.search(r"hello up v1 Deploy", _text(alices.get("/dashboard/")))
    App.objects.update(maintenance=True)
    assert "maintenance" in _text(alices.get("/dashboard/"))
    Build.objects.create(app=hello, commit="d" * 40, branch="main")
    assert "deploying" in _text(alices.get("/dashboard/"))


def test_a_crash_is_seen(alices, hello, live, null, monkeypatch):
    from dataclasses import replace

    from paas.runtimes.base import ProcessState

    crashed = [replace(one, state=ProcessState.CRASHED) for one in null.observe(str(hello.id))]
    monkeypatch.setattr(null, "observe", lambda app_id=None: crashed)
    assert "crashed" in _text(alices.get("/dashboard/"))


def test_a_one_off_says_nothing_of_the_app(alices, hello, live, null, monkeypatch):
    from dataclasses import replace

    from paas.runtimes.base import ProcessState

    (web,) = null.observe(str(hello.id))
    waiting = replace(web, name="run.2", type="run", state=ProcessState.STARTING)
    monkeypatch.setattr(null, "observe", lambda app_id=None: [waiting, web])
    assert "hello up v1" in _text(alices.get("/dashboard/"))
    assert "starting" not in _text(alices.get(f"{APP}/releases"))


def test_a_deploy_that_is_done_is_up_and_one_at_zero_is_stopped(alices, hello, live, null):
    Process.objects.update(quantity=0)
    null._apps[str(hello.id)].live.clear()
    assert "stopped" in _text(alices.get(APP))


def test_apps_are_found_by_name(alice, alices, hello):
    create_app(Actor(alice), "other-app")
    text = _text(alices.get("/dashboard/?q=OTHER"))
    assert "other-app" in text and "hello" not in text
    assert "No app is called like" in _text(alices.get("/dashboard/?q=nothing"))


def test_a_long_list_has_pages(alice, alices, monkeypatch):
    monkeypatch.setattr("apps.dashboard.views.apps.PAGE", 2)
    for name in ("one-app", "three-app", "two-app"):
        create_app(Actor(alice), name)
    assert "Page 1 of 2 · 3 in all" in _text(alices.get("/dashboard/"))
    assert "two-app" in _text(alices.get("/dashboard/?page=2"))
    assert "two-app" in _text(alices.get("/dashboard/?page=99"))


# --- making one -------------------------------------------------------------
def test_a_new_app_shows_how_to_push(alices, settings):
    answer = alices.post("/dashboard/new", {"name": "shop", "branch": "trunk"}, follow=True)
    text = _text(answer)
    assert "paas git:remote -a shop" in text and "git push paas trunk" in text
    assert settings.INSTANCE.git_url("shop") in text and "never deployed" in text


@pytest.mark.parametrize("name", [m for m in METACHARACTERS if m.strip()] + [PAYLOAD])
def test_a_bad_name_is_refused_with_the_rule(alices, name):
    answer = alices.post("/dashboard/new", {"name": name, "branch": "main"})
    assert answer.status_code == 422 and "3 to 30" in answer.content.decode()
    assert not App.objects.exists() and b"<script>alert" not in answer.content


# --- releases ---------------------------------------------------------------
def test_releases_differ_by_names_never_values(alice, alices, hello, live, build):
    release = set_config(Actor(alice), hello, {"SECRET": None, "GREETING": "ho", "NEW": "n"})
    roll_out_change(str(release.id))
    for page in ("/releases", "/releases/2", "/releases/1/rollback"):
        content = alices.get(APP + page).content.decode()
        assert "s3cret-value" not in content
        for name in ("SECRET", "GREETING", "NEW"):
            assert f"<code>{name}</code>" in content, page
    text = _text(alices.get(APP + "/releases/2"))
    assert "added NEW" in text and "changed GREETING" in text and "removed SECRET" in text
    back = _text(alices.get(APP + "/releases/1/rollback"))
    assert "removed NEW" in back and "added SECRET" in back


def test_a_rollback_is_confirmed_and_makes_a_release(alice, alices, hello, live):
    roll_out_change(str(set_config(Actor(alice), hello, {"GREETING": "ho"}).id))
    answer = alices.post(APP + "/releases/1/rollback", follow=True)
    assert answer.redirect_chain[-1][0] == APP + "/releases/3"
    assert "Rolling back to v1" in _text(answer)
    assert variables_of(newest_good(hello))["GREETING"] == "hi"


def test_a_failed_release_says_why_and_offers_no_rollback(alices, hello, live):
    failure = {"what": "web.1 did not become healthy", "why": "exit 1", "fix": "See `paas logs`"}
    Release.objects.create(
        app=hello, version=2, config=live.config, state="failed", failure=failure, description="X"
    )
    content = alices.get(APP + "/releases/2").content.decode()
    assert "did not become healthy" in content and "See <code>paas logs</code>" in content
    assert "releases/2/rollback" not in content
    assert alices.post(APP + "/releases/2/rollback").status_code == 422
    assert "One cannot roll back" in _text(alices.get(APP + "/releases/2/rollback"))


# --- config -----------------------------------------------------------------
def test_values_are_masked_until_asked_for_one_by_one(alices, live):
    content = alices.get(APP + "/config").content.decode()
    assert "SECRET" in content and "s3cret-value" not in content
    revealed = alices.post(APP + "/config/reveal", {"reveal": "GREETING"}).content.decode()
    assert ">hi</code>" in revealed and "s3cret-value" not in revealed
    assert alices.get(APP + "/config/reveal").status_code == 405


def test_changes_are_collected_shown_and_applied_as_one_release(alices, hello, live):
    form = {
        "set:GREETING": "ho\r\nho",
        "set:SECRET": "",
        "unset:SECRET": "1",
        "new-name": ["NEW", "", "EMPTY"],
        "new-value": ["<b>", "lost", ""],
    }
    review = alices.post(APP + "/config/review", form)
    text = _text(review)
    assert "changed GREETING" in text and "removed SECRET" in text and "added NEW" in text
    assert "s3cret-value" not in review.content.decode()
    assert Release.objects.count() == 1, "looking changes nothing"
    again = alices.post(APP + "/config", _fields(review)).content.decode()
    assert "ho\nho</textarea>" in again and 'name="unset:SECRET" value="1"' in again
    applied = alices.post(APP + "/config/apply", _fields(review), follow=True)
    assert applied.redirect_chain[-1][0] == APP + "/releases/2"
    assert variables_of(newest_good(hello)) == {"GREETING": "ho\nho", "NEW": "<b>", "EMPTY": ""}
    assert Release.objects.count() == 2


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"new-name": "a-b", "new-value": "x"}, "is no name for a config var"),
        ({"new-name": "PORT", "new-value": "x"}, "PORT is set by the platform"),
        ({"new-name": PAYLOAD, "new-value": PAYLOAD}, "is no name for a config var"),
        ({}, "would change nothing"),
        ({"set:GREETING": "hi"}, "would change nothing"),
    ],
)
def test_a_bad_edit_is_told_and_kept(alices, live, form, message):
    answer = alices.post(APP + "/config/review", form)
    content = answer.content.decode()
    assert answer.status_code == 422 and message in content
    assert escape(form.get("new-name", "")) in content, "what was typed is still there"
    assert "<script>alert" not in content and "<img src=x" not in content


def test_the_enter_key_reveals_nothing(alices, live):
    form = alices.get(APP + "/config").content.decode().partition("config/review")[2]
    first = re.search(r"<button[^>]*>", form)
    assert first and "reveal" not in first[0]


# --- processes and settings -------------------------------------------------
def test_scaling_a_type(alices, hello, live):
    form = {"type": "worker", "quantity": "2", "size": "standard-2x"}
    assert "Scaled worker to 2" in _text(alices.post(APP + "/processes/scale", form, follow=True))
    row = Process.objects.get(app=hello, type="worker")
    assert (row.quantity, row.size) == (2, "standard-2x")
    assert Process.objects.get(app=hello, type="web").quantity == 1


@pytest.mark.parametrize("form", [{"type": "web", "quantity": "999"}, {"type": "x", "quantity": 1}])
def test_a_scale_that_cannot_be_is_told(alices, live, form):
    answer = alices.post(APP + "/processes/scale", form)
    assert answer.status_code == 422 and 'role="alert"' in answer.content.decode()


def test_restarting_one_and_all(alices, hello, live):
    alices.post(APP + "/processes/restart", {"which": "web.1"})
    alices.post(APP + "/processes/restart")
    assert Process.objects.get(app=hello, type="web").restarts == {"1": 1, "": 1}
    assert alices.post(APP + "/processes/restart", {"which": "web.9"}).status_code == 404


def test_maintenance(alices, hello, live):
    assert "is on" in _text(alices.post(APP + "/settings/maintenance", {"on": "1"}, follow=True))
    assert App.objects.get().maintenance
    alices.post(APP + "/settings/maintenance", {"on": "0"})
    assert not App.objects.get().maintenance


def test_destroying_needs_the_name_typed(alices, hello, live):
    answer = alices.post(APP + "/settings/destroy", {"confirm": "hallo"})
    assert answer.status_code == 422 and "Nothing was destroyed" in answer.content.decode()
    assert App.objects.exists()
    answer = alices.post(APP + "/settings/destroy", {"confirm": "hello"}, follow=True)
    assert "hello is destroyed" in _text(answer) and not App.objects.exists()


# --- builds -----------------------------------------------------------------
def test_a_build_shows_plan_phases_failure_and_log(alices, build):
    failure = {"what": "It broke", "why": "because", "fix": "Run `make`"}
    Build.objects.filter(pk=build.pk).update(
        state=BuildState.FAILED,
        failure=failure,
        phases=[{"name": "install", "seconds": 1.25}],
        finished_at=timezone.now(),
        message=PAYLOAD,
        branch=PAYLOAD,
    )
    build_log(build).write(f"-----> Building\n       {PAYLOAD}\n !     Broken")
    content = alices.get(f"{APP}/builds/{build.id}").content.decode()
    assert '<div class="step">-----&gt; Building</div>' in content
    assert '<div class="problem"> !     Broken</div>' in content
    assert "It broke" in content and "<code>make</code>" in content
    assert "install 1.2 s" in content and "worker" in content
    for page in ("", "/builds", f"/builds/{build.id}", "/releases", "/releases/1"):
        hostile = alices.get(APP + page).content.decode()
        assert "<script>alert" not in hostile and "<img src=x" not in hostile


def test_a_page_that_looks_again_gets_no_log(alices, build):
    build_log(build).write("-----> a line of the log")
    looked = alices.get(f"{APP}/builds/{build.id}", headers={"HX-Request": "true"})
    assert b"a line of the log" not in looked.content


def test_a_builds_stream_goes_on_where_the_page_ended(alices, build):
    log = build_log(build)
    log.write("-----> one")
    offset = log.read_from(0)[1]
    log.write("<b>two</b>")
    Build.objects.filter(pk=build.pk).update(state=BuildState.SUCCEEDED)
    answer = alices.get(f"{APP}/builds/{build.id}/events?after={offset}")
    body = _streamed(answer)
    assert '[["plain", "<b>two</b>"]]' in body and "one" not in body
    assert body.endswith("event: end\ndata:\n\n")
    resumed = alices.get(f"{APP}/builds/{build.id}/events", headers={"Last-Event-ID": str(offset)})
    assert "one" not in _streamed(resumed)


def test_a_build_of_another_app_is_not_found(alice, alices, build):
    create_app(Actor(alice), "other-app")
    assert alices.get(f"/dashboard/apps/other-app/builds/{build.id}").status_code == 404


def _streamed(answer) -> str:
    from asgiref.sync import async_to_sync

    async def collect() -> bytes:
        return b"".join([part async for part in answer.streaming_content])

    return async_to_sync(collect)().decode()


def _fields(page) -> dict[str, list[str]]:
    """The hidden fields of a form, as a browser sends them again."""
    from html import unescape

    content, found = page.content.decode(), {}
    inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', content)
    areas = re.findall(r'<textarea hidden name="([^"]+)">\n(.*?)</textarea>', content, re.DOTALL)
    for name, value in [*inputs, *areas]:
        if name != "next":
            found.setdefault(unescape(name), []).append(unescape(value).replace("\n", "\r\n"))
    return found
