"""The first admin: made once, by whoever can start the panel, never by a page."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from django.db import transaction

from apps.accounts.authorizations import issue
from apps.accounts.models import Authorization, User
from apps.activity.record import record
from paas.instance import Instance

ADMIN_EMAIL = "admin@localhost"


def ensure_admin(instance: Instance) -> User:
    """Make the admin, the password's file and the CLI's credentials, as far as they are missing."""
    admin = User.objects.filter(is_admin=True).order_by("created_at").first()
    if admin is None:
        admin = _create_admin(instance.admin_password)
    if not _credentials_work(instance):
        token = issue(admin, description="paas on this machine").token
        write_private(
            instance.credentials,
            json.dumps({"url": instance.origin, "token": token, "user": admin.email}) + "\n",
        )
    return admin


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _create_admin(password_file: Path) -> User:
    password = secrets.token_urlsafe(18)
    write_private(password_file, password + "\n")
    with transaction.atomic():
        admin = User.objects.create_user(ADMIN_EMAIL, password, name="Admin", is_admin=True)
        record("account.create", actor_id=None, actor="first run", user=admin.email)
    return admin


def _credentials_work(instance: Instance) -> bool:
    """Whether the file names this instance as it is now (the port may have moved)."""
    try:
        held = json.loads(instance.credentials.read_text())
        known = Authorization.objects.for_token(held["token"]) is not None
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if known and held.get("url") != instance.origin:
        write_private(instance.credentials, json.dumps({**held, "url": instance.origin}) + "\n")
    return known
