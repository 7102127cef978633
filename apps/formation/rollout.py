"""Rolling a release out: release phase, boot, the one commit point, traffic."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.errors import Conflict
from apps.builds.log import End
from apps.builds.models import BUILD_ARROWS, Build, BuildState
from apps.formation.events import tell_api, tell_release
from apps.formation.failures import CANCELLED, Failure, failure_of
from apps.formation.helm import UNTROUBLED, Steering, steering
from apps.formation.models import Helm
from apps.formation.release_phase import PhaseFailed, run_once
from apps.formation.runtime import get_runtime
from apps.formation.spec import RELEASE_PHASE, plan_of, spec_of
from apps.releases.log import release_log
from apps.releases.models import RELEASE_ARROWS, Release, ReleaseState
from paas import faults
from paas.leases import move
from paas.runtimes.base import AppSpec, Progress, Ready, RuntimeFailure, StaleToken

logger = logging.getLogger(__name__)


class RolloutFailed(Exception):
    """The release is `failed`; what ran before goes on."""

    def __init__(self, failure: Failure, *, cancelled: bool = False) -> None:
        super().__init__(failure.what)
        self.failure, self.cancelled = failure, cancelled


@dataclass(frozen=True)
class Push:
    """The build whose push this rollout ends, and the lease its worker holds."""

    build: Build
    token: int


def roll_out(
    release: Release,
    log: Callable[[str], None],
    *,
    cancel: threading.Event | None = None,
    push: Push | None = None,
) -> None:
    """Bring `release` from `pending` to its end.

    Raises:
        RolloutFailed: it is `failed`, with the reason in its row.
        LeaseLost: somebody else has taken over; nothing more was touched.
    """
    out = _Rollout(release, log, cancel or threading.Event(), push)
    try:
        with steering(release.app) as helm:
            release.refresh_from_db(fields=["state"])
            if not release.is_final:
                out.run(helm)
    except (PhaseFailed, RolloutFailed) as error:
        fail_release(release, error.failure)
        raise RolloutFailed(error.failure, cancelled=error.cancelled) from None
    except Conflict as error:
        failure = Failure(what=error.message)
        fail_release(release, failure)
        raise RolloutFailed(failure) from None
    except StaleToken:
        raise
    except RuntimeFailure as error:
        fail_release(release, failure_of(error))
        raise RolloutFailed(failure_of(error)) from error
    release_log(release).close(end_of(release))


def end_of(release: Release) -> End:
    """The end record that fits a final release."""
    live = release.state == ReleaseState.SUCCEEDED
    url = settings.INSTANCE.app_url(release.app.name) if live else None
    return End("succeeded" if live else "failed", release.name, url)


def fail_release(release: Release, failure: Failure) -> None:
    """Settle an unfinished release as `failed`; harmless when it is final."""
    rows = Release.objects.filter(pk=release.pk, state=release.state)
    if release.is_final or not rows.update(
        state=ReleaseState.FAILED, failure=failure.to_json(), updated_at=timezone.now()
    ):
        return
    release.state, release.failure = ReleaseState.FAILED, failure.to_json()
    tell_api(release.app, f"Release {release.name} failed: {failure.what}")
    log = release_log(release)
    log.write(failure.block())
    log.close(End("failed", release.name))


class _Rollout:
    """One rollout under one helm."""

    def __init__(
        self,
        release: Release,
        log: Callable[[str], None],
        cancel: threading.Event,
        push: Push | None,
    ) -> None:
        self.release, self.cancel, self.push = release, cancel, push
        self.log = log
        self.wanted = 0  # what the spec has seen of the formation; later changes are not in it

    def run(self, helm: Steering) -> None:
        if self.release.build is None:
            self._commit(helm)
            return
        self.wanted = Helm.objects.values_list("wanted", flat=True).get(pk=self.release.app_id)
        spec = spec_of(self.release)
        self._release_phase(spec, helm)
        faults.point("release.phase-done")
        self._move(ReleaseState.STARTING)
        faults.point("release.starting")
        self._apply(spec, helm)

    def _release_phase(self, spec: AppSpec, helm: Steering) -> None:
        assert self.release.build is not None
        command = plan_of(self.release.build).processes.get(RELEASE_PHASE)
        if not command:
            return
        self._move(ReleaseState.RELEASING)
        faults.point("release.phase")
        self.log("-----> Running release command...")
        run_once(
            self.release,
            spec,
            command,
            name=f"release.{self.release.version}",
            log=self.log,
            cancel=self.cancel,
            environment={"RELEASE_COMMAND": "1"},
        )
        helm.check()

    def _apply(self, spec: AppSpec, helm: Steering) -> None:
        """Up to `Ready` everything can be taken back; after the commit only forward."""
        committed = False
        events = get_runtime().apply(spec, helm.token)
        try:
            for event in events:
                if isinstance(event, Progress):
                    self.log(f"       {event.text}")
                if committed:
                    continue
                self._check(helm)
                if isinstance(event, Ready):
                    faults.point("release.ready")
                    self._commit(helm)
                    committed = True
                    faults.point("release.committed")
        except RuntimeFailure:
            if not committed:
                raise
            # The release is live by the database; reconcile rolls the runtime forward.
            logger.exception("%s of %s is committed, traffic follows", self.release, spec.name)
        finally:
            events.close()  # type: ignore[attr-defined]

    def _check(self, helm: Steering) -> None:
        helm.check()
        if self.cancel.is_set():
            raise RolloutFailed(CANCELLED, cancelled=True)

    def _commit(self, helm: Steering) -> None:
        """The one commit point of a deploy."""
        with transaction.atomic():
            helm.confirm()
            Release.objects.filter(app=self.release.app, current=True).update(current=False)
            self._move(ReleaseState.SUCCEEDED, current=True)
            if self.push:
                move(
                    self.push.build,
                    BUILD_ARROWS,
                    BuildState.SUCCEEDED,
                    token=self.push.token,
                    finished_at=timezone.now(),
                )
            Helm.objects.filter(pk=self.release.app_id).update(applied=self.wanted, **UNTROUBLED)
        tell_release(self.release)

    def _move(self, to: ReleaseState, **fields: Any) -> None:
        move(self.release, RELEASE_ARROWS, to, updated_at=timezone.now(), **fields)
