"""app.json's `cron`: what a task's schedule and command may look like.

Dokku's rules: five fields or one of the names below, and a command without
shell operators. What needs a shell says so itself: `sh -c '…'`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError
from cronsim.cronsim import Field

MAX_TASKS = 100
POLICIES = ("forbid", "allow", "replace")
"""What happens when a task is due and its last run still goes on; the first is the default."""

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST = 100
_OPERATORS = frozenset(";&|<>()\n")
_FIELDS = 5
_MINUTE = timedelta(minutes=1)


class BadTask(ValueError):
    """A schedule or command that cannot be; the text says why."""


def next_time(schedule: str, after: datetime) -> datetime:
    """The first minute after `after` at which `schedule` is due, in UTC.

    Raises:
        BadTask: `schedule` is none.
    """
    expression = _expression(schedule)
    try:
        return next(CronSim(expression, after.astimezone(UTC)))
    except CronSimError as error:
        text = str(error)
        raise BadTask(text[:1].lower() + text[1:]) from None
    except StopIteration:
        raise BadTask("it is never due") from None


def portable(schedule: str) -> str:
    """The same in words that every cron knows: no names of our own, no 7 for Sunday.

    Raises:
        BadTask: it has a word (`L`, `LW`, `#`) that other clocks do not know.
    """
    *others, weekday = _expression(schedule).split()
    if "L" in others[2] or "L" in weekday or "#" in weekday:
        raise BadTask("`L`, `LW` and `#` are known to the panel's own clock only")
    if not weekday.startswith("*"):
        days = {day % 7 for day in Field.DOW.parse(weekday) if isinstance(day, int)}
        weekday = ",".join(map(str, sorted(days)))
    return " ".join([*others, weekday])


def _expression(schedule: str) -> str:
    expression = _MACROS.get(schedule.strip().lower(), schedule.strip()).upper()
    if expression.startswith("@"):
        raise BadTask(f"{schedule} is not known; there are {', '.join(_MACROS)}")
    if len(expression) > _LONGEST or len(expression.split()) != _FIELDS:
        raise BadTask("it must have five fields: minute, hour, day of month, month, day of week")
    return expression


def is_due(schedule: str, minute: datetime) -> bool:
    """Whether `schedule` is due in that minute (a time without seconds)."""
    return next_time(schedule, minute - _MINUTE) == minute


def check_command(command: str) -> None:
    """
    Raises:
        BadTask: it has a shell operator outside quotes, or quotes that do not end.
    """
    quote, escaped = "", False
    for here, following in zip(command, command[1:] + " ", strict=True):
        if escaped:
            escaped = False
        elif quote == "'":
            quote = "" if here == "'" else quote
        elif here == "\\":
            escaped = True
        elif here == "`" or (here == "$" and following == "("):
            raise BadTask(f"`{here}{following if here == '$' else ''}` is a shell operator")
        elif here == quote:
            quote = ""
        elif not quote and here in "\"'":
            quote = here
        elif not quote and here in _OPERATORS:
            raise BadTask(f"{here!r} is a shell operator")
    if quote or escaped:
        raise BadTask("a quote or a backslash in it has no end")
