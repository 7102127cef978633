from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import stat
import subprocess
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from paas.instance import Instance, current
from paas.keys import SECRET_KEY, SSH_HOST_KEY, ensure_keys, read_key
from paas.launcher.archive import ArchiveError
from paas.launcher.backup import BackupError, backup, restore
from paas.launcher.errors import AlreadyRunning, LaunchError
from paas.launcher.lock import only_launcher
from paas.sandbox import uid_for


def _git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *identity, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def used(instance: Instance, tmp_path: Path) -> Instance:
    """An instance with a key, a database, a repository, a log and an artifact."""
    ensure_keys(instance)
    with closing(sqlite3.connect(instance.database)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE builds_build (id TEXT PRIMARY KEY, artifact TEXT)")
        artifact = json.dumps({"path": f"{instance.artifacts}/b1", "mounts": [{"target": "/deps"}]})
        database.execute("INSERT INTO builds_build VALUES ('b1', ?), ('b2', NULL)", [artifact])
    _repository(instance.repositories / "1.git", tmp_path / "work")
    files = {
        instance.build_logs / "b1.log": "-----> built",
        instance.artifacts / "b1" / "app.py": "print()",
        instance.cache / "dependencies" / "d": "d",
        instance.cache / "uv" / "download": "not kept",
        instance.app_logs / "1" / "app.log": "not kept",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (instance.artifacts / "b1" / "app.py").chmod(0o755)
    (instance.artifacts / "b1" / "python").symlink_to("/usr/bin/python3")
    return instance


def _repository(bare: Path, work: Path) -> None:
    _git("init", "--quiet", "--bare", str(bare))
    _git("init", "--quiet", "--initial-branch=main", str(work))
    _git("-C", str(work), "commit", "--quiet", "--allow-empty", "-m", "one")
    _git("-C", str(work), "push", "--quiet", str(bare), "main")


@pytest.fixture
def fresh(tmp_path: Path) -> Instance:
    """Another PAAS_HOME, empty."""
    return current({"PAAS_HOME": str(tmp_path / "new"), "PAAS_RUN": str(tmp_path / "new-run")})


def _artifact(instance: Instance) -> dict[str, str]:
    with closing(sqlite3.connect(instance.database)) as database:
        (text,) = database.execute("SELECT artifact FROM builds_build WHERE id='b1'").fetchone()
    found: dict[str, str] = json.loads(text)
    return found


def test_everything_comes_back_elsewhere(used: Instance, fresh: Instance, tmp_path: Path) -> None:
    file = tmp_path / "paas.tar.gz"
    backup(file, artifacts=True, instance=used)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    restore(file, instance=fresh)
    for key in (SECRET_KEY, SSH_HOST_KEY):
        assert read_key(fresh, key) == read_key(used, key)
    bare = [f"--git-dir={i.repositories / '1.git'}" for i in (used, fresh)]
    assert _git(bare[0], "rev-parse", "main") == _git(bare[1], "rev-parse", "main")
    _git(bare[1], "fsck", "--full", "--strict")
    assert (fresh.build_logs / "b1.log").read_text() == "-----> built"
    app = fresh.artifacts / "b1" / "app.py"
    assert stat.S_IMODE(app.stat().st_mode) == 0o755
    assert (app.parent / "python").readlink() == Path("/usr/bin/python3")
    assert app.stat().st_mtime == (used.artifacts / "b1" / "app.py").stat().st_mtime
    assert [path.name for path in fresh.cache.iterdir()] == ["dependencies"]
    assert _artifact(fresh)["path"] == str(app.parent)
    assert not (fresh.app_logs).exists()
    ensure_keys(fresh)


def test_without_artifacts_they_are_left_out(
    used: Instance, fresh: Instance, tmp_path: Path
) -> None:
    backup(tmp_path / "small", instance=used)
    restored = restore(tmp_path / "small", instance=fresh)
    assert not restored.manifest.artifacts
    assert not fresh.artifacts.exists()
    with closing(sqlite3.connect(fresh.database)) as database:
        kept = database.execute("SELECT count(*) FROM builds_build WHERE artifact IS NOT NULL")
        assert kept.fetchone() == (0,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each app its own user")
def test_each_apps_files_go_to_its_user_there(
    used: Instance, fresh: Instance, tmp_path: Path
) -> None:
    owners = [uid_for(7, instance.home) for instance in (used, fresh)]
    assert owners[0] != owners[1]
    for path in (used.artifacts / "b1", used.artifacts / "b1" / "python"):
        os.chown(path, owners[0] or 0, owners[0] or 0, follow_symlinks=False)
    backup(tmp_path / "b", artifacts=True, instance=used)
    restore(tmp_path / "b", instance=fresh)
    restored = fresh.artifacts / "b1"
    assert [p.lstat().st_uid for p in (restored, restored / "python")] == [owners[1]] * 2
    assert (restored / "app.py").stat().st_uid == 0


def test_it_is_consistent_while_others_write(
    used: Instance, fresh: Instance, tmp_path: Path
) -> None:
    enough = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(used.database, timeout=30)) as database:
            number = 0
            while not enough.is_set():
                number += 1
                with database:
                    for half in ("l", "r"):
                        row = (f"{half}{number}", None)
                        database.execute("INSERT INTO builds_build VALUES (?, ?)", row)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            backup(tmp_path / f"{number}.tar.gz", instance=used)
    finally:
        enough.set()
        writer.join()
    restore(tmp_path / "2.tar.gz", instance=fresh)
    with closing(sqlite3.connect(fresh.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count = "SELECT count(*) FROM builds_build WHERE id LIKE ?"
        left, right = (database.execute(count, [half]).fetchone() for half in ("l%", "r%"))
        assert left == right


def test_a_used_home_is_refused_and_with_force_set_aside(
    used: Instance, fresh: Instance, tmp_path: Path
) -> None:
    backup(tmp_path / "b", instance=used)
    ensure_keys(fresh)
    former = read_key(fresh, SECRET_KEY)
    with pytest.raises(BackupError, match="not empty"):
        restore(tmp_path / "b", instance=fresh)
    assert read_key(fresh, SECRET_KEY) == former
    restored = restore(tmp_path / "b", force=True, instance=fresh)
    assert read_key(fresh, SECRET_KEY) == read_key(used, SECRET_KEY)
    assert restored.set_aside is not None
    assert (restored.set_aside / "keys" / SECRET_KEY).read_text().strip() == former


def test_a_running_instance_is_not_replaced(
    used: Instance, fresh: Instance, tmp_path: Path
) -> None:
    backup(tmp_path / "b", instance=used)
    with only_launcher(fresh), pytest.raises(AlreadyRunning):
        restore(tmp_path / "b", force=True, instance=fresh)


def test_a_restore_that_was_cut_off_can_be_repeated(
    used: Instance, fresh: Instance, tmp_path: Path
) -> None:
    backup(tmp_path / "b", instance=used)
    (fresh.home / ".restore" / "keys").mkdir(parents=True)
    (fresh.home / "repositories").mkdir()  # moved before the cut
    restore(tmp_path / "b", instance=fresh)
    assert read_key(fresh, SECRET_KEY) == read_key(used, SECRET_KEY)
    assert (fresh.repositories / "1.git").is_dir()


def test_a_backup_that_fails_leaves_nothing(used: Instance, tmp_path: Path) -> None:
    used.database.unlink()
    with pytest.raises(LaunchError, match="database"):
        backup(tmp_path / "b", instance=used)
    assert [path.name for path in tmp_path.iterdir() if "b" in path.name] == []


def test_a_damaged_backup_is_refused(used: Instance, fresh: Instance, tmp_path: Path) -> None:
    file = tmp_path / "b"
    backup(file, instance=used)
    whole = bytearray(gzip.decompress(file.read_bytes()))
    at = whole.index(b"-----> built")
    whole[at : at + 6] = b"-----X"
    for broken in (gzip.compress(bytes(whole)), file.read_bytes()[:-400], b"no gzip", b""):
        file.write_bytes(broken)
        with pytest.raises(ArchiveError):
            restore(file, instance=fresh)
        assert [path.name for path in fresh.home.iterdir()] == ["launcher.lock"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/tmp/evil", tarfile.REGTYPE),
        ("keys/../../evil", tarfile.REGTYPE),
        ("keys/device", tarfile.CHRTYPE),
        ("keys/pipe", tarfile.FIFOTYPE),
        ("keys/hard", tarfile.LNKTYPE),
    ],
)
def test_nothing_is_written_outside(
    name: str, kind: bytes, fresh: Instance, tmp_path: Path
) -> None:
    file = _crafted(tmp_path, [(name, kind, "")])
    with pytest.raises(ArchiveError):
        restore(file, instance=fresh)
    assert not list(tmp_path.rglob("evil"))


def test_nothing_is_written_through_a_link(fresh: Instance, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    members = [("keys", tarfile.SYMTYPE, str(outside)), ("keys/evil", tarfile.REGTYPE, "")]
    with pytest.raises((ArchiveError, OSError)):
        restore(_crafted(tmp_path, members), instance=fresh)
    assert not list(outside.iterdir())


def _crafted(folder: Path, members: list[tuple[str, bytes, str]]) -> Path:
    manifest = {"format": 1, "version": "0", "created": "", "home": "/"}
    text = json.dumps(
        {**manifest, "database": "sqlite", "artifacts": False, "first_uid": None}
    ).encode()
    with tarfile.open(folder / "crafted", "w:gz") as tar:
        head = tarfile.TarInfo("manifest.json")
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return folder / "crafted"


def test_postgres_needs_its_tools(
    used: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://paas@db/paas")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="postgresql-client"):
        backup(tmp_path / "b", instance=used)
    assert not (tmp_path / "b").exists()
