"""Repositories that describe themselves in Nix: which of the files is it, and devenv.yaml.

Nothing is evaluated here: a plan says by which file the app is described, and
the Nix builder, which alone evaluates it, adds what it says. So the file is
only glanced at to see whether it is meant for running the app, or for a
developer's shell beside a language that is built as everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildpacks.errors import PlanError, shown
from buildpacks.plan import Plan
from buildpacks.providers import BY_NAME, Wish, join
from buildpacks.tree import SourceTree

DEVENV, FLAKE, DEFAULT = "devenv.nix", "flake.nix", "default.nix"
DEVENV_YAML = "devenv.yaml"
MAX_YAML = 64 * 1024
_MAX_DEPTH = 20
# provider → (its file, what it is called)
FILES = {
    "flake": (FLAKE, "Nix flake"),
    "devenv": (DEVENV, "devenv"),
    "nix": (DEFAULT, "Nix"),
}
_COMMENT = re.compile(r"#[^\n]*|/\*.*?\*/", re.DOTALL)
# what shows that a file is written for this: an output `paas`, processes
_MEANT = {"flake": re.compile(r"\bpaas\b"), "devenv": re.compile(r"\bprocesses\b")}
_NIXPKGS = re.compile(
    r"(?:[\w.+-]+:)?(?:[^\s?#]*/)?(?:nixpkgs|devenv-nixpkgs)(?:[/?#].*)?", re.ASCII
)
_KNOWN = frozenset({"inputs", "imports"})
# of devenv.yaml, what changes nothing in what is built here
_IGNORED = frozenset(
    {
        "$schema",
        "allowBroken",
        "allow_broken",
        "allowUnfree",
        "allow_unfree",
        "allowUnsupportedSystem",
        "backend",
        "clean",
        "impure",
        "nixpkgs",
        "permittedInsecurePackages",
        "permitted_insecure_packages",
        "permittedUnfreePackages",
        "permitted_unfree_packages",
        "profile",
        "reload",
        "require_version",
        "secretspec",
        "shell",
        "strict_ports",
        "strictPorts",
    }
)


def described(tree: SourceTree) -> list[str]:
    """The providers whose file is there, the leading one first."""
    return [name for name, (file, _) in FILES.items() if tree.is_file(file)]


def meant(tree: SourceTree) -> str | None:
    """The provider whose file says itself that it describes how the app runs."""
    for name in described(tree):
        if name in _MEANT and _MEANT[name].search(_COMMENT.sub("", tree.glance(FILES[name][0]))):
            return name
    return None


def plan_nix(tree: SourceTree, provider: str) -> Plan:
    """The plan of a repository in Nix: only that it is one.

    Raises:
        PlanError: the file is not there, or devenv.yaml cannot be followed.
    """
    file, name = FILES[provider]
    if not tree.is_file(file):
        raise PlanError(
            f"There is no {file}",
            why=f'The provider "{provider}" builds the app by it.',
            fix=f"Commit {file}, or name another provider in nixpacks.toml.",
        )
    if provider == "devenv":
        read_devenv_yaml(tree)
    return Plan(providers=(provider,), name=name, notes=(f"Described by {file}",))


@dataclass(frozen=True)
class DevenvYaml:
    """What of devenv.yaml counts: modules to import, as paths relative to the top."""

    imports: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def read_devenv_yaml(tree: SourceTree) -> DevenvYaml:
    """devenv.yaml; empty when there is none.

    Raises:
        PlanError: it is no YAML, or names an input or a module that cannot be had.
    """
    text = tree.read(DEVENV_YAML, MAX_YAML)
    if text is None:
        return DevenvYaml()
    data = _loaded(text)
    unknown = sorted(str(key) for key in data if key not in _KNOWN | _IGNORED)
    if unknown:
        raise _wrong(
            f"{shown(unknown[0])} is not known here",
            f"Known are {', '.join(sorted(_KNOWN))}.",
            f"Delete {shown(unknown[0])} from {DEVENV_YAML}.",
        )
    _check_inputs(data.get("inputs") or {})
    imports = tuple(_import(tree, one) for one in _list(data.get("imports") or []))
    return DevenvYaml(imports, tuple(sorted(key for key in data if key in _IGNORED)))


def _loaded(text: str) -> Mapping[str, Any]:
    import yaml  # 2 MB in each process of the panel, for the few repositories that have one

    # libyaml where there is one: the other takes seconds for what is nested deeply
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_shape(yaml.parse(text, loader))
        data = yaml.load(text, loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        why = shown(" ".join(str(error).split()), 200)
        raise _wrong("not valid YAML", f"{why}.", "Correct it and commit it.") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _wrong("must hold a mapping", "It holds something else.", "Write it as `key: value`.")
    return data


def _check_shape(events: Iterable[object]) -> None:
    """Aliases let a few lines stand for gigabytes, and nesting may exhaust the stack."""
    from yaml import AliasEvent, CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in events:
        if isinstance(event, AliasEvent):
            raise ValueError("aliases (*name) are not read here")
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ValueError("it is nested too deeply")


def _check_inputs(inputs: object) -> None:
    if not isinstance(inputs, dict):
        raise _wrong("inputs must be a mapping", "It is not.", "Write inputs as `name: {url: …}`.")
    for name, given in inputs.items():
        url = given.get("url", "") if isinstance(given, dict) else ""
        if not (name == "nixpkgs" or (isinstance(url, str) and _NIXPKGS.fullmatch(url))):
            raise _wrong(
                f"the input {shown(str(name))} cannot be had",
                "Repositories are evaluated without a network; the only input at hand is nixpkgs, "
                "which is this server's package set.",
                f"Delete {shown(str(name))} from inputs and do without it.",
            )


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _wrong("imports must be a list", "It is not.", "Write imports as `- ./folder`.")
    return value


def _import(tree: SourceTree, given: object) -> str:
    """A module's path relative to the top."""
    path = str(given).removeprefix("./").rstrip("/")
    if str(given).startswith(("./", "/")) and (tree.is_dir(path) or tree.is_file(path)):
        return path
    raise _wrong(
        f"imports {shown(str(given))}, which cannot be had",
        "Modules are taken from the repository alone, as paths that begin with `./`.",
        "Correct imports, or copy the module into the repository.",
    )


def _wrong(what: str, why: str, fix: str) -> PlanError:
    return PlanError(what, why=why, fix=fix, file=DEVENV_YAML)


# --- the languages of devenv.nix ------------------------------------------------
@dataclass(frozen=True)
class Language:
    """A language that devenv.nix enables.

    Args:
        name: devenv's name for it.
        version: what was asked for, or what the package says; "" for any.
        dependencies: the manager that devenv would have installed with; "" for none.
        directory: where its files lie.
        file, text: the requirements of a Python app, as a path or as they are.
    """

    name: str
    version: str = ""
    dependencies: str = ""
    directory: str = "."
    file: str | None = None
    text: str | None = None


# devenv's name → the provider's, the file without which there are no dependencies, and
# whether they come in only where devenv.nix says so
_LANGUAGES = {
    "python": ("python", "", True),
    "javascript": ("node", "package.json", True),
    "go": ("go", "go.mod", False),
    "ruby": ("ruby", "Gemfile.lock", False),
    "php": ("php", "composer.json", False),
}


def with_languages(plan: Plan, tree: SourceTree, languages: Sequence[Language]) -> Plan:
    """`plan` with the dependencies of the languages, which come in as for any push.

    Raises:
        PlanError: their files are broken, or elsewhere than at the top.
    """
    for language in languages:
        if _wanted(tree, language):
            plan = join([plan, _language_plan(tree, language)])
    return plan


def _wanted(tree: SourceTree, language: Language) -> bool:
    if language.name not in _LANGUAGES:
        return False
    _, manifest, asked = _LANGUAGES[language.name]
    if asked and not language.dependencies:
        return False
    if language.directory not in ("", ".", "./"):
        raise PlanError(
            f"languages.{language.name}.directory is not the top",
            why="Dependencies are installed from files at the top of the repository.",
            fix=f"Push {shown(language.directory)} as a repository of its own, or move its files.",
            file=DEVENV,
        )
    return not manifest or tree.is_file(manifest)


def _language_plan(tree: SourceTree, language: Language) -> Plan:
    provider = _LANGUAGES[language.name][0]
    variables = {}
    if language.version:
        variables[f"NIXPACKS_{provider.upper()}_VERSION"] = language.version
    if provider == "python":
        _check_requirements(tree, language)
        variables["NIXPACKS_PYTHON_PACKAGE_MANAGER"] = language.dependencies
    return BY_NAME[provider].plan(tree, Wish(variables, {}, default_web=False))


def _check_requirements(tree: SourceTree, language: Language) -> None:
    if language.dependencies != "requirements":
        return
    if language.text is not None or language.file != "requirements.txt":
        raise PlanError(
            "languages.python.venv.requirements must be ./requirements.txt",
            why="Dependencies are installed from this file, which other tools find too.",
            fix="Write them into requirements.txt at the top and name it there.",
            file=DEVENV,
        )
