"""Account and authorizations, in Heroku's shapes."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from apps.accounts import authorizations
from apps.accounts.auth import client_address
from apps.accounts.authorizations import Issued
from apps.accounts.login import login
from apps.accounts.models import Authorization, User
from apps.accounts.policy import require_global, require_identity
from apps.accounts.ranges import Range, RangeHeader, page
from apps.accounts.schemas import ERRORS, Shape, UserRef, actor_of, example
from apps.accounts.users import update_account

router = Router(tags=["account"])


class AccountOut(Shape):
    id: uuid.UUID
    email: str
    name: str | None
    admin: bool
    allow_tracking: bool = False
    beta: bool = False
    federated: bool = False
    verified: bool = True
    two_factor_authentication: bool = False
    created_at: datetime
    updated_at: datetime
    last_login: datetime | None = None


class TokenOut(Shape):
    id: uuid.UUID
    expires_in: int | None
    token: str


class AuthorizationOut(Shape):
    """`access_token.token` is whole in the answer to its creation, never again."""

    id: uuid.UUID
    description: str
    scope: list[str]
    access_token: TokenOut
    client: None = None
    grant: None = None
    refresh_token: None = None
    session: None = None
    user: UserRef
    created_at: datetime
    updated_at: datetime


class AuthorizationIn(Shape):
    model_config = example(description="ci", scope=["read", "write"], expires_in=86400)

    description: str = ""
    scope: list[str] = ["global"]
    expires_in: int | None = None


class AuthorizationPatch(Shape):
    model_config = example(description="ci of the web team")

    description: str


class AccountPatch(Shape):
    """`email` and `new_password` need the present `password`."""

    model_config = example(name="Ada")

    name: str | None = None
    email: str | None = None
    password: str | None = None
    new_password: str | None = None


class LoginIn(Shape):
    model_config = example(email="me@example.org", password="four random words")  # noqa: S106 - none

    email: str
    password: str
    description: str = "paas login"


@router.get("/account", response={200: AccountOut, **ERRORS})
def show_account(request: HttpRequest) -> AccountOut:
    actor = actor_of(request)
    require_identity(actor)
    return _account(actor.user)


@router.patch("/account", response={200: AccountOut, **ERRORS})
def change_account(request: HttpRequest, body: AccountPatch) -> AccountOut:
    """Change your name, address or password; a new password ends all your other tokens."""
    actor = actor_of(request)
    changed = update_account(
        actor,
        client=client_address(request),
        name=body.name,
        email=body.email,
        password=body.password,
        new_password=body.new_password,
    )
    return _account(changed)


def _account(user: User) -> AccountOut:
    return AccountOut(
        id=user.id,
        email=user.email,
        name=user.name or None,
        admin=user.is_admin,
        created_at=user.created_at,
        updated_at=user.updated_at,
        last_login=user.last_login,
    )


class RateLimitOut(Shape):
    """Calls left in this hour; null when nobody counts."""

    remaining: int | None


@router.get("/account/rate-limits", response={200: RateLimitOut, **ERRORS})
def show_rate_limit(request: HttpRequest) -> RateLimitOut:
    return RateLimitOut(remaining=getattr(request, "calls_left", None))


@router.post("/auth/login", auth=None, response={201: AuthorizationOut, **ERRORS})
def log_in(request: HttpRequest, body: LoginIn) -> Status[AuthorizationOut]:
    issued = login(
        body.email,
        body.password,
        client=client_address(request),
        description=body.description[:200],
    )
    return Status(201, _issued(issued))


@router.get(
    "/oauth/authorizations",
    response={200: list[AuthorizationOut], 206: list[AuthorizationOut], **ERRORS},
)
def list_authorizations(request: HttpRequest, range_: RangeHeader = None) -> HttpResponse:
    actor = actor_of(request)
    require_global(actor)
    mine = Authorization.objects.filter(user=actor.user, revoked_at=None)
    return page(
        range_,
        mine.select_related("user"),
        lambda one: _shown(one, one.token_hint + "…"),
        by={"created_at": "created_at", "id": "id"},
        default=Range("created_at"),
    )


@router.post("/oauth/authorizations", response={201: AuthorizationOut, **ERRORS})
def create_authorization(request: HttpRequest, body: AuthorizationIn) -> Status[AuthorizationOut]:
    issued = authorizations.create(
        actor_of(request),
        description=body.description[:200],
        scopes=body.scope,
        expires_in=body.expires_in,
    )
    return Status(201, _issued(issued))


@router.get("/oauth/authorizations/{uuid:key}", response={200: AuthorizationOut, **ERRORS})
def show_authorization(request: HttpRequest, key: uuid.UUID) -> AuthorizationOut:
    found = authorizations.find(actor_of(request), key)
    return _shown(found, found.token_hint + "…")


@router.patch("/oauth/authorizations/{uuid:key}", response={200: AuthorizationOut, **ERRORS})
def describe_authorization(
    request: HttpRequest, key: uuid.UUID, body: AuthorizationPatch
) -> AuthorizationOut:
    found = authorizations.describe(actor_of(request), key, body.description)
    return _shown(found, found.token_hint + "…")


@router.post(
    "/oauth/authorizations/{uuid:key}/actions/regenerate-tokens",
    operation_id="regenerate_authorization",
    response={200: AuthorizationOut, **ERRORS},
)
def regenerate(request: HttpRequest, key: uuid.UUID) -> AuthorizationOut:
    """Another token in place of the old one, which ends at once."""
    return _issued(authorizations.rotate(actor_of(request), key))


@router.delete("/oauth/authorizations/{uuid:key}", response={200: AuthorizationOut, **ERRORS})
def revoke_authorization(request: HttpRequest, key: uuid.UUID) -> AuthorizationOut:
    revoked = authorizations.revoke(actor_of(request), key)
    return _shown(revoked, revoked.token_hint + "…")


def _issued(issued: Issued) -> AuthorizationOut:
    return _shown(issued.authorization, issued.token)


def _shown(authorization: Authorization, token: str) -> AuthorizationOut:
    user: User = authorization.user
    return AuthorizationOut(
        id=authorization.id,
        description=authorization.description,
        scope=authorization.scopes,
        access_token=TokenOut(
            id=authorization.id, expires_in=authorization.expires_in, token=token
        ),
        user=UserRef(id=user.id, email=user.email),
        created_at=authorization.created_at,
        updated_at=authorization.updated_at,
    )
