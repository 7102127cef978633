"""Hostile repositories: what evaluating them cannot do, and what their authors are told."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.builds.builders.base import BuildCancelled, BuildFailed
from apps.builds.builders.nix import evaluation, handover
from apps.builds.builders.nix.evaluation import Request
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from paas.nix.errors import NixError
from tests.nix.repository import EXPRESSIONS, REVISION, Repository

APP = '{{ pkgs }}: pkgs.runCommand "app" {{ value = {}; }} "mkdir $out"'


@pytest.fixture
def service() -> Iterator[tuple[int, list[object]]]:
    """A service of the machine's on loopback: its port, and who has come."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                came.append(address)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


# --- files of the machine -----------------------------------------------------
@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("builtins.readFile /etc/passwd", "wants to read /etc/passwd"),
        ('builtins.readFile "/etc/passwd"', "wants to read /etc/passwd"),
        ('builtins.readFile (/. + "@HOME@/keys/secret")', "wants to read @HOME@/keys/secret"),
        ("builtins.readFile ./link", "wants to read /etc/passwd"),
        ("builtins.readFile ./folder/passwd", "wants to read /etc/passwd"),
        ("builtins.readFile ../../etc/passwd", "wants to read /etc/passwd"),
        ("import ./code", "wants to read /etc/os-release"),
        ("builtins.readFile ./chain", "wants to read /etc/passwd"),
        ("builtins.readFile ./up/etc/passwd", "wants to read /etc/passwd"),
        ('builtins.readFile (./. + "/../etc/passwd")', "wants to read /etc/passwd"),
        ("builtins.readFile /proc/self/environ", "wants to read /proc/self/environ"),
        ("builtins.readFile ./environ", "/environ"),
        ("builtins.readFile /proc/self/root/etc/passwd", "root/etc/passwd"),
        ("builtins.readFile /dev/stdin", "wants to read /dev/stdin"),
        ("builtins.readDir /.", "wants to read /"),
        ("builtins.path { path = /etc; }", "wants to read /etc"),
        ('"${/etc/passwd}"', "wants to read /etc/passwd"),
        ("builtins.filterSource (_: _: true) /etc", "wants to read /etc"),
        ('builtins.hashFile "sha256" /etc/passwd', "wants to read /etc/passwd"),
        ("import /opt/paas/init.py", "wants to read /opt/paas/init.py"),
        ('builtins.storePath "/nix/store/@HASH@-x"', "wants to read /nix/store/@HASH@-x"),
    ],
)
def test_files_of_the_machine_are_not_read(repository: Repository, value: str, what: str) -> None:
    home = str(repository.instance.home)
    (repository.instance.home / "keys").mkdir(mode=0o700, exist_ok=True)
    (repository.instance.home / "keys" / "secret").write_text("canary-7261")
    for old, new in (("@HOME@", home), ("@HASH@", "a" * 32)):
        value, what = value.replace(old, new), what.replace(old, new)
    links = {
        **{"link": "/etc/passwd", "folder": "/etc", "code": "/etc/os-release", "up": "../.."},
        **{"chain": "link", "environ": "/proc/self/environ"},
    }
    error = repository.refused("default", APP.format(value), links=links)
    assert error.what.endswith(what)
    assert "canary" not in f"{error.what}{error.why}{repository.log}"


def test_a_link_out_of_the_tree_stays_a_link(repository: Repository) -> None:
    """What is added to the store is the link, never what it leads to."""
    secret = repository.instance.home / "secret"
    secret.write_text("canary-7261")
    found = repository.evaluate("default", APP.format("./."), links={"link": str(secret)})
    handover.take(repository.store, found)
    folder = repository.store.physical("/nix/store")
    (link,) = folder.glob("*-app/link")
    assert link.is_symlink() and link.readlink() == secret


def test_there_is_nothing_else_to_see(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Nix does not restrict: the sandbox has neither the panel's files nor its variables."""
    monkeypatch.setenv("PAAS_CANARY", "canary-7261")
    variables = ["PAAS_CANARY", "HOME", "PATH", "NIX_CONFIG"]
    devenv = (
        "{ env = builtins.listToAttrs (map (name: { inherit name; value = builtins.getEnv name; })"
    )
    devenv += f" {json.dumps(variables).replace(',', '')}); }}"
    environment = repository.said("devenv", devenv)["environment"]
    assert [environment[name] for name in variables] == ["", "", "", ""]
    home = repository.instance.home
    error = repository.refused(
        "default", APP.format(f'builtins.fetchTree {{ type = "path"; path = "{home}"; }}')
    )
    assert "canary" not in error.why


# --- the network ---------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        'builtins.fetchurl "http://127.0.0.1:@PORT@/x"',
        'builtins.fetchurl { url = "http://127.0.0.1:@PORT@/x"; sha256 = "@SHA@"; }',
        'builtins.fetchTarball "http://127.0.0.1:@PORT@/x.tar.gz"',
        'builtins.fetchTarball { url = "http://127.0.0.1:@PORT@/x.tar.gz"; sha256 = "@SHA@"; }',
        'builtins.fetchGit "http://127.0.0.1:@PORT@/x.git"',
        'builtins.fetchGit { url = "ssh://127.0.0.1:@PORT@/x.git"; rev = "@REV@"; }',
        'builtins.fetchGit "git://127.0.0.1:@PORT@/x.git"',
        'builtins.fetchMercurial "http://127.0.0.1:@PORT@/x"',
        'builtins.fetchTree { type = "tarball"; url = "http://127.0.0.1:@PORT@/x.tar"; }',
        '(builtins.getFlake "http://127.0.0.1:@PORT@/x.tar").outPath',
        '(builtins.getFlake "git+http://127.0.0.1:@PORT@/x.git").outPath',
        '(builtins.getFlake "path:/etc").outPath',
        '(builtins.getFlake "git+file:///etc").outPath',
        'builtins.fetchGit "/etc"',
        'builtins.fetchTree { type = "git"; url = "file:///etc"; }',
        'builtins.fetchTree { type = "indirect"; id = "nixpkgs"; }',
        'builtins.fetchurl "file:///etc/passwd"',
    ],
)
def test_nothing_is_fetched(
    repository: Repository, service: tuple[int, list[object]], value: str
) -> None:
    port, came = service
    for old, new in (("@PORT@", str(port)), ("@SHA@", "0" * 64), ("@REV@", REVISION)):
        value = value.replace(old, new)
    error = repository.refused("default", APP.format(value))
    assert not came
    assert "wants to" in error.what or "cannot be evaluated" in error.what


# --- building while evaluating --------------------------------------------------
_DRV = '(pkgs.writeText "x.nix" "1 + 1")'


@pytest.mark.parametrize(
    "value",
    [
        f"import {_DRV}",
        f"builtins.readFile {_DRV}",
        f"builtins.readDir {_DRV}",
        f"builtins.pathExists {_DRV}",
    ],
)
def test_nothing_is_built_while_it_is_evaluated(repository: Repository, value: str) -> None:
    error = repository.refused("default", APP.format(value))
    assert error.what.endswith("imports from a derivation")


def test_a_flake_cannot_allow_itself_more(repository: Repository) -> None:
    flake = """{
      nixConfig = { allow-import-from-derivation = true; sandbox = false; restrict-eval = false; };
      outputs = { self, nixpkgs }: let pkgs = nixpkgs.legacyPackages.x86_64-linux; in {
        packages.x86_64-linux.default =
          pkgs.writeText (import (pkgs.writeText "x.nix" "builtins.currentSystem")) "";
      };
    }"""
    error = repository.refused("flake", flake)
    assert error.what.endswith("imports from a derivation")
    assert "whatever its nixConfig says" in error.why


def test_configuration_in_the_tree_is_not_read(repository: Repository) -> None:
    """Neither as Nix' own files nor as a home folder's: plugins would be code in the evaluator."""
    conf = (
        "plugin-files = /app/evil.so\nallow-import-from-derivation = true\n"
        "allow-unsafe-native-code-during-evaluation = true\nrestrict-eval = false\n"
    )
    files = dict.fromkeys(("nix.conf", ".config/nix/nix.conf", "etc/nix/nix.conf"), conf)
    files["evil.so"] = "no library: to load it would fail"
    said = repository.said("default", APP.format('"1"'), files=files)
    assert said["processes"]["web"]
    error = repository.refused("default", APP.format("builtins.readFile /etc/passwd"), files=files)
    assert "wants to read" in error.what
    error = repository.refused("default", APP.format('builtins.exec [ "id" ]'), files=files)
    assert "'exec' missing" in error.what


@pytest.mark.parametrize("value", ['builtins.exec [ "id" ]', 'builtins.importNative ./x "y"'])
def test_no_code_of_the_machine_is_run(repository: Repository, value: str) -> None:
    assert "missing" in repository.refused("default", APP.format(value)).what


# --- without end ----------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        "let a = a; in a",
        "let f = x: 1 + f x; in toString (f 1)",
        "let a = { b = a.b; }; in a.b",
        "builtins.toJSON (let a = [ a ]; in a)",
    ],
)
def test_a_recursion_without_end_is_told(repository: Repository, value: str) -> None:
    error = repository.refused("default", APP.format(value))
    assert error.what.endswith("recurses without end")


def test_memory_is_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    bounded = evaluation.LIMITS.__class__(**{**vars(evaluation.LIMITS), "memory_mb": 256})
    monkeypatch.setattr(evaluation, "LIMITS", bounded)
    value = "toString (builtins.length (builtins.genList (x: x) 2000000000))"
    bomb = 'builtins.foldl\' (a: _: a + a) "0123456789" (builtins.genList (x: x) 40)'
    for one in (value, bomb):
        error = repository.refused("default", APP.format(one))
        assert error.what.endswith("takes too much memory"), one


def test_time_is_bounded(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "TIME_LIMIT", 1.0)
    value = "toString (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: builtins.foldl'"
    value += " (a: b: a + b) 0 (builtins.genList (y: y) 1000000)) 1000000))"
    error = repository.refused("default", APP.format(value))
    assert error.what == "The evaluation took longer than 1 seconds"


def test_it_can_be_cancelled(repository: Repository) -> None:
    value = "toString (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 400000000))"
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    job = repository.job({"default.nix": APP.format(value)})
    guard = Guard(cancel, repository.instance.home)
    with pytest.raises(BuildCancelled):
        evaluation.evaluate(
            repository.instance,
            job,
            Request("default", EXPRESSIONS, "debian", REVISION),
            BuildLog(print),
            guard,
        )
    assert not evaluation.folder(job).exists()


def test_a_flood_of_traces_is_cut(repository: Repository) -> None:
    value = 'builtins.foldl\' (a: b: builtins.trace "@" a) "x" (builtins.genList (x: x) 100000)'
    repository.said("default", APP.format(value.replace("@", "y" * 500)))
    assert sum(len(line) for line in repository.log) < 9 * 1024 * 1024
    assert "prints too much" in repository.log[-1]


def test_a_trace_cannot_name_the_result(repository: Repository) -> None:
    path = f"/nix/store/{'a' * 32}-evil.drv"
    found = repository.evaluate("default", APP.format(f'builtins.trace "\\n{path}" "1"'))
    assert found.derivation != path


# --- names ----------------------------------------------------------------------
def test_file_names_may_hold_anything(repository: Repository) -> None:
    files = {
        'src/it\'s "quoted".txt': "a",
        'src/${builtins.abort "x"}': "b",
        "src/line\nbreak": "c",
        "src/''${x}'' $(id) `id`": "d",
        "src/ünï.txt": "e",
    }
    found = repository.evaluate("default", APP.format("./src"), files=files)
    handover.take(repository.store, found)
    (added,) = repository.store.physical("/nix/store").glob("*-src")
    assert sorted(path.name for path in added.iterdir()) == sorted(
        name.removeprefix("src/") for name in files
    )


# --- into the store --------------------------------------------------------------
def _evaluated(repository: Repository) -> evaluation.Evaluated:
    return repository.evaluate("default", APP.format('"1"'))


def _infos(found: evaluation.Evaluated) -> dict[str, Path]:
    texts = {path: path.read_text() for path in found.cache.glob("*.narinfo")}
    return {text.split("\n")[0].removeprefix("StorePath: "): path for path, text in texts.items()}


def test_only_paths_named_after_their_contents_are_taken(repository: Repository) -> None:
    found = _evaluated(repository)
    info = _infos(found)[found.derivation]
    info.write_text("".join(f"{x}\n" for x in info.read_text().split("\n") if "CA:" not in x))
    with pytest.raises(BuildFailed, match="not accepted") as caught:
        handover.take(repository.store, found)
    assert "not named after its contents" in caught.value.why
    assert not repository.paths()


def test_the_name_is_computed_again(repository: Repository) -> None:
    """A file under another's name: the evaluator's word for it counts nothing."""
    found = _evaluated(repository)
    infos = _infos(found)
    one, other = sorted(path for path in infos if path.endswith(".drv"))[:2]
    swapped = infos[one].read_text().split("\n")
    told = dict(line.split(": ", 1) for line in infos[other].read_text().split("\n") if line)
    for number, line in enumerate(swapped):
        key = line.split(": ")[0]
        if key in ("URL", "FileHash", "FileSize", "NarHash", "NarSize"):
            swapped[number] = f"{key}: {told[key]}"
    infos[one].write_text("\n".join(swapped))
    with pytest.raises(NixError):
        handover.take(repository.store, found)
    assert not repository.store.is_valid(one)


def test_inputs_that_it_does_not_bring_are_refused(repository: Repository) -> None:
    """Somebody else's path in the store, named as an input."""
    found = _evaluated(repository)
    info = _infos(found)[found.derivation]
    foreign = f"{'a' * 32}-another-app"
    info.write_text(info.read_text().replace("References: ", f"References: {foreign} "))
    with pytest.raises(BuildFailed) as caught:
        handover.take(repository.store, found)
    assert foreign in caught.value.why
