"""PHP: the version, Composer's packages, and the document root."""

from __future__ import annotations

import json

import pytest

from buildpacks import plan
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

Files = dict[str, str | bytes]


def composer(**more: object) -> str:
    return json.dumps({"require": {"php": "~8.1", "ext-json": "*", "left/left": "^1"}, **more})


BASE: Files = {"composer.json": composer(), "composer.lock": "{}", "public/index.php": ""}


def test_packages_come_in_without_running_anything(make_tree: MakeTree) -> None:
    fetch = phase_of(plan(make_tree(BASE)), "fetch")
    assert "--no-scripts --no-plugins" in fetch.commands[0]
    assert not fetch.inert, "packages have no hashes that would prove what a cache holds"
    assert fetch.files == ("composer.lock", "composer.json")
    assert fetch.results == ("vendor",)


def test_scripts_run_in_the_tree_without_the_network(make_tree: MakeTree) -> None:
    text = composer(scripts={"post-install-cmd": "x"})
    install = phase_of(plan(make_tree(BASE | {"composer.json": text})), "install")
    words = [command.removeprefix("COMPOSER_HOME=/tmp ").split()[1] for command in install.commands]
    assert words == ["config", "dump-autoload", "run-script"]
    assert not install.network
    assert install.files == ()


def test_packages_of_the_tree_are_installed_in_it(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"composer.lock": '{"x": {"type": "path"}}'}))
    assert phase_of(made, "fetch").files == ()


@pytest.mark.parametrize(
    ("files", "root"),
    [
        ({"index.php": ""}, "."),
        (BASE, "public"),
        (BASE | {"nixpacks.toml": '[variables]\nNIXPACKS_PHP_ROOT_DIR = "www"'}, "www"),
        (
            BASE | {"composer.json": composer(extra={"heroku": {"document-root": "htdocs/"}})},
            "htdocs",
        ),
    ],
)
def test_the_document_root(make_tree: MakeTree, files: Files, root: str) -> None:
    made = plan(make_tree(files))
    assert f'root * "{root}"' in phase_of(made, "serve").commands[-1]
    assert made.processes == {"web": "bash .paas/serve-php"}


def test_sessions_have_a_place_that_is_there(make_tree: MakeTree) -> None:
    serve = phase_of(plan(make_tree(BASE)), "serve")
    assert "session.save_path] = /tmp" in serve.commands[-1]


def test_tilde_is_composers_own(make_tree: MakeTree) -> None:
    assert plan(make_tree(BASE)).pins[0].spec == "~>8.1"


@pytest.mark.parametrize(
    ("files", "what", "fix"),
    [
        ({"composer.json": composer()}, "no composer.lock", "composer install"),
        ({"composer.json": composer(require={"php": "new"})}, '"new"', "^8.2"),
        (BASE | {"nixpacks.toml": '[variables]\nNIXPACKS_PHP_ROOT_DIR = "../x"'}, "../x", "ROOT"),
        ({"composer.json": '{"require": []}'}, "require", "composer.json"),
    ],
)
def test_what_is_refused(refusal: Refusal, files: Files, what: str, fix: str) -> None:
    error = refusal(files)
    assert what in error.what
    assert fix in error.fix


def test_no_packages_need_no_lock(make_tree: MakeTree) -> None:
    made = plan(make_tree({"composer.json": '{"require": {"php": ">=8"}}', "index.php": ""}))
    assert all(phase.name != "fetch" for phase in made.phases)
