"""Puts the plan together: provider, then Procfile, then nixpacks.toml; app.json beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from buildpacks.appjson import read_app_json
from buildpacks.errors import PlanError, shown
from buildpacks.nixpacks import Overrides, fill, merge, read_overrides
from buildpacks.plan import Manifest, Plan
from buildpacks.procfile import PROCFILE, misspelling, read_procfile
from buildpacks.python import is_python, plan_python
from buildpacks.static import STATICFILE, is_static, plan_static
from buildpacks.tree import SourceTree

_NIXPACKS_NAMES = {"python": "python", "staticfile": "static", "static": "static"}
# a file that shows another language → what it is called
_OTHERS = {
    "package.json": "Node.js",
    "deno.json": "Deno",
    "go.mod": "Go",
    "Gemfile": "Ruby",
    "Cargo.toml": "Rust",
    "composer.json": "PHP",
    "index.php": "PHP",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "mix.exs": "Elixir",
    "Dockerfile": "Docker",
}
_SUPPORTED = (
    "Python (requirements.txt, pyproject.toml, uv.lock, poetry.lock, pdm.lock, Pipfile), "
    "static sites (index.html, public/, dist/ or a Staticfile), "
    "and any tree with a Procfile or a nixpacks.toml"
)
_Processes = Mapping[str, str]


def detect(tree: SourceTree) -> tuple[str, ...]:
    """The providers of `tree`, the leading one first; empty when nothing is recognised.

    Raises:
        PlanError: the Procfile or nixpacks.toml, which take part in this, are broken.
    """
    return _providers(tree, read_procfile(tree), read_overrides(tree))


def plan(tree: SourceTree) -> Plan:
    """How to build and run `tree`.

    Raises:
        PlanError: nothing is recognised, or a file of the tree is broken.
    """
    procfile = read_procfile(tree)
    overrides = read_overrides(tree)
    manifest, warnings = read_app_json(tree)
    providers = _providers(tree, procfile, overrides)
    provided = _provided(tree, providers, procfile, overrides, manifest)
    planned = merge(_with_procfile(provided, procfile), overrides)
    return replace(
        planned,
        manifest=manifest,
        warnings=(*planned.warnings, *warnings, *_process_warnings(tree, planned)),
    )


def _providers(
    tree: SourceTree, procfile: _Processes | None, overrides: Overrides
) -> tuple[str, ...]:
    detected = _detected(tree, procfile)
    if overrides.providers is None:
        return detected
    names = fill(detected, overrides.providers)
    return tuple(dict.fromkeys(_provider(name, overrides.file) for name in names))


def _detected(tree: SourceTree, procfile: _Processes | None) -> tuple[str, ...]:
    """Nixpacks' order; a Procfile with a web process needs no file server."""
    if is_python(tree):
        return ("python",)
    if tree.is_file(STATICFILE) or ("web" not in (procfile or {}) and is_static(tree)):
        return ("static",)
    return ("procfile",) if procfile else ()


def _provider(name: str, file: str) -> str:
    if name in {"procfile", *_NIXPACKS_NAMES}:
        return _NIXPACKS_NAMES.get(name, name)
    raise PlanError(
        f'There is no provider "{shown(name)}"',
        why="The providers are python and staticfile.",
        fix=f"Correct providers in {file}, or write the phases and start.cmd there yourself.",
        file=file,
    )


def _provided(
    tree: SourceTree,
    providers: tuple[str, ...],
    procfile: _Processes | None,
    overrides: Overrides,
    manifest: Manifest,
) -> Plan:
    """The plan of the leading provider."""
    variables = {**_build_variables(manifest), **overrides.variables}
    if "python" in providers[:1]:
        default_web = not procfile and overrides.start is None
        return plan_python(tree, variables, default_web=default_web)
    if "static" in providers[:1]:
        return plan_static(tree, variables)
    if procfile:
        return Plan(providers=("procfile",), name="Procfile", warnings=_other_language(tree))
    if overrides.phases or overrides.start is not None:
        return Plan(providers=(), name=overrides.file)
    raise _unrecognised(tree)


def _build_variables(manifest: Manifest) -> dict[str, str]:
    """Of app.json's variables, the one that steers the build (Heroku apps keep it there)."""
    return {
        entry.name: entry.value
        for entry in manifest.env
        if entry.name == "DISABLE_COLLECTSTATIC" and entry.value
    }


def _with_procfile(plan: Plan, procfile: _Processes | None) -> Plan:
    """`plan` with the Procfile's processes over those of the provider."""
    if not procfile:
        return plan
    return replace(plan, processes={**plan.processes, **procfile}, processes_from=PROCFILE)


def _process_warnings(tree: SourceTree, plan: Plan) -> tuple[str, ...]:
    warnings = []
    if name := misspelling(tree):
        warnings.append(f"{name} is not read: rename it to Procfile with `git mv {name} Procfile`")
    if "web" not in plan.processes:
        warnings.append(
            "There is no web process, so the app will answer no requests. "
            "To add one, write a line like `web: gunicorn --bind 0.0.0.0:$PORT app:app` "
            "into a file called Procfile."
        )
    return tuple(warnings)


def _other_language(tree: SourceTree) -> tuple[str, ...]:
    language = _language(tree)
    if language is None:
        return ()
    return (
        f"This looks like {language}, which is not built here yet: "
        "only what the Procfile runs and the machine has will be there.",
    )


def _language(tree: SourceTree) -> str | None:
    return next((name for file, name in _OTHERS.items() if file in tree.entries), None)


def _unrecognised(tree: SourceTree) -> PlanError:
    names = sorted(tree.entries)
    listed = shown(", ".join(names), 200) or "nothing"
    language = _language(tree)
    looks = f"It looks like {language}, which is not supported yet. " if language else ""
    return PlanError(
        "No way to build and run this app was found",
        why=f"{looks}The top of the repository holds: {listed}. Supported are {_SUPPORTED}.",
        fix="Add a file called Procfile with a line like `web: ./my-server --port $PORT`, commit "
        "it and push again. If the app lies in a folder, push that folder as its own repository.",
    )
