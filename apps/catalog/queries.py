"""Finding an app as an actor: nothing else hands out apps to entry points."""

from __future__ import annotations

import uuid

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor, Right, require, require_read
from apps.catalog.models import App


def get_app(actor: Actor, name_or_id: str, right: Right = Right.VIEW) -> App:
    """The app of that name or id, on which `actor` has `right`.

    Raises:
        NotFound: there is none, or the actor may not see it.
        Forbidden: the actor sees it but lacks the right, or their token reaches no apps.
    """
    require_read(actor)
    try:
        app = App.objects.select_related("owner").get(**_key(name_or_id))
    except App.DoesNotExist:
        raise NotFound("Couldn't find that app.") from None
    require(actor, right, app)
    return app


def _key(name_or_id: str) -> dict[str, object]:
    try:
        return {"id": uuid.UUID(name_or_id)}
    except ValueError:
        return {"name": name_or_id}
