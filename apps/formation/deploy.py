"""A push, from its archive to traffic: `formation` owns it to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from apps.accounts.errors import Refused
from apps.builds.builders.host import BuildCancelled, BuildFailed
from apps.builds.cancel import cancel_wished
from apps.builds.execute import execute
from apps.builds.log import End, LogFile
from apps.builds.models import BUILD_ARROWS, Build, BuildState
from apps.builds.paths import build_log
from apps.formation.events import tell_api
from apps.formation.failures import CANCELLED, DATABASE_AWAY, Failure
from apps.formation.manifest import complete_variables
from apps.formation.postdeploy import run_postdeploy
from apps.formation.queue import enqueue
from apps.formation.rollout import Push, RolloutFailed, fail_release, roll_out
from apps.formation.slots import PUSHES, build_slot
from apps.formation.spec import plan_of
from apps.releases.create import Contents, create_release, variables_of
from apps.releases.log import release_log
from apps.releases.models import UNFINISHED, Release
from apps.source.repositories import archive_path
from paas import faults, leases
from paas.leases import Heartbeat, LeaseLost, move
from paas.runtimes.base import StaleToken

logger = logging.getLogger(__name__)


def deploy(build_id: str) -> None:
    """Carry out a queued push. Called again for the same build, it changes nothing."""
    if not PUSHES.acquire(blocking=False):
        return
    try:
        _claim_and_run(build_id)
    finally:
        PUSHES.release()
        _call_next()


def _call_next() -> None:
    waiting = Build.objects.filter(
        leases.unleased(), state=BuildState.PENDING, queued_at__isnull=False
    )
    oldest = waiting.order_by("queued_at").first()
    if oldest is not None:
        enqueue("deploy", oldest.id)


def _claim_and_run(build_id: str) -> None:
    token = leases.claim(Build, build_id, state=BuildState.PENDING, queued_at__isnull=False)
    if token is None:
        return
    build = Build.objects.select_related("app", "user").get(pk=build_id)
    cancel = threading.Event()
    heartbeat = Heartbeat(also=lambda: cancel.set() if cancel_wished(build) else None)
    heartbeat.keep(Build, build.pk, token)
    try:
        with heartbeat:
            _Deploy(build, token, cancel).run()
    except (LeaseLost, StaleToken):
        logger.warning("%s was taken over by somebody else", build)
    finally:
        archive_path(build.id).unlink(missing_ok=True)


class _Deploy:
    """One push under one lease."""

    def __init__(self, build: Build, token: int, cancel: threading.Event) -> None:
        self.build, self.token, self.cancel = build, token, cancel
        self.log = build_log(build)

    def run(self) -> None:
        faults.point("deploy.claimed")
        self._move(BuildState.BUILDING)
        try:
            with build_slot(self.cancel):
                execute(self.build, self.log, self.cancel)
            self._move(BuildState.RELEASING)
            faults.point("deploy.releasing")
            self._release()
        except BuildCancelled:
            self._end(BuildState.CANCELLED, CANCELLED)
        except BuildFailed as error:
            self._end(BuildState.FAILED, Failure(error.what, error.why, error.fix))
        except RolloutFailed as error:
            state = BuildState.CANCELLED if error.cancelled else BuildState.FAILED
            self._end(state, error.failure)
        except Refused as error:
            self._end(BuildState.FAILED, Failure(error.message))
        except (LeaseLost, StaleToken):
            raise
        except Exception as error:
            logger.exception("%s failed", self.build)
            self._end(BuildState.FAILED, _unexpected(error))
            self._fail_release(_unexpected(error))

    def _release(self) -> None:
        release = create_release(self.build.app, self.build.user, self._compose)
        faults.point("deploy.release-created")
        both = _Both(self.log, release_log(release))
        self._list_processes()
        self.log.write("-----> Launching...")
        roll_out(release, both.write, cancel=self.cancel, push=Push(self.build, self.token))
        run_postdeploy(release, both.write)
        url = settings.INSTANCE.app_url(self.build.app.name)
        self.log.write(f"       Released {release.name}\n       {url} deployed to paas\n")
        self.log.close(End("succeeded", release.name, url))

    def _compose(self, newest: Release | None) -> Contents:
        held = variables_of(newest)
        return Contents(
            build=self.build,
            variables=complete_variables(held, plan_of(self.build).manifest),
            description=f"Deploy {self.build.commit[:8]}",
        )

    def _list_processes(self) -> None:
        plan = plan_of(self.build)
        self.log.write("-----> Discovering process types")
        types = ", ".join(sorted(plan.processes)) or "(none)"
        self.log.write(f"       {plan.processes_from or 'Procfile'} declares types -> {types}")

    def _end(self, state: BuildState, failure: Failure) -> None:
        self._move(state, failure=failure.to_json(), finished_at=timezone.now())
        self.log.write("\n" + failure.block() + "\n")
        if state == BuildState.FAILED:
            self.log.write(f" !     Push rejected, {_stage(self.build)}.\n")
        self.log.close(End(str(state)))
        tell_api(self.build.app, f"Build {state}: {failure.what}")

    def _fail_release(self, failure: Failure) -> None:
        """A release is failed by whoever meets a reason; for what nobody expected that is us."""
        for release in Release.objects.filter(build=self.build, state__in=UNFINISHED):
            fail_release(release, failure)
            enqueue("reconcile", self.build.app_id)

    def _move(self, to: BuildState, **fields: Any) -> None:
        move(
            self.build,
            BUILD_ARROWS,
            to,
            token=self.token,
            updated_at=timezone.now(),
            **fields,
        )


class _Both:
    """Writes what the rollout tells into the push's log and the release's own."""

    def __init__(self, *logs: LogFile) -> None:
        self._logs = logs

    def write(self, line: str) -> None:
        for log in self._logs:
            log.write(line)


def _stage(build: Build) -> str:
    """How Heroku words it: a build failed to compile, a release failed to be released."""
    if build.artifact is None:
        return f"failed to compile {_app_kind(build.plan)} app"
    return "failed to release the app"


def _app_kind(plan: Mapping[str, object] | None) -> str:
    return str((plan or {}).get("name") or "your")


def _unexpected(error: Exception) -> Failure:
    if isinstance(error, DatabaseError):
        return DATABASE_AWAY
    if isinstance(error, OSError) and error.errno is not None:
        return Failure(
            what=f"The machine said: {error.strerror}",
            fix="`paas doctor` shows what is short. Nothing was changed; push again afterwards.",
        )
    return Failure(
        what="Something went wrong inside paas",
        why=type(error).__name__,
        fix="Nothing was changed. logs/panel/worker.log has the details.",
    )
