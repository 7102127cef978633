"""Cron tasks: one run a minute, however many clocks there are, and none that must not be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from apps.accounts.errors import NotFound
from apps.accounts.policy import Actor, Right
from apps.catalog.manage import create_app
from apps.catalog.models import App, Collaborator
from apps.formation.cron import runs
from apps.formation.cron.clock import Clock, make_due
from apps.formation.cron.runs import KEPT, collect, start
from apps.formation.cron.tasks import tasks_of
from apps.formation.cron.verbs import resume, run_now, suspend
from apps.formation.maintenance import set_maintenance
from apps.formation.models import CronRun, RunState
from apps.formation.rollout import roll_out
from apps.formation.sweep import sweep
from apps.releases.create import Contents, create_release
from apps.releases.models import Release
from buildpacks.plan import CronTask, Manifest, Plan
from paas import leases
from paas.runtimes.null import NullOneOff, Outcome

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def crontab(hello: App, make_build, make_release) -> Callable[..., App]:
    """Makes a release with these tasks the live one."""

    def deploy(*entries: CronTask, **processes: str) -> App:
        build = make_build()
        build.plan = Plan(
            providers=("procfile",),
            name="Procfile",
            processes={"web": "serve", **processes},
            manifest=Manifest(cron=entries),
        ).to_json()
        build.save()
        roll_out(make_release(build), lambda line: None)
        return hello

    return deploy


def task(command: str = "work", schedule: str = "* * * * *", policy: str = "forbid", **more):
    return CronTask(command, schedule, policy, **more)


def states() -> list[str]:
    return [run.state for run in CronRun.objects.order_by("created_at")]


class Endless(NullOneOff):
    """A one-off that goes on until it is stopped."""

    stopped = False

    def wait(self, timeout: float | None = None) -> int | None:
        return 143 if self.stopped else None

    def stop(self) -> None:
        object.__setattr__(self, "stopped", True)


@pytest.fixture
def endless(null, monkeypatch) -> list[Endless]:
    """From now on no one-off ends by itself."""
    started: list[Endless] = []

    def run(spec, command, *, name, **how):
        started.append(Endless(name, Outcome()))
        null.one_offs[spec.app_id, name] = started[-1]
        return started[-1]

    monkeypatch.setattr(null, "run", run)
    return started


class TestClock:
    def test_a_due_task_becomes_one_run(self, crontab):
        app = crontab(task(), task("other", "5 12 * * *"))
        make_due(NOON)
        run = CronRun.objects.get()
        assert (run.app, run.minute, run.task) == (app, NOON, tasks_of(app)[0].id)
        make_due(NOON)
        make_due(NOON + 5 * MINUTE)
        assert CronRun.objects.count() == 3

    @pytest.mark.django_db(transaction=True)
    def test_of_two_clocks_one_makes_it(self, crontab):
        crontab(task(), task("other"))
        barrier = threading.Barrier(2)

        def tick() -> None:
            clock = Clock()
            barrier.wait()
            clock.tick(NOON + timedelta(seconds=1))
            connections.close_all()

        threads = [threading.Thread(target=tick) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert CronRun.objects.count() == 2
        assert CronRun.objects.values("task", "minute").distinct().count() == 2

    def test_a_clock_started_anew_in_the_same_minute_makes_none(self, crontab):
        crontab(task())
        Clock().tick(NOON + timedelta(seconds=2))
        Clock().tick(NOON + timedelta(seconds=40))
        assert CronRun.objects.count() == 1

    def test_a_clock_that_was_held_up_makes_up_for_it(self, crontab):
        crontab(task())
        clock = Clock()
        clock.tick(NOON)
        clock.tick(NOON + 3 * MINUTE)
        assert CronRun.objects.count() == 4

    def test_what_passed_while_it_was_down_is_not_caught_up(self, crontab):
        crontab(task())
        Clock().tick(NOON)
        Clock().tick(NOON + 60 * MINUTE)
        assert CronRun.objects.count() == 2
        clock = Clock()
        clock.tick(NOON + 100 * MINUTE)
        clock.tick(NOON + 200 * MINUTE)  # the machine slept
        assert CronRun.objects.count() == 3 + 6

    def test_a_clock_that_is_set_back_goes_on(self, crontab):
        crontab(task())
        clock = Clock()
        clock.tick(NOON)
        clock.tick(NOON - 60 * MINUTE)
        clock.tick(NOON - 59 * MINUTE)
        clock.tick(NOON)
        minutes = CronRun.objects.values_list("minute", flat=True)
        assert len(minutes) == len(set(minutes)) > 3

    def test_one_apps_broken_plan_stops_no_other(self, crontab, make_build, alice):
        broken = create_app(Actor(alice), "broken")
        app = crontab(task())
        build = make_build()
        build.app, build.plan = broken, {**build.plan, "manifest": {"cron": [{"schedule": 1}]}}
        build.save()
        release = create_release(broken, alice, lambda _: Contents(build, {}, "Deploy"), wait=0)
        Release.objects.filter(pk=release.pk).update(state="succeeded", current=True)
        make_due(NOON)
        assert CronRun.objects.get().app == app

    @pytest.mark.parametrize("paused", ["task", "app", "suspended"])
    def test_what_is_paused_is_not_run(self, crontab, alice, paused):
        app = crontab(task(maintenance=paused == "task"))
        if paused == "app":
            set_maintenance(Actor(alice), app, True)
        if paused == "suspended":
            suspend(Actor(alice), app, tasks_of(app)[0].id)
        make_due(NOON)
        assert not CronRun.objects.exists()
        (shown,) = tasks_of(App.objects.get())
        assert paused in shown.paused and shown.next_time(NOON) is None

    def test_tasks_are_those_of_the_live_release(self, crontab, hello):
        crontab(task("old"))
        crontab(task("new"))
        assert [one.entry.command for one in tasks_of(hello)] == ["new"]
        crontab()
        make_due(NOON)
        assert not CronRun.objects.exists()

    def test_a_suspension_outlives_a_release(self, crontab, alice):
        app = crontab(task())
        one = tasks_of(app)[0].id
        assert suspend(Actor(alice), app, one).paused == "suspended"
        suspend(Actor(alice), app, one)
        crontab(task(), task("another"))
        assert [one.paused for one in tasks_of(app)] == ["suspended", ""]
        assert resume(Actor(alice), app, one).paused == ""


class TestRuns:
    @pytest.fixture
    def due(self, crontab, null) -> Callable[..., CronRun]:
        def make(minute: datetime = NOON) -> CronRun:
            make_due(minute)
            run = CronRun.objects.get(minute=minute)
            start(str(run.id))
            collect()
            run.refresh_from_db()
            return run

        return make

    def test_one_that_ends_well(self, crontab, due):
        crontab(task())
        run = due()
        assert (run.state, run.exit_status, run.process) == ("succeeded", 0, "cron.1")
        assert run.started_at and run.finished_at and not run.lease_expires_at

    def test_one_that_does_not(self, crontab, due, null):
        null.outcomes["work"] = Outcome(3)
        crontab(task())
        run = due()
        assert (run.state, run.exit_status, run.reason) == ("failed", 3, "exited with status 3")

    def test_a_process_type_is_a_command(self, crontab, due, null):
        null.outcomes["rake nightly"] = Outcome(7)
        crontab(task("nightly"), nightly="rake nightly")
        assert due().exit_status == 7

    def test_started_twice_it_runs_once(self, crontab, endless):
        crontab(task())
        make_due(NOON)
        run = CronRun.objects.get()
        start(str(run.id))
        start(str(run.id))
        assert len(endless) == 1

    def test_killed_before_it_started_it_is_started_by_the_sweep(self, crontab, monkeypatch):
        crontab(task())
        make_due(NOON)
        run = CronRun.objects.get()
        leases.claim(CronRun, run.pk)  # by a worker that is dead since
        CronRun.objects.update(
            lease_expires_at=timezone.now() - MINUTE, created_at=timezone.now() - MINUTE
        )
        sent: list[tuple[str, str]] = []
        monkeypatch.setattr("apps.formation.sweep.enqueue", lambda t, key: sent.append((t, key)))
        sweep()
        assert sent == [("cron", run.pk)]
        start(str(run.id))
        assert states() == ["running"]

    def test_killed_while_it_started_it_is_lost_and_not_repeated(self, crontab, null, monkeypatch):
        crontab(task())
        make_due(NOON)
        run = CronRun.objects.get()

        def killed(*arguments, **how):
            raise KeyboardInterrupt

        monkeypatch.setattr(null, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            start(str(run.id))
        monkeypatch.undo()
        start(str(run.id))
        collect()
        run.refresh_from_db()
        assert (run.state, run.exit_status) == ("failed", None)
        assert "lost" in run.reason

    def test_one_that_no_worker_takes_is_given_up(self, crontab):
        crontab(task())
        make_due(NOON)
        collect()
        assert states() == ["pending"]
        CronRun.objects.update(created_at=timezone.now() - runs.PENDING_LIMIT - MINUTE)
        collect()
        assert states() == ["failed"]

    def test_one_that_outlives_its_time_says_so(self, crontab, endless):
        crontab(task())
        make_due(NOON)
        start(str(CronRun.objects.get().id))
        CronRun.objects.update(started_at=timezone.now() - timedelta(days=2))
        endless[0].stop()  # the runtime does, at the limit
        collect()
        run = CronRun.objects.get()
        assert run.state == "failed" and "86400 s" in run.reason

    def test_the_last_ones_are_kept(self, crontab, due):
        crontab(task())
        for number in range(KEPT + 3):
            due(NOON + number * MINUTE)
        kept = CronRun.objects.order_by("minute")
        assert kept.count() == KEPT
        assert kept.first().minute == NOON + 3 * MINUTE


class TestOverlap:
    @pytest.fixture
    def two(self, crontab, endless) -> Callable[[str], list[Endless]]:
        def make(policy: str) -> list[Endless]:
            crontab(task(policy=policy))
            for minute in (NOON, NOON + MINUTE):
                make_due(minute)
                start(str(CronRun.objects.get(minute=minute).id))
            return endless

        return make

    def test_forbid_skips_the_new_one(self, two):
        assert len(two("forbid")) == 1
        assert states() == ["running", "skipped"]

    def test_allow_starts_it_beside(self, two):
        assert len(two("allow")) == 2
        assert states() == ["running", "running"]

    def test_allow_has_a_bound(self, crontab, endless, monkeypatch):
        monkeypatch.setattr(runs, "MOST_AT_ONCE", 2)
        crontab(task(policy="allow"))
        for number in range(3):
            make_due(NOON + number * MINUTE)
            start(str(CronRun.objects.latest("minute").id))
        assert len(endless) == 2
        assert states() == ["running", "running", "skipped"]

    def test_starts_never_take_all_of_the_worker(self, crontab, endless, monkeypatch):
        monkeypatch.setattr(runs, "_STARTS", threading.BoundedSemaphore(1))
        crontab(task())
        make_due(NOON)
        with runs._STARTS:
            start(str(CronRun.objects.get().id))
        assert states() == ["pending"], "the sweep sends it again"
        start(str(CronRun.objects.get().id))
        assert states() == ["running"]

    def test_replace_stops_the_old_one(self, two):
        old, new = two("replace")
        assert old.stopped and not new.stopped
        assert states() == ["failed", "running"]
        assert "replaced" in CronRun.objects.earliest("created_at").reason

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_one_runs(self, crontab, endless):
        crontab(task())
        for minute in (NOON, NOON + MINUTE):
            make_due(minute)
        barrier = threading.Barrier(2)

        def begin(run_id: str) -> None:
            barrier.wait()
            start(run_id)
            connections.close_all()

        threads = [
            threading.Thread(target=begin, args=(str(run.id),)) for run in CronRun.objects.all()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(endless) == 1
        assert sorted(states()) == [RunState.RUNNING, RunState.SKIPPED]

    def test_tasks_do_not_stand_in_each_others_way(self, crontab, endless):
        crontab(task(), task("other"))
        make_due(NOON)
        for run in CronRun.objects.all():
            start(str(run.id))
        assert states() == ["running", "running"]


class TestApi:
    def test_list_run_and_history(self, crontab, alice, api, null):
        crontab(task("work", "@daily"))
        call = api(alice)
        (shown,) = call("GET", "/apps/hello/cron")[1]
        assert (shown["command"], shown["paused"], shown["last_run"]) == ("work", None, None)
        assert shown["next_run_at"].endswith("T00:00:00Z")
        path = f"/apps/hello/cron/{shown['id']}"
        status, made = call("POST", f"{path}/runs", {"time_to_live": 60})
        assert (status, made["state"], made["minute"]) == (201, "pending", None)
        start(made["id"])
        collect()
        assert call("GET", f"{path}/runs/{made['id']}")[1]["state"] == "succeeded"
        assert [run["exit_status"] for run in call("GET", f"{path}/runs")[1]] == [0]
        assert call("GET", path)[1]["last_run"]["process"] == "cron.1"
        assert call("PATCH", path, {"suspended": True})[1]["paused"] == "suspended"
        assert call("PATCH", path, {"suspended": False})[1]["paused"] is None

    def test_what_is_not_there(self, crontab, alice, api):
        crontab(task())
        call = api(alice)
        for method, path in (
            ("GET", "/apps/hello/cron/nothing"),
            ("GET", "/apps/hello/cron/nothing/runs"),
            ("POST", "/apps/hello/cron/nothing/runs"),
            ("GET", "/apps/hello/cron/%00"),
            ("GET", "/apps/hello/cron/%00/runs"),
        ):
            assert call(method, path, {})[0] == 404
        one = call("GET", "/apps/hello/cron")[1][0]["id"]
        assert call("POST", f"/apps/hello/cron/{one}/runs", {"time_to_live": 0})[0] == 422

    def test_rights(self, crontab, alice, bob, api):
        app = crontab(task())
        one = tasks_of(app)[0].id
        assert api(bob)("GET", "/apps/hello/cron")[0] == 404
        Collaborator.objects.create(app=app, user=bob, right=Right.DEPLOY)
        assert api(bob)("GET", "/apps/hello/cron")[0] == 200
        assert api(bob)("POST", f"/apps/hello/cron/{one}/runs", {})[0] == 403
        assert api(bob)("PATCH", f"/apps/hello/cron/{one}", {"suspended": True})[0] == 403

    def test_a_task_of_an_earlier_release_cannot_be_run(self, crontab, alice):
        app = crontab(task("old"))
        old = tasks_of(app)[0].id
        crontab(task("new"))
        with pytest.raises(NotFound):
            run_now(Actor(alice), app, old)
