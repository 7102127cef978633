"""The sample apps: each shows a provider, and says its version and GREETING."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpacks import SourceTree, detect, plan

SAMPLES = Path(__file__).parents[1] / "apps"
GUNICORN = "gunicorn --bind 0.0.0.0:$PORT app:app"
MIGRATED = "python manage.py migrate --noinput && exec gunicorn --bind 0.0.0.0:$PORT hello.wsgi"


@pytest.mark.parametrize(
    ("sample", "provider", "processes"),
    [
        (
            "flask",
            "python",
            {"web": GUNICORN, "worker": "python worker.py", "release": "python release.py"},
        ),
        ("flask_uv", "python", {"web": GUNICORN}),
        ("django", "python", {"web": MIGRATED}),
        ("fastapi", "python", {"web": "uvicorn main:app --host 0.0.0.0 --port $PORT"}),
        ("static", "static", {"web": "caddy file-server --listen :$PORT --root ./public"}),
        ("procfile", "procfile", {"web": "python3 hello.py"}),
    ],
)
def test_what_is_planned(sample: str, provider: str, processes: dict[str, str]) -> None:
    tree = SourceTree(SAMPLES / sample)
    assert detect(tree) == (provider,)
    assert dict(plan(tree).processes) == processes


def test_a_tree_without_anything_has_no_provider(tmp_path: Path) -> None:
    assert detect(SourceTree(tmp_path)) == ()


def test_no_sample_commits_a_lock() -> None:
    """Lock files name the hosts of registries; tests that need one make it."""
    assert not list(SAMPLES.rglob("*.lock"))
