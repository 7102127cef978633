"""Puts the plan together: provider, then Procfile, then nixpacks.toml; app.json beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from buildpacks import nix
from buildpacks.appjson import read_app_json
from buildpacks.errors import PlanError, shown
from buildpacks.nixpacks import Overrides, fill, merge, read_overrides
from buildpacks.plan import Manifest, Plan
from buildpacks.procfile import PROCFILE, misspelling, read_procfile
from buildpacks.providers import BY_NAME, Wish, detected, join
from buildpacks.static import STATICFILE, is_static, plan_static
from buildpacks.tree import SourceTree

_STATIC_NAMES = {"staticfile": "static", "static": "static"}
# a file that shows a language that is not built here → what it is called
_OTHERS = {
    "deno.json": "Deno",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "mix.exs": "Elixir",
    "Dockerfile": "Docker",
}
_SUPPORTED = (
    "Go (go.mod, main.go), PHP (composer.json, index.php), Ruby (Gemfile), Node.js (package.json), "
    "Python (requirements.txt, pyproject.toml, uv.lock, poetry.lock, pdm.lock, Pipfile), "
    "Rust (Cargo.toml), "
    "static sites (index.html, public/, dist/ or a Staticfile), "
    "Nix, where the server builds with it (flake.nix, devenv.nix, default.nix), "
    "and any tree with a Procfile or a nixpacks.toml"
)
NO_WEB = (
    "There is no web process, so the app will answer no requests. "
    "To add one, write a line like `web: gunicorn --bind 0.0.0.0:$PORT app:app` "
    "into a file called Procfile."
)
_Processes = Mapping[str, str]


def detect(tree: SourceTree, *, by_nix: bool = False) -> tuple[str, ...]:
    """The providers of `tree`, the leading one first; empty when nothing is recognised.

    Args:
        by_nix: the Nix builder is to build it, which can follow what Nix files say.

    Raises:
        PlanError: the Procfile or nixpacks.toml, which take part in this, are broken.
    """
    return _providers(tree, read_procfile(tree), read_overrides(tree), by_nix=by_nix)


def plan(tree: SourceTree, *, by_nix: bool = False) -> Plan:
    """How to build and run `tree`; `by_nix` as in `detect`.

    Raises:
        PlanError: nothing is recognised, or a file of the tree is broken.
    """
    procfile = read_procfile(tree)
    overrides = read_overrides(tree)
    manifest, warnings = read_app_json(tree)
    providers = _providers(tree, procfile, overrides, by_nix=by_nix)
    provided = _provided(tree, providers, procfile, overrides, manifest)
    planned = merge(_with_procfile(provided, procfile), overrides)
    return replace(
        planned,
        manifest=manifest,
        warnings=(
            *planned.warnings,
            *warnings,
            *_process_warnings(tree, planned),
            *_language_warnings(tree, providers, overrides),
        ),
    )


def _providers(
    tree: SourceTree, procfile: _Processes | None, overrides: Overrides, *, by_nix: bool
) -> tuple[str, ...]:
    found = _detected(tree, procfile, by_nix=by_nix)
    if overrides.providers is not None:
        names = fill(found, overrides.providers)
        found = tuple(dict.fromkeys(_provider(name, overrides.file) for name in names))
    if (described := _in_nix(found)) and not by_nix:
        raise _only_by_nix(described[0])
    if described and len(found) > 1:
        raise _not_joined(described[0], overrides.file)
    return found


def _in_nix(providers: tuple[str, ...]) -> list[str]:
    """Those of `providers` that are described in Nix."""
    return [name for name in providers if name in nix.FILES]


def _detected(tree: SourceTree, procfile: _Processes | None, *, by_nix: bool) -> tuple[str, ...]:
    """Nixpacks' order; a Procfile with a web process needs no file server.

    A Nix file that says how the app runs comes before all, any other after the languages.
    """
    meant = nix.meant(tree) if by_nix else None
    if meant is not None:
        return (meant,)
    languages = detected(tree)
    if languages:
        return (languages[0].name,)
    if tree.is_file(STATICFILE) or ("web" not in (procfile or {}) and is_static(tree)):
        return ("static",)
    in_nix = nix.described(tree)
    if in_nix and (by_nix or not procfile):
        return (in_nix[0],)
    return ("procfile",) if procfile else ()


def _provider(name: str, file: str) -> str:
    if name in {"procfile", *BY_NAME, *_STATIC_NAMES, *nix.FILES}:
        return _STATIC_NAMES.get(name, name)
    raise PlanError(
        f'There is no provider "{shown(name)}"',
        why=f"The providers are {', '.join([*BY_NAME, *nix.FILES])} and staticfile.",
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
    """The plan of the providers, the first one leading."""
    variables = {**_build_variables(manifest), **overrides.variables}
    start = not procfile and overrides.start is None
    made = [
        _by_provider(tree, name, Wish(variables, procfile or {}, start and name == providers[0]))
        for name in providers
        if name != "procfile"
    ]
    if made:
        return join(made)
    if procfile:
        return Plan(providers=("procfile",), name="Procfile", warnings=_other_language(tree))
    if overrides.phases or overrides.start is not None:
        return Plan(providers=(), name=overrides.file)
    raise _unrecognised(tree)


def _by_provider(tree: SourceTree, name: str, wish: Wish) -> Plan:
    if name == "static":
        return plan_static(tree, wish.variables)
    if name in nix.FILES:
        return nix.plan_nix(tree, name)
    return BY_NAME[name].plan(tree, wish)


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
    # what a Nix file says is known when it is evaluated
    if "web" not in plan.processes and not _in_nix(plan.providers):
        warnings.append(NO_WEB)
    return tuple(warnings)


def _language_warnings(
    tree: SourceTree, providers: tuple[str, ...], overrides: Overrides
) -> tuple[str, ...]:
    """Of a tree in several languages one is built, unless nixpacks.toml names more."""
    others = [one for one in detected(tree) if one.name not in providers]
    if overrides.providers is not None or not providers or not others or _in_nix(providers):
        return ()
    listed = ", ".join(f'"{name}"' for name in (*providers, *(one.name for one in others)))
    return (
        f"This looks like {' and '.join(one.shown for one in others)} too, which is not built. "
        f"To build both, write into nixpacks.toml: providers = [{listed}] (the first one leads).",
    )


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


def _only_by_nix(provider: str) -> PlanError:
    file = nix.FILES[provider][0]
    return PlanError(
        "this server does not build by it",
        why=f"{file} is followed by the Nix builder alone, and this server's is the host's.",
        fix="Add a Procfile and a file of a language that is known; or ask the administrator to "
        "set PAAS_BUILDER=nix.",
        file=file,
    )


def _not_joined(provider: str, file: str) -> PlanError:
    return PlanError(
        f'The provider "{provider}" stands alone',
        why=f"{nix.FILES[provider][0]} says all of the app, its languages too.",
        fix=f'Write providers = ["{provider}"] into {file}.',
        file=file,
    )


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
