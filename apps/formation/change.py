"""Changes that make a release of what is built already: config and rollback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right, require, require_secrets
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.catalog.names import CONFIG_NAME
from apps.formation.queue import enqueue
from apps.formation.rollout import RolloutFailed, roll_out
from apps.releases.create import Contents, create_release, variables_of
from apps.releases.log import release_log
from apps.releases.models import Release
from apps.releases.queries import is_eligible, releases_of
from paas import faults
from paas.leases import LeaseLost
from paas.runtimes.base import StaleToken

logger = logging.getLogger(__name__)

MAX_CONFIG_BYTES = 64 * 1024
"""Heroku's limit for all names and values of an app together is 32 KB; Linux allows more."""


def set_config(actor: Actor, app: App, changes: Mapping[str, str | None]) -> Release | None:
    """Change config vars; None unsets one. All changes make one release.

    Returns:
        The new release, `pending`, or None when nothing would change.

    Raises:
        Refused: a bad name or value.
        Conflict: another release was unfinished for 30 s.
    """
    require(actor, Right.OPERATE, app)
    require_secrets(actor, write=True)
    check_config(changes)
    try:
        release = create_release(app, actor.user, lambda newest: _changed(newest, changes))
    except _Unchanged:
        return None
    record_app(actor, "config.set", app, names=sorted(changes), release=release.name)
    faults.point("config.created")
    enqueue("release", release.id)
    return release


def check_config(changes: Mapping[str, str | None]) -> None:
    """
    Raises:
        Refused: a bad name or value, or none at all.
    """
    if not changes:
        raise Refused("Name at least one config var: KEY=VALUE.")
    for name, value in changes.items():
        if not CONFIG_NAME.matches(name):
            raise Refused(f"{name!r} is no name for a config var. {CONFIG_NAME.rule}")
        if value is not None and "\0" in value:
            raise Refused(f"The value of {name} holds a NUL character, which no environment can.")
        if name == "PORT":
            raise Refused("PORT is set by the platform for each process; it cannot be configured.")


def roll_back(actor: Actor, app: App, target: Release) -> Release:
    """A new release with the code and the config of `target`.

    Raises:
        Refused: `target` failed, has no code, or its artifact is no longer kept.
        Conflict: another release was unfinished for 30 s.
    """
    require(actor, Right.OPERATE, app)
    if not is_eligible(target):
        raise Refused(_why_not(target))
    contents = Contents(target.build, variables_of(target), f"Rollback to {target.name}")
    release = create_release(app, actor.user, lambda newest: contents)
    record_app(actor, "release.rollback", app, to=target.name, release=release.name)
    enqueue("release", release.id)
    return release


def roll_out_change(release_id: str) -> None:
    """Carry out a queued release. Called again for the same one, it changes nothing."""
    release = (
        Release.objects.select_related("app", "build", "config", "user")
        .filter(pk=release_id)
        .first()
    )
    if release is None or release.is_final:
        return
    log = release_log(release)
    try:
        roll_out(release, log.write, cancel=threading.Event())
    except RolloutFailed as error:
        logger.info("%s of %s failed: %s", release, release.app, error)
    except (LeaseLost, StaleToken):
        logger.warning("%s of %s was taken over", release, release.app)


class _Unchanged(Exception):
    """The change changes nothing: no release is made of it."""


def _changed(newest: Release | None, changes: Mapping[str, str | None]) -> Contents:
    held = variables_of(newest)
    removed = {name for name, value in changes.items() if value is None}
    added = {name: value for name, value in changes.items() if value is not None}
    wanted = {name: value for name, value in held.items() if name not in removed} | added
    if wanted == held and newest is not None:
        raise _Unchanged
    size = sum(len(name) + len(value.encode()) for name, value in wanted.items())
    if size > MAX_CONFIG_BYTES:
        raise Refused(f"The config vars would take {size} bytes, {MAX_CONFIG_BYTES} is the limit.")
    return Contents(newest.build if newest else None, wanted, _describe(changes))


def _describe(changes: Mapping[str, str | None]) -> str:
    """Heroku's wording: "Set A, B config vars"."""
    names = {
        "Set": sorted(name for name, value in changes.items() if value is not None),
        "Remove": sorted(name for name, value in changes.items() if value is None),
    }
    parts = [f"{verb} {', '.join(listed)}" for verb, listed in names.items() if listed]
    return (" and ".join(parts) + " config vars")[:300]


def _why_not(target: Release) -> str:
    name = target.name
    if target.build is None:
        return f"{name} has no code: it was made before the first push. Roll back to a later one."
    if target.build.artifact is None:
        return f"{name}'s build is no longer kept. Push its commit {target.build.commit[:8]} again."
    return f"{name} failed, so there is nothing good to roll back to. `paas releases` lists others."


def previous_eligible(app: App) -> Release:
    """What `rollback` without an argument means: the second eligible of the newest 10 (Heroku).

    Raises:
        Refused: there is none.
    """
    eligible = [release for release in releases_of(app)[:10] if is_eligible(release)]
    if len(eligible) < 2:
        raise Refused(f"{app.name} has no earlier release to roll back to.")
    return eligible[1]
