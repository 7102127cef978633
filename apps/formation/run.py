"""One-off processes: a fresh process of the current release, with its config."""

from __future__ import annotations

from apps.accounts.errors import Refused
from apps.accounts.policy import Actor, Right, require, require_secrets
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.formation.events import tell_api
from apps.formation.helm import next_one_off
from apps.formation.runtime import get_runtime
from apps.formation.spec import process_types, spec_of
from apps.releases.models import Release
from apps.releases.queries import current_release

TIME_TO_LIVE = 24 * 3600  # seconds; Dokku's default
MAX_COMMAND = 4096


def run_detached(
    actor: Actor, app: App, command: str, *, time_to_live: int = TIME_TO_LIVE
) -> tuple[str, Release]:
    """Start `command` (or the Procfile entry of that name); its output goes to the app's log.

    Returns:
        Its name ("run.7") and the release it runs.

    Raises:
        Refused: nothing is deployed, or the command is empty or too long.
        Forbidden: too little right, or a scope without config vars.
    """
    require(actor, Right.OPERATE, app)
    require_secrets(actor, write=True)  # a command can print the config vars it gets
    release = current_release(app)
    if release is None or release.build is None:
        raise Refused(f"{app.name} has no code yet. Push it first: git push paas main")
    if not command.strip() or len(command) > MAX_COMMAND or "\0" in command:
        raise Refused(f"Give a command of 1 to {MAX_COMMAND} characters.")
    if not 1 <= time_to_live <= 7 * TIME_TO_LIVE:
        raise Refused(f"time_to_live is in seconds, 1 to {7 * TIME_TO_LIVE}.")
    command = process_types(release.build).get(command.strip(), command)
    name = f"run.{next_one_off(app)}"
    # The audit trail names the act, not the command: people type secrets into it.
    record_app(actor, "process.run", app, process=name)
    tell_api(app, f"Starting process {name} by user {actor}")
    get_runtime().run(
        spec_of(release), command, name=name, detached=True, timeout=float(time_to_live)
    )
    return name, release
