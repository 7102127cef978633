"""A Build: one try to turn a pushed commit into something that runs."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from apps.accounts.models import User
from apps.catalog.models import App
from paas.leases import Arrows, Leased


class BuildState(models.TextChoices):
    """`releasing`: the artifact is made, its release is on the way."""

    PENDING = "pending"
    BUILDING = "building"
    RELEASING = "releasing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_ENDS = (BuildState.FAILED, BuildState.CANCELLED)
BUILD_ARROWS: Arrows = {
    BuildState.PENDING: (BuildState.BUILDING, *_ENDS),
    BuildState.BUILDING: (BuildState.RELEASING, *_ENDS),
    BuildState.RELEASING: (BuildState.SUCCEEDED, *_ENDS),
    BuildState.SUCCEEDED: (),
    BuildState.FAILED: (),
    BuildState.CANCELLED: (),
}
ACTIVE = (BuildState.PENDING, BuildState.BUILDING, BuildState.RELEASING)


class Build(Leased):
    """One push of one commit to the deploy branch.

    Its log lies in `logs/builds/<id>.log`. `plan`, `phases` and `artifact`
    are plain data for `builds:info`; `failure` is `{what, why, fix}`.
    `delivered` tells whether the pusher saw the end of it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="builds")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True)
    state = models.CharField(max_length=12, choices=BuildState.choices, default=BuildState.PENDING)
    commit = models.CharField(max_length=64)
    message = models.CharField(max_length=500, blank=True)
    branch = models.CharField(max_length=250)
    plan = models.JSONField(null=True)
    phases = models.JSONField(default=list)
    artifact = models.JSONField(null=True)
    failure = models.JSONField(null=True)
    queued_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    delivered = models.BooleanField(default=False)
    announced = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Build]] = models.Manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["app"],
                condition=models.Q(state__in=ACTIVE),
                name="one_push_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"build {self.id} of {self.app_id}"

    @property
    def is_final(self) -> bool:
        return self.state not in ACTIVE
