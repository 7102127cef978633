"""Users, transfers, invitations and tokens: what is printed, and what the panel is asked."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

TOKEN_FACTS = {
    "id": "4f6c",
    "description": "ci",
    "scope": ["read"],
    "access_token": {"token": "paas_abc…", "expires_in": None},
    "updated_at": "2026-11-26T10:00:00Z",
}


def test_a_user_is_made_and_the_password_shown(paas: Run, panel: FakePanel) -> None:
    panel.on("POST /users", Reply({"email": "new@x.org", "password": "s3cret"}, 201))
    shown = paas("users:create", "new@x.org", "--admin").stdout
    assert "Password: s3cret\n" in shown and "paas login -e new@x.org" in shown
    assert panel.bodies("POST /users") == [{"email": "new@x.org", "name": "", "admin": True}]


def test_users_are_listed(paas: Run, panel: FakePanel) -> None:
    one = {"email": "a@x.org", "name": "A", "admin": True, "last_login": None}
    panel.on("GET /users", [one])
    assert paas("users").stdout == "a@x.org  A  admin\n"


def test_removing_a_user_is_confirmed_and_names_the_heir(paas: Run, panel: FakePanel) -> None:
    panel.on("DELETE /users/a%40x.org", {})
    assert paas("users:remove", "a@x.org", "-c", "b@x.org").returncode == 2
    assert not panel.asked
    paas("users:remove", "a@x.org", "-c", "a@x.org", "--transfer-to", "b@x.org")
    assert panel.bodies("DELETE /users/a%40x.org") == [{"transfer_to": "b@x.org"}]


def test_a_password_is_reset(paas: Run, panel: FakePanel) -> None:
    path = "POST /users/a%40x.org/actions/reset-password"
    panel.on(path, {"email": "a@x.org", "password": "s3cret"})
    assert "Password: s3cret\n" in paas("users:reset-password", "a@x.org").stdout


def test_the_account_is_changed(paas: Run, panel: FakePanel) -> None:
    panel.on("PATCH /account", {})
    assert paas("account:update").returncode == 2
    assert paas("account:update", "--password").returncode == 2, "nobody types"
    assert paas("account:update", "--name", "Ada").returncode == 0
    assert panel.bodies("PATCH /account") == [{"name": "Ada"}]


def test_an_app_is_offered_and_taken(paas: Run, panel: FakePanel) -> None:
    made = {"id": "7e3b", "app": {"name": "hello"}, "state": "pending"}
    made |= {"owner": {"email": "a@x.org"}, "recipient": {"email": "b@x.org"}}
    panel.on("POST /account/app-transfers", Reply(made, 201))
    panel.on("GET /account/app-transfers", [made])
    panel.on("PATCH /account/app-transfers/7e3b", made)
    panel.on("DELETE /account/app-transfers/7e3b", made)
    offered = paas("apps:transfer", "b@x.org", "-a", "hello")
    assert offered.stderr == "Initiating transfer of hello to b@x.org... done\n"
    assert panel.bodies("POST /account/app-transfers") == [{"app": "hello", "recipient": "b@x.org"}]
    assert paas("apps:transfers").stdout == "hello  a@x.org  b@x.org  pending\n"
    assert paas("apps:transfers:accept", "-a", "hello").returncode == 0
    assert paas("apps:transfers:decline", "-a", "hello").returncode == 0
    assert panel.bodies("PATCH /account/app-transfers/7e3b") == [
        {"state": "accepted"},
        {"state": "declined"},
    ]
    assert paas("apps:transfers:cancel", "-a", "hello").returncode == 0
    assert "not on offer" in paas("apps:transfers:accept", "-a", "other").stderr


def test_invitations_are_revoked_by_address(paas: Run, panel: FakePanel) -> None:
    one = {"id": "1", "email": "new@x.org", "app": None, "permissions": []}
    one |= {"invited_by": {"email": "a@x.org"}, "expires_at": "2026-12-03T10:00:00Z"}
    panel.on("GET /invitations", [one, {**one, "id": "2"}])
    for key in ("1", "2"):
        panel.on(f"DELETE /invitations/{key}", one)
    row = "new@x.org  1  -    by a@x.org  until 2026/12/03 10:00:00 +0000"
    assert paas("invitations").stdout.splitlines()[0] == row
    assert paas("invitations:revoke", "New@x.org").returncode == 0
    assert [a.path for a in panel.asked if a.method == "DELETE"] == [
        "/invitations/1",
        "/invitations/2",
    ]


def test_a_token_is_looked_at_described_rotated(paas: Run, panel: FakePanel) -> None:
    path = "/oauth/authorizations/4f6c"
    panel.on(f"GET {path}", TOKEN_FACTS)
    panel.on(f"PATCH {path}", {**TOKEN_FACTS, "description": "nightly"})
    fresh = {**TOKEN_FACTS, "access_token": {"token": "whole", "expires_in": 60}}
    panel.on(f"POST {path}/actions/regenerate-tokens", fresh)
    shown = paas("authorizations:info", "4f6c").stdout
    assert "Scope:       read\n" in shown and "Expires:     never expires\n" in shown
    updated = paas("authorizations:update", "4f6c", "-d", "nightly")
    assert updated.stderr == "Updating OAuth Authorization... done\n"
    assert panel.bodies(f"PATCH {path}") == [{"description": "nightly"}]
    rotated = paas("authorizations:rotate", "4f6c")
    assert rotated.stderr == "Rotating OAuth Authorization... done\n"
    assert "Token:       whole\n" in rotated.stdout


def test_a_token_alone(paas: Run, panel: FakePanel) -> None:
    panel.on("POST /oauth/authorizations", Reply(TOKEN_FACTS, 201))
    assert paas("authorizations:create", "-S").stdout == "paas_abc…\n"


def test_no_tokens(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /oauth/authorizations", [])
    assert paas("authorizations").stdout == "No OAuth authorizations.\n"
