"""Unpacking trees that mean harm."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from apps.source.archives import ArchiveLimits, SourceRefused, unpack
from paas.sandbox import remove_tree


def entry(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def link(name: str, target: str) -> tarfile.TarInfo:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def archive(tmp_path: Path, *entries: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    path = tmp_path / "source.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for one in entries:
            if isinstance(one, tuple):
                tar.addfile(entry(one[0], size=len(one[1])), io.BytesIO(one[1]))
            else:
                tar.addfile(one)
    return path


def unpacked(tmp_path: Path, *entries: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    into = tmp_path / "app"
    into.mkdir()
    unpack(archive(tmp_path, *entries), into, uid=None)
    return into


@pytest.mark.parametrize(
    "hostile",
    [
        ("/etc/evil", b"x"),
        ("../evil", b"x"),
        ("a/../../evil", b"x"),
        link("link", "/etc/passwd"),
        link("link", "../outside"),
        link("a/b/link", "../../../outside"),
        link("link", "x/../../outside"),
        link("link", ""),
        entry("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("block", type=tarfile.BLKTYPE),
        entry("pipe", type=tarfile.FIFOTYPE),
        entry("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    ],
)
def test_what_leads_out_is_refused(
    tmp_path: Path, hostile: tarfile.TarInfo | tuple[str, bytes]
) -> None:
    with pytest.raises(SourceRefused) as refused:
        unpacked(tmp_path, hostile)
    name = hostile[0] if isinstance(hostile, tuple) else hostile.name
    assert name in refused.value.what
    assert refused.value.why
    assert refused.value.fix
    assert not (tmp_path / "evil").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="twice"):
        unpacked(tmp_path, link("dir", "."), ("dir/file", b"x"))
    with pytest.raises(SourceRefused, match="twice"):
        (tmp_path / "app").rename(tmp_path / "first")
        unpacked(tmp_path, link("file", "other"), ("file", b"x"))


def test_a_chain_of_links_cannot_climb_out(tmp_path: Path) -> None:
    """Each link stays inside by itself; together they must, too."""
    into = unpacked(
        tmp_path, link("a/b/up", "../.."), link("c", "a/b/up"), link("d", "c/a/b/up/a"), ("e", b"")
    )
    for one in into.rglob("*"):
        assert one.resolve().is_relative_to(into)


def test_links_inside_stay_even_without_a_target(tmp_path: Path) -> None:
    into = unpacked(tmp_path, ("a/file", b"text"), link("b", "a/file"), link("a/gone", "../no"))
    assert (into / "b").read_text() == "text"
    assert (into / "a" / "gone").readlink() == Path("../no")


def test_odd_names_are_just_names(tmp_path: Path) -> None:
    names = ["a 'b'", 'c"d', "e\nf", "g%h", "$(touch evil)", "-rf", "ü", "`x`", "i;j|k"]
    into = unpacked(tmp_path, *((name, name.encode()) for name in names))
    assert {path.name for path in into.iterdir()} == set(names)
    for name in names:
        assert (into / name).read_text() == name


def test_modes_are_gits(tmp_path: Path) -> None:
    into = unpacked(
        tmp_path,
        entry("run", mode=0o4777),
        entry("plain", mode=0o600),
        entry("folder", type=tarfile.DIRTYPE, mode=0o000),
    )
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in into.iterdir()}
    assert modes == {"run": 0o755, "plain": 0o644, "folder": 0o755}


def test_too_much_is_refused(tmp_path: Path) -> None:
    many = archive(tmp_path, *((f"f{n}", b"") for n in range(11)))
    into = tmp_path / "app"
    into.mkdir()
    with pytest.raises(SourceRefused, match="more than 10 files"):
        unpack(many, into, uid=None, limits=ArchiveLimits(files=10))
    big = archive(tmp_path, ("big", b"x" * (2 << 20)))
    with pytest.raises(SourceRefused, match="more than 1 MiB"):
        unpack(big, into, uid=None, limits=ArchiveLimits(bytes=1 << 20))


@pytest.mark.parametrize("name", ["n" * 300, "/".join("d" * 100 for _ in range(60)), "a/" * 3000])
def test_names_no_file_system_takes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceRefused, match="name"):
        unpacked(tmp_path, (f"{name}x", b""))
    remove_tree(tmp_path / "app")  # too deep for pytest's own clean-up


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path, ("file", b"x" * 4000)).read_bytes()
    for text in (whole[:1500], b"no archive at all" * 100):
        path = tmp_path / "bad.tar"
        path.write_bytes(text)
        into = tmp_path / f"into{len(text)}"
        into.mkdir()
        with pytest.raises(SourceRefused, match="damaged"):
            unpack(path, into, uid=None)


def test_what_git_archives_comes_out_the_same(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    for n in range(40):
        path = repository / f"d{n % 7}" / f"{n}" / "file.txt"
        path.parent.mkdir(parents=True)
        path.write_text(str(n))
    (repository / "link").symlink_to("d1/1/file.txt")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(repository)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    made = tmp_path / "made.tar"
    subprocess.run([*git, "archive", "-o", str(made), "HEAD"], check=True)
    into = tmp_path / "app"
    into.mkdir()
    unpack(made, into, uid=None)
    ignored = ["diff", "-r", "--no-dereference", "-x", ".git", str(repository), str(into)]
    subprocess.run(ignored, check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_all_belongs_to_the_app(tmp_path: Path) -> None:
    into = tmp_path / "app"
    into.mkdir()
    unpack(archive(tmp_path, ("a/b/file", b""), link("l", "a")), into, uid=54_321)
    assert {path.lstat().st_uid for path in (into, *into.rglob("*"))} == {54_321}
