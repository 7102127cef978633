"""Everybody who may come, and one of everything they may come for.

All of it lives in one transaction that is never committed; what one attempt
changes is rolled back before the next. A row that needs a value its path or
body names finds it in `Scene.values`: add yours in `_values`.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from apps.accounts import ssh_keys
from apps.accounts.authorizations import issue
from apps.accounts.models import SCOPES, Authorization, User
from apps.accounts.policy import Actor, Right
from apps.builds.log import End
from apps.builds.models import Build, BuildState
from apps.builds.paths import build_log
from apps.builds.tickets import ticket_for
from apps.catalog import invitations, transfers
from apps.catalog.manage import create_app
from apps.catalog.models import App, Collaborator
from apps.formation.cron.tasks import tasks_of
from apps.formation.cron.verbs import run_now
from apps.formation.domains import add_domain
from apps.formation.models import OwnCertificate
from apps.formation.scale import formation_of
from apps.logs import sessions
from apps.nodes import tokens as node_tokens
from apps.releases.create import Contents, create_release
from apps.releases.models import Release, ReleaseState
from apps.releases.vault import seal
from buildpacks.plan import CronTask, Manifest, Plan
from tests.authorisation.table import Row
from tests.pem import pair

PASSWORD = "correct horse battery"
_ED25519 = b"\0\0\0\x0bssh-ed25519\0\0\0 "  # how the blob of such a key begins
PUBLIC_KEY = f"ssh-ed25519 {b64encode(_ED25519 + bytes(range(32))).decode()} me@laptop"
OTHER_PUBLIC_KEY = f"ssh-ed25519 {b64encode(_ED25519 + bytes(range(1, 33))).decode()} other"
_RIGHTS = {
    "viewer": Right.VIEW,
    "deployer": Right.DEPLOY,
    "operator": Right.OPERATE,
    "manager": Right.MANAGE,
    "mate": Right.VIEW,  # whom others add, change and remove
}
_EXPIRED = "expired"
_PLACEHOLDER = re.compile(r"<([a-z-]+)>|{(?:\w+=)?([\w-]+)}")


@dataclass
class Scene:
    """The users by role, an app of the owner's, and values for the rows' placeholders."""

    users: dict[str, User]
    app: App
    values: dict[str, str]
    tokens: dict[tuple[str, str], str]

    def token(self, role: str, row: Row) -> str:
        """What `role` brings along for `row`; nothing if anonymous."""
        if role == "anonymous":
            return ""
        if role == "expired token":
            return self.tokens[row.bearer, _EXPIRED]
        if role == "wrong scope":
            return self.tokens[row.bearer, row.cells[role].scope]
        return self.tokens[role, "global"]

    def fill(self, text: str, role: str, row: Row) -> str:
        """`text` with its placeholders replaced, `self` by whoever asks."""
        who = self.users.get(role) or self.users.get(row.bearer) or self.users["stranger"]
        values = {**self.values, "self": who.email}

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            assert name in values, f"no value for {name}: add it in tests/authorisation/scene.py"
            return values[name]

        return _PLACEHOLDER.sub(value, text)

    def path(self, what: str, role: str, row: Row) -> str:
        """The path of a call, its parameters replaced."""
        parts = what.partition(" ")[2].split("/")
        return "/".join(
            quote(self.fill(one, role, row), safe=":@") if one.startswith("{") else one
            for one in parts
        )


@contextmanager
def undone() -> Iterator[None]:
    """Nothing that happens inside lasts."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    cache.clear()  # counters of wrong tries


def make_scene() -> Scene:
    users = {
        role: User.objects.create_user(f"{role}@example.org", PASSWORD, is_admin=role == "admin")
        for role in (*_RIGHTS, "stranger", "owner", "admin")
    }
    app = _app("hello", users)
    return Scene(users, app, _values(app, users), _tokens(users))


def _app(name: str, users: dict[str, User]) -> App:
    """One of the owner's, on which everybody has the right that their role says."""
    app = create_app(Actor(users["owner"]), name)
    for role, right in _RIGHTS.items():
        Collaborator.objects.create(app=app, user=users[role], right=right)
    return app


def _tokens(users: dict[str, User]) -> dict[tuple[str, str], str]:
    """Everybody's, with each scope there is, and one that has expired."""
    made = {
        (role, scope): issue(user, scopes=[scope]).token
        for role, user in users.items()
        for scope in SCOPES
    }
    return made | {(role, _EXPIRED): _expired(user) for role, user in users.items()}


def _values(app: App, users: dict[str, User]) -> dict[str, str]:
    owner, manager = users["owner"], users["manager"]
    actor = Actor(owner)
    built, running = _builds(app, owner)
    first = _releases(app, owner, built)
    invited = invitations.invite(actor, "invited@example.org", app, Right.VIEW)
    offered = _app("offered", users)
    ssh_key = ssh_keys.add(actor, PUBLIC_KEY)
    (cron_task,) = tasks_of(app)
    log_url = sessions.create(actor, app.name).url
    return {
        "app": app.name,
        "build": str(running.id),
        "built": str(built.id),
        "build-ticket": ticket_for("build", built.id, actor),
        "addon": "none",
        "cache-file": "nix-cache-info",
        "collaborator": users["mate"].email,
        "cron-run": str(run_now(actor, app, cron_task.id).id),
        "domain": add_domain(actor, app, "www.example.com").hostname,
        "drain": "none",
        "dyno": "web.1",
        "endpoint": _certificate(app),
        "feature": "none",
        "image-digest": "sha256:" + "0" * 64,
        "image-tag": "latest",
        "invitation": str(invited.invitation.id),
        "invitation-token": invited.token,
        "key": str(issue(owner, description="ci").authorization.id),
        "log-ticket": log_url.rpartition("/")[2],
        "mate": users["mate"].email,
        "node": node_tokens.create(Actor(users["admin"]), "node-1").row.name,
        "offered": offered.name,
        "owner": owner.email,
        "password": PASSWORD,
        "pipeline": "none",
        "release": "1",
        "release-ticket": ticket_for("release", first.id, actor),
        "public-key": OTHER_PUBLIC_KEY,
        "public-key-file": str(_key_file()),
        "ssh-key": str(ssh_key.id),
        "stranger": users["stranger"].email,
        "task": cron_task.id,
        "team": "none",
        "transfer": str(transfers.offer(actor, offered, manager).id),
        "type": "web",
        "user": users["mate"].email,
        "webhook": "none",
    }


def _certificate(app: App) -> str:
    """One of the owner's own, for none of the app's hosts; its name."""
    chain, key = pair("other.example.com")
    fields = {"hostnames": ["other.example.com"], "expires_at": timezone.now()}
    own = OwnCertificate(app=app, name="cert-1", chain=chain, sealed=seal({"key": key}), **fields)
    own.save()
    return own.name


def _key_file() -> Path:
    """A public key as a client keeps it."""
    path = Path(settings.INSTANCE.home) / "other.pub"
    path.write_text(OTHER_PUBLIC_KEY)
    return path


def _builds(app: App, owner: User) -> tuple[Build, Build]:
    """One that is done and one that is going on."""
    plan = Plan(
        providers=("procfile",),
        name="Procfile",
        processes={"web": "serve"},
        manifest=Manifest(cron=(CronTask("tidy", "0 4 * * *"),)),
    )
    done = Build.objects.create(
        app=app,
        user=owner,
        commit="c" * 40,
        branch="main",
        state=BuildState.SUCCEEDED,
        plan=plan.to_json(),
        artifact={"kind": "host", "path": "/nowhere", "digest": "sha256:0"},
    )
    build_log(done).close(End("succeeded"))
    return done, Build.objects.create(app=app, user=owner, commit="d" * 40, branch="main")


def _releases(app: App, owner: User, build: Build) -> Release:
    """Two good ones, so that one can be rolled back to; the first."""
    made = []
    for variables in ({"GREETING": "hi"}, {"GREETING": "hello"}):
        release = create_release(
            app, owner, lambda newest, held=variables: Contents(build, held, "Deploy"), wait=0
        )
        Release.objects.filter(pk=release.pk).update(state=ReleaseState.SUCCEEDED)
        made.append(release)
    Release.objects.filter(pk=made[-1].pk).update(current=True)
    formation_of(app)
    return made[0]


def _expired(user: User) -> str:
    issued = issue(user, expires_in=60)
    Authorization.objects.filter(pk=issued.authorization.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    return issued.token


def body_of(text: str) -> bytes:
    """A row's body, checked to be JSON."""
    return json.dumps(json.loads(text)).encode() if text else b""
