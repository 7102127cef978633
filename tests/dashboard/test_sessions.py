"""Signing in and out, and who may send a request at all."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from apps.accounts.limits import FAILURES
from apps.activity.models import Activity
from tests.dashboard.conftest import PASSWORD, Browser

HOME = "/dashboard/"
SIGN_IN = "/dashboard/sign-in"


def _sign_in(client, email="alice@example.org", password=PASSWORD, **more):
    return client.post(SIGN_IN, {"email": email, "password": password, **more})


def test_a_browser_is_sent_to_the_pages_and_a_program_is_not(db):
    assert Client().get("/", headers={"Accept": "text/html,*/*"}).headers["Location"] == HOME
    program = Client().get("/")
    assert program.status_code == 404 and program.json()["id"] == "not_found"


def test_without_a_session_every_page_leads_to_the_sign_in(db, hello):
    for path in ("", "new", "apps/hello", "apps/nothing", "no/such/page"):
        answer = Browser().get(HOME + path)
        assert answer.status_code == 302 and answer.headers["Location"].startswith(SIGN_IN), path


def test_signing_in_leads_where_one_wanted_to_go(alice, hello):
    browser = Browser()
    wanted = browser.get(HOME + "apps/hello").headers["Location"]
    assert b'value="/dashboard/apps/hello"' in browser.get(wanted).content
    answer = _sign_in(browser, email=" Alice@Example.org ", next="/dashboard/apps/hello")
    assert answer.headers["Location"] == "/dashboard/apps/hello"
    assert browser.get("/dashboard/apps/hello").status_code == 200
    assert Activity.objects.filter(verb="account.sign_in", actor_id=alice.id).exists()


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/apps", "x"])
def test_signing_in_leads_nowhere_else(alice, wanted):
    assert _sign_in(Browser(), next=wanted).headers["Location"] == HOME


def test_a_wrong_password_says_so_and_no_more(alice):
    for email in ("alice@example.org", "nobody@example.org"):
        answer = _sign_in(Browser(), email=email, password="wrong")
        assert answer.status_code == 401
        assert b"Invalid e-mail address or password." in answer.content
    assert not Session.objects.exists()


def test_guessing_is_limited(alice):
    for _ in range(FAILURES):
        _sign_in(Browser(), password="wrong")
    answer = _sign_in(Browser())
    assert answer.status_code == 429 and b"Too many wrong tries" in answer.content


def test_the_cookie_is_of_this_host_and_not_for_scripts(alice, settings):
    browser = Browser()
    _sign_in(browser)
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    assert cookie["path"] == "/" and not cookie["domain"]


def test_a_session_planted_before_is_worth_nothing_after(alice, settings):
    browser = Browser()
    planted = browser.session
    planted.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = planted.session_key
    _sign_in(browser)
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()


def test_signing_out_ends_the_session_on_the_server(alice, browser, settings):
    alices = browser(alice)
    stolen = alices.cookies[settings.SESSION_COOKIE_NAME].value
    assert alices.get("/dashboard/sign-out").status_code == 302
    assert alices.get(HOME).status_code == 200, "a link must not sign anybody out"
    alices.post("/dashboard/sign-out")
    thief = Browser()
    thief.cookies[settings.SESSION_COOKIE_NAME] = stolen
    assert thief.get(HOME).status_code == 302


def test_a_session_ends_with_the_password(alice, browser):
    alices = browser(alice)
    alice.set_password("another good password")
    alice.save()
    assert alices.get(HOME).status_code == 302


def test_a_session_ends_with_the_account(alice, browser):
    alices = browser(alice)
    alice.is_active = False
    alice.save()
    assert alices.get(HOME).status_code == 302


def test_the_api_takes_no_cookie(alice, browser, hello):
    assert browser(alice).get("/apps").status_code == 401


# --- neighbours -------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Origin": "http://hello.localhost"},
        {"Origin": "null"},
        {},
    ],
)
def test_a_neighbour_can_change_nothing(alice, browser, hello, headers):
    alices = browser(alice)
    alices.defaults = Client(headers={"Host": "localhost", **headers}).defaults
    answer = alices.post("/dashboard/apps/hello/settings/destroy", {"confirm": "hello"})
    assert answer.status_code == 403 and b"another page" in answer.content
    assert _sign_in(alices).status_code == 403
    hello.refresh_from_db()


def test_an_old_browser_tells_its_origin(alice, browser, hello):
    alices = browser(alice)
    headers = {"Host": "localhost", "Origin": "http://localhost"}
    alices.defaults = Client(headers=headers).defaults
    assert alices.post("/dashboard/apps/hello/settings/maintenance", {"on": "1"}).status_code == 302


@pytest.mark.parametrize("dest", ["iframe", "image", "script", "empty", "object"])
def test_a_neighbour_can_embed_nothing(alice, browser, hello, dest):
    alices = browser(alice)
    mode = "navigate" if dest in ("iframe", "object") else "no-cors"
    headers = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    alices.defaults = Client(headers={"Host": "localhost", **headers}).defaults
    for path in (HOME, "/dashboard/apps/hello/logs/events"):
        answer = alices.get(path)
        assert answer.status_code == 403 and b"hello" not in answer.content


def test_a_link_elsewhere_may_lead_here(alice, browser):
    alices = browser(alice)
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    headers |= {"Sec-Fetch-Dest": "document", "Host": "localhost"}
    alices.defaults = Client(headers=headers).defaults
    assert alices.get(HOME).status_code == 200


def test_a_form_without_the_sessions_token_changes_nothing(alice, hello):
    alices = Browser(enforce_csrf_checks=True).enter(alice)
    answer = alices.post("/dashboard/apps/hello/settings/destroy", {"confirm": "hello"})
    assert answer.status_code == 403 and b"too old" in answer.content
    hello.refresh_from_db()


def test_every_page_carries_the_headers(alice, browser, hello):
    pages = [HOME, "/dashboard/apps/hello", "/dashboard/apps/none", SIGN_IN, "/docs"]
    for path in pages:
        answer = browser(alice).get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
