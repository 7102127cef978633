"""One-offs over the API: who may, what is refused, what the address is good for."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Authorization, User
from apps.accounts.policy import Actor, Right
from apps.activity.models import Activity
from apps.catalog.models import App, Collaborator
from apps.formation.change import roll_out_change
from apps.formation.run import Order, note_end, run_attached
from paas import tickets
from paas.certificates import ensure_authority
from paas.runtimes.base import LimitExceeded, Terminal
from tests.conftest import Api

pytestmark = pytest.mark.django_db(transaction=True)

DYNOS = "/apps/hello/dynos"
MARKED = '; echo "\uffff heroku-command-exit-status: $?"'


@pytest.fixture
def live(hello, make_build, make_release):
    release = make_release(make_build("a" * 40), GREETING="hello")
    roll_out_change(str(release.id))
    return hello


@pytest.fixture
def call(api, alice, live) -> Api:
    return api(alice)


def attach(call: Api, command: str = "bash", **more: object) -> tickets.Ticket:
    status, made = call("POST", DYNOS, {"command": command, "attach": True, **more})
    assert status == 201, made
    url = made["attach_url"]
    assert url.startswith(settings.INSTANCE.rendezvous_url(""))
    return tickets.unseal(url.rpartition("/")[2], settings.INTERNAL_TOKEN)


def test_the_address_is_for_this_process(call, live, null):
    ticket = attach(call, env={"TERM": "xterm", "COLUMNS": 120, "LINES": "40"})
    user = str(live.owner_id)
    token = str(Authorization.objects.get(user=user).pk)
    assert ticket == tickets.Ticket(str(live.id), "run.1", Terminal(120, 40), user, token)
    assert null.attach(str(live.id), "run.1", ticket.terminal).wait() == 0
    assert attach(call).name == "run.2"


@pytest.mark.parametrize("size", [{}, {"COLUMNS": 0, "LINES": -3}, {"COLUMNS": "x", "LINES": None}])
def test_a_terminal_has_a_size_in_any_case(call, size):
    assert attach(call, env=size).terminal == Terminal(80, 24)


def test_without_a_terminal(call):
    assert attach(call, force_no_tty=True).terminal is None


def test_herokus_way_of_asking_for_the_status(call, null, live):
    """Its addition to the command goes, so that a type's name is known and `exit` is told."""
    assert attach(call, f"worker{MARKED}").marks_status
    assert null._apps[str(live.id)].awaited == {"run.1": "work"}
    assert not attach(call, "worker").marks_status


def test_a_detached_one_has_no_address(call):
    status, made = call("POST", DYNOS, {"command": "true", "size": "Standard-2X"})
    assert status == 201 and made["attach_url"] is None and made["size"] == "standard-2x"


@pytest.mark.parametrize(
    "order",
    [
        {"command": ""},
        {"command": "a\0b"},
        {"command": "x" * 4097},
        {"command": "true", "size": "enormous"},
        {"command": "true", "type": "web"},
        {"command": "true", "time_to_live": 0},
        {"command": "true", "time_to_live": 10**9},
        {"command": "true", "env": {"A B": "x"}},
        {"command": "true", "env": {"A": "\0"}},
        {"command": "true", "env": {"A": "x" * 20_000}},
        {"command": "true", "env": {"A": ["x"]}},
    ],
)
@pytest.mark.parametrize("attached", [True, False])
def test_what_makes_no_sense_is_refused(call, order, attached):
    status, answer = call("POST", DYNOS, {"attach": attached, **order})
    assert status == 422 and answer["message"]


def test_nothing_runs_before_the_first_push(api, alice, hello):
    status, answer = api(alice)("POST", DYNOS, {"command": "bash", "attach": True})
    assert status == 422 and "git push paas main" in answer["message"]


def test_too_many_are_refused(call, null, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise LimitExceeded("10 one-off processes are running")

    monkeypatch.setattr(null, "run_attached", full)
    status, answer = call("POST", DYNOS, {"command": "bash", "attach": True})
    assert status == 422 and "ps:stop run.N" in answer["message"]


# --- who may ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("right", "status"), [(None, 404), (Right.VIEW, 403), (Right.DEPLOY, 403), (Right.OPERATE, 201)]
)
def test_others_need_the_right_to_operate(api, bob, live, right, status):
    if right is not None:
        Collaborator.objects.create(app=live, user=bob, right=right)
    assert api(bob)("POST", DYNOS, {"command": "bash", "attach": True})[0] == status


@pytest.mark.parametrize(
    ("scope", "status"),
    [("read", 403), ("read-protected", 403), ("write", 403), ("write-protected", 201)],
)
def test_a_token_that_leaves_config_out_runs_nothing(api, alice, live, scope, status):
    """A one-off could print the config."""
    body = {"command": "env", "attach": True}
    assert api(alice, scopes=[scope])("POST", DYNOS, body)[0] == status
    assert api(alice, scopes=[scope])("POST", DYNOS, body | {"attach": False})[0] == status


def test_nobody_runs_nothing(live):
    assert Api("no-such-token")("POST", DYNOS, {"command": "bash", "attach": True})[0] == 401


@pytest.mark.parametrize(("right", "status"), [(Right.VIEW, 403), (Right.OPERATE, 202)])
def test_stopping_needs_the_right_to_operate(call, api, bob, live, right, status):
    attach(call)
    Collaborator.objects.create(app=live, user=bob, right=right)
    assert api(bob)("POST", f"{DYNOS}/run.1/actions/stop")[0] == status


# --- who may go on --------------------------------------------------------------
def may_go_on(client: Client, ticket: tickets.Ticket) -> bool:
    """The gateway's question."""
    answer = client.post(
        "/internal/runs/permitted",
        {"app_id": ticket.app_id, "user": ticket.user, "authorization": ticket.authorization},
        content_type="application/json",
        headers={"Host": "localhost", "Authorization": f"Bearer {settings.INTERNAL_TOKEN}"},
    )
    assert answer.status_code == 200, answer.content
    return bool(answer.json()["permitted"])


def _lower(bob: User) -> None:
    Collaborator.objects.filter(user=bob).update(right=Right.DEPLOY)


def _remove(bob: User) -> None:
    Collaborator.objects.filter(user=bob).delete()


def _revoke(bob: User) -> None:
    Authorization.objects.filter(user=bob).update(revoked_at=timezone.now())


def _expire(bob: User) -> None:
    Authorization.objects.filter(user=bob).update(expires_at=timezone.now())


def _narrow(bob: User) -> None:
    Authorization.objects.filter(user=bob).update(scopes=["write"])


def _lock_out(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)


def _destroy(bob: User) -> None:
    App.objects.all().delete()


@pytest.mark.parametrize("lose", [_lower, _remove, _revoke, _expire, _narrow, _lock_out, _destroy])
def test_an_attached_one_goes_on_while_its_user_may(api, bob, live, client, lose):
    Collaborator.objects.create(app=live, user=bob, right=Right.OPERATE)
    ticket = attach(api(bob))
    assert may_go_on(client, ticket)
    lose(bob)
    assert not may_go_on(client, ticket)


def test_without_a_token_it_is_the_user_who_counts(bob, live, client):
    """As in a session of the dashboard."""
    order = Order("bash")
    Collaborator.objects.create(app=live, user=bob, right=Right.OPERATE)
    url = run_attached(Actor(bob), live, order, None).attach_url
    ticket = tickets.unseal(url.rpartition("/")[2], settings.INTERNAL_TOKEN)
    assert ticket.authorization is None and may_go_on(client, ticket)
    _lock_out(bob)
    assert not may_go_on(client, ticket)


# --- afterwards ------------------------------------------------------------------
def test_stop(call):
    attach(call)
    assert call("POST", f"{DYNOS}/run.1/actions/stop") == (202, {})
    status, answer = call("POST", f"{DYNOS}/run.1/actions/stop")
    assert status == 404 and "paas ps" in answer["message"]
    assert call("POST", f"{DYNOS}/web.1/actions/stop")[0] == 202
    assert call("POST", "/apps/hello/formations/web/actions/stop")[0] == 202
    assert call("POST", f"{DYNOS}/web.7/actions/stop")[0] == 404


def test_one_process_can_be_asked_for(call):
    assert call("GET", f"{DYNOS}/web.1")[1]["name"] == "web.1"
    assert call("GET", f"{DYNOS}/web.9")[0] == 404


def test_the_trail_names_the_act_and_not_the_command(call, live):
    attach(call, "psql --password=hunter2")
    note_end(live.id, "run.1", 3)
    note_end(live.id, "run.2", None)
    trail = Activity.objects.get(verb="process.run")
    assert trail.details == {"process": "run.1", "attached": True}
    log = (settings.INSTANCE.app_logs / str(live.id) / "platform.raw").read_text()
    assert "hunter2" not in log + json.dumps(trail.details)
    assert "paas[api]: Starting process run.1 by user alice@example.org" in log
    assert "paas[run.1]: Process exited with status 3" in log
    assert "paas[run.2]: Client disconnected" in log


def test_the_authority_is_public_once_it_is_there(client):
    def get():
        return client.get("/ca.pem", headers={"Host": "localhost"})

    settings.INSTANCE.authority.unlink(missing_ok=True)
    assert get().status_code == 503 and "moment" in get().json()["message"]
    ensure_authority(settings.INSTANCE)
    try:
        assert get().status_code == 200 and get().content.startswith(b"-----BEGIN CERTIFICATE")
    finally:
        settings.INSTANCE.authority.unlink()
