"""From a release to the spec that a runtime makes true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.builds.models import Build
from apps.catalog.models import App
from apps.formation.cron.desired import desired_tasks
from apps.formation.helm import ensure_helm
from apps.formation.images import image_name
from apps.formation.models import Process
from apps.formation.runtime import get_runtime
from apps.formation.served import certificates_for
from apps.formation.sizes import SIZES
from apps.releases.create import variables_of
from apps.releases.models import Release
from buildpacks.plan import Manifest, Plan
from paas.nix.image import NoImage
from paas.runtimes.base import (
    AppSpec,
    Artifact,
    Autoscale,
    Check,
    CronTask,
    HostCertificate,
    Mount,
    ProcessSpec,
    RuntimeFailure,
)

RELEASE_PHASE = "release"
"""The process type that is run once before the others and never kept (Heroku)."""


class NotBuilt(RuntimeFailure):
    """There is nothing to run: no push yet, or a backup was restored without artifacts."""


def plan_of(build: Build) -> Plan:
    return Plan.from_json(build.plan or {})


def process_types(build: Build) -> dict[str, str]:
    """Process type → command, without the release phase."""
    return {
        name: command for name, command in plan_of(build).processes.items() if name != RELEASE_PHASE
    }


def ensure_processes(app: App, build: Build) -> list[Process]:
    """Rows for all process types of `build`: only `web` starts at 1, unless app.json says more."""
    manifest, types = plan_of(build).manifest, process_types(build)
    rows = Process.objects.filter(app=app, type__in=types)
    known = {row.type: row for row in rows}
    if missing := [name for name in types if name not in known]:
        new = [_new_process(app, name, manifest) for name in missing]
        Process.objects.bulk_create(new, ignore_conflicts=True)
        known = {row.type: row for row in rows.all()}
    return [known[name] for name in types]


def spec_of(release: Release) -> AppSpec:
    """The whole desired state of the release's app, with `release` as its code and config."""
    build = release.build
    if build is None or build.artifact is None:
        raise NotBuilt(f"{release.name} has no artifact here. Push the app again to build it.")
    app, plan = release.app, plan_of(build)
    routing = routing_of(app)
    return AppSpec(
        app_id=str(app.id),
        app_number=app.number,
        name=app.name,
        release=release.version,
        artifact=_artifact(app, build.artifact),
        environment=environment_of(release, plan.variables),
        processes=tuple(_process_spec(row, plan) for row in ensure_processes(app, build)),
        hosts=routing.hosts,
        maintenance=routing.maintenance,
        routing=routing.version,
        certificates=routing.certificates,
        cron=_cron(app, build, routing),
    )


@dataclass(frozen=True)
class Routing:
    """Where an app answers, and whether it is closed; `version` grows with each change."""

    hosts: tuple[str, ...]
    maintenance: bool
    version: int
    certificates: tuple[HostCertificate, ...]


def routing_of(app: App) -> Routing:
    """All that the front door is told of an app."""
    # The version first: what is read after it is at least as new, and a newer change comes again.
    version = ensure_helm(app).wanted
    name, maintenance = App.objects.values_list("name", "maintenance").get(pk=app.pk)
    hosts = _hosts(app, name)
    return Routing(hosts, maintenance, version, certificates_for(app, hosts))


def hosts_of(app: App) -> tuple[str, ...]:
    """The app's own name first, then its domains."""
    return _hosts(app, App.objects.values_list("name", flat=True).get(pk=app.pk))


def _hosts(app: App, name: str) -> tuple[str, ...]:
    domains = app.domains.order_by("hostname").values_list("hostname", flat=True)
    return (settings.INSTANCE.app_host(name), *domains)


def environment_of(release: Release, plan_variables: Mapping[str, str]) -> dict[str, str]:
    """Config vars win over the plan's variables; the platform's own names help the app."""
    commit = release.build.commit if release.build else ""
    return {
        **plan_variables,
        "SOURCE_VERSION": commit,
        "PAAS_APP_NAME": release.app.name,
        **variables_of(release),
    }


def _new_process(app: App, name: str, manifest: Manifest) -> Process:
    entry = manifest.formation.get(name)
    quantity = entry.quantity if entry and entry.quantity is not None else int(name == "web")
    size = entry.size.lower() if entry and entry.size and entry.size.lower() in SIZES else None
    return Process(app=app, type=name, quantity=quantity, size=size or "standard")


def _process_spec(row: Process, plan: Plan) -> ProcessSpec:
    return ProcessSpec(
        type=row.type,
        command=plan.processes[row.type],
        quantity=row.quantity,
        size=SIZES.get(row.size, SIZES["standard"]),
        checks=tuple(
            Check(
                type=check.type,
                path=check.path,
                command=check.command,
                listening=check.listening,
                uptime=check.uptime,
                content=check.content,
                attempts=check.attempts,
                wait=check.wait,
                timeout=check.timeout,
                initial_delay=check.initial_delay,
            )
            for check in plan.manifest.healthchecks.get(row.type, ())
        ),
        restarts=row.restarts,
        autoscale=Autoscale(**row.autoscale) if row.autoscale else None,
    )


def _cron(app: App, build: Build, routing: Routing) -> tuple[CronTask, ...]:
    """Where the panel's own clock runs them, the runtime is told of none."""
    if not get_runtime().schedules:
        return ()
    manifest, processes = plan_of(build).manifest, process_types(build)
    return desired_tasks(app, manifest, processes, maintenance=routing.maintenance)


def _artifact(app: App, data: Mapping[str, Any]) -> Artifact:
    return Artifact(
        kind=data["kind"],
        path=data["path"],
        digest=data["digest"],
        mounts=_mounts(data.get("mounts", ())),
        path_entries=tuple(data.get("path_entries", ())),
        image=_image(app, data.get("image", "")),
    )


def _image(app: App, made: str) -> str:
    try:
        return image_name(app, made)
    except NoImage as error:
        raise NotBuilt(f"{error}. Push the app again to build it.") from None


def _mounts(entries: Iterable[Mapping[str, str]]) -> tuple[Mount, ...]:
    return tuple(Mount(entry["source"], entry["target"]) for entry in entries)
