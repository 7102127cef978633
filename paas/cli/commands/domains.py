"""Custom domains: list, add, show, wait for, remove."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, note, say, show_facts, show_json, show_table, show_time
from paas.cli.errors import CliError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

_PATIENCE = 60.0  # seconds until the front door must know a name
_POLL = 0.2  # seconds

Host = Annotated[str, typer.Argument(metavar="HOST", help="The domain: www.example.com.")]


@commands.command("domains")
def list_domains(app: App = None, json: Json = False) -> None:
    """List the names at which an app answers.

    Example: paas domains -a hello
    """
    client, name = panel_and_app(app)
    domains = client.list("apps", name, "domains")
    if json:
        return show_json(domains)
    own = [one for one in domains if one["kind"] == "heroku"]
    custom = [one for one in domains if one["kind"] != "heroku"]
    say(f"=== {name} Domain\n")
    for one in own:
        say(one["hostname"])
    if not custom:
        return note(f"\n{name} has no custom domains. Add one: paas domains:add www.example.com")
    say(f"\n=== {name} Custom Domains\n")
    return show_table([("Domain Name", "DNS Target", "Status", "Certificate"), *map(_row, custom)])


def _row(domain: dict[str, Any]) -> list[object]:
    return [domain["hostname"], domain["cname"], domain["status"], _certificate(domain)]


def _certificate(domain: dict[str, Any]) -> str:
    parts = (domain.get("acm_status"), domain.get("acm_status_reason"))
    return ": ".join(part for part in parts if part) or "none"


@commands.command("domains:add")
def add(hostname: Host, app: App = None, json: Json = False) -> None:
    """Let an app answer at a domain of yours.

    Example: paas domains:add www.example.com
    """
    client, name = panel_and_app(app)
    with Progress(f"Adding {hostname} to ⬢ {name}") as progress:
        made = client.post("apps", name, "domains", body={"hostname": hostname})
        progress.done()
    if json:
        return show_json(made)
    say(f"Configure your app's DNS provider to point to the DNS Target {made['cname']}.")
    return None


@commands.command("domains:info")
def info(hostname: Host, app: App = None, json: Json = False) -> None:
    """Show a domain, and how far its certificate is.

    Example: paas domains:info www.example.com
    """
    client, name = panel_and_app(app)
    domain = client.get("apps", name, "domains", hostname)
    if json:
        return show_json(domain)
    say(f"=== {domain['hostname']}")
    return show_facts(
        {
            "App": name,
            "Kind": domain["kind"],
            "DNS target": domain["cname"],
            "Status": domain["status"],
            "Certificate": domain["acm_status"] or "none",
            "Reason": domain["acm_status_reason"],
            "Added": show_time(domain["created_at"]),
        }
    )


@commands.command("domains:wait")
def wait(
    hostname: Annotated[
        str | None, typer.Argument(metavar="HOST", help="Default: all of the app.")
    ] = None,
    app: App = None,
    json: Json = False,
) -> None:
    """Wait until the front door leads a domain to the app.

    Example: paas domains:wait www.example.com
    """
    client, name = panel_and_app(app)
    domains = client.list("apps", name, "domains")
    pending = [one for one in domains if one["status"] == "pending" and hostname is None]
    waited = [client.get("apps", name, "domains", hostname)] if hostname else pending
    if not waited and not json:
        return note(f"All domains of {name} are ready.")
    for one in waited:
        with Progress(f"Waiting for {one['hostname']}"):
            _wait(client, name, one)
    if json:
        show_json([client.get("apps", name, "domains", str(one["id"])) for one in waited])
    return None


def _wait(client: Panel, app: str, domain: dict[str, Any]) -> None:
    end = time.monotonic() + _PATIENCE
    while domain["status"] == "pending":
        if time.monotonic() > end:
            raise CliError(
                f"{domain['hostname']} is not routed after {_PATIENCE:.0f} s.",
                f"See why: paas logs -a {app}",
            )
        time.sleep(_POLL)
        domain = client.get("apps", app, "domains", str(domain["id"]))


@commands.command("domains:remove")
def remove(hostname: Host, app: App = None, json: Json = False) -> None:
    """Let an app answer at a domain no more.

    Example: paas domains:remove www.example.com
    """
    client, name = panel_and_app(app)
    with Progress(f"Removing {hostname} from ⬢ {name}") as progress:
        gone = client.delete("apps", name, "domains", hostname)
        progress.done()
    if json:
        show_json(gone)


@commands.command("domains:clear")
def clear(app: App = None, json: Json = False) -> None:
    """Remove all custom domains of an app.

    Example: paas domains:clear -a hello
    """
    client, name = panel_and_app(app)
    with Progress(f"Removing all domains from ⬢ {name}") as progress:
        gone = client.delete("apps", name, "domains")
        progress.done()
    if json:
        show_json(gone)
