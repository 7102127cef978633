"""Users who leave the instance: what becomes of the apps they own."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from apps.accounts.errors import Conflict, Refused
from apps.accounts.models import User
from apps.accounts.policy import Actor, require_admin
from apps.accounts.users import delete_user
from apps.catalog.manage import record_app
from apps.catalog.models import App, Collaborator


def remove_user(actor: Actor, user: User, heir: User | None = None) -> None:
    """An admin removes `user` with their tokens, rights and invitations; all or nothing.

    Their apps go on, as the heir's; what they did stays in releases and the audit trail.

    Args:
        heir: who gets the apps that `user` owns; not needed if there are none.

    Raises:
        Refused: `user` owns apps and there is no heir, or is the actor.
        Conflict: `user` has just got or made another app.
    """
    require_admin(actor)
    if heir is not None and heir.pk == user.pk:
        raise Refused("The apps of somebody who is removed need another owner.")
    try:
        with transaction.atomic():
            apps = list(App.objects.filter(owner=user))
            if apps and heir is None:
                raise Refused(_needs_heir(user, apps))
            for app in apps:
                _hand_over(actor, app, heir)
            delete_user(actor, user)
    except IntegrityError:  # an app is never lost with its owner: the database holds on to it
        raise Conflict(f"{user} has just got another app. Try again.") from None


def _hand_over(actor: Actor, app: App, heir: User | None) -> None:
    assert heir is not None
    App.objects.filter(pk=app.pk).update(owner=heir)
    Collaborator.objects.filter(app=app, user=heir).delete()
    record_app(actor, "app.transfer", app, to=heir.email)


def _needs_heir(user: User, apps: list[App]) -> str:
    names = ", ".join(app.name for app in apps[:10]) + (", …" if len(apps) > 10 else "")
    return (
        f"{user} owns {names}. Say who gets them: paas users:remove {user} --transfer-to EMAIL. "
        f"Or destroy them first."
    )
