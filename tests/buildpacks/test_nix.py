"""Which repository is described in Nix, and what devenv.yaml may say."""

from __future__ import annotations

import pytest

from buildpacks import PlanError, detect, plan
from buildpacks.nix import Language, read_devenv_yaml, with_languages
from buildpacks.plan import Plan
from tests.buildpacks.conftest import MakeTree

_DEVENV = '{ processes.web.exec = "serve"; }'
_SHELL = "{ pkgs, ... }: { packages = [ pkgs.jq ]; }"
_PAAS = "{ outputs = { self, nixpkgs }: { packages.x86_64-linux.paas = 1; }; }"
_DEV_FLAKE = "{ outputs = { self, nixpkgs }: { devShells = { }; }; }"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"devenv.nix": _DEVENV}, "devenv"),
        ({"flake.nix": _PAAS}, "flake"),
        ({"default.nix": "{ }"}, "nix"),
        # described by a file that says so: it leads
        ({"devenv.nix": _DEVENV, "requirements.txt": ""}, "devenv"),
        ({"flake.nix": _PAAS, "go.mod": "module x"}, "flake"),
        ({"flake.nix": _PAAS, "devenv.nix": _DEVENV}, "flake"),
        ({"devenv.nix": _DEVENV, "Procfile": "web: x"}, "devenv"),
        # a developer's shell beside a language: the language leads
        ({"devenv.nix": _SHELL, "requirements.txt": ""}, "python"),
        ({"flake.nix": _DEV_FLAKE, "go.mod": "module x"}, "go"),
        ({"flake.nix": _DEV_FLAKE + " # paas", "go.mod": "module x"}, "go"),
        ({"devenv.nix": _SHELL + "/* processes */", "requirements.txt": ""}, "python"),
        ({"default.nix": "{ }", "package.json": "{}"}, "node"),
        ({"default.nix": "{ }", "index.html": ""}, "static"),
        # and before a Procfile alone
        ({"default.nix": "{ }", "Procfile": "web: x"}, "nix"),
        ({"flake.nix": _DEV_FLAKE, "devenv.nix": _SHELL, "default.nix": ""}, "flake"),
        # what nixpacks.toml says comes first
        ({"flake.nix": _PAAS, "go.mod": "", "nixpacks.toml": 'providers = ["go"]'}, "go"),
        ({"default.nix": "", "go.mod": "", "nixpacks.toml": 'providers = ["nix"]'}, "nix"),
    ],
)
def test_what_leads_where_nix_builds(
    make_tree: MakeTree, files: dict[str, str | bytes], found: str
) -> None:
    assert detect(make_tree(files), by_nix=True) == (found,)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"devenv.nix": _DEVENV, "requirements.txt": ""}, "python"),
        ({"flake.nix": _PAAS, "go.mod": "module x"}, "go"),
        ({"default.nix": "{ }", "Procfile": "web: x"}, "procfile"),
    ],
)
def test_the_host_builder_passes_them_over(
    make_tree: MakeTree, files: dict[str, str | bytes], found: str
) -> None:
    assert detect(make_tree(files)) == (found,)


def test_the_host_builder_says_what_it_needs(make_tree: MakeTree) -> None:
    with pytest.raises(PlanError) as caught:
        plan(make_tree({"flake.nix": _PAAS}))
    assert "flake.nix: this server does not build by it" in str(caught.value)
    assert "PAAS_BUILDER=nix" in caught.value.fix


def test_a_plan_says_only_that_it_is_one(make_tree: MakeTree) -> None:
    made = plan(make_tree({"devenv.nix": _DEVENV}), by_nix=True)
    assert (made.providers, made.name, made.phases) == (("devenv",), "devenv", ())
    assert made.processes == {}
    assert not made.warnings, "whether there is a web process is not known yet"


def test_procfile_and_nixpacks_toml_take_part(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {
        "devenv.nix": _DEVENV,
        "Procfile": "worker: work",
        "nixpacks.toml": '[variables]\nA = "1"\n[phases.build]\ncmds = ["make"]\n',
    }
    made = plan(make_tree(files), by_nix=True)
    assert made.processes == {"worker": "work"}
    assert made.variables == {"A": "1"}
    assert [phase.name for phase in made.phases] == ["build"]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"go.mod": "", "nixpacks.toml": 'providers = ["flake"]'}, "There is no flake.nix"),
        (
            {"flake.nix": "", "go.mod": "", "nixpacks.toml": 'providers = ["flake", "go"]'},
            'The provider "flake" stands alone',
        ),
    ],
)
def test_a_wrong_provider_is_told(
    make_tree: MakeTree, files: dict[str, str | bytes], what: str
) -> None:
    with pytest.raises(PlanError) as caught:
        plan(make_tree(files), by_nix=True)
    assert what in caught.value.what
    assert caught.value.why and caught.value.fix


# --- devenv.yaml ------------------------------------------------------------------
def test_devenv_yaml_is_read(make_tree: MakeTree) -> None:
    text = """
inputs:
  nixpkgs:
    url: github:cachix/devenv-nixpkgs/rolling
  nixpkgs-unstable:
    url: github:NixOS/nixpkgs/nixpkgs-unstable
imports:
  - ./backend
  - ./shared/devenv.nix
allowUnfree: true
"""
    files: dict[str, str | bytes] = {
        "devenv.yaml": text,
        "backend/devenv.nix": "",
        "shared/devenv.nix": "",
    }
    read = read_devenv_yaml(make_tree(files))
    assert read.imports == ("backend", "shared/devenv.nix")
    assert read.ignored == ("allowUnfree",)
    assert read_devenv_yaml(make_tree({"devenv.yaml": "# nothing\n"})).imports == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("inputs: {rust-overlay: {url: 'github:oxalica/rust-overlay'}}", "the input rust-overlay"),
        ("inputs: {x: {}}", "the input x cannot be had"),
        ("inputs: {x: {url: 'path:/etc/nixpkgs-not'}}", "the input x cannot be had"),
        ("inputs: [a]", "inputs must be a mapping"),
        ("imports: x", "imports must be a list"),
        ("imports: [devenv]", "imports devenv, which cannot be had"),
        ("imports: [./gone]", "imports ./gone, which cannot be had"),
        ("nonsense: 1", "nonsense is not known here"),
        ("- 1", "must hold a mapping"),
        ("a: [", "not valid YAML"),
        ("a: &x 1\nb: *x", "not valid YAML"),
        ("!!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("a: 2000-99-99", "not valid YAML"),
    ],
)
def test_a_wrong_devenv_yaml_is_told(make_tree: MakeTree, text: str, what: str) -> None:
    files: dict[str, str | bytes] = {"devenv.nix": _DEVENV, "devenv.yaml": text}
    with pytest.raises(PlanError) as caught:
        plan(make_tree(files), by_nix=True)
    error = caught.value
    assert error.file == "devenv.yaml"
    assert what in error.what
    assert error.why and error.fix


@pytest.mark.parametrize("path", ["../outside", "/etc", "./link"])
def test_modules_outside_are_not_imported(make_tree: MakeTree, path: str) -> None:
    tree = make_tree({"devenv.nix": _DEVENV, "devenv.yaml": f"imports: [{path}]"})
    (tree.root / "link").symlink_to("/etc")
    with pytest.raises(PlanError):
        plan(make_tree({}), by_nix=True)


# --- languages of devenv.nix --------------------------------------------------------
_PLAN = Plan(providers=("devenv",), name="devenv")


def test_languages_bring_their_dependencies(make_tree: MakeTree) -> None:
    tree = make_tree({"requirements.txt": "flask\n", "devenv.nix": _DEVENV})
    python = Language("python", "3.11", "requirements", file="requirements.txt")
    made = with_languages(_PLAN, tree, [python, Language("rust")])
    assert made.providers == ("devenv", "python")
    assert made.python is not None
    assert (made.python.manager, made.python.files) == ("requirements", ("requirements.txt",))
    assert [pin.spec for pin in made.pins] == ["==3.11.*"]
    assert made.processes == {}, "devenv.nix says what runs"


def test_a_language_alone_is_a_program(make_tree: MakeTree) -> None:
    tree = make_tree({"requirements.txt": "flask\n", "package.json": "{}"})
    languages = [Language("python"), Language("javascript"), Language("go"), Language("ruby")]
    assert with_languages(_PLAN, tree, languages) == _PLAN


@pytest.mark.parametrize(
    ("language", "what"),
    [
        (Language("python", "", "uv", "backend"), "languages.python.directory is not the top"),
        (Language("python", "", "requirements", text="flask"), "must be ./requirements.txt"),
        (Language("python", "", "requirements", file="a/b.txt"), "must be ./requirements.txt"),
        (Language("python", "", "uv"), "There is no pyproject.toml for uv"),
    ],
)
def test_dependencies_elsewhere_are_refused(
    make_tree: MakeTree, language: Language, what: str
) -> None:
    with pytest.raises(PlanError) as caught:
        with_languages(_PLAN, make_tree({"devenv.nix": _DEVENV}), [language])
    assert what in caught.value.what
