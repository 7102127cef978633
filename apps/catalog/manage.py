"""Making and changing apps. What runs of an app is formation's matter."""

from __future__ import annotations

import secrets

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, require_write
from apps.activity.record import record
from apps.catalog.models import App, AppNumber

_ADJECTIVES = ("autumn", "bold", "calm", "clear", "cool", "dry", "fast", "gentle", "quiet", "warm")
_NOUNS = ("bird", "brook", "cloud", "field", "forest", "hill", "lake", "moon", "river", "stone")


def create_app(actor: Actor, name: str | None = None, *, deploy_branch: str = "main") -> App:
    """Make an app that `actor` owns; without a name it gets one as Heroku's do.

    Raises:
        Refused: a bad or taken name.
        Forbidden: the token may only read.
    """
    require_write(actor)
    try:
        with transaction.atomic():
            app = _new_app(actor, name or _made_up_name(), deploy_branch)
            record_app(actor, "app.create", app)
    except IntegrityError:
        raise Refused(f"Name {name} is already taken. Choose another.") from None
    return app


def record_app(actor: Actor, verb: str, app: App, **details: object) -> None:
    """Write an act on `app` into the audit trail."""
    record(
        verb,
        actor_id=actor.user.id,
        actor=str(actor),
        app_id=app.id,
        app=app.name,
        **details,
    )


def _new_app(actor: Actor, name: str, deploy_branch: str) -> App:
    app = App(
        number=AppNumber.objects.create().pk,
        name=name,
        owner=actor.user,
        deploy_branch=deploy_branch,
    )
    try:
        app.full_clean(validate_unique=False)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    app.save(force_insert=True)
    return app


def _made_up_name() -> str:
    words = f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}"
    return f"{words}-{secrets.randbelow(90000) + 10000}"
