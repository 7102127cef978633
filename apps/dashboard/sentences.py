"""The audit trail in words."""

from __future__ import annotations

from typing import Any

from apps.activity.models import Activity

_WORDS = {
    "app.create": "Made the app",
    "app.rename": "Renamed the app",
    "build.create": "Pushed {commit}",
    "build.cancel": "Cancelled a build",
    "config.set": "Changed {names} ({release})",
    "release.rollback": "Rolled back to {to} ({release})",
    "formation.scale": "Scaled to {formation}",
    "formation.restart": "Restarted {which}",
    "maintenance.on": "Switched maintenance on",
    "maintenance.off": "Switched maintenance off",
    "process.run": "Ran a command as {process}",
}


def sentence_of(act: Activity) -> str:
    """What was done, without who and when; a verb without words is named as it is."""
    text = _WORDS.get(act.verb)
    if text is None:
        return act.verb.replace(".", " ").replace("_", " ").capitalize()
    return text.format_map(_Details(act.details))


class _Details(dict[str, Any]):
    def __getitem__(self, name: str) -> str:
        value = self.get(name, "")
        if name == "commit":
            return str(value)[:8]
        if name == "formation":
            return str(value).replace("@", "=")
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
