"""What the templates need beyond Django's own: times, states, short ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.activity.models import Activity
from apps.builds.models import Build
from apps.dashboard.sentences import sentence_of

register = template.Library()

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))
_TONES = {
    "up": "good",
    "succeeded": "good",
    "current": "good",
    "crashed": "bad",
    "failed": "bad",
    "down": "bad",
    "maintenance": "warn",
    "stopping": "warn",
    "cancelled": "warn",
    "deploying": "busy",
    "pending": "busy",
    "building": "busy",
    "releasing": "busy",
    "starting": "busy",
}


@register.filter
def ago(moment: datetime | None) -> SafeString:
    """`<time>` with the exact moment in it and "5 minutes ago" as its text."""
    if moment is None:
        return format_html("<span>{}</span>", "never")
    exact = moment.astimezone(UTC)
    text = exact.isoformat(timespec="seconds")
    return format_html(
        '<time datetime="{}" title="{} {} UTC">{}</time>',
        text,
        text[:10],
        text[11:19],
        _relative(timezone.now() - moment, exact),
    )


@register.filter
def pill(state: str) -> SafeString:
    """A state as a pill: the word tells it, the colour only helps."""
    word = str(state)
    return format_html('<span class="pill {}">{}</span>', _TONES.get(word, "calm"), word)


@register.filter
def short(commit: str | None) -> str:
    return (commit or "")[:8]


@register.filter
def seconds(value: float | None) -> str:
    """A duration: "0.4 s", "12 s", "3 min 5 s"."""
    if value is None:
        return "–"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


@register.filter
def took(build: Build) -> str:
    """How long a build took, or has taken so far."""
    end = build.finished_at or timezone.now()
    return seconds((end - build.created_at).total_seconds())


@register.filter
def has_commands(build: Build) -> bool:
    """Whether the plan says more than what the builder does by itself."""
    return any(phase.get("commands") for phase in (build.plan or {}).get("phases", ()))


@register.filter
def sentence(act: Activity) -> str:
    return sentence_of(act)


@register.filter
def marked(text: str) -> SafeString:
    """A text of ours for the user, whose commands stand in `backticks`."""
    pieces = enumerate(str(text).split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", one) if i % 2 else one,) for i, one in pieces)
    )


@register.filter
def first_line(text: str) -> str:
    return text.partition("\n")[0]


def _relative(passed: timedelta, exact: datetime) -> str:
    whole = int(passed.total_seconds())
    if whole < 10:
        return "just now"
    if whole < 60:
        return "less than a minute ago"
    if whole > 30 * 86400:
        return exact.strftime("%-d %b %Y")
    name, size = next((name, size) for name, size in _UNITS if whole >= size)
    count = whole // size
    return f"{count} {name}{'s' if count > 1 else ''} ago"
