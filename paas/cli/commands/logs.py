"""An app's log: the last lines, or all that come."""

from __future__ import annotations

import json as json_
import re
import time
import zlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from paas.cli import sse
from paas.cli.client import Panel
from paas.cli.console import clean, paint, say
from paas.cli.errors import ApiError, ConnectionCut
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

_HEAD = re.compile(r"^(.*?\[(?P<source>[\w-]+)(?:[\d.]+)?]:)(.*)$", re.DOTALL)  # Heroku's contract
_COLOURS = ("cyan", "yellow", "green")
_EXPIRED = (401, 403, 404, 410)
_MAX_PAUSE = 10.0  # seconds
_ATTEMPTS = 6  # without `--tail`; with it, for ever


@commands.command("logs")
def logs(
    app: App = None,
    tail: Annotated[bool, typer.Option("--tail", "-t", help="Go on with new lines.")] = False,
    num: Annotated[int, typer.Option("--num", "-n", min=0, help="How many lines.")] = 100,
    dyno: Annotated[
        str | None, typer.Option("--dyno", "--ps", "-d", help="Of one process or type: web.1, web.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", "-s", help="Of one source: app or paas.")
    ] = None,
    json: Json = False,
) -> None:
    """Show an app's log; with --json, one object a line.

    Example: paas logs --tail --ps web
    """
    client, name = panel_and_app(app)
    wanted: dict[str, object] = {"lines": num, "tail": tail}
    wanted |= {key: value for key, value in (("dyno", dyno), ("source", source)) if value}
    for event in _Session(client, name, wanted).events():
        if json:
            print(json_.dumps({"id": event.id, "line": event.data}), flush=True)
        else:
            say_line(event.data)


class _Session:
    """One log session that outlives cuts: it goes on behind the last event seen."""

    def __init__(self, panel: Panel, app: str, wanted: dict[str, Any]) -> None:
        self._panel = panel
        self._app = app
        self._wanted = wanted
        self._last = ""
        self._quiet = 0  # attempts since the last event

    def events(self) -> Iterator[sse.Event]:
        url: str | None = self._open()
        while True:
            try:
                url = url or self._open()
                yield from self._read(url)
                if not self._wanted["tail"]:
                    return
            except ConnectionCut:
                if not self._wanted["tail"] and self._quiet >= _ATTEMPTS:
                    raise
            except ApiError as error:
                if error.status not in _EXPIRED or url is None:
                    raise
                url = None
            self._pause()

    def _open(self) -> str:
        made = self._panel.post("apps", self._app, "log-sessions", body=self._wanted)
        return str(made["logplex_url"])

    def _read(self, url: str) -> Iterator[sse.Event]:
        headers = {"Accept": "text/event-stream"}
        if self._last:
            headers["Last-Event-ID"] = self._last
        with self._panel.stream(url, headers) as chunks:
            for event in sse.events(chunks):
                self._last, self._quiet = event.id or self._last, 0
                yield event

    def _pause(self) -> None:
        self._quiet += 1
        time.sleep(min(_MAX_PAUSE, 0.1 * 2**self._quiet))


def say_line(line: str) -> None:
    """A log line, its head coloured by its source."""
    text = clean(line)
    match = _HEAD.match(text)
    if match is None:
        return say(text)
    colour = _COLOURS[zlib.crc32(match["source"].encode()) % len(_COLOURS)]
    print(paint(match[1], colour) + match[3], flush=True)
    return None
