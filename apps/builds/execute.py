"""From a pushed commit to an artifact: unpack, plan, build."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path

from django.conf import settings

from apps.builds.builders.base import Builder, BuildFailed, BuildJob, Built
from apps.builds.builders.host import HostBuilder
from apps.builds.builders.nix.executor import NixBuilder, Settings
from apps.builds.log import LogFile
from apps.builds.models import Build
from apps.builds.paths import work_dir
from apps.source.archives import SourceRefused, unpack
from apps.source.repositories import archive_path
from buildpacks import PlanError, SourceTree, plan
from buildpacks.plan import Plan
from paas import faults
from paas.nix.errors import NixUnavailable
from paas.nix.store import Store
from paas.sandbox import remove_tree, uid_for


def execute(build: Build, log: LogFile, cancel: threading.Event) -> Built:
    """Make `build`'s artifact and keep plan, phases and artifact in its row.

    Safe to run again after a crash: the work folder starts afresh.

    Raises:
        BuildFailed: the source or its build is at fault; the text is for the user.
        BuildCancelled: `cancel` was set.
    """
    log.write("-----> Building source:")
    try:
        tree = _unpacked(build)
        faults.point("build.unpacked")
        made = _plan(tree)
        build.plan = made.to_json()
        Build.objects.filter(pk=build.pk).update(plan=build.plan)
        _announce(made, log)
        job = BuildJob(
            build_id=str(build.id),
            app_id=str(build.app_id),
            app_number=build.app.number,
            tree=tree,
            commit=build.commit,
        )
        built = _builder().execute(made, job, log.write, cancel)
    finally:
        remove_tree(work_dir(build))
    build.plan = (built.plan or made).to_json()
    build.phases = [asdict(phase) for phase in built.phases]
    build.artifact = asdict(built.artifact)
    Build.objects.filter(pk=build.pk).update(
        plan=build.plan, phases=build.phases, artifact=build.artifact
    )
    faults.point("build.built")
    return built


def _builder() -> Builder:
    """The one that `PAAS_BUILDER` names.

    Raises:
        BuildFailed: it cannot be had here.
    """
    if settings.BUILDER == "host":
        return HostBuilder(settings.INSTANCE)
    chosen = Settings(
        package_set=settings.NIX_PACKAGES,
        expressions=settings.BASE_DIR / "nix",
        annotations=settings.IMAGE_ANNOTATIONS,
    )
    try:
        return NixBuilder(settings.INSTANCE, Store.of(settings.INSTANCE), chosen)
    except NixUnavailable as error:
        raise BuildFailed(
            "Nix cannot be used on this server", str(error), "Ask the administrator to do so."
        ) from None


def _unpacked(build: Build) -> Path:
    remove_tree(work_dir(build))
    tree = work_dir(build) / "app"
    tree.mkdir(parents=True, mode=0o700)
    try:
        unpack(
            archive_path(build.id),
            tree,
            uid=uid_for(build.app.number, settings.INSTANCE.home),
        )
    except SourceRefused as error:
        raise BuildFailed(error.what, error.why, error.fix) from None
    return tree


def _plan(tree: Path) -> Plan:
    try:
        return plan(SourceTree(tree), by_nix=settings.BUILDER == "nix")
    except PlanError as error:
        what = f"{error.file}: {error.what}" if error.file else error.what
        raise BuildFailed(what, error.why, error.fix) from None


def _announce(made: Plan, log: LogFile) -> None:
    log.write(f"-----> {made.name} app detected")
    for note in made.notes:
        log.write(f"-----> {note}")
    for warning in made.warnings:
        log.write("\n".join(f" !     {line}" for line in warning.splitlines()))
