"""Several languages in one repository."""

from __future__ import annotations

import json

from buildpacks import detect, plan
from tests.buildpacks.conftest import MakeTree, phase_of

SETTINGS = 'INSTALLED_APPS = ["django.contrib.staticfiles"]\nSTATIC_ROOT = "x"\n'
SHOP: dict[str, str | bytes] = {
    "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")',
    "shop/settings.py": SETTINGS,
    "shop/wsgi.py": "",
    "requirements.txt": "django\ngunicorn\n",
    ".python-version": "3.11",
    "package.json": json.dumps({"scripts": {"build": "vite build"}, "engines": {"node": "20"}}),
    "nixpacks.toml": 'providers = ["...", "node"]\n',
}

STARTED = json.dumps({"scripts": {"build": "x", "start": "node x.js"}, "engines": {"node": "20"}})


def test_assets_are_there_before_they_are_collected(make_tree: MakeTree) -> None:
    made = plan(make_tree(SHOP))
    assert made.providers == ("python", "node")
    assert made.name == "Python and Node.js"
    names = [phase.name for phase in made.phases]
    assert names.index("node:build") < names.index("build")
    assert phase_of(made, "node:build").commands == ("npm run build",)
    assert "collectstatic" in phase_of(made, "build").commands[0]
    assert [pin.tool for pin in made.pins] == ["python", "node"]
    assert made.processes["web"].startswith("python manage.py migrate")
    assert made.variables["NODE_ENV"] == "production"
    assert made.variables["VIRTUAL_ENV"] == "/deps/python"


def test_the_first_one_leads(make_tree: MakeTree) -> None:
    files = SHOP | {"nixpacks.toml": 'providers = ["node", "python"]\n', "package.json": STARTED}
    made = plan(make_tree(files))
    assert made.providers == ("node", "python")
    assert made.processes == {"web": "npm start"}
    assert made.python is not None
    names = [phase.name for phase in made.phases]
    assert names.index("python:build") < names.index("build")


def test_a_site_is_not_served_for_another_language(make_tree: MakeTree) -> None:
    made = plan(make_tree(SHOP | {"vite.config.js": ""}))
    assert made.static_root is None


def test_what_is_not_built_is_told(make_tree: MakeTree) -> None:
    files = {name: text for name, text in SHOP.items() if name != "nixpacks.toml"}
    assert detect(make_tree(files)) == ("python",)
    assert any('["python", "node"]' in one for one in plan(make_tree(files)).warnings)


def test_overrides_reach_the_others_phases(make_tree: MakeTree) -> None:
    text = 'providers = ["...", "node"]\n[phases."node:build"]\ncmds = ["npm run assets"]\n'
    made = plan(make_tree(SHOP | {"nixpacks.toml": text}))
    assert phase_of(made, "node:build").commands == ("npm run assets",)
