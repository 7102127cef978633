"""Single-page apps and pages that a Node.js build makes, served as files."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from buildpacks import plan
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of


def tree(config: dict[str, str] | None = None, **more: Any) -> dict[str, str | bytes]:
    """package.json and its lock, whose development dependencies are the names in `uses`."""
    uses = dict.fromkeys(more.pop("uses", ()), "1")
    scripts = {"build": "build it", **more.pop("scripts", {})}
    package = {"devDependencies": uses, "scripts": scripts, "engines": {"node": "20"}, **more}
    entries = {f"node_modules/{name}": {} for name in uses}
    lock = {"packages": {"": {"devDependencies": uses}, **entries}}
    files: dict[str, str | bytes] = {
        "package.json": json.dumps(package),
        "package-lock.json": json.dumps(lock),
    }
    return files | (config or {})


ANGULAR = {
    "projects": {
        "shop": {
            "architect": {
                "build": {
                    "builder": "@angular/build:application",
                    "options": {"outputPath": "dist/shop"},
                }
            }
        }
    }
}


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (tree(scripts={"build": "tsc && vite build"}), "dist"),
        (tree({"vite.config.ts": "build: { outDir: 'out' }"}, uses=["vite"]), "out"),
        (tree(scripts={"build": "vite build --outDir www"}), "www"),
        (tree(scripts={"start": "vite --host", "build": "vite build"}), "dist"),
        (tree(uses=["react-scripts"], scripts={"start": "react-scripts start"}), "build"),
        (tree(uses=["@vue/cli-service"]), "dist"),
        (tree(uses=["astro"], scripts={"start": "astro dev"}), "dist"),
        (tree(uses=["@sveltejs/kit", "@sveltejs/adapter-static", "vite"]), "build"),
        (
            tree(
                {"angular.json": json.dumps(ANGULAR)},
                uses=["@angular/core"],
                scripts={"start": "ng serve"},
            ),
            "dist/shop/browser",
        ),
        (
            tree({"nixpacks.toml": '[variables]\nNIXPACKS_SPA_OUTPUT_DIR = "./public"'}),
            "public",
        ),
    ],
)
def test_what_is_served(make_tree: MakeTree, files: dict[str, str | bytes], folder: str) -> None:
    made = plan(make_tree(files))
    assert made.static_root == folder
    assert made.processes["web"].startswith("caddy run ")
    assert [phase.name for phase in made.phases][-3:] == ["build", "serve", "clean"]


@pytest.mark.parametrize(
    "files",
    [
        tree(scripts={"start": "node server.js", "build": "vite build"}),
        tree({"nixpacks.toml": "[variables]\nNIXPACKS_NO_SPA = '1'"}, uses=["vue"], main="x.js"),
        tree({"astro.config.mjs": "output: 'server'"}, uses=["astro"], main="x.js"),
        tree(uses=["@sveltejs/kit", "vite"], main="x.js"),
        tree({"vite.config.js": ""}, uses=["vite", "nuxt"]),
        tree({"Procfile": "web: node x.js"}, scripts={"build": "vite build"}),
    ],
)
def test_what_has_a_server_of_its_own(make_tree: MakeTree, files: dict[str, str | bytes]) -> None:
    made = plan(make_tree(files))
    assert made.static_root is None
    assert "caddy" not in made.processes["web"]


def test_pages_that_are_not_there_are_not_the_first_one(make_tree: MakeTree) -> None:
    one_page = phase_of(plan(make_tree(tree(scripts={"build": "vite build"}))), "serve")
    assert "/200.html /index.html" in one_page.commands[-1]
    pages = phase_of(plan(make_tree(tree(uses=["astro"]))), "serve")
    assert "/200.html" not in pages.commands[-1]


def test_a_folder_outside_is_refused(refusal: Refusal) -> None:
    for folder in ("../x", "/etc", "."):
        config = {"vite.config.js": f"build: {{ outDir: '{folder}' }}"}
        assert refusal(tree(config, uses=["vite"])).why.endswith(("served.", "served with it."))


def test_the_name_of_the_folder_stays_a_name(make_tree: MakeTree) -> None:
    """Commands are run by a shell, and the Caddyfile has a grammar of its own."""
    name = "a'; touch hacked #{x}"
    config = {"nixpacks.toml": f'[variables]\nNIXPACKS_SPA_OUTPUT_DIR = "{name}"'}
    serve = phase_of(plan(make_tree(tree(config))), "serve")
    root = make_tree({f"{name}/index.html": ""}).root
    for command in serve.commands:
        subprocess.run(["sh", "-c", command], cwd=root, check=True)
    assert not (root / "hacked").exists()
    written = (root / ".paas" / "Caddyfile").read_text()
    assert """root * "a'; touch hacked #\\{x}\"""" in written
