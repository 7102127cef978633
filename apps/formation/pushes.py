"""The panel's half of a git push: who may, is it live already, may it begin, how did it end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.errors import Conflict, Forbidden, NotFound
from apps.accounts.models import User
from apps.accounts.policy import Actor, Right, require, right_on
from apps.builds.models import ACTIVE, Build, BuildState
from apps.builds.paths import build_log
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.catalog.queries import get_app
from apps.formation.events import tell_api
from apps.formation.failures import Failure
from apps.formation.queue import enqueue
from apps.formation.sweep import end_push
from apps.releases.models import Release
from apps.releases.queries import current_release
from apps.source.repositories import archive_path, ensure_repository, set_head

_SERVICES = {"git-receive-pack": Right.DEPLOY, "git-upload-pack": Right.VIEW}


@dataclass(frozen=True)
class Access:
    """What the gateway needs to serve one git request."""

    app: App
    user: User
    repository: str


@dataclass(frozen=True)
class Opened:
    """A push the gateway may go on with, or the release that has its commit live already."""

    notices: list[str]
    build: Build | None = None
    live: Release | None = None


def access(actor: Actor, app_name: str, service: str) -> Access:
    """Whether `actor` may use `service` on the app.

    Raises:
        NotFound: no such app, or not for this user.
        Forbidden: the user may see the app but not push to it.
    """
    if service not in _SERVICES:
        raise NotFound("That git service is not offered.")
    app = get_app(actor, app_name)
    if right_on(actor, app) < _SERVICES[service]:
        raise Forbidden(
            f"You may see {app.name} but not push to it. Ask its owner for the right to deploy."
        )
    path = ensure_repository(app.id)
    set_head(app.id, app.deploy_branch)
    return Access(app, actor.user, str(path))


def open_push(app: App, user: User, *, commit: str, message: str, branch: str) -> Opened:
    """Begin a push of `commit` to the deploy branch.

    Raises:
        Conflict: another push of this app is deploying.
    """
    require(Actor(user), Right.DEPLOY, app)
    notices = _take_notices(app)
    live = current_release(app)
    if live and _runs(live, commit) and not _active(app):
        return Opened(notices, live=live)
    try:
        with transaction.atomic():
            build = Build.objects.create(
                app=app, user=user, commit=commit, message=message[:500], branch=branch
            )
            record_app(Actor(user), "build.create", app, build=str(build.id), commit=commit)
    except IntegrityError:
        raise Conflict(_busy(app)) from None
    archive_path(build.id)  # makes the folder
    return Opened(notices, build=build)


def start_push(build: Build) -> None:
    """The archive is complete: queue it. Starting twice is harmless."""
    build_log(build).path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    build_log(build).path.touch(mode=0o600)
    rows = Build.objects.filter(pk=build.pk, state=BuildState.PENDING, queued_at=None)
    if rows.update(queued_at=timezone.now()):
        tell_api(build.app, f"Build started by user {build.user}")
        enqueue("deploy", build.id)


def abandon_push(build: Build, reason: str) -> None:
    """The gateway could not make the archive."""
    end_push(build, Failure("The pushed files could not be read", why=reason[:500]))


def note_end(build: Build, *, delivered: bool) -> None:
    """Whether the pusher saw how it ended; if not, the next push begins with it."""
    Build.objects.filter(pk=build.pk).update(delivered=delivered)


def _take_notices(app: App) -> list[str]:
    """What became of the last push, if its pusher has not seen it and it did not succeed."""
    last = Build.objects.filter(app=app).first()
    if last is None or last.delivered or last.announced or last.state in ACTIVE:
        return []
    Build.objects.filter(pk=last.pk).update(announced=True)
    if last.state == BuildState.SUCCEEDED:
        return []
    failure = last.failure or {}
    lines = [f"-----> Your last push ({last.commit[:8]}) {last.state} after you had left:"]
    texts = [failure.get("what"), failure.get("why"), failure.get("fix")]
    lines += [f" !     {line}" for text in texts if text for line in str(text).splitlines()]
    lines.append(f"       Its log: paas builds:output {last.id} -a {app.name}")
    return lines


def _busy(app: App) -> str:
    active = Build.objects.filter(app=app, state__in=ACTIVE).select_related("user").first()
    if active is None:
        return "Another push has just ended. Push again."
    since = int((timezone.now() - active.created_at).total_seconds())
    return (
        f"A push of {active.commit[:8]} by {active.user} has been deploying for {since} s. "
        f"Wait for it, or end it with `paas builds:cancel -a {app.name}`, then push again."
    )


def _runs(release: Release, commit: str) -> bool:
    build = release.build
    return build is not None and build.commit == commit and build.artifact is not None


def _active(app: App) -> bool:
    return Build.objects.filter(app=app, state__in=ACTIVE).exists()


def find_push(build_id: uuid.UUID) -> Build:
    """
    Raises:
        NotFound: there is no such build (its app may have been destroyed meanwhile).
    """
    build = Build.objects.select_related("app", "user").filter(pk=build_id).first()
    if build is None:
        raise NotFound("That build is gone; its app may have been destroyed.")
    return build


def live_text(release: Release) -> dict[str, str]:
    return {"live": release.name, "url": settings.INSTANCE.app_url(release.app.name)}
