"""Who may use the panel: users, their authorizations (API tokens) and SSH keys."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone

TOKEN_PREFIX = "paas_"  # noqa: S105 - a mark for secret scanners, no secret
SCOPES = ("global", "identity", "read", "write", "read-protected", "write-protected")


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, email: str, password: str | None, *, name: str = "", is_admin: bool = False
    ) -> User:
        user = self.model(email=self.normalize_email(email).lower(), name=name, is_admin=is_admin)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save()
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person, known by an e-mail address."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.CharField(max_length=254, unique=True)
    name = models.CharField(max_length=100, blank=True)
    is_admin = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.email


class AuthorizationQuerySet(models.QuerySet["Authorization"]):
    def visible_to(self, user: User) -> AuthorizationQuerySet:
        return self.filter(user=user, revoked_at=None)

    def usable(self) -> AuthorizationQuerySet:
        now = timezone.now()
        return self.filter(revoked_at=None, user__is_active=True).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )

    def for_token(self, token: str) -> Authorization | None:
        """The usable authorization that `token` belongs to."""
        return self.usable().filter(token_hash=hash_token(token)).select_related("user").first()


class Authorization(models.Model):
    """A token: kept as a hash, shown once, with scopes and perhaps an end."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="authorizations")
    description = models.CharField(max_length=200, blank=True)
    scopes = models.JSONField(default=list)
    token_hash = models.CharField(max_length=64, unique=True)
    token_hint = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Authorization]] = AuthorizationQuerySet.as_manager()

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"{self.token_hint}… of {self.user}"

    @property
    def expires_in(self) -> int | None:
        """Seconds until it expires."""
        if self.expires_at is None:
            return None
        return max(0, int((self.expires_at - timezone.now()) / timedelta(seconds=1)))


class SSHKeyQuerySet(models.QuerySet["SSHKey"]):
    def usable(self) -> SSHKeyQuerySet:
        return self.filter(user__is_active=True)


class SSHKey(models.Model):
    """A public key: whoever holds its private half is its user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="ssh_keys")
    kind = models.CharField(max_length=64)
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=64, unique=True)
    comment = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)

    objects: ClassVar[SSHKeyQuerySet] = SSHKeyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"{self.fingerprint} of {self.user}"


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256 suffices: a token has 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode()).hexdigest()
