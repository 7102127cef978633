"""Without a Procfile: Django, Flask and FastAPI are found and started."""

from __future__ import annotations

import pytest

from buildpacks import Plan, plan
from tests.buildpacks.conftest import MakeTree

MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
DJANGO: dict[str, str | bytes] = {
    "requirements.txt": "django\ngunicorn\n",
    "manage.py": MANAGE,
    "shop/settings.py": 'WSGI_APPLICATION = "shop.wsgi.application"\n',
    "shop/wsgi.py": "",
}


def _web(made: Plan) -> str | None:
    return made.processes.get("web")


@pytest.mark.parametrize(
    ("path", "source", "target"),
    [
        ("app.py", "from flask import Flask\napp = Flask(__name__)\n", "app:app"),
        ("main.py", "import flask\nserver: flask.Flask = flask.Flask('x')\n", "main:server"),
        ("wsgi.py", "from shop import create\napplication = create()\n", "wsgi:application"),
        ("wsgi.py", "from shop.web import server as app\n", "wsgi:app"),
        ("app.py", "def create_app(config=None):\n    return 1\n", "'app:create_app()'"),
        ("app/__init__.py", "def create_app():\n    app = Flask(__name__)\n", "'app:create_app()'"),
        ("src/main.py", "app = Flask(__name__)\n", "src.main:app"),
        ("flaskr/__init__.py", "def create_app():\n    pass\n", "'flaskr:create_app()'"),
    ],
)
def test_flask(make_tree: MakeTree, path: str, source: str, target: str) -> None:
    made = plan(make_tree({"requirements.txt": "flask\ngunicorn\n", path: source}))
    assert _web(made) == f"gunicorn --bind 0.0.0.0:$PORT {target}"
    assert made.processes_from == "Flask"
    assert made.python is not None
    assert made.python.extra == ()


def test_sources_of_any_encoding_are_searched(make_tree: MakeTree) -> None:
    source = "# -*- coding: latin-1 -*-\r\n# caf\xe9\r\nfrom shop import web as app\r\n"
    files: dict[str, str | bytes] = {
        "requirements.txt": "flask\ngunicorn\n",
        "app.py": source.encode("latin-1"),
    }
    assert _web(plan(make_tree(files))) == "gunicorn --bind 0.0.0.0:$PORT app:app"


def test_an_object_that_is_not_flask_is_passed_over(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {
        "requirements.txt": "flask\ngunicorn\n",
        "app.py": "# app = Flask(\nx = 'Flask()'\n",
        "main.py": "web = Flask(__name__)\n",
    }
    assert _web(plan(make_tree(files))) == "gunicorn --bind 0.0.0.0:$PORT main:web"


def test_fastapi_gets_the_server_it_misses(make_tree: MakeTree) -> None:
    made = plan(make_tree({"requirements.txt": "fastapi\n", "main.py": "api = FastAPI()\n"}))
    assert _web(made) == "uvicorn main:api --host 0.0.0.0 --port $PORT"
    assert made.python is not None
    assert made.python.extra == ("uvicorn",)
    assert any("uvicorn is not among the dependencies" in warning for warning in made.warnings)


def test_fastapi_with_its_standard_extra_has_a_server(make_tree: MakeTree) -> None:
    files: dict[str, str | bytes] = {
        "requirements.txt": "fastapi[standard]\n",
        "main.py": "app = FastAPI()\n",
    }
    made = plan(make_tree(files))
    assert made.python is not None
    assert made.python.extra == ()


def test_django(make_tree: MakeTree) -> None:
    made = plan(make_tree(DJANGO))
    assert _web(made) == (
        "python manage.py migrate --noinput && "
        "exec gunicorn --bind 0.0.0.0:$PORT shop.wsgi:application"
    )
    assert made.processes_from == "Django"


def test_django_in_a_folder(make_tree: MakeTree) -> None:
    files = {f"back end/{path}": text for path, text in DJANGO.items()}
    files["requirements.txt"] = "django\n"
    made = plan(make_tree(files))
    assert _web(made) == (
        "python 'back end/manage.py' migrate --noinput && "
        "exec gunicorn --chdir 'back end' --bind 0.0.0.0:$PORT shop.wsgi:application"
    )
    assert made.python is not None
    assert made.python.extra == ("gunicorn",)


def test_django_whose_settings_name_no_application(make_tree: MakeTree) -> None:
    made = plan(make_tree(DJANGO | {"shop/settings.py": ""}))
    assert "shop.wsgi:application" in (_web(made) or "")


def test_a_procfile_is_the_whole_truth(make_tree: MakeTree) -> None:
    made = plan(make_tree(DJANGO | {"Procfile": "worker: python manage.py work\n"}))
    assert dict(made.processes) == {"worker": "python manage.py work"}
    assert any("no web process" in warning for warning in made.warnings)


def test_python_without_a_known_framework_is_planned_with_a_warning(make_tree: MakeTree) -> None:
    made = plan(make_tree({"requirements.txt": "requests\n", "main.py": "print(1)\n"}))
    assert dict(made.processes) == {}
    assert any("no web process" in warning for warning in made.warnings)


def test_an_installed_package_in_src_is_looked_into(make_tree: MakeTree) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["fastapi", "uvicorn"]\n'
    files = {"pyproject.toml": project, "src/shop/main.py": "app = FastAPI()\n"}
    assert _web(plan(make_tree(files))) is None  # nobody could import it
    built = {"pyproject.toml": project + '[build-system]\nrequires = ["hatchling"]\n'}
    assert _web(plan(make_tree(files | built))) == (
        "uvicorn shop.main:app --host 0.0.0.0 --port $PORT"
    )
