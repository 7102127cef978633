"""What the panel knows of the machines that run apps: for now, the tokens they come with."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from apps.accounts.models import hash_token


class NodeTokenQuerySet(models.QuerySet["NodeToken"]):
    def usable(self) -> NodeTokenQuerySet:
        return self.filter(revoked_at=None)

    def for_token(self, token: str) -> NodeToken | None:
        return self.usable().filter(token_hash=hash_token(token)).first()


class NodeToken(models.Model):
    """What a node shows to get builds: kept as a hash, shown once.

    It opens the binary cache and the images, which hold every tenant's
    builds, and nothing else; no user's token opens them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=63)
    token_hash = models.CharField(max_length=64, unique=True)
    token_hint = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects: ClassVar[NodeTokenQuerySet] = NodeTokenQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(revoked_at=None),
                name="one_token_of_a_name",
            )
        ]

    def __str__(self) -> str:
        return f"{self.token_hint}… of {self.name}"
