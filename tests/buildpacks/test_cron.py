"""app.json's cron tasks: schedules, commands, and the refusal of what Dokku refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from buildpacks import plan
from buildpacks.cron import BadTask, check_command, is_due, next_time
from buildpacks.plan import CronTask, Plan
from tests.buildpacks.conftest import MakeTree, Refusal

THURSDAY = datetime(2026, 11, 26, 12, 34, 56, tzinfo=UTC)


def _files(*entries: object) -> dict[str, str | bytes]:
    return {"Procfile": "web: x\n", "app.json": json.dumps({"cron": list(entries)})}


def _task(**changes: object) -> dict[str, object]:
    return {"command": "true", "schedule": "@daily", **changes}


class TestManifest:
    def test_tasks(self, make_tree: MakeTree) -> None:
        made = plan(
            make_tree(
                _files(
                    _task(command="python mail.py --all", schedule="*/10 * * * MON-fri"),
                    _task(concurrency_policy="replace", maintenance=True),
                )
            )
        )
        assert made.manifest.cron == (
            CronTask("python mail.py --all", "*/10 * * * MON-fri", "forbid", False),
            CronTask("true", "@daily", "replace", True),
        )
        assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made
        assert not made.warnings

    def test_a_plan_of_before_has_none(self, make_tree: MakeTree) -> None:
        data = plan(make_tree({"Procfile": "web: x\n"})).to_json()
        del data["manifest"]["cron"]  # type: ignore[attr-defined]
        assert Plan.from_json(data).manifest.cron == ()

    @pytest.mark.parametrize(
        ("entry", "named"),
        [
            ({"schedule": "@daily"}, "cron[1].command"),
            (_task(command=" "), "cron[1].command"),
            (_task(command="a; b"), "cron[1].command"),
            (_task(command="a 'b"), "cron[1].command"),
            ({"command": "true"}, "cron[1].schedule"),
            (_task(schedule="* * * *"), "cron[1].schedule"),
            (_task(schedule="0 0 30 2 *"), "cron[1].schedule"),
            (_task(schedule=5), "cron[1].schedule"),
            (_task(concurrency_policy="never"), "cron[1].concurrency_policy"),
            (_task(maintenance="yes"), "cron[1].maintenance"),
            (_task(command="first"), "cron[1].command"),  # the same once more
            ("true", "cron must be a list of objects"),
        ],
    )
    def test_a_wrong_one_is_named(self, refusal: Refusal, entry: object, named: str) -> None:
        error = refusal(_files(_task(command="first"), entry))
        assert error.what.startswith(named)
        assert error.file == "app.json"

    def test_too_many_are_refused(self, refusal: Refusal) -> None:
        error = refusal(_files(*(_task(command=f"run {n}") for n in range(101))))
        assert "100" in error.what


class TestSchedules:
    @pytest.mark.parametrize(
        ("schedule", "due"),
        [
            ("* * * * *", "2026-11-26 12:35"),
            ("*/15 * * * *", "2026-11-26 12:45"),
            ("0 3 * * *", "2026-11-27 03:00"),
            ("0 0 * * 7", "2026-11-29 00:00"),
            ("0 0 * * sun", "2026-11-29 00:00"),
            ("0 0 29 2 *", "2028-02-29 00:00"),
            ("0 0 13 * FRI", "2026-11-27 00:00"),  # either of the two, as cron(8) has it
            ("  5   4 1 JAN *  ", "2027-01-01 04:05"),
            ("@hourly", "2026-11-26 13:00"),
            ("@daily", "2026-11-27 00:00"),
            ("@Midnight", "2026-11-27 00:00"),
            ("@weekly", "2026-11-29 00:00"),
            ("@monthly", "2026-12-01 00:00"),
            ("@yearly", "2027-01-01 00:00"),
            ("@annually", "2027-01-01 00:00"),
        ],
    )
    def test_next(self, schedule: str, due: str) -> None:
        assert f"{next_time(schedule, THURSDAY):%Y-%m-%d %H:%M}" == due

    @pytest.mark.parametrize(
        "schedule",
        ["", "a", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "0 0 30 2 *", "@reboot",
         "@every 5m", "* * * * MOO", "*/0 * * * *", "-1 * * * *", "9" * 5000 + " * * * *",
         "\u0663 * * * *", "* * * * *; rm"],
    )  # fmt: skip
    def test_what_is_none(self, schedule: str) -> None:
        with pytest.raises(BadTask):
            next_time(schedule, THURSDAY)

    def test_each_minute_is_due_once(self) -> None:
        start = datetime(2026, 3, 29, tzinfo=UTC)  # in Europe, the clocks go forward
        minutes = [start + timedelta(minutes=n) for n in range(24 * 60)]
        assert sum(is_due("30 2 * * *", minute) for minute in minutes) == 1
        assert all(is_due("* * * * *", minute) for minute in minutes[:5])

    def test_times_are_utc_whoever_asks(self) -> None:
        elsewhere = THURSDAY.astimezone(timezone(timedelta(hours=9)))
        assert next_time("0 0 * * *", elsewhere) == datetime(2026, 11, 27, tzinfo=UTC)


class TestCommands:
    @pytest.mark.parametrize(
        "command",
        ["python3 task.py schedule", "npm run send-email", "sh -c 'a; b > /tmp/x && c | d'",
         "node -e 'console.log(1)'", "echo \"a; b\"", "echo a\\;b", "echo $HOME", "true",
         "echo 'it'\\''s `x` $(y)'"],
    )  # fmt: skip
    def test_good(self, command: str) -> None:
        check_command(command)

    @pytest.mark.parametrize(
        "command",
        ["a; b", "a && b", "a & b", "a | b", "a > f", "a < f", "a $(b)", "a `b`", 'a "$(b)"',
         'a "`b`"', "(a)", "a\nb", "a 'b", 'a "b', "a \\", "echo \\\\; b"],
    )  # fmt: skip
    def test_what_needs_a_shell(self, command: str) -> None:
        with pytest.raises(BadTask):
            check_command(command)
