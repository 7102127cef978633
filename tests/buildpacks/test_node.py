"""Node.js: which manager, which version, what is built and what is started."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildpacks import Plan, detect, plan
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

Files = dict[str, str | bytes]
PNPM_LOCK = """lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      left:
        specifier: ^1.0.0
        version: 1.0.0
        path: patches/left.patch

  packages/a: {}

  '@odd/name': {}

packages:
"""
YARN_LOCK = '# yarn lockfile v1\n\n\nleft@^1.0.0:\n  version "1.0.0"\n'
BERRY_LOCK = """# This file is generated

__metadata:
  version: 8

"app@workspace:.":
  version: 0.0.0
  resolution: "app@workspace:."

"a@workspace:packages/a":
  version: 0.0.0
  resolution: "a@workspace:packages/a"
"""


def package(**more: Any) -> str:
    return json.dumps({"name": "app", "engines": {"node": "20.x"}, **more})


def npm(packages: dict[str, Any] | None = None, **top: Any) -> str:
    """package-lock.json whose top entry says `top`, with all that it lists."""
    listed = [name for key in top for name in top[key]]
    entries = {f"node_modules/{name}": {"version": "1.0.0"} for name in listed}
    return json.dumps({"lockfileVersion": 3, "packages": {"": top, **entries, **(packages or {})}})


DEPENDENCIES = {"dependencies": {"left": "^1.0.0"}}
EXPRESS: Files = {
    "package.json": package(scripts={"start": "node x.js"}, **DEPENDENCIES),
    "package-lock.json": npm(**DEPENDENCIES),
}


def commands(made: Plan) -> dict[str, tuple[str, ...]]:
    return {phase.name: phase.commands for phase in made.phases if phase.commands}


def test_npm_installs_by_the_lock_and_starts_the_script(make_tree: MakeTree) -> None:
    made = plan(make_tree(EXPRESS))
    fetch = phase_of(made, "fetch")
    assert fetch.commands == ("npm ci --ignore-scripts --include=dev --no-audit --no-fund",)
    assert fetch.network
    assert fetch.inert
    assert fetch.files == ("package-lock.json", "package.json")
    assert fetch.results == ("node_modules",)
    assert list(commands(made)) == ["fetch"], "no script, no build, nothing to prune"
    assert made.processes == {"web": "npm start"}
    assert made.variables["NODE_ENV"] == "production"
    assert made.pins[0].spec == "20.x"


def test_scripts_of_packages_run_without_the_network(make_tree: MakeTree) -> None:
    lock = npm({"node_modules/left": {"hasInstallScript": True}}, **DEPENDENCIES)
    rebuild = phase_of(plan(make_tree(EXPRESS | {"package-lock.json": lock})), "rebuild")
    assert rebuild.commands[-1] == "npm rebuild --foreground-scripts"
    assert not rebuild.network
    assert not rebuild.inert
    assert rebuild.files == ("package-lock.json", "package.json")


def test_the_projects_own_scripts_see_the_tree(make_tree: MakeTree) -> None:
    scripts = {"start": "x", "build": "tsc", "postinstall": "patch-package", "preinstall": "true"}
    development = {"devDependencies": {"right": "1"}}
    made = plan(
        make_tree(
            {
                "package.json": package(scripts=scripts, **development),
                "package-lock.json": npm(**development),
            }
        )
    )
    assert commands(made)["install"] == ("npm run preinstall", "npm run postinstall")
    assert commands(made)["build"] == ("npm run build",)
    assert commands(made)["prune"][0].startswith("npm prune --omit=dev")
    assert phase_of(made, "install").files == ()
    names = [phase.name for phase in made.phases]
    assert names == ["setup", "fetch", "rebuild", "install", "build", "prune"]


@pytest.mark.parametrize("settings", [".npmrc", "nixpacks.toml", "git", "user/left", "yarn.lock"])
def test_what_may_run_code_is_not_shared(make_tree: MakeTree, settings: str) -> None:
    files = dict(EXPRESS)
    if settings == ".npmrc":
        files[".npmrc"] = "git=./evil\n"
    elif settings == "nixpacks.toml":
        files["nixpacks.toml"] = '[variables]\nNODE_OPTIONS = "--import data:,x"\n'
    elif settings == "yarn.lock":
        del files["package-lock.json"]
        files["yarn.lock"] = YARN_LOCK
    elif settings == "user/left":
        files["package-lock.json"] = npm(
            {"node_modules/x": {"dependencies": {"left": "user/left"}}}, **DEPENDENCIES
        )
    else:
        git = {"node_modules/left": {"resolved": "git+ssh://git@host/left.git#abc"}}
        files["package-lock.json"] = npm(git, **DEPENDENCIES)
    assert not phase_of(plan(make_tree(files)), "fetch").inert


def test_herokus_own_build_script_goes_first(make_tree: MakeTree) -> None:
    text = package(scripts={"build": "x", "heroku-postbuild": "y"}, main="x.js")
    made = plan(make_tree({"package.json": text}))
    assert commands(made) == {"build": ("npm run heroku-postbuild",)}


def test_pnpm(make_tree: MakeTree) -> None:
    made = plan(
        make_tree(
            {
                "package.json": package(packageManager="pnpm@9.1.0+sha512.abc", main="./x.js"),
                "pnpm-lock.yaml": PNPM_LOCK,
                "packages/a/package.json": "{}",
                "patches/left.patch": "",
            }
        )
    )
    fetch = phase_of(made, "fetch")
    assert fetch.commands[0].startswith("pnpm install --frozen-lockfile --ignore-scripts")
    assert fetch.results == (
        "node_modules",
        "packages/a/node_modules",
        "@odd/name/node_modules",
    )
    assert "packages/a/package.json" in fetch.files
    assert (made.pins[1].tool, made.pins[1].spec) == ("pnpm", "9.1.0+sha512.abc")
    assert made.processes == {"web": "node ./x.js"}


@pytest.mark.parametrize(("version", "spec"), [("5.4", "7.x"), ("'6.0'", "8.x"), ("'9.0'", "9.x")])
def test_the_lock_says_which_pnpm(make_tree: MakeTree, version: str, spec: str) -> None:
    lock = f"lockfileVersion: {version}\n"
    made = plan(make_tree({"package.json": package(main="x.js"), "pnpm-lock.yaml": lock}))
    assert made.pins[1].spec == spec


def test_yarn_1_expands_workspaces(make_tree: MakeTree) -> None:
    made = plan(
        make_tree(
            {
                "package.json": package(workspaces=["packages/*", "tool"], scripts={"start": "x"}),
                "yarn.lock": YARN_LOCK,
                "packages/a/package.json": "{}",
                "packages/README.md": "",
                "tool/package.json": "{}",
            }
        )
    )
    fetch = phase_of(made, "fetch")
    assert "yarn install --frozen-lockfile --ignore-scripts" in fetch.commands[0]
    assert fetch.results == ("node_modules", "packages/a/node_modules", "tool/node_modules")
    assert made.pins[1].spec == "1.x"
    assert made.processes == {"web": "yarn start"}


def test_berry_comes_from_the_tree_or_by_version(make_tree: MakeTree) -> None:
    files: Files = {"package.json": package(scripts={"start": "x"}), "yarn.lock": BERRY_LOCK}
    by_version = plan(make_tree(files))
    assert by_version.pins[1].spec == "4.x"
    assert by_version.variables["YARN_NODE_LINKER"] == "node-modules"
    assert ".yarn" in phase_of(by_version, "fetch").results
    assert not phase_of(by_version, "fetch").inert
    files |= {
        ".yarnrc.yml": "yarnPath: .yarn/releases/yarn-4.5.0.cjs\n",
        ".yarn/releases/yarn-4.5.0.cjs": "",
    }
    committed = plan(make_tree(files))
    assert len(committed.pins) == 1
    assert committed.processes == {"web": "node .yarn/releases/yarn-4.5.0.cjs start"}
    assert ".yarn/releases/yarn-4.5.0.cjs" in phase_of(committed, "fetch").files


@pytest.mark.parametrize(
    ("files", "spec", "source"),
    [
        ({"package.json": "{}"}, "", "default"),
        ({"package.json": "{}", ".nvmrc": "# ours\nv20.11\n"}, "v20.11", ".nvmrc"),
        ({"package.json": "{}", ".nvmrc": "lts/iron"}, "20.x", ".nvmrc"),
        ({"package.json": "{}", ".nvmrc": "lts/*"}, "", ".nvmrc"),
        ({"package.json": "{}", ".node-version": "18"}, "18", ".node-version"),
        ({"package.json": package(), ".nvmrc": "18"}, "20.x", "engines.node of package.json"),
        (
            {"package.json": package(), "nixpacks.toml": '[variables]\nNIXPACKS_NODE_VERSION="22"'},
            "22",
            "NIXPACKS_NODE_VERSION",
        ),
    ],
)
def test_which_version(make_tree: MakeTree, files: Files, spec: str, source: str) -> None:
    made = plan(make_tree({"server.js": "", **files}))
    assert (made.pins[0].spec, made.pins[0].source) == (spec, source)
    assert any("No Node.js version" in one for one in made.warnings) == (source == "default")


@pytest.mark.parametrize(
    ("more", "command"),
    [
        ({"scripts": {"start": "node ."}, "main": "x.js"}, "npm start"),
        ({"main": "lib/x y.js"}, "node 'lib/x y.js'"),
        ({}, "node index.js"),
    ],
)
def test_what_is_started(make_tree: MakeTree, more: dict[str, Any], command: str) -> None:
    made = plan(make_tree({"package.json": package(**more), "index.js": "", "server.js": ""}))
    assert made.processes == {"web": command}


def test_a_procfile_starts_what_it_says(make_tree: MakeTree) -> None:
    made = plan(make_tree(EXPRESS | {"Procfile": "web: node y.js\nworker: npm run start\n"}))
    assert made.processes == {"web": "node y.js", "worker": "npm run start"}


@pytest.mark.parametrize(
    ("files", "what", "fix"),
    [
        ({"package.json": package(**DEPENDENCIES)}, "no lock file", "npm install"),
        (EXPRESS | {"yarn.lock": YARN_LOCK}, "several package managers", "git rm"),
        (EXPRESS | {"package-lock.json": npm()}, "out of date", "npm install"),
        (
            EXPRESS | {"package-lock.json": npm(dependencies={"left": "^2.0.0"})},
            "out of date",
            "npm install",
        ),
        (
            EXPRESS | {"package-lock.json": json.dumps({"packages": {"": DEPENDENCIES}})},
            "out of date",
            "npm install",
        ),
        ({"package.json": package(packageManager="yarn")}, "packageManager", "9.15.4"),
        (
            EXPRESS | {"package.json": package(packageManager="pnpm@9.0.0", **DEPENDENCIES)},
            "packageManager is pnpm",
            "pnpm install",
        ),
        ({"package.json": package(), "bun.lock": ""}, "Bun", "npm install"),
        ({"package.json": package()}, 'no script "start"', "scripts"),
        (EXPRESS | {"Procfile": "web: npm run serve\n"}, 'no script "serve"', "scripts"),
        ({"package.json": package(), "Procfile": "web: yarn start\n"}, 'script "start"', "scripts"),
        ({"package.json": package(engines={"node": "new"}), "x": ""}, '"new"', "20.11.1"),
        ({"package.json": "[]"}, "JSON object", "package.json"),
        ({"package.json": '{"scripts": {"start": 1}}'}, "scripts.start", "package.json"),
        (
            {
                "package.json": package(packageManager="yarn@4.5.0", main="x"),
                "yarn.lock": YARN_LOCK,
            },
            "Yarn 1",
            "yarn install",
        ),
    ],
)
def test_what_is_refused(refusal: Refusal, files: Files, what: str, fix: str) -> None:
    error = refusal(files)
    assert what in str(error)
    assert fix in error.fix


@pytest.mark.parametrize("path", [".yarn/../../../etc/x.cjs", ".yarn/releases/gone.cjs"])
def test_a_yarn_outside_is_refused(refusal: Refusal, path: str) -> None:
    files: Files = {
        "package.json": package(),
        "yarn.lock": BERRY_LOCK,
        ".yarnrc.yml": f"yarnPath: {path}\n",
    }
    assert refusal(files).file == ".yarnrc.yml"


def test_a_workspace_outside_is_refused(refusal: Refusal) -> None:
    lock = npm({"../other": {}}, **DEPENDENCIES)
    assert "../other" in refusal(EXPRESS | {"package-lock.json": lock}).what


def test_what_is_named_by_package_manager_needs_no_deleting(make_tree: MakeTree) -> None:
    text = package(packageManager="npm@10.8.2", main="x.js", **DEPENDENCIES)
    made = plan(make_tree(EXPRESS | {"yarn.lock": YARN_LOCK, "package.json": text}))
    assert phase_of(made, "fetch").commands[0].startswith("npm ci")


def test_own_install_commands_replace_all_of_it(make_tree: MakeTree) -> None:
    text = '[phases.install]\ncmds = ["npm install"]\n'
    made = plan(make_tree(EXPRESS | {"nixpacks.toml": text}))
    assert commands(made) == {"install": ("npm install",)}
    assert phase_of(made, "install").network


def test_own_fetch_commands_run_in_the_tree(make_tree: MakeTree) -> None:
    lock = npm({"node_modules/left": {"hasInstallScript": True}}, **DEPENDENCIES)
    text = '[phases.fetch]\ncmds = ["...", "curl x"]\n'
    made = plan(make_tree(EXPRESS | {"nixpacks.toml": text, "package-lock.json": lock}))
    assert phase_of(made, "fetch").results == ()
    assert phase_of(made, "rebuild").results == ()


def test_committed_node_modules_are_not_used(make_tree: MakeTree) -> None:
    made = plan(make_tree(EXPRESS | {"node_modules/left/index.js": ""}))
    assert any("node_modules is committed" in one for one in made.warnings)


def test_node_goes_before_python_but_after_django(make_tree: MakeTree) -> None:
    files = EXPRESS | {"requirements.txt": "django\n"}
    assert detect(make_tree(files)) == ("node",)
    warnings = plan(make_tree(files)).warnings
    assert any('providers = ["node", "python"]' in one for one in warnings)
    assert detect(make_tree(files | {"manage.py": ""})) == ("python",)
