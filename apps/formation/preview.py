"""What a release would change where it runs, before it does."""

from __future__ import annotations

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right, require
from apps.catalog.models import App
from apps.formation.runtime import get_runtime
from apps.formation.spec import spec_of
from apps.releases.models import Release
from paas.runtimes.base import RuntimeFailure


def preview(actor: Actor, app: App, release: Release) -> list[str]:
    """The changes in words, one a line; none when all is as the release says.

    Raises:
        Refused: nobody can say, or there is nothing of it to run.
    """
    require(actor, Right.OPERATE, app)
    try:
        return get_runtime().preview(spec_of(release))
    except RuntimeFailure as error:
        raise Refused(str(error)) from error
