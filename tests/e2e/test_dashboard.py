"""The pages in a real browser, against a running instance, with real pushes."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Axe, Visitor, chromium, is_too_wide, visitor
from tests.e2e.world import World

PAYLOAD = """<script>alert("x")</script>"><img src=x onerror="alert('y')">${7*7}{{7*7}}"""
APP = "/dashboard/apps/pages-app"
PROCFILE = """\
release: test "$GREETING$TOKEN" || for step in 1 2 3 4 5 6; do echo "step $step"; sleep 1; done
web: python3 hello.py
shout: n=0; while true; do n=$((n+1)); echo $n '{payload}'; sleep 1; done
"""
COUNT_GROWTH = """
window.growth = 0;
new MutationObserver(() => { window.growth += 1; })
  .observe(document.querySelector(".log"), {childList: true});
"""
GREW = "count => document.querySelectorAll('.log > div').length > count"
LOOK_AWAY = """hidden => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
WIDTHS = (390, 768, 1280)
NEIGHBOUR = """\
<!doctype html><title>neighbour</title>
<form method="post" action="{panel}/dashboard/apps/pages-app/settings/destroy">
<input name="confirm" value="pages-app"><button>Win a prize</button></form>
<iframe src="{panel}/dashboard/" title="panel"></iframe>
<script>
const looked = fetch("{panel}/dashboard/", {{credentials: "include", mode: "no-cors"}})
  .then((answer) => answer.type, (error) => "refused");
const body = new URLSearchParams({{on: "1"}});
fetch("{panel}/dashboard/apps/pages-app/settings/maintenance",
  {{method: "POST", credentials: "include", mode: "no-cors", body}});
</script>
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def app(world: World) -> Path:
    """An app whose repository is full of text that wants to be markup; not pushed yet."""
    folder = world.repository("procfile", "pages-app")
    (folder / "Procfile").write_text(PROCFILE.format(payload=PAYLOAD.replace("'", "")))
    world.commit(folder, f"First {PAYLOAD}")
    world.paas("create", "pages-app", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def live(world: World, app: Path) -> Path:
    """It is pushed, unless a test has done so already."""
    world.git("push", "paas", "main", cwd=app)
    world.paas("ps:scale", "shout=1", cwd=app)
    return app


@pytest.fixture(scope="module")
def admin(world: World, browser: Browser) -> Visitor:
    admin = visitor(world, browser)
    admin.sign_in()
    return admin


def _push(world: World, app: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["git", "push", "paas", "main"],
        cwd=app,
        env=world.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_deploy_is_seen_as_it_happens(world, app, admin):
    page = admin.go(APP)
    expect(page.get_by_text("git push paas main")).to_be_visible()
    push = _push(world, app)
    page.get_by_role("link", name="Watch the build").click()
    log = page.get_by_role("log", name="Build log")
    expect(log).to_be_visible()
    page.evaluate(COUNT_GROWTH)
    expect(log).to_contain_text("Released v1")
    assert page.evaluate("window.growth") >= 2, "it grew in one go, or the page was loaded again"
    expect(page.get_by_role("heading", name="Build of").locator(".pill")).to_have_text("succeeded")
    assert push.wait() == 0
    lines = log.locator("div").all_inner_texts()
    whole = world.paas("builds:output", cwd=app).stdout.splitlines()
    assert [line for line in lines if line] == [line for line in whole if line]
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("#app-state")).to_have_text("up")
    assert admin.complaints == []


def test_without_scripts_the_log_so_far_is_shown(world, live, browser):
    plain = visitor(world, browser, scripts=False)
    plain.sign_in()
    page = plain.go(f"{APP}/builds")
    page.get_by_role("rowheader").get_by_role("link").first.click()
    expect(page.get_by_role("log")).to_contain_text("Released v1")
    plain.context.close()


def test_the_keyboard_leads_from_a_deploy_to_a_rollback(world, live, admin):
    world.paas("config:set", "GREETING=second", cwd=live)
    page = admin.go("/dashboard/")
    _tab_to(page, "pages-app")
    page.keyboard.press("Enter")
    page.wait_for_url("**/apps/pages-app")
    _tab_to(page, "Releases")
    page.keyboard.press("Enter")
    page.wait_for_url("**/releases")
    _tab_to(page, "Roll back to v1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Roll back to v1?")).to_be_visible()
    expect(page.get_by_role("button", name="Roll back to v1")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/releases/3")
    expect(page.get_by_role("heading", name="Release v3")).to_contain_text("succeeded")
    expect(page.get_by_role("log", name="Release log")).to_contain_text("web.1 is up")
    assert "no greeting" in world.get(app="pages-app").body
    assert admin.complaints == []


def _tab_to(page, name: str) -> None:
    """Press the Tab key until what has the focus is called `name`, visibly."""
    for _ in range(60):
        page.keyboard.press("Tab")
        text = page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')")
        if text == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"{name} has the focus, but one does not see it"
            return
    raise AssertionError(f"the Tab key never came to {name!r}")


def test_config_is_masked_staged_and_applied_once(world, live, admin):
    world.paas("config:set", "TOKEN=very-secret", cwd=live)
    page = admin.go(f"{APP}/config")
    assert "very-secret" not in page.content()
    page.get_by_label("New value of TOKEN").fill("half-typed")
    page.get_by_role("button", name="Reveal TOKEN").click()
    expect(page.get_by_text("very-secret")).to_be_visible()
    expect(page.get_by_label("New value of TOKEN")).to_have_value("half-typed")
    page.get_by_label("Name 1").fill("MARKUP")
    page.get_by_label("Value 1").fill(PAYLOAD)
    page.get_by_role("button", name="Review the changes").last.click()
    expect(page.locator(".diff .added")).to_contain_text("MARKUP")
    expect(page.locator(".diff .changed")).to_contain_text("TOKEN")
    page.get_by_role("button", name="Apply as one release").click()
    expect(page.get_by_role("heading", name=re.compile("^Release v"))).to_contain_text("succeeded")
    held = json.loads(world.paas("config", "--json", cwd=live).stdout)
    assert held["MARKUP"] == PAYLOAD and held["TOKEN"] == "half-typed"
    page = admin.go(f"{APP}/config")
    page.get_by_role("button", name="Reveal MARKUP").click()
    expect(page.locator("code.value")).to_have_text(PAYLOAD)
    assert admin.complaints == []


def test_logs_are_live_filtered_and_can_be_paused(world, live, admin):
    page = admin.go(f"{APP}/logs?source=app&process=shout&text=script")
    log = page.get_by_role("log")
    expect(page.locator("[data-log-state]")).to_have_text("live")
    before = log.locator("div").count()
    page.wait_for_function(GREW, arg=before)
    assert all("shout.1" in line for line in log.locator("div").all_inner_texts())
    page.get_by_role("button", name="Pause").click()
    paused = log.locator("div").count()
    expect(page.locator("[data-log-state]")).to_contain_text("new")
    assert log.locator("div").count() == paused
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function(GREW, arg=paused)
    page.evaluate(LOOK_AWAY, True)
    time.sleep(2)
    page.evaluate(LOOK_AWAY, False)
    page.wait_for_function(GREW, arg=log.locator("div").count())
    lines = " ".join(log.locator("div").all_inner_texts()[before - 1 :])
    counted = [int(number) for number in re.findall(r"] (\d+) <script>", lines)]
    assert len(counted) > 3
    assert counted == list(range(counted[0], counted[-1] + 1)), "a line is missing, or there twice"
    page = admin.go(f"{APP}/logs?process=router")
    world.get("/marked-path", app="pages-app")
    expect(page.get_by_role("log")).to_contain_text("/marked-path")
    expect(page.get_by_role("log")).not_to_contain_text("shout")
    assert admin.complaints == []


def test_scaling_is_seen(world, live, admin):
    page = admin.go(f"{APP}/processes")
    page.get_by_label("How many web processes").fill("2")
    page.get_by_role("button", name="Scale web").click()
    row = page.get_by_role("row", name=re.compile("web.2"))
    expect(row).to_contain_text("up")
    page.get_by_label("How many web processes").fill("1")
    page.get_by_role("button", name="Scale web").click()
    expect(row).to_have_count(0)
    assert admin.complaints == []


def test_an_app_cannot_act_in_its_neighbours_name(world, live, admin):
    folder = world.repository("static", "framing-app")
    panel = f"http://localhost:{world.port}"
    (folder / "public" / "index.html").write_text(NEIGHBOUR.format(panel=panel))
    world.commit(folder, "Evil")
    world.paas("create", "framing-app", cwd=folder)
    world.git("push", "paas", "main", cwd=folder)
    page = admin.context.new_page()
    page.goto(f"http://framing-app.localhost:{world.port}/")
    assert page.evaluate("looked") in ("refused", "opaque")
    assert page.frames[1].url.startswith(("chrome-error:", "about:")), "framed by a neighbour"
    page.get_by_role("button", name="Win a prize").click()
    expect(page.get_by_text("made by another page than the panel")).to_be_visible()
    page.close()
    status, shown = world.api("GET", "/apps/pages-app")
    assert status == 200 and shown["maintenance"] is False
    expect(admin.go(APP).get_by_role("heading", name="pages-app")).to_be_visible()


def test_no_page_runs_what_it_shows_scrolls_sideways_or_shuts_anyone_out(world, live, admin):
    """Every page with hostile text in it: in light and dark, at 1280 and 390 pixels."""
    world.paas("create", "empty-app", cwd=world.folder)
    build = json.loads(world.paas("builds", "--json", cwd=live).stdout)[0]["id"]
    pages = [
        *("/dashboard/", "/dashboard/?q=nothing-like-it", "/dashboard/new", "/dashboard/no/page"),
        *(APP, f"{APP}/builds", f"{APP}/builds/{build}", f"{APP}/releases", f"{APP}/releases/1"),
        *(f"{APP}/releases/1/rollback", f"{APP}/config", f"{APP}/processes"),
        *(f"{APP}/logs", f"{APP}/access", f"{APP}/settings", "/dashboard/apps/empty-app"),
        *("/dashboard/apps/empty-app/releases", "/docs", _invitation(world)),
    ]
    axe, wrong = Axe(), []
    for path in pages:
        page = admin.go(path)
        for pane in page.locator("details").all()[:3]:
            pane.locator("summary").click()
        wide = [width for width in WIDTHS if is_too_wide(page, width)]
        wrong += [f"{path} scrolls sideways at {width}" for width in wide]
        complaints = [text for text in admin.complaints if "404" not in text]
        admin.complaints.clear()
        wrong += [f"{path} {text}" for text in complaints]
        wrong += axe.violations(page)
        admin.complaints.clear()
    assert wrong == []


def test_static_files_may_be_kept_for_ever(world):
    page = world.get("/dashboard/sign-in").body
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = world.get(address)
        assert answer.status == 200 and re.search(r"\.[0-9a-f]{12}\.", address), address
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert world.get("/static/../keys/secret_key").status == 404


def _invitation(world: World) -> str:
    """The path of the page that accepts one."""
    shown = world.paas("access:add", "guest@example.org", "-a", "pages-app", "--json").stdout
    return "/dashboard/" + json.loads(shown)["url"].partition("/dashboard/")[2]


def test_signing_in_and_out(world, browser):
    guest = visitor(world, browser)
    page = guest.go("/")
    page.wait_for_url("**/dashboard/sign-in?*")
    assert Axe().violations(page) == []
    page.get_by_label("E-mail").fill("admin@localhost")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Invalid e-mail address or password.")
    guest.sign_in()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/dashboard/sign-in")
    guest.go(APP)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    guest.context.close()
