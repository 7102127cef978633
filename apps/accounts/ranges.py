"""Lists in pages, as Heroku cuts them: `Range` asks, 206 with `Next-Range` answers.

    Range: version ..; max=10, order=desc
    Next-Range: version ]41..; max=10, order=desc

A range names a property of the resource, the first and the last value of it
(a bracket leaves the value itself out), how many and in which direction. The
next page starts after a value, not at an offset, so that what is made or
deleted meanwhile moves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpResponse
from ninja import Header

from apps.accounts.errors import Refused
from apps.accounts.schemas import render

DEFAULT_MAX = 200
LARGEST_MAX = 1000

RangeHeader = Annotated[
    str | None,
    Header(
        alias="Range",
        description="Which part of the list: `<property> <first>..<last>; max=200, order=asc`.",
        examples=["id ..; max=200, order=asc"],
    ),
]

_RANGE = re.compile(
    r"(?P<by>[a-z_]+)\s+(?P<after>\]?)(?P<first>[^;]*?)\.\.(?P<last>[^;]*?)(?P<before>\[?)"
    r"\s*(?:;(?P<options>.*))?"
)
_OPTION = re.compile(r"(?P<name>max|order)\s*=\s*(?P<value>\w+)")

Row = TypeVar("Row", bound=models.Model | dict[str, Any])


class RangeRefused(Refused):
    """A `Range` that this list cannot be cut by."""

    id = "requested_range_not_satisfiable"
    status = 416


@dataclass(frozen=True)
class Range:
    """One `Range` header, understood. `first` and `last` are "" where it is open."""

    by: str
    first: str = ""
    after: bool = False
    last: str = ""
    before: bool = False
    max: int = DEFAULT_MAX
    descending: bool = False

    @classmethod
    def parse(cls, header: str | None, default: Range) -> Range:
        """The range that `header` asks for; `default` without one.

        A range of bytes is none of ours and is ignored, as HTTP wants it.

        Raises:
            RangeRefused: it is not written as a range is.
        """
        text = (header or "").strip().rstrip(";")
        if not text or text.startswith("bytes="):
            return default
        match = _RANGE.fullmatch(text)
        if match is None:
            raise RangeRefused(
                f"{text[:100]!r} is no range. Write it like: {default.by} ..; max=200, order=asc"
            )
        options = _options(match["options"] or "")
        return cls(
            by=match["by"],
            first=match["first"].strip(),
            after=bool(match["after"]),
            last=match["last"].strip(),
            before=bool(match["before"]),
            max=_max(options.get("max", str(DEFAULT_MAX))),
            descending=options.get("order", "asc") == "desc",
        )

    @property
    def options(self) -> str:
        return f"max={self.max}, order={'desc' if self.descending else 'asc'}"


def page(
    header: str | None,
    rows: models.QuerySet[Any, Row],
    show: Callable[[Row], object],
    *,
    by: Mapping[str, str],
    default: Range,
) -> HttpResponse:
    """The part of `rows` that `header` asks for: 200 when nothing follows, else 206.

    It is written here and not by ninja, which would check each row against the
    schema and copy it: for 200 apps as much work as to find them.

    Args:
        rows: models, or for a list that is asked for often their `.values()`.
        show: a row as the schema of the route has it, which the tests check.
        by: property → field; the values of each must be unique within `rows`.
        default: what is answered without a `Range`.

    Raises:
        RangeRefused: another property, or a value it cannot have.
    """
    asked = Range.parse(header, default)
    field = by.get(asked.by)
    if field is None:
        raise RangeRefused(f"This list has no order by {asked.by!r}. It has: {', '.join(by)}.")
    found = list(_cut(rows, field, asked)[: asked.max + 1])
    shown, more = found[: asked.max], len(found) > asked.max
    response = HttpResponse(
        render([show(row) for row in shown]),
        status=206 if more else 200,
        content_type="application/json; charset=utf-8",
    )
    response["Accept-Ranges"] = ", ".join(by)
    if shown:
        first, last = (_read(row, field) for row in (shown[0], shown[-1]))
        response["Content-Range"] = f"{asked.by} {first}..{last}; {asked.options}"
        if more:
            bound = asked.last + ("[" if asked.before else "")
            response["Next-Range"] = f"{asked.by} ]{last}..{bound}; {asked.options}"
    return response


def _read(row: Row, field: str) -> Any:
    return row[field] if isinstance(row, dict) else getattr(row, field)


def _cut(rows: models.QuerySet[Any, Row], field: str, asked: Range) -> models.QuerySet[Any, Row]:
    start, end = ("lt", "gt") if asked.descending else ("gt", "lt")
    conditions: dict[str, Any] = {}
    for value, direction, outside in (
        (asked.first, start, asked.after),
        (asked.last, end, asked.before),
    ):
        if value:
            lookup = direction if outside else direction + "e"
            conditions[f"{field}__{lookup}"] = _value(rows.model, field, value)
    return rows.filter(**conditions).order_by(f"-{field}" if asked.descending else field)


def _value(model: type[models.Model], field: str, text: str) -> Any:
    try:
        return model._meta.get_field(field).clean(text, None)  # type: ignore[union-attr]
    except ValidationError:
        raise RangeRefused(f"{text[:100]!r} is no value of {field}.") from None


def _options(text: str) -> dict[str, str]:
    parts: Sequence[str] = [part.strip() for part in re.split("[,;]", text) if part.strip()]
    matches = [_OPTION.fullmatch(part) for part in parts]
    if None in matches:
        raise RangeRefused("A range's options are max=1..1000 and order=asc or order=desc.")
    options = {match["name"]: match["value"] for match in matches if match is not None}
    if options.get("order", "asc") not in ("asc", "desc"):
        raise RangeRefused("A range's order is asc or desc.")
    return options


def _max(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:5]) <= LARGEST_MAX:
        raise RangeRefused(f"A range's max is a number from 1 to {LARGEST_MAX}.")
    return int(text)
