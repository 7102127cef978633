"""Certificates of one's own: list, add, show, replace, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from paas.cli.client import Panel
from paas.cli.console import Progress, note, say, show_facts, show_json, show_table
from paas.cli.errors import CliError
from paas.cli.options import App, Json, new_group, panel_and_app

commands = new_group()

Name = Annotated[str, typer.Argument(metavar="NAME", help="The certificate: see paas certs.")]
Chain = Annotated[
    Path,
    typer.Argument(metavar="CRT", help="PEM: the domain's certificate, then those of the CA."),
]
Key = Annotated[Path, typer.Argument(metavar="KEY", help="PEM: its private key.")]


@commands.command("certs")
def list_certs(app: App = None, json: Json = False) -> None:
    """List the certificates of your own that an app has.

    Example: paas certs -a hello
    """
    client, name = panel_and_app(app)
    found = client.list("apps", name, "sni-endpoints")
    if json:
        return show_json(found)
    if not found:
        return note(f"{name} has no SSL certificates. Add one: paas certs:add CRT KEY")
    return show_table([("Name", "Names", "Expires", "Issuer"), *map(_row, found)])


def _row(one: dict[str, Any]) -> list[object]:
    cert = one["ssl_cert"]
    return [one["name"], ", ".join(cert["cert_domains"]), cert["expires_at"][:10], cert["issuer"]]


@commands.command("certs:add")
def add(chain: Chain, key: Key, app: App = None, json: Json = False) -> None:
    """Serve an app's domains with a certificate of yours.

    It serves all domains of the app that it names, at once.

    Example: paas certs:add chain.pem key.pem -a hello
    """
    body = _body(chain, key)
    client, name = panel_and_app(app)
    with Progress(f"Adding SSL certificate to ⬢ {name}") as progress:
        made = client.post("apps", name, "sni-endpoints", body=body)
        progress.done()
    _tell(client, name, made, json)


@commands.command("certs:info")
def info(name: Name, app: App = None, json: Json = False) -> None:
    """Show a certificate; its private key is never shown.

    Example: paas certs:info cert-1a2b3c4d -a hello
    """
    client, of = panel_and_app(app)
    _tell(client, of, client.get("apps", of, "sni-endpoints", name), json)


@commands.command("certs:update")
def update(name: Name, chain: Chain, key: Key, app: App = None, json: Json = False) -> None:
    """Put a new certificate in the place of one.

    Example: paas certs:update cert-1a2b3c4d chain.pem key.pem -a hello
    """
    body = _body(chain, key)
    client, of = panel_and_app(app)
    with Progress(f"Updating SSL certificate {name} of ⬢ {of}") as progress:
        made = client.patch("apps", of, "sni-endpoints", name, body=body)
        progress.done()
    _tell(client, of, made, json)


@commands.command("certs:remove")
def remove(name: Name, app: App = None, json: Json = False) -> None:
    """Remove a certificate: the platform's own, if any, serve its domains again.

    Example: paas certs:remove cert-1a2b3c4d -a hello
    """
    client, of = panel_and_app(app)
    with Progress(f"Removing SSL certificate {name} from ⬢ {of}") as progress:
        gone = client.delete("apps", of, "sni-endpoints", name)
        progress.done()
    if json:
        show_json(gone)


def _body(chain: Path, key: Path) -> dict[str, str]:
    return {"certificate_chain": _read(chain), "private_key": _read(key)}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CliError(f"{path} cannot be read: {why}.", "Give a PEM file.") from None


def _tell(client: Panel, app: str, one: dict[str, Any], json: bool) -> None:
    if json:
        return show_json(one)
    domains = {domain["id"]: domain["hostname"] for domain in client.list("apps", app, "domains")}
    cert = one["ssl_cert"]
    say(f"=== {one['name']}")
    return show_facts(
        {
            "Names": ", ".join(cert["cert_domains"]),
            "Serves": ", ".join(domains.get(key, key) for key in one["domains"]) or "no domain",
            "Issuer": cert["issuer"],
            "Self-signed": "yes" if cert["is_self_signed"] else "no",
            "Valid from": cert["starts_at"][:10],
            "Expires": cert["expires_at"][:10],
        }
    )
