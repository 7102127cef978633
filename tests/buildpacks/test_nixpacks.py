"""nixpacks.toml and nixpacks.json, by Nixpacks' merge rules."""

from __future__ import annotations

import json

import pytest

from buildpacks import Plan, detect, plan
from buildpacks.nixpacks import fill
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

STATIC = "INSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_ROOT = 'x'\n"
BASE: dict[str, str | bytes] = {
    "requirements.txt": "django\ngunicorn\n",
    "manage.py": 'setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")',
    "shop/settings.py": STATIC,
    "Procfile": "web: from-procfile\nworker: work\n",
}


def _planned(make_tree: MakeTree, text: str) -> Plan:
    return plan(make_tree(BASE | {"nixpacks.toml": text}))


def _commands(made: Plan, name: str) -> tuple[str, ...]:
    return phase_of(made, name).commands


@pytest.mark.parametrize(
    ("before", "given", "filled"),
    [
        (("a", "b"), ("x", "...", "z"), ("x", "a", "b", "z")),
        (("a",), ("@auto",), ("a",)),
        (("a",), ("x",), ("x",)),
        (("a",), (), ()),
        ((), ("x", "..."), ("x",)),
    ],
)
def test_holes(before: tuple[str, ...], given: tuple[str, ...], filled: tuple[str, ...]) -> None:
    assert fill(before, given) == filled


def test_lists_replace_and_holes_keep(make_tree: MakeTree) -> None:
    made = _planned(make_tree, '[phases.build]\ncmds = ["first", "...", "last"]\n')
    commands = _commands(made, "build")
    assert commands[0] == "first"
    assert "collectstatic" in commands[1]
    assert commands[2] == "last"
    assert _commands(_planned(make_tree, '[phases.build]\ncmds = ["only"]\n'), "build") == ("only",)


def test_every_list_is_merged_under_both_its_names(make_tree: MakeTree) -> None:
    made = _planned(
        make_tree,
        '[phases.setup]\nnixPkgs = ["...", "ffmpeg"]\nnixLibraries = ["zlib"]\naptPkgs = ["git"]\n'
        '[phases.build]\npaths = ["/x/bin"]\ncacheDirectories = [".cache"]\n',
    )
    setup, build = phase_of(made, "setup"), phase_of(made, "build")
    assert (setup.packages, setup.libraries, setup.apt_packages) == (
        ("ffmpeg",),
        ("zlib",),
        ("git",),
    )
    assert (build.paths, build.cache_directories) == (("/x/bin",), (".cache",))
    assert build.depends_on == ("install",)


def test_the_file_beats_the_procfile_and_the_provider(make_tree: MakeTree) -> None:
    made = _planned(make_tree, '[start]\ncmd = "from-file"\n')
    assert dict(made.processes) == {"web": "from-file", "worker": "work"}
    assert made.processes_from == "nixpacks.toml"


def test_own_phases_run_after_what_they_depend_on(make_tree: MakeTree) -> None:
    made = _planned(
        make_tree,
        '[phases.test]\ndependsOn = ["build", "nothing"]\ncmds = ["t"]\n'
        '[phases.prepare]\ncmds = ["p"]\n[phases.install]\ndependsOn = ["...", "prepare"]\n',
    )
    names = [phase.name for phase in made.phases]
    assert names.index("prepare") < names.index("install") < names.index("build")
    assert names.index("build") < names.index("test")


def test_install_commands_without_a_hole_replace_the_installation(make_tree: MakeTree) -> None:
    made = _planned(make_tree, '[phases.install]\ncmds = ["pip install -r requirements.txt"]\n')
    assert made.python is not None
    assert made.python.manager == "none"
    install = phase_of(made, "install")
    assert install.network
    assert install.files == ()
    assert "nixpacks.toml" in install.hint


def test_install_commands_with_a_hole_come_on_top(make_tree: MakeTree) -> None:
    made = _planned(make_tree, '[phases.install]\ncmds = ["...", "./more"]\n')
    assert made.python is not None
    assert made.python.manager == "requirements"
    assert _commands(made, "install") == ("./more",)


def test_build_commands_get_no_network(make_tree: MakeTree) -> None:
    build = phase_of(_planned(make_tree, '[phases.build]\ncmds = ["x"]\n'), "build")
    assert not build.network


def test_no_providers_means_the_file_alone(make_tree: MakeTree) -> None:
    text = 'providers = []\n[phases.install]\ncmds = ["make"]\n[start]\ncmd = "./app"\n'
    made = plan(make_tree({"requirements.txt": "", "nixpacks.toml": text}))
    assert made.providers == ()
    assert made.python is None
    install = phase_of(made, "install")
    assert install.depends_on == ("setup",)
    assert dict(made.processes) == {"web": "./app"}


def test_a_provider_can_be_named(make_tree: MakeTree) -> None:
    tree = make_tree({"app.py": "", "index.html": "", "nixpacks.toml": 'providers=["staticfile"]'})
    assert detect(tree) == ("static",)
    assert plan(tree).static_root == "."


def test_variables_belong_to_build_and_run(make_tree: MakeTree) -> None:
    made = _planned(make_tree, '[variables]\nPYTHONPATH = "/app/src"\nX = "1"\n')
    assert made.variables["PYTHONPATH"] == "/app/src"
    assert made.variables["X"] == "1"
    assert made.variables["PYTHONUNBUFFERED"] == "1"


def test_nixpacks_variables_steer_the_plan(make_tree: MakeTree) -> None:
    made = _planned(
        make_tree,
        '[variables]\nNIXPACKS_PKGS = "jq, sl"\nNIXPACKS_BUILD_CMD = "make"\n'
        'NIXPACKS_START_CMD = "./go"\n[phases.setup]\nnixPkgs = ["git"]\n',
    )
    setup = phase_of(made, "setup")
    assert setup.packages == ("jq", "sl", "git")
    assert _commands(made, "build") == ("make",)
    assert made.processes["web"] == "./go"


def test_json_says_the_same(make_tree: MakeTree) -> None:
    text = json.dumps({"phases": {"build": {"cmds": ["...", "x"]}}, "start": {"cmd": "y"}})
    made = plan(make_tree(BASE | {"nixpacks.json": text}))
    assert _commands(made, "build")[-1] == "x"
    assert made.processes_from == "nixpacks.json"


def test_toml_comes_before_json(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {"nixpacks.toml": "", "nixpacks.json": "broken"}
    assert plan(make_tree(BASE | files)).processes["web"] == "from-procfile"


def test_what_has_no_effect_is_said(make_tree: MakeTree) -> None:
    made = _planned(
        make_tree, 'buildImage = "x"\n[phases.setup]\nnixOverlays = []\n[start]\nuser = "u"\n'
    )
    told = "\n".join(made.warnings)
    for key in ("buildImage", "phases.setup.nixOverlays", "start.user"):
        assert f"{key} in nixpacks.toml has no effect" in told


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[phases\n", "TOML"),
        ('phases = "x"\n', "phases"),
        ("[phases]\nbuild = 1\n", "phases.build"),
        ('[phases.build]\ncmds = "make"\n', "phases.build.cmds"),
        ("[phases.build]\ncmds = [1]\n", "phases.build.cmds"),
        ("[phases.setup]\nnixPkgs = { x = 1 }\n", "phases.setup.nixPkgs"),
        ("[start]\ncmd = 5\n", "start.cmd"),
        ('[start]\ncmd = ""\n', "start.cmd"),
        ('[start]\ncmd = "a\\u0000b"\n', "start.cmd"),
        ("[variables]\nX = 5\n", "variables.X"),
        ('[variables]\n"A B" = "5"\n', "variables.A B"),
        ('providers = ["cobol"]\n', "cobol"),
        ("providers = 1\n", "providers"),
        ('[phases."../x"]\n', "phases.../x"),
        ('[phases.build]\ncmds = ["\\u0000"]\n', "phases.build.cmds"),
        ("[phases.a]\ndependsOn=['b']\n[phases.b]\ndependsOn=['a']\n", "a, b"),
    ],
)
def test_what_is_refused(refusal: Refusal, text: str, key: str) -> None:
    error = refusal(BASE | {"nixpacks.toml": text})
    assert error.file == "nixpacks.toml"
    assert key in error.what
    assert "nixpacks.toml" in error.fix


@pytest.mark.parametrize("text", ["", "[]", "{", '{"phases": []}', "[" * 100_000, "1" * 5000])
def test_broken_json_is_refused(refusal: Refusal, text: str) -> None:
    assert refusal(BASE | {"nixpacks.json": text}).file == "nixpacks.json"
