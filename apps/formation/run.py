"""One-off processes: a fresh process of the current release, with its config."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from django.conf import settings

from apps.accounts.errors import Forbidden, NotFound, Refused
from apps.accounts.policy import Actor, Right, require, require_secrets
from apps.catalog.manage import record_app
from apps.catalog.models import App
from apps.catalog.names import CONFIG_NAME
from apps.catalog.watching import Reader, actor_of
from apps.formation.events import tell_api, tell_process
from apps.formation.helm import next_one_off
from apps.formation.runtime import get_runtime
from apps.formation.sizes import SIZES, size_named
from apps.formation.spec import process_types, spec_of
from apps.releases.models import Release
from apps.releases.queries import current_release
from paas import tickets
from paas.runtimes.base import AppSpec, LimitExceeded, Size, Terminal
from paas.tickets import Ticket

TIME_TO_LIVE = 24 * 3600  # seconds; Dokku's default
MAX_COMMAND = 4096
MAX_ENVIRONMENT = 16 * 1024  # characters of names and values
_MARKING = '; echo "\uffff heroku-command-exit-status: $?"'
"""What Heroku's client adds to a command whose exit status it wants to read in the output.

It fails with `exit 3` and with signals; so the gateway says the status instead.
"""


@dataclass(frozen=True)
class Order:
    """What somebody wants to run.

    Args:
        command: a command line, or the name of a process type.
        size: a size's name; None for the smallest.
        environment: on top of the app's config.
        time_to_live: seconds, after which it is stopped.
    """

    command: str
    size: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    time_to_live: int = TIME_TO_LIVE


@dataclass(frozen=True)
class Started:
    """A one-off that has just been asked for. `attach_url` holds a secret that works once."""

    name: str
    command: str
    size: str
    release: Release
    attach_url: str | None = None


@dataclass(frozen=True)
class _Ready:
    """An order that may be carried out."""

    name: str
    command: str
    size: Size
    release: Release
    spec: AppSpec


def run_detached(actor: Actor, app: App, order: Order) -> Started:
    """Start a one-off whose output goes to the app's log.

    Raises:
        Refused: nothing is deployed, the order makes no sense, or too many run already.
    """
    ready = _prepare(actor, app, order)
    with _limit_explained(app):
        get_runtime().run(
            ready.spec,
            ready.command,
            name=ready.name,
            detached=True,
            timeout=float(order.time_to_live),
            environment=order.environment,
            size=ready.size,
        )
    _tell(actor, app, ready, attached=False)
    return Started(ready.name, ready.command, ready.size.name, ready.release)


def run_attached(actor: Actor, app: App, order: Order, terminal: Terminal | None) -> Started:
    """Start a one-off that waits for its client at the `attach_url`, and ends with it.

    Args:
        terminal: the size of the client's; None for pipes.

    Raises:
        Refused: as for `run_detached`.
    """
    command = order.command.removesuffix(_MARKING)
    ready = _prepare(actor, app, replace(order, command=command))
    with _limit_explained(app):
        get_runtime().run_attached(
            ready.spec,
            ready.command,
            name=ready.name,
            timeout=float(order.time_to_live),
            environment=order.environment,
            size=ready.size,
        )
    _tell(actor, app, ready, attached=True)
    marks_status = command != order.command
    who = Reader.of(actor)
    ticket = Ticket(
        str(app.id), ready.name, terminal, who.user, who.authorization, marks_status=marks_status
    )
    url = settings.INSTANCE.rendezvous_url(tickets.seal(ticket, settings.INTERNAL_TOKEN))
    return Started(ready.name, ready.command, ready.size.name, ready.release, url)


def may_go_on(reader: Reader, app_id: uuid.UUID) -> bool:
    """Whether whoever has started an attached one-off might still do so."""
    actor, app = actor_of(reader), App.objects.filter(pk=app_id).first()
    if actor is None or app is None:
        return False
    try:
        _require_run(actor, app)
    except (Forbidden, NotFound):
        return False
    return True


def note_end(app_id: uuid.UUID, name: str, status: int | None) -> None:
    """Say in the log how an attached one-off ended; `status` is None if its client left it."""
    app = App.objects.filter(pk=app_id).first()
    if app is not None:
        ending = "Client disconnected" if status is None else f"Process exited with status {status}"
        tell_process(app, name, ending)


def _prepare(actor: Actor, app: App, order: Order) -> _Ready:
    """Ask for the rights, and check all that can be checked before something starts."""
    _require_run(actor, app)
    release = current_release(app)
    if release is None or release.build is None:
        raise Refused(f"{app.name} has no code yet. Push it first: git push paas main")
    _check(order)
    return _Ready(
        name=f"run.{next_one_off(app)}",
        command=process_types(release.build).get(order.command.strip(), order.command),
        size=size_named(order.size) if order.size else SIZES["standard"],
        release=release,
        spec=spec_of(release),
    )


def _require_run(actor: Actor, app: App) -> None:
    require(actor, Right.OPERATE, app)
    require_secrets(actor, write=True)  # a command can print the config vars it gets


def _check(order: Order) -> None:
    if not order.command.strip() or len(order.command) > MAX_COMMAND or "\0" in order.command:
        raise Refused(f"Give a command of 1 to {MAX_COMMAND} characters.")
    if not 1 <= order.time_to_live <= 7 * TIME_TO_LIVE:
        raise Refused(f"time_to_live is in seconds, 1 to {7 * TIME_TO_LIVE}.")
    if sum(len(name) + len(value) for name, value in order.environment.items()) > MAX_ENVIRONMENT:
        raise Refused(f"env may have {MAX_ENVIRONMENT} characters in all.")
    for name, value in order.environment.items():
        if not CONFIG_NAME.matches(name) or "\0" in value:
            raise Refused(f"env: {name!r} cannot be set. {CONFIG_NAME.rule}")


@contextmanager
def _limit_explained(app: App) -> Iterator[None]:
    try:
        yield
    except LimitExceeded as error:
        raise Refused(
            f"{app.name} cannot run another one-off: {error}. Wait for one to end, or stop one: "
            f"paas ps -a {app.name}; paas ps:stop run.N -a {app.name}"
        ) from error


def _tell(actor: Actor, app: App, ready: _Ready, *, attached: bool) -> None:
    """In the audit trail and the log: the act, not the command, for people type secrets into it."""
    record_app(actor, "process.run", app, process=ready.name, attached=attached)
    tell_api(app, f"Starting process {ready.name} by user {actor}")
