"""app.json's `scripts.postdeploy`: run once, after the first deploy that succeeded."""

from __future__ import annotations

import threading
from collections.abc import Callable

from apps.formation.helm import next_one_off
from apps.formation.models import Helm
from apps.formation.release_phase import PhaseFailed, run_once
from apps.formation.spec import plan_of, spec_of
from apps.releases.models import Release


def run_postdeploy(release: Release, log: Callable[[str], None]) -> None:
    """Run it if it never ran; its failure is a warning, as the release is live already."""
    assert release.build is not None
    command = plan_of(release.build).manifest.postdeploy
    if not command or not _first_time(release):
        return
    log("-----> Running postdeploy script of app.json...")
    try:
        run_once(
            release,
            spec_of(release),
            command,
            name=f"run.{next_one_off(release.app)}",
            log=log,
            cancel=threading.Event(),
        )
    except PhaseFailed as error:
        log(error.failure.block())


def _first_time(release: Release) -> bool:
    rows = Helm.objects.filter(app=release.app, postdeploy_done=False)
    return rows.update(postdeploy_done=True) == 1
