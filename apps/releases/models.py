"""Releases: an immutable pair of code and config, numbered from v1."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from apps.accounts.models import User
from apps.builds.models import Build
from apps.catalog.models import App
from paas.leases import Arrows


class ReleaseState(models.TextChoices):
    """`releasing`: the release phase runs; `starting`: its processes boot."""

    PENDING = "pending"
    RELEASING = "releasing"
    STARTING = "starting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


RELEASE_ARROWS: Arrows = {
    ReleaseState.PENDING: (
        ReleaseState.RELEASING,
        ReleaseState.STARTING,
        ReleaseState.SUCCEEDED,
        ReleaseState.FAILED,
    ),
    ReleaseState.RELEASING: (ReleaseState.STARTING, ReleaseState.FAILED),
    ReleaseState.STARTING: (ReleaseState.SUCCEEDED, ReleaseState.FAILED),
    ReleaseState.SUCCEEDED: (),
    ReleaseState.FAILED: (),
}
UNFINISHED = (ReleaseState.PENDING, ReleaseState.RELEASING, ReleaseState.STARTING)


class Config(models.Model):
    """One immutable set of config vars; `sealed` is their JSON, encrypted (`vault.py`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="configs")
    sealed = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"config {self.id}"


class Release(models.Model):
    """vN of an app. At most one is unfinished, at most one is current."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="releases")
    version = models.PositiveIntegerField()
    build = models.ForeignKey(Build, on_delete=models.RESTRICT, null=True, related_name="releases")
    config = models.ForeignKey(Config, on_delete=models.RESTRICT)
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    description = models.CharField(max_length=300)
    state = models.CharField(
        max_length=10, choices=ReleaseState.choices, default=ReleaseState.PENDING
    )
    current = models.BooleanField(default=False)
    failure = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[Release]] = models.Manager()

    class Meta:
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["app", "version"], name="versions_are_unique"),
            models.UniqueConstraint(
                fields=["app"],
                condition=models.Q(state__in=UNFINISHED),
                name="one_unfinished_release",
            ),
            models.UniqueConstraint(
                fields=["app"], condition=models.Q(current=True), name="one_current_release"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"v{self.version}"

    @property
    def is_final(self) -> bool:
        return self.state not in UNFINISHED
