"""What every page of an app shows: its name, its state, and what one may do to it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from apps.accounts.policy import Actor, Right, right_on
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.formation.overview import Overview, overview

_TABS = (
    ("overview", "dashboard:app", "Overview", Right.VIEW),
    ("builds", "dashboard:builds", "Builds", Right.VIEW),
    ("releases", "dashboard:releases", "Releases", Right.VIEW),
    ("config", "dashboard:config", "Config", Right.OPERATE),
    ("processes", "dashboard:processes", "Processes", Right.VIEW),
    ("logs", "dashboard:logs", "Logs", Right.VIEW),
    ("access", "dashboard:access", "Access", Right.VIEW),
    ("settings", "dashboard:settings", "Settings", Right.OPERATE),
)


@dataclass(frozen=True)
class Frame:
    """The head of an app's pages. `can_…` hide buttons; the verbs decide."""

    overview: Overview
    right: Right

    @property
    def app(self) -> App:
        return self.overview.app

    @property
    def can_deploy(self) -> bool:
        return self.right >= Right.DEPLOY

    @property
    def can_operate(self) -> bool:
        return self.right >= Right.OPERATE

    @property
    def can_manage(self) -> bool:
        return self.right >= Right.MANAGE

    @property
    def can_own(self) -> bool:
        return self.right >= Right.OWN

    @property
    def tabs(self) -> list[tuple[str, str, str]]:
        """Key, route and word of each page that is for this actor."""
        return [(key, route, word) for key, route, word, right in _TABS if self.right >= right]

    @property
    def url(self) -> str:
        return str(settings.INSTANCE.app_url(self.app.name))

    @property
    def git_url(self) -> str:
        return str(settings.INSTANCE.git_url(self.app.name))


def frame_of(actor: Actor, app_name: str, right: Right = Right.VIEW) -> Frame:
    """
    Raises:
        NotFound: there is none such, or the actor may not see it.
        Forbidden: the actor sees it but lacks `right`.
    """
    app = get_app(actor, app_name, right)
    return Frame(overview(app), right_on(actor, app))
