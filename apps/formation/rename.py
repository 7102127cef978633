"""Renaming an app: what it is called changes, what it is (its id) does not."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.errors import Conflict, Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.helm import want_change
from apps.formation.routing import reroute


def rename(actor: Actor, app: App, name: str) -> None:
    """Call `app` `name`: it answers at the new address at once, the old name is free.

    Its processes are replaced soon after, since PAAS_APP_NAME is another.
    Naming it what it is called does nothing.

    Raises:
        Refused: a bad or taken name.
        Conflict: somebody else has renamed it meanwhile.
    """
    require(actor, Right.MANAGE, app)
    before = app.name
    if name == before:
        return
    app.name = name
    try:
        app.clean_fields()
        with transaction.atomic():
            if not App.objects.filter(pk=app.pk, name=before).update(name=name):
                raise Conflict(f"{before} was renamed by somebody else just now.")
            want_change(app)
            record_app(actor, "app.rename", app, before=before)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from None
    except IntegrityError:
        raise Refused(f"Name {name} is already taken. Choose another.") from None
    tell_api(app, f"Renamed {before} to {name} by user {actor}")
    reroute(app)
