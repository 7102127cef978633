"""Maintenance mode: the front door answers 503, processes go on."""

from __future__ import annotations

from paas.cli.console import Progress, say, show_json
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()


@commands.command("maintenance")
def show(app: App = None, json: Json = False) -> None:
    """Print on or off.

    Example: paas maintenance -a hello
    """
    client, name = panel_and_app(app)
    found = client.get("apps", name)
    if json:
        show_json(found)
    else:
        say("on" if found["maintenance"] else "off")


@commands.command("maintenance:on")
def turn_on(app: App = None, json: Json = False) -> None:
    """Show visitors a maintenance page.

    Example: paas maintenance:on -a hello
    """
    _turn(app, True, json)


@commands.command("maintenance:off")
def turn_off(app: App = None, json: Json = False) -> None:
    """Let visitors in again.

    Example: paas maintenance:off -a hello
    """
    _turn(app, False, json)


def _turn(app: str | None, on: bool, json: bool) -> None:
    client, name = panel_and_app(app)
    with Progress(f"{'Enabling' if on else 'Disabling'} maintenance mode for ⬢ {name}") as progress:
        changed = client.patch("apps", name, body={"maintenance": on})
        progress.done()
    if json:
        show_json(changed)
