"""What the front door says itself, when no app does: as HTML and as plain text."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

_HTML = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; }
body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 1rem; }
code { font-size: .95em; padding: .1em .3em; border: 1px solid; border-radius: .25em; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$text</p>
$advice
</main>
</body>
</html>
""")


@dataclass(frozen=True)
class Page:
    """One answer of the front door.

    Args:
        status: HTTP status.
        code: Heroku's error code for the router's log line, "" if it has none.
        title, text: what is wrong, in plain words.
        advice: what the app's owner should do, with `backticks` around commands.
    """

    status: int
    code: str
    title: str
    text: str
    advice: str = ""

    @property
    def html(self) -> str:
        parts = self.advice.split("`")
        marked = "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
        advice = f"<p>{marked}</p>" if marked else ""
        return _HTML.substitute(title=self.title, text=self.text, advice=advice)

    @property
    def plain(self) -> str:
        return "\n".join(part for part in (f"{self.title}: {self.text}", self.advice, "") if part)


NO_SUCH_APP = Page(
    404,
    "",
    "There is no app here",
    "No app of this name exists on this server.",
    "If you have just created it: is the address spelled right? `paas apps` lists your apps.",
)
NO_WEB = Page(
    503,
    "H14",
    "No web process is running",
    "This app has no web process at the moment.",
    "If it is yours: deploy it with `git push paas main`, or start one with `paas ps:scale web=1`.",
)
MAINTENANCE = Page(
    503,
    "H80",
    "Offline for maintenance",
    "This app is being worked on and will be back soon.",
    "If it is yours: `paas maintenance:off` opens it again.",
)
CRASHED = Page(
    503,
    "H10",
    "The app does not answer",
    "Its web process has crashed or is starting again.",
    "If it is yours: `paas logs` shows why.",
)
CLOSED = Page(
    502,
    "H13",
    "The app broke off",
    "It closed the connection without an answer.",
    "If it is yours: `paas logs` shows why.",
)
TIMEOUT = Page(
    503,
    "H12",
    "The app takes too long",
    "It has not begun to answer within 30 seconds.",
    "If it is yours: `paas logs` shows what it was doing. Move long work to a worker.",
)
PANEL_DOWN = Page(
    503,
    "",
    "The panel is starting",
    "A part of it does not answer yet. Apps are not affected. Try again in a few seconds.",
)
