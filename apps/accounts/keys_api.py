"""SSH keys, in Heroku's shapes."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts import ssh_keys
from apps.accounts.models import SSHKey
from apps.accounts.schemas import ERRORS, Shape, actor_of, example

router = Router(tags=["account"])


class KeyOut(Shape):
    """`email` is Heroku's older name of `comment`."""

    id: uuid.UUID
    comment: str
    email: str
    fingerprint: str
    public_key: str
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None


class KeyIn(Shape):
    model_config = example(
        public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFnn8XsWcKyN5kP8bPsAhQqoV9yZz3qQYt0Yk8bVj1"
    )

    public_key: str


@router.get("/account/keys", response={200: list[KeyOut], **ERRORS})
def list_keys(request: HttpRequest) -> list[KeyOut]:
    return [_shown(key) for key in ssh_keys.mine(actor_of(request))]


@router.post("/account/keys", response={201: KeyOut, **ERRORS})
def add_key(request: HttpRequest, body: KeyIn) -> Status[KeyOut]:
    return Status(201, _shown(ssh_keys.add(actor_of(request), body.public_key)))


# A path, since fingerprints have slashes.
@router.get("/account/keys/{path:key}", response={200: KeyOut, **ERRORS})
def show_key(request: HttpRequest, key: str) -> KeyOut:
    return _shown(ssh_keys.find(actor_of(request), key))


@router.delete("/account/keys/{path:key}", response={200: KeyOut, **ERRORS})
def remove_key(request: HttpRequest, key: str) -> KeyOut:
    return _shown(ssh_keys.remove(actor_of(request), key))


def _shown(key: SSHKey) -> KeyOut:
    return KeyOut(
        id=key.id,
        comment=key.comment,
        email=key.comment,
        fingerprint=key.fingerprint,
        public_key=f"{key.public_key} {key.comment}".strip(),
        created_at=key.created_at,
        updated_at=key.created_at,
        last_used_at=key.last_used_at,
    )
