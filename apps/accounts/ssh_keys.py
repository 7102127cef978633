"""Adding, removing and using SSH keys."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts import public_keys
from apps.accounts.errors import NotFound, Refused
from apps.accounts.models import SSHKey
from apps.accounts.policy import Actor, require_global
from apps.activity.record import record

MOST_KEYS = 100  # of one user


def mine(actor: Actor) -> list[SSHKey]:
    """The actor's own keys, the oldest first."""
    require_global(actor)
    return list(SSHKey.objects.filter(user=actor.user))


def add(actor: Actor, text: str) -> SSHKey:
    """Let the holder of a key act as `actor`. Adding one's own key again changes nothing.

    Args:
        text: the line of a `.pub` file.

    Raises:
        Refused: it is no key we accept, somebody else has it, or there are too many.
    """
    require_global(actor)
    key = public_keys.parse(text)
    if SSHKey.objects.filter(user=actor.user).count() >= MOST_KEYS:
        raise Refused(f"You have {MOST_KEYS} keys. Remove one first: paas keys:remove")
    try:
        with transaction.atomic():
            added = SSHKey.objects.create(
                user=actor.user,
                kind=key.kind,
                public_key=key.text,
                fingerprint=key.fingerprint,
                comment=key.comment,
            )
            _record(actor, "key.add", added)
    except IntegrityError:
        known = SSHKey.objects.filter(user=actor.user, fingerprint=key.fingerprint).first()
        if known is None:
            raise Refused(
                "This key is in use already. A key belongs to one account only; make another: "
                "ssh-keygen -t ed25519"
            ) from None
        return known
    return added


def find(actor: Actor, name: str) -> SSHKey:
    """One of the actor's own keys.

    Args:
        name: its id or its fingerprint.

    Raises:
        NotFound: there is none such.
    """
    require_global(actor)
    found = SSHKey.objects.filter(user=actor.user, **_key(name)).first()
    if found is None:
        raise NotFound("Couldn't find that key. Yours are listed by: paas keys")
    return found


def remove(actor: Actor, name: str) -> SSHKey:
    """Make a key worthless at once; see `find` for `name`."""
    key = find(actor, name)
    with transaction.atomic():
        if SSHKey.objects.filter(pk=key.pk).delete()[0]:
            _record(actor, "key.remove", key)
    return key


def actor_for_key(fingerprint: str) -> Actor | None:
    """The actor that the holder of a key stands for, who has proven to hold it."""
    if not fingerprint.isprintable():  # PostgreSQL takes no NUL
        return None
    key = SSHKey.objects.usable().filter(fingerprint=fingerprint).select_related("user").first()
    return None if key is None else Actor(key.user)


def note_use(fingerprint: str) -> None:
    SSHKey.objects.filter(fingerprint=fingerprint).update(last_used_at=timezone.now())


def _record(actor: Actor, verb: str, key: SSHKey) -> None:
    record(verb, actor_id=actor.user.id, actor=str(actor), fingerprint=key.fingerprint)


def _key(name: str) -> dict[str, object]:
    try:
        return {"id": uuid.UUID(name)}
    except ValueError:
        return {"fingerprint": name if name.isprintable() else ""}  # PostgreSQL takes no NUL
