"""The audit trail: who did what to which app, and when."""

from __future__ import annotations

import uuid

from django.db import models


class Activity(models.Model):
    """One act. It names its subjects by id and text, without foreign keys, so it outlives them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=254)
    verb = models.CharField(max_length=64)
    app_id = models.UUIDField(null=True, db_index=True)
    app = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.app}".strip()
