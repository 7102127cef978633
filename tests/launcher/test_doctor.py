"""What `paas doctor` says of the languages that apps can be written in."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.builds.builders import languages
from apps.builds.builders.languages import Toolchain
from paas.instance import current
from paas.launcher.doctor import Level, examine


def test_languages_are_listed_and_none_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = Toolchain("go", Path("/usr/local/go/bin/go"), (1, 22, 3), Path("/usr/local/go"))
    monkeypatch.setattr(languages, "installed", lambda tool: [go] if tool == "go" else [])
    instance = current({"PAAS_HOME": str(tmp_path), "PAAS_RUN": str(tmp_path / "run")})
    found = {finding.name: finding for finding in examine(instance)}
    assert found["go for apps"].text == "1.22.3 (/usr/local/go/bin/go)"
    assert "apt install nodejs npm" in found["node for apps"].text
    assert all(found[f"{tool} for apps"].level is Level.OK for tool in languages.LANGUAGES)
