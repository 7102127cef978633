"""Writing the audit trail."""

from __future__ import annotations

import uuid

from apps.activity.models import Activity


def record(
    verb: str,
    *,
    actor_id: uuid.UUID | None,
    actor: str,
    app_id: uuid.UUID | None = None,
    app: str = "",
    **details: object,
) -> Activity:
    """Write down that `actor` did `verb` ("app.create"). Details must never hold a secret value."""
    return Activity.objects.create(
        actor_id=actor_id, actor=actor, verb=verb, app_id=app_id, app=app, details=details
    )
