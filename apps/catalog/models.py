"""What there is to run: apps, who works on them, and the names they answer to."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from apps.accounts.models import User
from apps.accounts.policy import Actor, Right
from apps.catalog.names import APP_NAME, BRANCH_NAME, HOST_NAME, RESERVED_APP_NAMES


class AppNumber(models.Model):
    """Hands out numbers that are never used again: the uid an app's processes run as."""

    id = models.BigAutoField(primary_key=True)

    def __str__(self) -> str:
        return str(self.pk)


def _not_reserved(name: str) -> None:
    if name in RESERVED_APP_NAMES:
        raise ValidationError(f"The name {name} is reserved. Choose another.")


class AppQuerySet(models.QuerySet["App"]):
    def visible_to(self, actor: Actor) -> AppQuerySet:
        if not actor.may_read:
            return self.none()
        if actor.user.is_admin:
            return self
        return self.filter(
            models.Q(owner=actor.user) | models.Q(collaborators__user=actor.user)
        ).distinct()


class App(models.Model):
    """An app. Its id names everything on disk, so that a rename costs nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveBigIntegerField(unique=True, editable=False)
    name = models.CharField(
        max_length=30,
        unique=True,
        validators=[RegexValidator(APP_NAME.pattern, APP_NAME.rule), _not_reserved],
    )
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="apps")
    deploy_branch = models.CharField(
        max_length=200,
        default="main",
        validators=[RegexValidator(BRANCH_NAME.pattern, BRANCH_NAME.rule)],
    )
    maintenance = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[App]] = AppQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def noun(self) -> str:
        return f"app {self.name}"

    def rights_of(self, user: User) -> Right:
        if user.pk == self.owner_id:
            return Right.OWN
        held = self.collaborators.filter(user=user).first()
        return Right(held.right) if held else Right.NONE


GRANTABLE = (Right.VIEW, Right.DEPLOY, Right.OPERATE, Right.MANAGE)
"""The rights that can be given, each with those before it; Heroku's names for teams."""

_RIGHT_CHOICES = [(right.value, right.word) for right in GRANTABLE]


class Collaborator(models.Model):
    """A user's right on somebody else's app."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="collaborators")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="collaborations")
    right = models.PositiveSmallIntegerField(choices=_RIGHT_CHOICES)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "user"], name="one_right_per_user_and_app")
        ]

    def __str__(self) -> str:
        return f"{self.user} on {self.app}"


class Invitation(models.Model):
    """A right that waits for somebody without an account; the row ends when it is accepted.

    Without an app it is an invitation to the instance alone. The token is kept
    as a hash and shown once, to the inviter.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.CharField(max_length=254)
    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, related_name="invitations")
    right = models.PositiveSmallIntegerField(choices=_RIGHT_CHOICES, null=True)
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["app", "email"], name="one_invitation_per_app"),
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(app=None),
                name="one_invitation_to_the_instance",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.app or 'the instance'}"


class TransferState(models.TextChoices):
    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class AppTransfer(models.Model):
    """An owner's offer of an app to one of its collaborators."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="transfers")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="transfers_made")
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, related_name="transfers_offered")
    state = models.CharField(
        max_length=10, choices=TransferState.choices, default=TransferState.PENDING
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["app"],
                condition=models.Q(state=TransferState.PENDING),
                name="one_pending_transfer_per_app",
            )
        ]

    def __str__(self) -> str:
        return f"{self.app} to {self.recipient}"


class Domain(models.Model):
    """A host name of one app; across the instance each has one owner."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="domains")
    hostname = models.CharField(
        max_length=253,
        unique=True,
        validators=[RegexValidator(HOST_NAME.pattern, HOST_NAME.rule)],
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.hostname
