"""Apps: make, show, rename, destroy, connect to a repository, open."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paas.cli import git
from paas.cli.client import Panel
from paas.cli.console import Progress, note, say, show_facts, show_json, show_time, warn
from paas.cli.errors import ApiError, CliError, UsageError
from paas.cli.options import App, Json, default_app, new_group, panel, panel_and_app

commands = new_group()

SshGit = Annotated[
    bool, typer.Option("--ssh-git", help="Push over SSH, by your key. See: paas keys:add")
]
Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The app's name.")]


@commands.command("create")
@commands.command("apps:create")
def create(
    name: Name = None,
    app: Annotated[str | None, typer.Option("--app", "-a", help="The app's name, too.")] = None,
    ssh_git: SshGit = False,
    json: Json = False,
) -> None:
    """Make an app; in a repository, connect it: git push paas main.

    Example: paas create hello
    """
    client, wanted = panel(), name or app
    with Progress("Creating app") as progress:
        made = _create(client, wanted)
        progress.done(f"done, ⬢ {made['name']}")
    if json:
        show_json(made)
    else:
        say(f"{made['web_url']} | {_git_url(made, ssh_git)}")
    _connect_new(client, made, _git_url(made, ssh_git))


def _git_url(app: dict[str, Any], ssh_git: bool) -> str:
    return str(app["ssh_git_url" if ssh_git else "git_url"])


def _create(client: Panel, name: str | None) -> dict[str, Any]:
    body = {"name": name} if name else {}
    try:
        made: dict[str, Any] = client.post("apps", body=body)
    except ApiError as error:
        if name and "already taken" in error.message:  # Heroku's id is one for all refusals
            error.hint = f"If it is yours already: paas git:remote -a {name}"
        raise
    return made


def _connect_new(client: Panel, made: dict[str, Any], url: str) -> None:
    if not git.inside_repository():
        note(f"This is no git repository. In the app's own: paas git:remote -a {made['name']}")
        return
    try:
        _connect(client, url)
    except git.ElsewhereRemote as other:
        warn(f"{_elsewhere(other)} To push to {made['name']}: {_set_url(url)}")


def _connect(client: Panel, url: str) -> bool:
    """The token first: a remote that points elsewhere is then one git command from working."""
    git.remember_token(client.target, url)
    return git.add_remote(url)


def _elsewhere(other: git.ElsewhereRemote) -> str:
    return f"The git remote {git.REMOTE} is {other.url} already and was kept."


def _set_url(url: str) -> str:
    return f"git remote set-url {git.REMOTE} {url}"


@commands.command("git:remote")
def git_remote(app: App = None, ssh_git: SshGit = False, json: Json = False) -> None:
    """Connect this repository to an app, and let git know the token.

    Example: paas git:remote -a hello
    """
    client, name = panel_and_app(app)
    if not git.inside_repository():
        raise CliError("This is no git repository.", "Make it one first: git init")
    found = client.get("apps", name)
    url = _git_url(found, ssh_git)
    try:
        _connect(client, url)
    except git.ElsewhereRemote as other:
        raise CliError(_elsewhere(other), f"To change it: {_set_url(url)}") from other
    if json:
        show_json(found)
    else:
        say(f"set git remote {git.REMOTE} to {url}")


@commands.command("apps")
def list_apps(json: Json = False) -> None:
    """List the apps you may see.

    Example: paas apps --json
    """
    client = panel()
    apps = client.list("apps")
    if json:
        return show_json(apps)
    if not apps:
        return note("You have no apps. Make one: paas create NAME")
    for one in sorted(apps, key=lambda one: str(one["name"])):
        say(str(one["name"]))
    return None


@commands.command("apps:info")
def info(name: Name = None, app: App = None, json: Json = False) -> None:
    """Show an app: addresses, owner, branch that deploys.

    Example: paas apps:info -a hello
    """
    client, wanted = panel_and_app(app if name is None else name)
    found = client.get("apps", wanted)
    if json:
        return show_json(found)
    say(f"=== {found['name']}")
    return show_facts(
        {
            "Web URL": found["web_url"],
            "Git URL": found["git_url"],
            "Git URL (SSH)": found.get("ssh_git_url"),
            "Owner": (found.get("owner") or {}).get("email"),
            "Deploy branch": found.get("deploy_branch"),
            "Stack": (found.get("stack") or {}).get("name"),
            "Maintenance": "on" if found.get("maintenance") else "off",
            "Created": show_time(found.get("created_at")),
        }
    )


@commands.command("apps:rename")
def rename(
    new: Annotated[str, typer.Argument(metavar="NEWNAME", help="What to call it.")],
    app: App = None,
    json: Json = False,
) -> None:
    """Give an app another name; its address, and this repository's remote, follow.

    Example: paas apps:rename -a hello good-morning
    """
    client, name = panel_and_app(app)
    before = client.get("apps", name)
    with Progress(f"Renaming {name} to {new}") as progress:
        renamed = client.patch("apps", name, body={"name": new})
        progress.done()
    if git.replace_remote(before["git_url"], renamed["git_url"]):
        note(f"git remote {git.REMOTE} updated. Other checkouts: {_set_url(renamed)}")
    if json:
        show_json(renamed)
    else:
        say(f"{renamed['web_url']} | {renamed['git_url']}")


@commands.command("apps:destroy")
def destroy(
    name: Name = None,
    app: App = None,
    confirm: Annotated[
        str | None, typer.Option("--confirm", "-c", metavar="NAME", help="The name once more.")
    ] = None,
    json: Json = False,
) -> None:
    """Destroy an app with its releases, builds, repository and logs.

    Example: paas apps:destroy -a hello --confirm hello
    """
    client = panel()
    wanted = name or app or default_app(client.target) or confirm
    if not wanted:
        raise UsageError("Which app?", "paas apps:destroy NAME --confirm NAME")
    if confirm != wanted:
        raise UsageError(
            f"This destroys {wanted} for ever, so it has to be confirmed by name.",
            f"paas apps:destroy -a {wanted} --confirm {wanted}",
        )
    with Progress(f"Destroying ⬢ {wanted}") as progress:
        gone = client.delete("apps", wanted)
        progress.done()
    for ssh_git in (False, True):
        git.remove_remote(_git_url(gone, ssh_git))
    if json:
        show_json(gone)


@commands.command("open")
def open_app(app: App = None) -> None:
    """Open the app in the browser.

    Example: paas open -a hello
    """
    client, name = panel_and_app(app)
    url = str(client.get("apps", name)["web_url"])
    if not url.startswith(("http://", "https://")):
        raise CliError("The app's address is none a browser opens.")
    say(url)
    import webbrowser  # looks for browsers when it is imported

    webbrowser.open(url)
