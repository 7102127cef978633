"""The Python provider: dependencies, version, framework, collectstatic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from buildpacks.plan import Phase, Plan, PythonDependencies
from buildpacks.python.django import MANAGE, Django, collectstatic, find_django
from buildpacks.python.frameworks import Start, find_start
from buildpacks.python.managers import Installation, find_installation
from buildpacks.python.project import Project
from buildpacks.python.versions import python_pin
from buildpacks.tree import SourceTree

__all__ = ["MANAGE", "is_python", "plan_python"]

# any of these makes it a Python app; a shorter form of the list in Heroku's `bin/detect`
_MARKERS = frozenset(
    {
        "requirements.txt",
        "pyproject.toml",
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "Pipfile",
        "Pipfile.lock",
        "setup.py",
        "manage.py",
        "app.py",
        "main.py",
        "wsgi.py",
        "server.py",
        ".python-version",
        "runtime.txt",
    }
)
# as Heroku's buildpack sets them; /app is where every runtime shows the app
# and the environment with the dependencies (uwsgi's `virtualenv` is set to it)
_VARIABLES = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": "/app",
    "LANG": "C.UTF-8",
    "VIRTUAL_ENV": "/deps/python",
}
_DISPLAY = {
    "uv": "uv.lock (uv)",
    "requirements": "requirements.txt (pip)",
    "poetry": "poetry.lock (Poetry)",
    "pdm": "pdm.lock (PDM)",
    "pipenv": "Pipfile (Pipenv)",
    "pyproject": "pyproject.toml",
    "none": "nothing: no file lists dependencies",
}


def is_python(tree: SourceTree) -> bool:
    """Whether the tree looks like a Python app."""
    return not _MARKERS.isdisjoint(tree.entries)


def plan_python(tree: SourceTree, variables: Mapping[str, str], *, default_web: bool) -> Plan:
    """The plan of a Python app.

    Args:
        variables: those of nixpacks.toml.
        default_web: whether to look for a web command; not wanted when the
            app has a Procfile.

    Raises:
        PlanError: see `versions`, `managers` and `requirements`.
    """
    project = Project.read(tree)
    installation = find_installation(tree, project, variables)
    pin, warnings = python_pin(tree, project, variables)
    django = find_django(tree) if _wants_django(tree, installation) else None
    packaged = installation.dependencies.package
    names = installation.names
    start = find_start(tree, names, django, packaged=packaged) if default_web else None
    phases, notes = _phases(installation.dependencies, django, variables)
    plan = Plan(
        providers=("python",),
        name="Python",
        pins=(pin,),
        phases=phases,
        variables=_VARIABLES,
        python=installation.dependencies,
        notes=(f"Dependencies come from {_DISPLAY[installation.dependencies.manager]}", *notes),
        warnings=(*warnings, *installation.warnings),
    )
    return plan if start is None else _started(plan, start, installation)


def _wants_django(tree: SourceTree, installation: Installation) -> bool:
    """Django is a dependency, directly or (manage.py at the top) through another package."""
    return "django" in installation.names or MANAGE in tree.entries


def _phases(
    dependencies: PythonDependencies, django: Django | None, variables: Mapping[str, str]
) -> tuple[tuple[Phase, ...], tuple[str, ...]]:
    """setup → fetch → install → build, and notes.

    The commands of fetch and install are the executor's, by `Plan.python`.
    """
    files = () if dependencies.project else dependencies.files
    phases = [
        Phase("setup"),
        Phase("fetch", depends_on=("setup",), network=True, files=files),
        Phase("install", depends_on=("fetch",), files=files),
    ]
    if django is None:
        return tuple(phases), ()
    build, note = collectstatic(django, variables)
    if build is not None:
        phases.append(build)
    return tuple(phases), (note,) if note else ()


def _started(plan: Plan, start: Start, installation: Installation) -> Plan:
    """`plan` with the framework's web command, and its server among the dependencies."""
    assert plan.python is not None
    plan = replace(
        plan,
        processes={"web": start.command},
        processes_from=start.framework,
        notes=(*plan.notes, *start.notes),
    )
    if start.server in installation.names:
        return plan
    warning = (
        f"{start.server} is not among the dependencies, so the newest one is installed. "
        f"Add {start.server} to them to choose its version."
    )
    python = replace(installation.dependencies, extra=(start.server,))
    return replace(plan, python=python, warnings=(*plan.warnings, warning))
