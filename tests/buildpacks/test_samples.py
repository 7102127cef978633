"""The sample apps: each shows a provider, and says its version and GREETING."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildpacks import SourceTree, detect, plan
from tests.e2e.support import DOCUMENT, IN_NIX, SAMPLE_APPS, planned, rows

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
        ("express", "node", {"web": "npm start"}),
        ("pnpm", "node", {"web": "node server.js"}),
        ("workspace", "node", {"web": "npm start"}),
        ("vite", "node", {"web": "caddy run --config .paas/Caddyfile --adapter caddyfile"}),
        ("go", "go", {"web": "bin/hello"}),
        ("ruby", "ruby", {"web": "bundle exec ruby server.rb"}),
        ("php", "php", {"web": "bash .paas/serve-php"}),
        ("rust", "rust", {"web": "bin/hello"}),
        ("static", "static", {"web": "caddy file-server --listen :$PORT --root ./public"}),
        ("procfile", "procfile", {"web": "python3 hello.py"}),
    ],
)
def test_what_is_planned(sample: str, provider: str, processes: dict[str, str]) -> None:
    tree = SourceTree(SAMPLES / sample)
    assert detect(tree) == (provider,)
    assert dict(plan(tree).processes) == processes


def test_the_table_of_support_is_that_of_the_samples() -> None:
    """It is written by a run of tests/e2e/test_samples.py; this sees when it is an old one."""
    written = rows(DOCUMENT.read_text())
    assert [row[:-1] for row in written] == [planned(sample) for sample in SAMPLE_APPS]
    others = {sample.name for sample in SAMPLE_APPS}
    assert {path.name for path in SAMPLES.iterdir()} == {*others, *IN_NIX}


def test_a_tree_without_anything_has_no_provider(tmp_path: Path) -> None:
    assert detect(SourceTree(tmp_path)) == ()


def test_no_lock_of_a_sample_names_a_registry() -> None:
    """Where a lock cannot be made without, a test makes it anew."""
    locks = [path for path in SAMPLES.rglob("*lock*") if path.is_file()]
    assert locks
    for path in locks:
        assert "registry" not in path.read_text()
        assert '"resolved": "http' not in path.read_text()
