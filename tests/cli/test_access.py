"""access and its kin: Heroku's texts, and what the panel is asked."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply

PATH = "/apps/hello/collaborators"


def _collaborator(email: str, role: str, *names: str) -> dict[str, Any]:
    permissions = [{"name": name, "description": ""} for name in names]
    return {"user": {"email": email}, "role": role, "permissions": permissions}


def test_the_list(paas: Run, panel: FakePanel) -> None:
    owner = _collaborator("alice@example.org", "owner", "view", "deploy")
    panel.on(f"GET {PATH}", [owner, _collaborator("bob@x.org", "collaborator", "view")])
    assert paas("access", "-a", "hello").stdout.splitlines() == [
        "alice@example.org  owner         view, deploy",
        "bob@x.org          collaborator  view",
    ]


def test_adding_a_user(paas: Run, panel: FakePanel) -> None:
    made = _collaborator("bob@x.org", "collaborator", "view", "deploy")
    panel.on(f"POST {PATH}", Reply(made, 201))
    result = paas("access:add", "bob@x.org", "-a", "hello", "-p", "deploy,view")
    text = "Adding bob@x.org access to the app hello with deploy,view permissions... done\n"
    assert (result.returncode, result.stdout, result.stderr) == (0, "", text)
    paas("access:add", "bob@x.org", "-a", "hello")
    assert panel.bodies(f"POST {PATH}") == [
        {"user": "bob@x.org", "permissions": ["deploy", "view"]},
        {"user": "bob@x.org"},
    ]


def test_an_unknown_address_is_invited_and_the_link_printed(paas: Run, panel: FakePanel) -> None:
    url = f"{panel.url}/dashboard/invitations/t0ken"
    panel.on(f"POST {PATH}", Reply({"email": "new@x.org", "token": "t0ken", "url": url}, 202))
    result = paas("access:add", "new@x.org", "-a", "hello")
    assert "... done, invited" in result.stderr
    assert f"paas invitations:accept {url}" in result.stdout


def test_changing_and_removing(paas: Run, panel: FakePanel) -> None:
    one = _collaborator("bob@x.org", "collaborator", "view")
    panel.on(f"PATCH {PATH}/bob%40x.org", one)
    panel.on(f"DELETE {PATH}/bob%40x.org", one)
    changed = paas("access:update", "bob@x.org", "-a", "hello", "--permissions", "manage")
    assert "Updating bob@x.org in application hello with manage permissions... done" in (
        changed.stderr
    )
    assert panel.bodies(f"PATCH {PATH}/bob%40x.org") == [{"permissions": ["manage"]}]
    removed = paas("access:remove", "bob@x.org", "-a", "hello")
    assert removed.stderr == "Removing bob@x.org access from the app hello... done\n"


def test_changing_names_the_permission(paas: Run, panel: FakePanel) -> None:
    assert paas("access:update", "bob@x.org", "-a", "hello").returncode == 2
    assert paas("access:update", "bob@x.org", "-a", "hello", "-p", ",").returncode == 2
    assert not panel.asked
