"""collectstatic: when it runs, and that it runs without config vars."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from buildpacks import Plan, SourceTree, plan
from tests.buildpacks.conftest import MakeTree, phase_of

SAMPLES = Path(__file__).parents[1] / "apps"
STATIC = "INSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_ROOT = 'x'\n"
MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
COLLECT = "python manage.py collectstatic --noinput"


def _planned(make_tree: MakeTree, files: dict[str, str | bytes]) -> Plan:
    base: dict[str, str | bytes] = {"requirements.txt": "django\n", "manage.py": MANAGE}
    return plan(make_tree(base | files))


def _build(made: Plan) -> str:
    return " && ".join(
        command for phase in made.phases if phase.name == "build" for command in phase.commands
    )


def test_it_runs_when_the_settings_are_set_up_for_it(make_tree: MakeTree) -> None:
    made = _planned(make_tree, {"shop/settings.py": STATIC})
    assert _build(made).endswith(COLLECT)
    phase = phase_of(made, "build")
    assert "DISABLE_COLLECTSTATIC" in phase.hint
    assert phase.depends_on == ("install",)
    assert not phase.network


def test_it_looks_into_a_settings_package(make_tree: MakeTree) -> None:
    manage = MANAGE.replace("shop.settings", "shop.settings.production")
    files: dict[str, str | bytes] = {
        "manage.py": manage,
        "shop/settings/base.py": STATIC,
        "shop/settings/production.py": "from .base import *\n",
    }
    assert COLLECT in _build(_planned(make_tree, files))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("INSTALLED_APPS = ['django.contrib.staticfiles']\n", "STATIC_ROOT"),
        ("STATIC_ROOT = 'x'\n", "django.contrib.staticfiles"),
    ],
)
def test_it_is_left_out_with_a_note(make_tree: MakeTree, settings: str, reason: str) -> None:
    made = _planned(make_tree, {"shop/settings.py": settings})
    assert _build(made) == ""
    assert any("Skipping collectstatic" in note and reason in note for note in made.notes)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("nixpacks.toml", '[variables]\nDISABLE_COLLECTSTATIC = "1"\n'),
        ("app.json", '{"env": {"DISABLE_COLLECTSTATIC": "1"}}'),
    ],
)
def test_it_can_be_switched_off(make_tree: MakeTree, file: str, text: str) -> None:
    made = _planned(make_tree, {"shop/settings.py": STATIC, file: text})
    assert _build(made) == ""


def test_only_what_the_settings_cannot_do_without_is_made_up(make_tree: MakeTree) -> None:
    settings = STATIC + (
        "SECRET_KEY = os.environ['DJANGO_SECRET_KEY']\n"
        "DATABASES = {'default': env.db()}\n"
        "STRIPE = env('STRIPE_SECRET_KEY', default='')\n"
        "X = os.getenv('MAIL_URL')\n"
        "S3 = os.getenv('S3_SECRET_KEY') or os.environ.get('S4_SECRET_KEY')\n"
    )
    command = _build(_planned(make_tree, {"shop/settings.py": settings}))
    assert "DJANGO_SECRET_KEY=" in command
    assert 'DATABASE_URL="${DATABASE_URL:-sqlite://:memory:}"' in command
    assert "STRIPE" not in command
    assert "MAIL_URL" not in command
    assert "S3" not in command
    assert "S4" not in command


def test_the_sample_collects_its_static_files(tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(SAMPLES / "django", app)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to(sys.executable)
    environment = {"PATH": f"{Path(sys.executable).parent}:{bin_folder}:{os.defpath}"}
    command = _build(plan(SourceTree(app)))
    subprocess.run(["sh", "-c", command], cwd=app, env=environment, check=True)
    names = {path.name for path in (app / "staticfiles").iterdir()}
    assert {"style.css", "staticfiles.json"} <= names
