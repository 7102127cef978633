"""The users of the instance, for its admins. Removing them is catalog's: they may own apps."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status

from apps.accounts import users
from apps.accounts.models import User
from apps.accounts.schemas import ERRORS, Shape, actor_of, example

router = Router(tags=["users"])


class UserOut(Shape):
    id: uuid.UUID
    email: str
    name: str | None
    admin: bool
    created_at: datetime
    updated_at: datetime
    last_login: datetime | None


class UserMade(UserOut):
    """`password` is in this answer, never again."""

    password: str


class UserIn(Shape):
    model_config = example(email="ada@example.org", name="Ada")

    email: str
    name: str = ""
    admin: bool = False


@router.get("/users", response={200: list[UserOut], **ERRORS})
def list_users(request: HttpRequest) -> list[UserOut]:
    return [UserOut(**show(user)) for user in users.all_users(actor_of(request))]


@router.post("/users", response={201: UserMade, **ERRORS})
def create_user(request: HttpRequest, body: UserIn) -> Status[UserMade]:
    """Make a user with a password that is made up and shown once."""
    made = users.create_user(actor_of(request), body.email, name=body.name, admin=body.admin)
    return Status(201, UserMade(**show(made.user), password=made.password))


@router.get("/users/{user}", response={200: UserOut, **ERRORS})
def show_user(request: HttpRequest, user: str) -> UserOut:
    """One user by address or id."""
    return UserOut(**show(users.get_user(actor_of(request), user)))


@router.post("/users/{user}/actions/reset-password", response={200: UserMade, **ERRORS})
def reset_password(request: HttpRequest, user: str) -> UserMade:
    """Make up another password, shown once, and end all tokens of the user."""
    actor = actor_of(request)
    made = users.reset_password(actor, users.get_user(actor, user))
    return UserMade(**show(made.user), password=made.password)


def show(user: User) -> dict[str, Any]:
    """A user as the API gives them to admins."""
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name or None,
        "admin": user.is_admin,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "last_login": user.last_login,
    }
