"""Fills an instance's database: `python -m tests.bench.seed APPS RELEASES`, with its PAAS_HOME set.

Apps `app-0001`… of the admin, each with RELEASES of one build; the newest is current. They were
made yesterday, are scaled to 0 and applied: nothing is left to do for the panel's own sweeps.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import django


def main(apps: int, releases: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "paas.settings"
    django.setup()
    from django.db import transaction
    from django.utils import timezone

    from apps.accounts.models import User
    from apps.builds.models import Build, BuildState
    from apps.catalog.models import App, AppNumber
    from apps.formation.models import Process
    from apps.formation.reconcile import reconcile_all
    from apps.releases.models import Config, Release, ReleaseState
    from apps.releases.vault import seal
    from buildpacks.plan import Plan

    admin = User.objects.get(is_admin=True)
    plan = Plan(("procfile",), "Procfile", processes={"web": "sleep 1000"}).to_json()
    sealed = seal({"GREETING": "hi", "SECRET_KEY": "x" * 50})
    with transaction.atomic():
        made = App.objects.bulk_create(
            App(number=AppNumber.objects.create().pk, name=f"app-{n:04}", owner=admin)
            for n in range(1, apps + 1)
        )
        builds = Build.objects.bulk_create(
            Build(
                app=app,
                user=admin,
                state=BuildState.SUCCEEDED,
                commit=f"{app.number:040x}",
                message="Say hello",
                branch="main",
                plan=plan,
                artifact={"kind": "host", "path": f"/nowhere/{app.id}", "digest": "seeded"},
            )
            for app in made
        )
        configs = Config.objects.bulk_create(Config(app=app, sealed=sealed) for app in made)
        Process.objects.bulk_create(Process(app=app, type="web", quantity=0) for app in made)
        Release.objects.bulk_create(
            (
                Release(
                    app=build.app,
                    version=version,
                    build=build,
                    config=config,
                    user=admin,
                    description=f"Deploy {build.commit[:8]}",
                    state=ReleaseState.SUCCEEDED,
                    current=version == releases,
                )
                for build, config in zip(builds, configs, strict=True)
                for version in range(1, releases + 1)
            ),
            batch_size=1000,
        )
        Release.objects.update(updated_at=timezone.now() - timedelta(days=1))
    reconcile_all()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
