"""The store, with real Nix."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import pytest

from paas.instance import Instance
from paas.nix import errors
from paas.nix.config import configure
from paas.nix.store import Store, failure, is_store_path, read_path_info, require_nix
from paas.sandbox import builder_uids
from tests.nix.conftest import NewStore

NOWHERE = "/nix/store/00000000000000000000000000000000-x"
ENDLESS = (
    "let f = n: builtins.foldl' (a: b: a) 0 (builtins.genList (x: x) 1000000) + f (n + 1); in f 0"
)
DERIVATION = """
derivation {
  name = "made";
  system = builtins.currentSystem;
  builder = "${builtins.path { path = %s; name = "tools"; }}/busybox";
  args = [ "sh" "-euc" "%s" ];
}
"""


def build(store: Store, folder: Path, script: str) -> str:
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tools / "busybox").chmod(0o755)
    expression = folder / "default.nix"
    expression.write_text(DERIVATION % (tools, script))
    return store.run("nix-build", "--no-out-link", str(expression)).strip()


def test_what_is_added_lies_in_the_store_of_the_setting(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "text").write_text("hello")
    path = store.add(folder)
    assert is_store_path(path) and path.endswith("-hello")
    assert store.physical(path) == tmp_path / "store" / path[1:]
    assert (store.physical(path) / "text").read_text() == "hello"
    assert store.logical(store.physical(path)) == path
    assert store.add(folder) == path
    assert store.add(folder, name="other").endswith("-other")
    assert not Path(path).exists()


def test_a_fixed_file_is_what_its_hash_says(store: Store, tmp_path: Path) -> None:
    files = [tmp_path / "one.tgz", tmp_path / "two.tgz"]
    for file in files:
        file.write_text(file.name)
    paths = store.add_fixed("sha512", files)
    digest = hashlib.sha512(b"two.tgz").hexdigest()
    expression = (
        'builtins.toString (derivation { name = "two.tgz"; system = "x"; builder = "/none"; '
        f'outputHashMode = "flat"; outputHashAlgo = "sha512"; outputHash = "{digest}"; }})'
    )
    named = store.run("nix", "eval", "--raw", "--impure", "--expr", expression)
    assert [store.physical(path).read_text() for path in paths] == ["one.tgz", "two.tgz"]
    assert named == paths[1]


def test_a_build_is_isolated_and_its_references_are_known(store: Store, tmp_path: Path) -> None:
    script = "%(bb)s mkdir $out; %(bb)s ls / > $out/root; echo $0 %(bb)s > $out/refers; :"
    tools = "${builtins.path { path = %s; name = ''tools''; }}/busybox" % (tmp_path / "tools")
    path = build(store, tmp_path, script % {"bb": tools})
    root = (store.physical(path) / "root").read_text().split()
    assert "usr" not in root and "home" not in root
    (reference,) = store.references(path)
    assert reference.endswith("-tools")
    assert store.requisites([path]) == [reference, path]
    infos = store.info([path], recursive=True)
    assert {one.path for one in infos} == {path, reference}
    (made,) = store.info([path])
    assert made.name == "made" and made.references == (reference,)
    assert made.deriver == store.deriver(path) and made.deriver.endswith("-made.drv")
    assert store.deriver(reference) is None
    assert store.closure_size([path]) == sum(one.nar_size for one in infos) > 1_000_000


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_builder_cannot_change_what_others_build_from(store: Store, tmp_path: Path) -> None:
    """It is no root outside, who owns every path of the store."""
    tools = "${builtins.path { path = %s; name = ''tools''; }}" % (tmp_path / "tools")
    script = (
        "({t}/busybox chmod u+w {t} {t}/busybox; echo x > {t}/busybox) || true; "
        "{t}/busybox cat /proc/self/uid_map > $out; :"
    )
    path = build(store, tmp_path, script.format(t=tools))
    inside, outside, count = map(int, store.physical(path).read_text().split())
    assert (inside, count) == (1000, 1) and outside in builder_uids(store.config.owner)
    store.run("nix-store", "--verify", "--check-contents")
    system = Path("/etc/passwd").read_text() + Path("/etc/group").read_text()
    assert "paas-nixbld" not in system


def test_builders_of_two_instances_are_other_users() -> None:
    one, two = builder_uids(Path("/srv/one")), builder_uids(Path("/srv/two"))
    assert not set(one) & set(two)
    assert len(one) == 32


def test_only_what_a_root_needs_survives(store: Store, tmp_path: Path) -> None:
    kept, lost = tmp_path / "kept", tmp_path / "lost"
    kept.write_text("1")
    lost.write_text("2")
    paths = [store.add(kept), store.add(lost)]
    store.add_root("v1", paths[0])
    store.add_root("v1", paths[0])
    assert store.roots.all() == {"v1": [paths[0]]}
    assert store.collect() == 1
    assert [store.is_valid(path) for path in paths] == [True, False]
    store.roots.remove("v1")
    store.roots.remove("v1")
    assert store.collect() == 1 and not store.physical(paths[0]).exists()


def test_a_root_may_hold_several_paths(store: Store, tmp_path: Path) -> None:
    paths = []
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text(name)
        paths.append(store.add(tmp_path / name))
    build = str(uuid.uuid4())
    store.add_root(build, *paths)
    store.add_root("other", paths[2])
    assert store.roots.all() == {build: paths, "other": [paths[2]]}
    store.add_root(build, paths[1])
    assert store.roots.all() == {build: [paths[1]], "other": [paths[2]]}
    assert store.collect() == 1
    store.roots.remove(build)
    assert store.roots.all() == {"other": [paths[2]]}
    assert store.collect() == 1


def test_nothing_is_collected_while_the_store_is_in_use(store: Store, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("of a build that goes on")
    path = store.add(tmp_path / "source")
    with store.in_use(), store.in_use(), pytest.raises(errors.StoreBusy):
        store.collect()
    assert store.is_valid(path)
    assert store.collect() == 1


def test_a_path_that_is_not_there_is_an_error_of_its_own(store: Store) -> None:
    assert not store.is_valid(NOWHERE)
    for ask in (
        lambda: store.info([NOWHERE]),
        lambda: store.requisites([NOWHERE]),
        lambda: store.references(NOWHERE),
        lambda: store.add_root("v1", NOWHERE),
    ):
        with pytest.raises(errors.NotInStore, match="x"):
            ask()
    assert store.roots.all() == {}


@pytest.mark.parametrize("name", ["", "../conf", ".hidden", "a b", "a/b", "a\n", "a-2"])
def test_a_root_has_a_plain_name(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        store.roots.remove(name)


def test_a_failure_tells_what_nix_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(errors.NixFailed, match="nix-build --no-out-link failed: builder for"):
        build(store, tmp_path, "echo no; exit 3")
    with pytest.raises(errors.NixFailed, match="not done within"):
        store.run("nix", "eval", "--expr", ENDLESS, timeout=0.5)


def test_nothing_but_our_own_configuration_counts(
    new_store: NewStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "NIX_CONFIG": "sandbox = false",
        "NIX_PATH": "nixpkgs=/somewhere",
        "NIX_REMOTE": "daemon",
        "NIX_USER_CONF_FILES": str(tmp_path / "evil.conf"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "evil.conf").write_text("sandbox = false\nsubstituters = https://example.org\n")
    store = new_store(
        "store", PAAS_NIX_SUBSTITUTERS="file:///a file:///b", PAAS_NIX_TRUSTED_KEYS="k:1"
    )
    shown = dict(
        line.split(" = ", 1)
        for line in store.run("nix", "show-config").splitlines()
        if " = " in line
    )
    assert shown["sandbox"] == "true" and shown["sandbox-fallback"] == "false"
    assert shown["substituters"].split() == ["file:///a", "file:///b"]
    assert shown["trusted-public-keys"] == "k:1"
    assert (store.config.conf / "nix.conf").exists()
    plain = new_store("store")
    plain.prepare()  # the setting is gone: so is what it wrote
    assert "file:" not in (store.config.conf / "nix.conf").read_text()


@pytest.mark.parametrize("value", ["store", "~/store", "/"])
def test_a_store_needs_an_absolute_folder(nix_instance: Instance, value: str) -> None:
    with pytest.raises(errors.NixUnavailable, match="absolute path"):
        configure(nix_instance, {"PAAS_NIX_STORE": value})


def test_a_user_without_daemon_is_told_what_to_do(
    nix_instance: Instance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("paas.nix.config.MACHINE", str(tmp_path / "nowhere"))
    silent = {"NIX_DAEMON_SOCKET_PATH": str(tmp_path / "no.sock")}
    with pytest.raises(errors.NixUnavailable, match=r"systemctl start nix-daemon\.socket"):
        configure(nix_instance, silent)
    assert configure(nix_instance, {**silent, "PAAS_NIX_STORE": str(tmp_path)}).remote == str(
        tmp_path
    )


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("plain", ""),
        ("inside", "plain"),
        ("round", "../{name}/plain"),
        ("absolute", "{path}/plain"),
        ("twice", "inside"),
    ],
)
def test_links_are_followed_as_they_are_inside(
    store: Store, tmp_path: Path, name: str, target: str
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "plain").mkdir()
    (folder / "inside").symlink_to("plain")
    path = store.add(folder)
    at = store.physical(path)
    at.chmod(0o755)
    if target and name != "inside":
        (at / name).symlink_to(target.format(name=at.name, path=path))
    assert store.resolve(f"{path}/{name}") == at / "plain"


@pytest.mark.parametrize("target", ["/etc", "/etc/passwd", "../../../../etc", "/nix/store", "loop"])
def test_links_do_not_lead_out_of_the_store(store: Store, tmp_path: Path, target: str) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "link").symlink_to(target)
    (folder / "loop").symlink_to("link")
    path = store.add(folder)
    for name in ("link", "loop", "link/passwd"):
        with pytest.raises(errors.NotInStore):
            store.resolve(f"{path}/{name}")


def test_missing_and_old_nix_are_told(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(errors.NixUnavailable, match="apt install nix-bin"):
            require_nix()
        for name in ("nix", "nix-store"):
            (tmp_path / name).write_text("#!/bin/sh\necho 'nix-store (Nix) 2.3.16'\n")
            (tmp_path / name).chmod(0o755)
        with pytest.raises(errors.NixUnavailable, match=r"2\.3\.16, and paas needs 2\.8"):
            require_nix()


def test_reading_what_newer_nix_prints() -> None:
    path = "/nix/store/7g0l8zcibqk5pm3yiac1jd7zmipvcsh7-hello"
    text = '{"%s": {"narSize": 7, "references": ["%s", "/nix/store/b"], "deriver": null}}'
    (one,) = read_path_info(text % (path, path))
    assert (one.path, one.nar_size, one.references, one.deriver) == (path, 7, ("/nix/store/b",), "")
    with pytest.raises(errors.NotInStore):
        read_path_info(f'{{"{path}": null}}')


def test_a_missing_signature_is_an_error_of_its_own() -> None:
    said = "error: cannot add path '/nix/store/x' because it lacks a signature by a trusted key"
    assert isinstance(failure("nix copy", 1, said), errors.NotSigned)


def test_store_paths_are_recognised() -> None:
    good = "/nix/store/7g0l8zcibqk5pm3yiac1jd7zmipvcsh7-hello"
    assert is_store_path(good)
    for bad in (good + "/x", good + "\n", good[:-6], "/nix/store/" + "e" * 32 + "-x", "/tmp/x", ""):
        assert not is_store_path(bad)
