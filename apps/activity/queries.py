"""Reading the audit trail."""

from __future__ import annotations

import uuid

from django.db import models

from apps.activity.models import Activity


def activity_of(app_id: uuid.UUID) -> models.QuerySet[Activity]:
    """What was done to an app, newest first."""
    return Activity.objects.filter(app_id=app_id)
