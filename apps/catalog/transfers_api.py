"""App transfers, in Heroku's shape, and the removal of users, whose apps go to others."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts.errors import Refused
from apps.accounts.policy import Right
from apps.accounts.schemas import ERRORS, Shape, UserRef, actor_of, example
from apps.accounts.users import find_user, get_user
from apps.accounts.users_api import UserOut
from apps.accounts.users_api import router as users_router
from apps.accounts.users_api import show as show_user
from apps.catalog import transfers
from apps.catalog.departures import remove_user
from apps.catalog.models import AppTransfer
from apps.catalog.queries import get_app

router = Router(tags=["transfers"])


class TransferApp(Shape):
    id: uuid.UUID
    name: str


class TransferOut(Shape):
    id: uuid.UUID
    app: TransferApp
    owner: UserRef
    recipient: UserRef
    state: str
    created_at: datetime
    updated_at: datetime


class TransferIn(Shape):
    """`app` by name or id, `recipient` by address or id: a collaborator."""

    model_config = example(app="hello", recipient="ada@example.org")

    app: str
    recipient: str
    silent: bool = False


class TransferPatch(Shape):
    model_config = example(state="accepted")

    state: Literal["accepted", "declined"]


class Departure(Shape):
    """`transfer_to`: the address or id of who gets the user's apps."""

    model_config = example(transfer_to="ada@example.org")

    transfer_to: str | None = None


@router.get("/account/app-transfers", response={200: list[TransferOut], **ERRORS})
def list_transfers(request: HttpRequest) -> list[TransferOut]:
    """Those you made or were offered."""
    return [show(one) for one in transfers.transfers_of(actor_of(request))]


@router.post(
    "/account/app-transfers", operation_id="offer_transfer", response={201: TransferOut, **ERRORS}
)
def offer(request: HttpRequest, body: TransferIn) -> Status[TransferOut]:
    actor = actor_of(request)
    found = get_app(actor, body.app, Right.OWN)
    return Status(201, show(transfers.offer(actor, found, find_user(body.recipient))))


@router.get("/account/app-transfers/{uuid:transfer}", response={200: TransferOut, **ERRORS})
def show_transfer(request: HttpRequest, transfer: uuid.UUID) -> TransferOut:
    return show(transfers.find_transfer(actor_of(request), transfer))


@router.patch(
    "/account/app-transfers/{uuid:transfer}",
    operation_id="answer_transfer",
    response={200: TransferOut, **ERRORS},
)
def answer(request: HttpRequest, transfer: uuid.UUID, body: TransferPatch) -> TransferOut:
    """The recipient accepts or declines."""
    actor = actor_of(request)
    found = transfers.find_transfer(actor, transfer)
    verb = transfers.accept if body.state == "accepted" else transfers.decline
    return show(verb(actor, found))


@router.delete(
    "/account/app-transfers/{uuid:transfer}",
    operation_id="cancel_transfer",
    response={200: TransferOut, **ERRORS},
)
def cancel(request: HttpRequest, transfer: uuid.UUID) -> TransferOut:
    """Whoever offered it takes it back."""
    actor = actor_of(request)
    return show(transfers.cancel(actor, transfers.find_transfer(actor, transfer)))


@users_router.delete("/users/{user}", operation_id="remove_user", response={200: UserOut, **ERRORS})
def remove(request: HttpRequest, user: str, body: Departure | None = None) -> UserOut:
    """Remove a user; whoever owns apps is removed only if another user gets them."""
    actor = actor_of(request)
    leaver = get_user(actor, user)
    shown = UserOut(**show_user(leaver))
    heir = find_user(body.transfer_to) if body and body.transfer_to else None
    if heir is None and body and body.transfer_to:
        raise Refused(f"{body.transfer_to} has no account here. `paas users` lists them.")
    remove_user(actor, leaver, heir)
    return shown


def show(transfer: AppTransfer) -> TransferOut:
    """A transfer as the API gives it."""
    app, owner, recipient = transfer.app, transfer.owner, transfer.recipient
    return TransferOut(
        id=transfer.id,
        app=TransferApp(id=app.id, name=app.name),
        owner=UserRef(id=owner.id, email=owner.email),
        recipient=UserRef(id=recipient.id, email=recipient.email),
        state=transfer.state,
        created_at=transfer.created_at,
        updated_at=transfer.updated_at,
    )
