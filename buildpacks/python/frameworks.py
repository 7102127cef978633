"""The web command of a Python app without a Procfile.

The servers are those of Railpack: gunicorn for Django and Flask, uvicorn for
FastAPI. Modules are searched by name and by regular expression: repository
code is never imported, and never parsed (a hostile file can make a parser
slow).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from buildpacks.python.django import Django
from buildpacks.tree import SourceTree

# where people put the application object, most usual first
_FILES = ("app", "main", "wsgi", "asgi", "server", "application", "run", "api", "index")
_FOLDERS = ("app", "src", "api", "backend", "server")
MAX_PACKAGES = 50
_BIND = "0.0.0.0:$PORT"
# `x = Flask(`, `app = create(`, `from x import app`
_OBJECT = (
    r"^(\w+)(?: ?: ?[\w.]+)? ?= ?(?:\w+\.)?(?:{kinds})\("
    r"|^(app|application) ?= ?[\w.]+\("
    r"|^from [\w.]+ import (?:\w+ as )?(app|application)$"
)


@dataclass(frozen=True)
class Start:
    """How the web process starts: `server` is the package the command needs."""

    framework: str
    command: str
    server: str
    notes: tuple[str, ...] = ()


def find_start(
    tree: SourceTree, names: frozenset[str], django: Django | None, *, packaged: bool = False
) -> Start | None:
    """The start command of the framework among the dependencies `names`; None if none is seen.

    Args:
        packaged: whether the tree is installed, so that what is in `src` can be imported.
    """
    if django is not None and django.wsgi is not None:
        return _django(django, django.wsgi)
    if "fastapi" in names or "starlette" in names:
        target = _find(tree, "FastAPI|Starlette", packaged=packaged)
        if target is not None:
            command = f"uvicorn {shlex.quote(target)} --host 0.0.0.0 --port $PORT"
            return Start("FastAPI", command, "uvicorn")
    if "flask" in names:
        target = _find(tree, "Flask", factory="create_app|make_app", packaged=packaged)
        if target is not None:
            return Start("Flask", f"gunicorn --bind {_BIND} {shlex.quote(target)}", "gunicorn")
    return None


def _django(django: Django, wsgi: str) -> Start:
    folder = "" if django.folder == "" else f" --chdir {shlex.quote(django.folder)}"
    command = (
        f"python {shlex.quote(django.manage)} migrate --noinput && "
        f"exec gunicorn{folder} --bind {_BIND} {shlex.quote(wsgi)}"
    )
    return Start("Django", command, "gunicorn", ("Migrating the database at start",))


def _find(tree: SourceTree, kinds: str, factory: str = "", *, packaged: bool = False) -> str | None:
    """`module:object` of the application, the first in the usual places.

    Args:
        kinds: the classes an application is made of, joined by "|".
        factory: names of functions that make one, joined by "|".
    """
    objects = re.compile(_OBJECT.format(kinds=kinds), re.MULTILINE)
    factories = re.compile(rf"^def ({factory})\(", re.MULTILINE) if factory else None
    for module, path in _places(tree, packaged):
        source = tree.glance(path)
        if match := objects.search(source):
            return f"{module}:{match[1] or match[2] or match[3]}"
        if factories is not None and (match := factories.search(source)):
            return f"{module}:{match[1]}()"
    return None


def _places(tree: SourceTree, packaged: bool) -> Iterator[tuple[str, str]]:
    """(module, path) of every usual place, then of the packages at the top."""
    for name in _FILES:
        yield name, f"{name}.py"
    for folder in _FOLDERS:
        yield from _inside(folder, folder)
    for folder in tree.folders()[:MAX_PACKAGES]:
        if folder.isidentifier():
            yield folder, f"{folder}/__init__.py"
    if packaged:
        for name in tree.names("src")[:MAX_PACKAGES]:
            if name.isidentifier():
                yield from _inside(name, f"src/{name}")


def _inside(package: str, folder: str) -> Iterator[tuple[str, str]]:
    """The usual places in a package."""
    yield package, f"{folder}/__init__.py"
    for name in _FILES:
        yield f"{package}.{name}", f"{folder}/{name}.py"
