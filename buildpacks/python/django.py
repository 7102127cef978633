"""Django: where manage.py, the settings and the WSGI application are; collectstatic.

Read by regular expression, without running or importing anything of the tree.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from buildpacks.plan import Phase
from buildpacks.tree import SourceTree

MANAGE = "manage.py"
MAX_SETTINGS = 20  # files of a settings package that are read
_SETTINGS_MODULE = re.compile(r"""DJANGO_SETTINGS_MODULE["']\]?\s*[,=]\s*["']([\w.]+)["']""")
_WSGI = re.compile(r"""^[ \t]*WSGI_APPLICATION[ \t]*=\s*["']([\w.]+)\.(\w+)["']""", re.MULTILINE)
# what an app must find in its environment even for collectstatic, because no default is given
_NEEDS = re.compile(
    r"""(?<!get)(?<!getenv)[(\[]\s*["'](\w{0,40}SECRET_KEY\w{0,40}|DATABASE_URL)["']\s*[)\]]""",
    re.ASCII,
)
_ENV_DB = re.compile(r"\benv\.db(?:_url)?\(\s*\)")
_PLACEHOLDERS = {"DATABASE_URL": "sqlite://:memory:"}
_SECRET = "only-for-this-build"  # noqa: S105 - no secret
# packages that set STATIC_ROOT for the settings
_CONFIGURES = ("django_heroku", "django_on_heroku")


@dataclass(frozen=True)
class Django:
    """A Django project in the tree.

    `folder` is the one manage.py lies in ("" is the top), `wsgi` the target
    for gunicorn as "module:object", `settings` the text of the settings.
    """

    folder: str
    wsgi: str | None
    settings: str

    @property
    def manage(self) -> str:
        return posixpath.join(self.folder, MANAGE)


def find_django(tree: SourceTree) -> Django | None:
    """The project whose manage.py is at the top or one folder below."""
    folder = _folder(tree)
    if folder is None:
        return None
    text = tree.glance(posixpath.join(folder, MANAGE))
    match = _SETTINGS_MODULE.search(text)
    if match is None:
        return None
    module = match[1]
    settings = _settings(tree, folder, module)
    return Django(folder, _wsgi(tree, folder, module, settings), settings)


def collectstatic(django: Django, variables: Mapping[str, str]) -> tuple[Phase | None, str]:
    """The build phase that gathers the static files, and a note when it is left out.

    Heroku's rule, `bin/steps/collectstatic`; where the settings name no
    STATIC_ROOT the command could only fail, so it is not run.
    """
    if variables.get("DISABLE_COLLECTSTATIC", "0") not in {"", "0"}:
        return None, "Skipping collectstatic since DISABLE_COLLECTSTATIC is set"
    if not any(word in django.settings for word in ("STATIC_ROOT", *_CONFIGURES)):
        return None, "Skipping collectstatic since the settings name no STATIC_ROOT"
    if not any(word in django.settings for word in ("staticfiles", *_CONFIGURES)):
        return None, "Skipping collectstatic since django.contrib.staticfiles is not installed"
    command = f"python {shlex.quote(django.manage)} collectstatic --noinput"
    return Phase(
        "build",
        commands=(" ".join([*_placeholders(django.settings), command]),),
        depends_on=("install",),
        hint="Correct the settings; the build sees no config vars, so give each a default. Or "
        'switch this step off in nixpacks.toml: `[variables]` DISABLE_COLLECTSTATIC = "1".',
    ), ""


def _placeholders(settings: str) -> list[str]:
    """`NAME=value` for each variable the settings cannot be read without.

    `${NAME:-…}` leaves a value of the plan's own variables alone.
    """
    names = set(_NEEDS.findall(settings)) | {"SECRET_KEY"}
    if _ENV_DB.search(settings):
        names.add("DATABASE_URL")
    return [f'{name}="${{{name}:-{_PLACEHOLDERS.get(name, _SECRET)}}}"' for name in sorted(names)]


def _folder(tree: SourceTree) -> str | None:
    if tree.is_file(MANAGE):
        return ""
    return next((name for name in tree.folders() if tree.is_file(f"{name}/{MANAGE}")), None)


def _settings(tree: SourceTree, folder: str, module: str) -> str:
    """The text of the settings module and of its siblings in a settings package."""
    path = posixpath.join(folder, *module.split("."))
    if tree.is_file(f"{path}.py"):
        package = posixpath.dirname(path)
        if posixpath.basename(package) != "settings":
            return tree.glance(f"{path}.py")
        path = package
    files = [name for name in tree.names(path) if name.endswith(".py")][:MAX_SETTINGS]
    return "\n".join(tree.glance(posixpath.join(path, name)) for name in files)


def _wsgi(tree: SourceTree, folder: str, module: str, settings: str) -> str | None:
    if match := _WSGI.search(settings):
        return f"{match[1]}:{match[2]}"
    for package in (module.split(".")[0], "config"):
        if tree.is_file(posixpath.join(folder, package, "wsgi.py")):
            return f"{package}.wsgi:application"
    return None
