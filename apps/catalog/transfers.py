"""Giving an app away: the owner offers it to a collaborator, who takes it or does not."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.errors import Conflict, Forbidden, NotFound, Refused
from apps.accounts.models import User
from apps.accounts.policy import Actor, Right, require, require_read, require_write
from apps.catalog.collaborators import USUAL_RIGHT
from apps.catalog.manage import record_app
from apps.catalog.models import App, AppTransfer, Collaborator, TransferState


def offer(actor: Actor, app: App, recipient: User | None) -> AppTransfer:
    """Offer `app` to `recipient`, who must work on it already: an app comes to no stranger.

    Raises:
        Forbidden: only the owner may.
        Refused: the recipient is unknown, no collaborator, or the owner.
        Conflict: the app is on offer already.
    """
    require(actor, Right.OWN, app)
    if recipient is not None and recipient.pk == app.owner_id:
        raise Refused(f"{recipient} owns {app.name} already.")
    if recipient is None or not _works_on(recipient, app):
        # The same words for both: nobody learns here who has an account.
        raise Refused(
            f"An app can be transferred to its collaborators only. "
            f"Add them first: paas access:add EMAIL -a {app.name}"
        )
    try:
        with transaction.atomic():
            made = AppTransfer.objects.create(app=app, owner=app.owner, recipient=recipient)
            record_app(actor, "transfer.create", app, to=recipient.email)
    except IntegrityError:
        raise Conflict(
            f"{app.name} is on offer already. `paas apps:transfers` shows to whom; "
            f"to take that back: paas apps:transfers:cancel -a {app.name}"
        ) from None
    return made


def transfers_of(actor: Actor) -> QuerySet[AppTransfer]:
    """Those the actor made or was offered."""
    require_read(actor)
    mine = AppTransfer.objects.filter(Q(owner=actor.user) | Q(recipient=actor.user))
    return mine.select_related("app", "owner", "recipient")


def find_transfer(actor: Actor, transfer_id: uuid.UUID) -> AppTransfer:
    """
    Raises:
        NotFound: there is none, or it is between others.
    """
    found = transfers_of(actor).filter(pk=transfer_id).first()
    if found is None:
        raise NotFound("Couldn't find that app transfer. `paas apps:transfers` lists yours.")
    return found


def accept(actor: Actor, transfer: AppTransfer) -> AppTransfer:
    """The recipient becomes the owner, the owner a collaborator; once, however many accept.

    Raises:
        Forbidden: it was offered to somebody else.
        Refused: it is settled, or the app or the recipient's access changed meanwhile.
    """
    _require_recipient(actor, transfer)
    app, now = transfer.app, timezone.now()
    with transaction.atomic():
        _settle(transfer, TransferState.ACCEPTED)
        moved = App.objects.filter(pk=app.pk, owner=transfer.owner).update(
            owner=transfer.recipient, updated_at=now
        )
        left, _ = Collaborator.objects.filter(app=app, user=transfer.recipient).delete()
        if not moved or not left:
            raise Refused(f"{app.name} has changed hands or your access ended: it is not on offer.")
        Collaborator.objects.get_or_create(
            app=app, user=transfer.owner, defaults={"right": USUAL_RIGHT}
        )
        record_app(actor, "app.transfer", app, to=transfer.recipient.email)
    transfer.refresh_from_db()
    return transfer


def decline(actor: Actor, transfer: AppTransfer) -> AppTransfer:
    """The recipient does not want it.

    Raises:
        Forbidden: it was offered to somebody else.
        Refused: it is settled.
    """
    _require_recipient(actor, transfer)
    with transaction.atomic():
        _settle(transfer, TransferState.DECLINED)
        record_app(actor, "transfer.decline", transfer.app)
    transfer.refresh_from_db()
    return transfer


def cancel(actor: Actor, transfer: AppTransfer) -> AppTransfer:
    """Whoever offered it takes it back.

    Raises:
        Forbidden: the actor did not offer it.
        Refused: it is settled.
    """
    require_write(actor)
    if transfer.owner_id != actor.user.pk:
        raise Forbidden("Only who offered the app can take the offer back. You can decline it.")
    with transaction.atomic():
        pending = AppTransfer.objects.filter(pk=transfer.pk, state=TransferState.PENDING)
        if not pending.delete()[0]:
            raise _settled(transfer)
        record_app(actor, "transfer.delete", transfer.app, to=transfer.recipient.email)
    return transfer


def _require_recipient(actor: Actor, transfer: AppTransfer) -> None:
    require_write(actor)
    if transfer.recipient_id != actor.user.pk:
        raise Forbidden("Only the recipient can accept or decline an app transfer.")


def _settle(transfer: AppTransfer, state: TransferState) -> None:
    pending = AppTransfer.objects.filter(pk=transfer.pk, state=TransferState.PENDING)
    if not pending.update(state=state, updated_at=timezone.now()):
        raise _settled(transfer)


def _settled(transfer: AppTransfer) -> Refused:
    return Refused(f"The transfer of {transfer.app.name} is settled already or was taken back.")


def _works_on(user: User, app: App) -> bool:
    return Collaborator.objects.filter(app=app, user=user).exists()
