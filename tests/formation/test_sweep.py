"""The sweep: what dead processes left gets an end."""

import signal
import subprocess
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.builds.models import Build, BuildState
from apps.builds.paths import build_log
from apps.formation.models import Helm
from apps.formation.sweep import sweep
from apps.releases.log import release_log
from apps.releases.models import Release, ReleaseState
from paas import leases
from paas.nix.roots import Roots
from paas.sandbox import Limits, cgroups

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(minutes=1)


@pytest.fixture
def build(hello, alice):
    return Build.objects.create(
        app=hello, user=alice, commit="c" * 40, branch="main", queued_at=timezone.now()
    )


@pytest.mark.parametrize("state", [BuildState.BUILDING, BuildState.RELEASING])
def test_a_build_whose_worker_died_fails(build, state):
    Build.objects.update(state=state, lease_expires_at=timezone.now() - LONG_AGO)
    sweep()
    build.refresh_from_db()
    assert build.state == BuildState.FAILED
    assert build.failure["what"] == "The worker was lost"
    assert build_log(build).end().state == "failed"


@pytest.mark.parametrize("artifact", [None, {"kind": "nix", "path": "/nix/store/x"}])
def test_what_nix_did_for_it_is_let_go(build, artifact):
    """Its commands end at once; what it has made stays where retention knows of it."""
    roots = Roots.of(settings.INSTANCE)
    roots.folder.mkdir(parents=True, exist_ok=True)
    for name in (str(build.id), f"{build.id}-native"):
        roots.link(name).symlink_to("/nix/store/x")
    group = cgroups.create(f"nix-{build.id}", Limits())
    orphan = subprocess.Popen(["sleep", "600"])
    if group is not None:
        group.add(orphan.pid)
    lost = {"state": BuildState.BUILDING, "lease_expires_at": timezone.now() - LONG_AGO}
    Build.objects.update(artifact=artifact, **lost)
    sweep()
    if group is None:
        orphan.kill()
    assert orphan.wait(timeout=5) == -signal.SIGKILL
    assert cgroups.find(f"nix-{build.id}") is None
    left = [name for name in roots.all() if name.startswith(str(build.id))]
    assert left == ([str(build.id)] if artifact else [])
    roots.remove(str(build.id))


def test_a_build_that_is_worked_on_is_left_alone(build):
    leases.claim(Build, build.pk)
    Build.objects.update(state=BuildState.BUILDING)
    sweep()
    build.refresh_from_db()
    assert build.state == BuildState.BUILDING


def test_its_release_fails_with_it(build, make_release):
    release = make_release(build)
    Release.objects.update(state=ReleaseState.STARTING)
    Build.objects.update(state=BuildState.RELEASING, lease_expires_at=timezone.now() - LONG_AGO)
    sweep()
    release.refresh_from_db()
    assert release.state == ReleaseState.FAILED
    assert release_log(release).end().state == "failed"


def test_a_push_that_never_got_its_archive_is_given_up(build):
    Build.objects.update(queued_at=None, created_at=timezone.now() - LONG_AGO)
    sweep()
    build.refresh_from_db()
    assert build.state == BuildState.FAILED
    assert "cut off" in build.failure["what"]


def test_a_young_push_is_waited_for(build):
    Build.objects.update(queued_at=None)
    sweep()
    build.refresh_from_db()
    assert build.state == BuildState.PENDING


def test_a_queued_build_can_be_cancelled_without_a_worker(build):
    Build.objects.update(cancel_requested_at=timezone.now())
    sweep()
    build.refresh_from_db()
    assert build.state == BuildState.CANCELLED


def test_a_config_release_whose_worker_died_fails(hello, make_build, make_release):
    release = make_release(make_build())
    Release.objects.update(state=ReleaseState.STARTING, updated_at=timezone.now() - LONG_AGO)
    Helm.objects.create(app=hello, lease_expires_at=timezone.now() - LONG_AGO)
    sweep()
    release.refresh_from_db()
    assert release.state == ReleaseState.FAILED
    sweep()  # twice is as good as once


def test_one_that_is_being_carried_out_is_left_alone(hello, make_build, make_release):
    release = make_release(make_build())
    Release.objects.update(state=ReleaseState.STARTING, updated_at=timezone.now() - LONG_AGO)
    Helm.objects.create(app=hello)
    leases.claim(Helm, hello.pk)
    sweep()
    release.refresh_from_db()
    assert release.state == ReleaseState.STARTING
