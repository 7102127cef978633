"""What should run: process types with quantities, and who may tell the runtime so."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models

from apps.catalog.models import App
from apps.catalog.names import PROCESS_TYPE
from paas.leases import Arrows, Leased


class Process(models.Model):
    """One process type of an app: how many, how large, and how often restarted.

    `restarts` counts per process what was asked for: {"": 2} for the whole
    type, {"3": 1} for the third process (see `ProcessSpec.restarts`).
    `autoscale` holds the fields of `paas.runtimes.base.Autoscale`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="processes")
    type = models.CharField(
        max_length=128, validators=[RegexValidator(PROCESS_TYPE.pattern, PROCESS_TYPE.rule)]
    )
    quantity = models.PositiveIntegerField(default=0)
    size = models.CharField(max_length=32, default="standard")
    restarts = models.JSONField(default=dict)
    autoscale = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[Process]] = models.Manager()

    class Meta:
        ordering = ["type"]
        constraints = [
            models.UniqueConstraint(fields=["app", "type"], name="one_row_per_process_type")
        ]

    def __str__(self) -> str:
        return f"{self.type}={self.quantity}"


class Helm(Leased):
    """Who steers an app: the lease under which the runtime is told what to do.

    Its token goes with every call, so a steersman thought dead is refused.
    `wanted` rises with each change of what should run and `applied` follows
    when the runtime has it: a reconcile that was queued and lost is noticed.
    `failures` counts reconciles in a row whose processes did not come up;
    the next one waits for `retry_at`, and `trouble` says which it was and why.
    """

    app = models.OneToOneField(App, on_delete=models.CASCADE, primary_key=True)
    one_offs = models.PositiveIntegerField(default=0)
    postdeploy_done = models.BooleanField(default=False)
    wanted = models.PositiveBigIntegerField(default=0)
    applied = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    trouble = models.JSONField(null=True)

    objects: ClassVar[models.Manager[Helm]] = models.Manager()

    def __str__(self) -> str:
        return f"helm of {self.app_id}"


class RunState(models.TextChoices):
    """Where a cron task's run is."""

    PENDING = "pending"  # due, waits for a worker
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # the one before still goes on


RUN_ARROWS: Arrows = {
    RunState.PENDING: (RunState.RUNNING, RunState.SKIPPED, RunState.FAILED),
    RunState.RUNNING: (RunState.SUCCEEDED, RunState.FAILED),
    RunState.SUCCEEDED: (),
    RunState.FAILED: (),
    RunState.SKIPPED: (),
}


class CronRun(Leased):
    """One run of a cron task: of the clock's, for a minute, or one that somebody asked for.

    Rows are what makes it one run a minute, however many clocks there are; and
    no two runs of a task that forbids it are `running` at once.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="cron_runs")
    task = models.CharField(max_length=16)
    minute = models.DateTimeField(null=True)
    state = models.CharField(
        max_length=16, choices=RunState.choices, default=RunState.PENDING, db_index=True
    )
    exclusive = models.BooleanField(default=True)
    process = models.CharField(max_length=32, blank=True)  # "cron.7"
    time_to_live = models.PositiveIntegerField()  # seconds
    exit_status = models.IntegerField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[CronRun]] = models.Manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["app", "task", "-created_at"], name="cron_runs_of_a_task")]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "task", "minute"], name="one_cron_run_per_task_and_minute"
            ),
            models.UniqueConstraint(
                fields=["app", "task"],
                condition=models.Q(state=RunState.RUNNING, exclusive=True),
                name="one_exclusive_cron_run_at_once",
            ),
        ]

    def __str__(self) -> str:
        return self.process or f"cron task {self.task}"


class CronSuspension(models.Model):
    """A cron task that somebody has suspended; it outlives the releases that have the task."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="cron_suspensions")
    task = models.CharField(max_length=16)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[CronSuspension]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "task"], name="one_suspension_per_cron_task")
        ]

    def __str__(self) -> str:
        return f"suspension of {self.task}"


class OwnCertificate(models.Model):
    """A TLS certificate that an app's owner brought, for the app's hosts that it names.

    `name` is Heroku's name of an SNI endpoint. `chain` is public, PEM, the
    certificate itself first; `sealed` holds its private key as config vars are
    kept. `hostnames` are those it names, wildcards among them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="own_certificates")
    name = models.CharField(max_length=64)
    chain = models.TextField()
    sealed = models.TextField()
    hostnames = models.JSONField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager[OwnCertificate]] = models.Manager()

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(fields=["app", "name"], name="one_certificate_of_a_name")
        ]

    def __str__(self) -> str:
        return self.name


class Removal(models.Model):
    """An app that is gone from the catalog but not yet from the machine.

    It outlives the app's row, so that a destroy killed half-way is finished.
    `files` are paths below the instance's home.
    """

    app_id = models.UUIDField(primary_key=True)
    app_number = models.PositiveBigIntegerField()
    name = models.CharField(max_length=30)
    token = models.PositiveBigIntegerField()
    files = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Removal]] = models.Manager()

    def __str__(self) -> str:
        return f"removal of {self.name}"
