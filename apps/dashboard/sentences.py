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
    "app.transfer": "Gave the app to {to}",
    "transfer.create": "Offered the app to {to}",
    "transfer.decline": "Declined the app",
    "transfer.delete": "Took back the offer to {to}",
    "collaborator.create": "Let {user} {right}",
    "collaborator.update": "Let {user} {right}",
    "collaborator.delete": "Took away the access of {user}",
    "invitation.create": "Invited {email}",
    "invitation.accept": "Accepted an invitation",
    "invitation.delete": "Revoked the invitation of {email}",
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
