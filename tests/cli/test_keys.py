"""keys, keys:add, keys:remove, keys:clear."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.panel import FakePanel, Reply


def _key(name: str) -> dict[str, str | None]:
    return {
        "id": f"id-of-{name}",
        "comment": name,
        "fingerprint": f"SHA256:{name}",
        "public_key": f"ssh-ed25519 AAAA {name}",
        "last_used_at": None,
    }


LAPTOP, PHONE = _key("laptop"), _key("phone")


@pytest.fixture
def ssh_folder(environment: dict[str, str]) -> Path:
    folder = Path(environment["HOME"]) / ".ssh"
    folder.mkdir()
    return folder


def _make(path: Path) -> str:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", path]
    subprocess.run(command, check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def test_keys_are_listed(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /account/keys", [LAPTOP, PHONE])
    listed = paas("keys")
    assert listed.stdout.splitlines()[0] == "laptop  SHA256:laptop  ssh-ed25519  never used"
    assert json.loads(paas("keys", "--json").stdout) == [LAPTOP, PHONE]


def test_no_keys_say_how_to_add_one(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /account/keys", [])
    assert "paas keys:add" in paas("keys").stderr


def test_the_usual_key_is_added_and_its_fingerprint_shown(
    paas: Run, panel: FakePanel, ssh_folder: Path
) -> None:
    panel.on("POST /account/keys", Reply(LAPTOP, 201))
    line = _make(ssh_folder / "id_ed25519")
    (ssh_folder / "id_rsa.pub").write_text("ssh-rsa AAAA")
    added = paas("keys:add")
    assert added.returncode == 0
    assert f"{ssh_folder}/id_ed25519.pub SSH key... done, SHA256:laptop" in added.stderr
    assert panel.bodies("POST /account/keys") == [{"public_key": line}]


def test_a_named_file_is_added(paas: Run, panel: FakePanel, tmp_path: Path) -> None:
    panel.on("POST /account/keys", Reply(LAPTOP, 201))
    line = _make(tmp_path / "key")
    assert json.loads(paas("keys:add", f"{tmp_path}/key.pub", "--json").stdout) == LAPTOP
    assert panel.bodies("POST /account/keys") == [{"public_key": line}]


def test_a_private_key_is_never_sent(paas: Run, panel: FakePanel, tmp_path: Path) -> None:
    _make(tmp_path / "key")
    refused = paas("keys:add", str(tmp_path / "key"))
    assert refused.returncode == 1
    assert "private key" in refused.stderr and f"{tmp_path}/key.pub" in refused.stderr
    assert not panel.asked


@pytest.mark.parametrize("text", ["", "SECRET=1", "ssh-ed25519 AAAA\nSECRET=1"])
def test_no_other_file_is_sent(paas: Run, panel: FakePanel, tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    refused = paas("keys:add", str(tmp_path / "file"))
    assert refused.returncode == 1
    assert "no public SSH key; nothing was sent" in refused.stderr
    assert not panel.asked


@pytest.mark.parametrize("arguments", [(), ("/no/such.pub",), ("/",)])
def test_without_a_key_there_is_a_next_step(
    paas: Run, panel: FakePanel, arguments: tuple[str, ...]
) -> None:
    refused = paas("keys:add", *arguments)
    assert refused.returncode == 1
    assert "ssh-keygen -t ed25519" in refused.stderr
    assert not panel.asked


@pytest.mark.parametrize("name", ["phone", "SHA256:phone"])
def test_a_key_is_removed_by_comment_or_fingerprint(paas: Run, panel: FakePanel, name: str) -> None:
    panel.on("GET /account/keys", [LAPTOP, PHONE])
    panel.on("DELETE /account/keys/id-of-phone", PHONE)
    assert json.loads(paas("keys:remove", name, "--json").stdout) == [PHONE]
    deleted = [one.path for one in panel.asked if one.method == "DELETE"]
    assert deleted == ["/account/keys/id-of-phone"]


def test_an_unknown_key_is_not_removed(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /account/keys", [LAPTOP])
    refused = paas("keys:remove", "phone")
    assert refused.returncode == 1 and "paas keys" in refused.stderr


def test_all_are_removed(paas: Run, panel: FakePanel) -> None:
    panel.on("GET /account/keys", [LAPTOP, PHONE])
    panel.on("DELETE /account/keys/id-of-laptop", LAPTOP)
    panel.on("DELETE /account/keys/id-of-phone", PHONE)
    assert json.loads(paas("keys:clear", "--json").stdout) == [LAPTOP, PHONE]
