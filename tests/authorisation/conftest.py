"""One scene for all rows of a worker, in a transaction that is never committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings

from apps.accounts import ssh_keys
from apps.accounts.policy import Actor
from apps.catalog import watching
from apps.formation import change, runtime
from apps.releases.models import Release, ReleaseState
from paas.runtimes.null import NullRuntime
from tests.authorisation.clients import CommandLine, OverHttp, OverSsh
from tests.authorisation.panel import LivePanel
from tests.authorisation.scene import Scene, make_scene
from tests.gateway.world import FrontDoor, Gateway, SshDoor, free_port

_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture(scope="package")
def scene(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[Scene]:
    with (
        pytest.MonkeyPatch.context() as patch,
        django_db_blocker.unblock(),
        override_settings(CACHES=_MEMORY),
        transaction.atomic(),
    ):
        _replace_what_works_outside_of_the_transaction(patch)
        yield make_scene()
        transaction.set_rollback(True)


def _replace_what_works_outside_of_the_transaction(patch: pytest.MonkeyPatch) -> None:
    # Requests begin and end with it, and it would take the transaction along.
    patch.setattr(connections["default"], "close_if_unusable_or_obsolete", lambda: None)
    null = NullRuntime()
    runtime.get_runtime.cache_clear()
    patch.setattr("paas.runtimes.local.LocalRuntime", lambda instance: null)
    # No worker carries releases out, so that no command waits for one in vain.
    patch.setattr(change, "enqueue", _settle)
    # In the thread that has the transaction, not in one of a pool.
    patch.setattr(watching, "may_view_async", sync_to_async(watching.may_view))


def _settle(task: str, key: object) -> None:
    if task == "release":
        Release.objects.filter(pk=key).update(state=ReleaseState.SUCCEEDED)


@pytest.fixture(scope="package")
def command_line(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    panel = LivePanel()
    # The addresses of streams in its answers lead back to it.
    with override_settings(INSTANCE=replace(settings.INSTANCE, port=panel.port)):
        yield CommandLine(settings.INSTANCE.origin, tmp_path_factory.mktemp("command-line"))
    panel.stop()


@pytest.fixture(scope="package")
def gateway(scene: Scene) -> Iterator[Gateway]:
    """The real one, which asks the live panel."""
    for folder in (settings.INSTANCE.sources, settings.INSTANCE.repositories):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(prefix="paas-") as run:  # short: Unix sockets allow 107 bytes
        instance = replace(
            settings.INSTANCE, run=Path(run), ssh_port=free_port(), rendezvous_port=free_port()
        )
        panel = LivePanel(instance.web_socket)
        gateway = Gateway(instance)
        gateway.start()
        yield gateway
        gateway.stop()
        panel.stop()


@pytest.fixture(scope="package")
def over_http(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverHttp]:
    """Through the real front door."""
    front_door = FrontDoor(gateway.instance)
    front_door.start()
    yield OverHttp(front_door.port, tmp_path_factory.mktemp("over-http"))
    front_door.stop()


@pytest.fixture(scope="package")
def over_ssh(scene: Scene, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> OverSsh:
    """With a key for everybody: nobody has added anonymous', and the owner has removed one."""
    door = SshDoor(gateway.instance, tmp_path_factory.mktemp("keys") / "of roles")
    door.make_key("anonymous")
    for role, user in scene.users.items():
        _add_key(door, role, Actor(user))
    owner = Actor(scene.users["owner"])
    ssh_keys.remove(owner, _add_key(door, "expired token", owner))
    return OverSsh(door, tmp_path_factory.mktemp("over-ssh"))


def _add_key(door: SshDoor, role: str, actor: Actor) -> str:
    """Make a key for `role` and add it as one of `actor`'s; its fingerprint."""
    fingerprint = door.make_key(role)
    ssh_keys.add(actor, door.key(role).with_suffix(".pub").read_text())
    return fingerprint
