"""default.nix and flake.nix: what is read out of them; and derivations that are not built."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.builds.builders.base import BuildFailed
from apps.builds.builders.nix import downloads, handover
from apps.builds.builders.nix.inspection import inspect
from apps.builds.builders.output import BuildLog
from apps.builds.builders.steps import Guard
from tests.files_server import Files, files_server
from tests.nix.repository import Repository
from tests.nix.stores import unusable

_DERIVATION = """{{ pkgs, system, ... }}: derivation ({{
  name = "bad"; inherit system; builder = "${{pkgs.bash}}/bin/bash"; args = [ "-c" "echo > $out" ];
}} // {{ {} }})"""
_FLAKE = """{{
  inputs = {{ {} }};
  outputs = {{ self, nixpkgs, ... }}@inputs: let pkgs = nixpkgs.legacyPackages.x86_64-linux; in {{
    {}
  }};
}}"""
_HASH = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


# --- default.nix -----------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "{ pkgs }: @",
        "{ pkgs ? import <nixpkgs> { }, system, lib, unused ? 1, ... }: @",
        "let pkgs = import <nixpkgs> { }; in @",
        "{ pkgs }: { default = @; other = 1; }",
        '{ pkgs }: { paas = @; default = throw "not this one"; }',
        "{ pkgs }: pkgs.callPackage ({ runCommand, bash }: @) { }",
        "import ./nested.nix",
    ],
)
def test_the_package_is_found(repository: Repository, text: str) -> None:
    package = 'pkgs.runCommand "hello-1.0" { } "mkdir $out"'
    package = package if "callPackage" not in text else package.replace("pkgs.", "")
    files = {"nested.nix": f"{{ pkgs }}: {package}"}
    said = repository.said("default", text.replace("@", f"({package})"), files=files)
    assert set(said["processes"]) == {"web"}
    (folder,) = said["path"]
    assert folder.endswith("-hello-1.0/bin")


def test_the_program_is_the_packages_own(repository: Repository) -> None:
    text = """{ pkgs }: pkgs.stdenv.mkDerivation (final: {
      pname = "site"; version = "2"; dontUnpack = true; installPhase = "mkdir $out";
      passthru.processes = { web = "site --port $PORT"; worker = "site work"; };
      meta.mainProgram = "never";
    })"""
    assert set(repository.said("default", text)["processes"]) == {"web", "worker"}


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("{ pkgs }: { }", "default.nix: gives no package", "It gives a set with ."),
        ("{ pkgs }: { a = 1; b = 2; }", "default.nix: gives no package", "a, b"),
        ("3", "default.nix: gives no package", "a int"),
        ("{ nothing }: 1", "default.nix: asks for the argument nothing", "lib, pkgs, system"),
        ("{ pkgs }: pkgs.jqq", "'jqq' missing", "Nearest to it: jq."),
        ("{ pkgs }: with pkgs; jqq", "'jqq'", "Nearest to it: jq."),
        ("{ pkgs }: {", "default.nix:1: cannot be evaluated", "syntax error"),
        ("{ pkgs }: pkgs.mkShell { }", "a shell is no app", "nothing that runs"),
        (
            '{ pkgs }: pkgs.fetchurl { url = "http://x/"; sha256 = ""; }',
            "fetchurl of http://x/ has no hash",
            "only if it is known",
        ),
        ('{ pkgs }: throw "paas-refusal:{}"', "cannot be evaluated", "paas-refusal:{}"),
        ('{ pkgs }: abort "on purpose"', "cannot be evaluated", "on purpose"),
        (
            '{ pkgs }: pkgs.fetchzip { url = "http://x/"; sha256 = ""; }',
            "fetchzip wants to download something",
            "without a network",
        ),
        (
            '{ pkgs }: pkgs.runCommand "a" { passthru.processes.web = 1; } ""',
            "default.nix: processes.web must be a text",
            "command",
        ),
    ],
)
def test_what_is_wrong_is_told(repository: Repository, text: str, what: str, why: str) -> None:
    error = repository.refused("default", text)
    assert what in error.what
    assert why in error.why


# --- flake.nix --------------------------------------------------------------------
_HELLO = 'pkgs.runCommand "hello" { } "mkdir $out"'


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ("", f"packages.x86_64-linux.default = {_HELLO};"),
        ("", f'packages.x86_64-linux = {{ paas = {_HELLO}; default = throw "not"; }};'),
        ("", f"defaultPackage.x86_64-linux = {_HELLO};"),
        ("", f"legacyPackages.x86_64-linux.paas = {_HELLO};"),
        (
            'nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";',
            f"packages.x86_64-linux.default = {_HELLO};",
        ),
        (
            'nixpkgs = { type = "github"; owner = "NixOS"; repo = "nixpkgs"; };',
            f"packages.x86_64-linux.default = {_HELLO};",
        ),
        (
            'utils.url = "github:numtide/flake-utils";',
            f"inherit (inputs.utils.lib.eachDefaultSystem (system: {{ packages.default = {_HELLO};"
            " })) packages;",
        ),
        (
            'systems.url = "github:nix-systems/default";',
            "packages = nixpkgs.lib.genAttrs (import inputs.systems) (system:"
            f" {{ default = {_HELLO}; }});",
        ),
        (
            'unused.url = "github:someone/something";',
            f"packages.x86_64-linux.default = {_HELLO}; checks = inputs.unused.checks;",
        ),
    ],
)
def test_a_flakes_package_is_found(repository: Repository, inputs: str, outputs: str) -> None:
    said = repository.said("flake", _FLAKE.format(inputs, outputs))
    assert [folder.partition("-")[2] for folder in said["path"]] == ["hello/bin"]


def test_a_flake_knows_itself(repository: Repository) -> None:
    outputs = """packages.x86_64-linux.default = pkgs.runCommand "hello" {
      passthru.processes.web = "echo ${self}/data ${self.rev} ${self.shortRev}"
        + " ${toString self.lastModified} ${builtins.readFile (self + "/data")}";
    } "";"""
    found = repository.evaluate("flake", _FLAKE.format("", outputs), files={"data": "content"})
    drvs = [path.read_text() for path in found.cache.parent.glob("scratch/nix/store/*.drv")]
    (text,) = [text for text in drvs if "process-web" in text.split('("name",')[-1][:40]]
    assert "-app/data 0123456789abcdef0123456789abcdef01234567 0123456 1 content" in text


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("{ }", "flake.nix: has no outputs", "a function `outputs`"),
        (_FLAKE.format("", "devShells = { };"), "has no package for an app", "devShells"),
        (
            _FLAKE.format(
                'other.url = "github:someone/thing";',
                "packages.x86_64-linux.default = inputs.other.packages.x86_64-linux.default;",
            ),
            "flake.nix: the input other cannot be had",
            "It is github:someone/thing",
        ),
    ],
)
def test_a_wrong_flake_is_told(repository: Repository, text: str, what: str, why: str) -> None:
    error = repository.refused("flake", text)
    assert what in error.what
    assert why in error.why


def test_an_input_is_named_by_its_lock(repository: Repository) -> None:
    lock = {
        "nodes": {
            "thing_2": {"original": {"owner": "someone", "repo": "thing", "type": "github"}},
            "root": {"inputs": {"other": "thing_2"}},
        },
        "root": "root",
    }
    outputs = "packages.x86_64-linux.default = inputs.other.packages.x86_64-linux.default;"
    error = repository.refused(
        "flake",
        "{ outputs = { self, nixpkgs, other }@inputs: {" + outputs + "}; }",
        files={"flake.lock": json.dumps(lock)},
    )
    assert "It is someone/thing" in error.why


# --- the package set of nixpkgs --------------------------------------------------------
_NIXPKGS = """{ system, config, overlays }:
let
  debian = import @EXPRESSIONS@/packages/debian { inherit system; };
  versioned = package: package // { version = "1.0"; };
in
debian.named // {
  lib = import @EXPRESSIONS@/devenv/lib.nix // { fromNixpkgs = "yes"; };
  stdenv.mkDerivation = throw "not needed";
  python3 = versioned debian.python;
  python313 = versioned debian.python;
  helper = builtins.readFile ./helper;
}"""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("default", "{ pkgs }: assert pkgs.lib.fromNixpkgs == pkgs.helper; pkgs.jq"),
        ("default", 'assert (import <nixpkgs> { }).helper == "yes"; (import <nixpkgs> { }).jq'),
        (
            "devenv",
            '{ pkgs, lib, ... }: { packages = lib.optional (pkgs.helper == "yes") pkgs.jq; }',
        ),
    ],
)
def test_nixpkgs_is_read_where_it_lies(
    repository: Repository, tmp_path: Path, kind: str, text: str
) -> None:
    """A stand-in of its shape: it is not copied, and nothing of it is hidden."""
    folder = tmp_path / "nixpkgs"
    folder.mkdir()
    (folder / "helper").write_text("yes")
    (folder / "default.nix").write_text(_NIXPKGS.replace("@EXPRESSIONS@", "/opt/paas/nix"))
    repository.use_nixpkgs(folder)
    said = repository.said(kind, text)
    (path,) = said["path"]
    assert path.partition("-")[2].startswith("jq-")


# --- derivations that are not built --------------------------------------------------
@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ("__noChroot = true;", "(`__noChroot`)"),
        ("__structuredAttrs = true; __noChroot = true;", "(`__noChroot`)"),
        (
            f'outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "{_HASH}";'
            ' url = "http://127.0.0.1:1/metadata";',
            "is a download from http://127.0.0.1:1/metadata",
        ),
        (f'outputHashMode = "recursive"; outputHash = "{_HASH}";', "is a download"),
        (
            f'builder = "/missing-source"; from = "pypi"; pname = "--index-url=http://127.0.0.1";'
            f' version = "1"; outputHash = "{_HASH}";',
            "is a download",
        ),
        (
            f'builder = "builtin:fetchurl"; url = "file:///etc/shadow"; outputHash = "{_HASH}";',
            "is a download from file:///etc/shadow",
        ),
        ('builder = "builtin:fetchurl"; url = "file:///etc/shadow";', "is built by builtin:fetch"),
        ('builder = "/bin/sh";', "is built by /bin/sh"),
        ('requiredSystemFeatures = [ "kvm" ];', "requires kvm"),
        ('requiredSystemFeatures = [ "recursive-nix" ];', "requires recursive-nix"),
        (
            '__structuredAttrs = true; requiredSystemFeatures = [ "uid-range" ];',
            "requires uid-range",
        ),
        (
            f'__structuredAttrs = true; outputHashMode = "recursive"; outputHash = "{_HASH}";'
            ' url = "http://127.0.0.1:1/metadata";',
            "is a download",
        ),
        (f'outputHashMode = "flat"; outputHash = "{_HASH}"; impureEnvVars = [ "X" ];', "download"),
        (f'outputHashAlgo = "sha1"; outputHash = "{"a" * 40}";', "is a download"),
        (f'outputHashAlgo = "md5"; outputHash = "{"a" * 32}";', "is a download"),
        ('__impureHostDeps = [ "/etc/shadow" ];', "asks for /etc/shadow of the machine"),
        (
            '__structuredAttrs = true; __impureHostDeps = [ "/root" ];',
            "asks for /root of the machine",
        ),
        ('system = "aarch64-darwin";', "is for aarch64-darwin"),
        ('system = "builtin"; builder = "builtin:unpack-channel";', "is built by builtin:unpack"),
    ],
)
def test_a_derivation_that_wants_more_is_refused(
    repository: Repository, attributes: str, why: str
) -> None:
    error = repository.unbuilt("default", _DERIVATION.format(attributes))
    assert error.what == "The repository's Nix wants more than a build may"
    assert "The derivation bad " in error.why
    assert why in error.why


def test_one_deep_inside_is_refused_too(repository: Repository) -> None:
    bad = 'derivation { name = "bad"; inherit system; builder = "/bin/sh"; __noChroot = true; }'
    text = f'{{ pkgs, system }}: pkgs.runCommand "a" {{ b = "${{{bad}}}"; }} "mkdir $out"'
    assert "The derivation bad " in repository.unbuilt("default", text).why


@pytest.mark.parametrize(
    "text",
    [
        f'import <nix/fetchurl.nix> {{ url = "http://127.0.0.1:1/x"; sha256 = "{_HASH}"; }}',
        f'import <nix/fetchurl.nix> {{ url = "file:///etc/shadow"; sha256 = "{_HASH}"; }}',
    ],
)
def test_nixs_own_fetcher_is_refused(repository: Repository, text: str) -> None:
    package = 'pkgs.runCommand "a" { b = ' + f"{text}" + '; } "mkdir $out"'
    assert "is a download from" in repository.unbuilt("default", f"{{ pkgs }}: {package}").why


@pytest.mark.parametrize("where", ["path:/etc", "path:../sibling", "git+file:///root/x", "./sub"])
def test_a_flakes_input_from_the_machine_is_refused(repository: Repository, where: str) -> None:
    inputs = f'other.url = "{where}";'
    outputs = 'packages.x86_64-linux.default = pkgs.writeText "a" (toString inputs.other);'
    error = repository.refused("flake", _FLAKE.format(inputs, outputs), files={"sub/flake.nix": ""})
    assert error.what == "flake.nix: the input other cannot be had"
    assert f"It is {where}" in error.why


@pytest.mark.parametrize(
    ("attributes", "feature"),
    [
        ("__impure = true;", "impure-derivations"),
        (
            '__contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";',
            "ca-derivations",
        ),
    ],
)
def test_experimental_features_are_off(
    repository: Repository, attributes: str, feature: str
) -> None:
    error = repository.refused("default", _DERIVATION.format(attributes))
    assert error.what.endswith(f"uses {feature}, an experimental feature of Nix")


# --- downloads --------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    with files_server(tmp_path, monkeypatch) as found:
        yield found


def _archive() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo("site-1.0/index.html")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    return data.getvalue()


def _fetching(url: str, promised: str) -> str:
    return f"""{{ pkgs }}: pkgs.stdenv.mkDerivation {{
      name = "site"; src = pkgs.fetchurl {{ url = "{url}"; {promised} }};
      installPhase = "mkdir -p $out/bin; cp index.html $out/bin/";
    }}"""


@pytest.mark.skipif(bool(unusable()), reason=unusable() or "-")
def test_a_file_is_downloaded_for_a_build(repository: Repository, files: Files) -> None:
    data = _archive()
    url = files.put("/site-1.0.tar.gz", data)
    digest = hashlib.sha256(data)
    hashes = [
        f'sha256 = "{digest.hexdigest()}";',
        f'hash = "sha256-{base64.b64encode(digest.digest()).decode()}";',
    ]
    for promised in hashes:
        found = repository.described("default", _fetching(url, promised))
        (folder,) = found.path
        assert (repository.store.physical(folder) / "index.html").read_text() == "hello"
    assert files.asked == ["/site-1.0.tar.gz"], "what the store has is not asked for again"
    assert any(f"Downloading site-1.0.tar.gz ({url})" in line for line in repository.log) is False
    sha512 = f'sha512 = "{hashlib.sha512(data).hexdigest()}";'
    repository.described("default", _fetching(url, sha512))
    assert any(f"Downloading site-1.0.tar.gz ({url})" in line for line in repository.log)


def test_a_download_that_cannot_be_had_is_told(repository: Repository, files: Files) -> None:
    url = files.put("/a", b"changed since")
    promised = f'sha256 = "{"0" * 64}";'
    error = repository.unbuilt("default", _fetching(url, promised))
    assert error.what == "a is not what its hash says" and "0" * 64 in error.why
    error = repository.unbuilt("default", _fetching(files.url("/gone"), promised))
    assert error.what == "gone could not be downloaded" and "answers 404" in error.why


def test_the_machine_is_not_downloaded_from(repository: Repository) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        url = f"https://localhost:{server.getsockname()[1]}/metadata"
        error = repository.unbuilt("default", _fetching(url, f'sha256 = "{"0" * 64}";'))
        assert "localhost is not on the internet" in error.why
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_download_is_never_built(repository: Repository, files: Files) -> None:
    """Its builder would have the network: it is not run, whatever it is."""
    url = files.put("/a", b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    text = f"""{{ pkgs, system }}: pkgs.runCommand "b" {{
      a = derivation {{
        name = "a"; inherit system; url = "{url}"; outputHashMode = "flat";
        outputHashAlgo = "sha256"; outputHash = "{digest}";
        builder = "${{pkgs.bash}}/bin/bash"; args = [ "-c" "exit 1" ];
      }};
    }} "mkdir $out\""""
    found = repository.evaluate("default", text)
    handover.take(repository.store, found)
    trusted = repository.packages.sources
    inspected = inspect(repository.store, found.derivation, trusted)
    assert [one.url for one in inspected.downloads] == [url]
    log = BuildLog(repository.log.append)
    guard = Guard(threading.Event(), repository.instance.home)
    downloads.fetch(repository.store, inspected.downloads, log, guard)
    (one,) = inspected.downloads
    assert repository.store.physical(one.path).read_bytes() == b"content"
    left = inspect(repository.store, found.derivation, trusted)
    assert left.downloads == () and len(left.unbuilt) == len(inspected.unbuilt) - 1


# --- built ----------------------------------------------------------------------------
@pytest.mark.skipif(bool(unusable()), reason=unusable() or "-")
def test_a_build_has_neither_network_nor_machine(repository: Repository) -> None:
    """What the derivation may do: see its inputs, and nothing else."""
    secret = repository.instance.home / "secret"
    secret.write_text("canary-7261")
    text = """{ pkgs }: pkgs.runCommand "probe" { } ''
      mkdir -p $out/bin
      ls / > $out/root; env > $out/environment; cat /proc/net/dev > $out/network || true
      cat @SECRET@ > $out/secret 2>&1 || true
      { : < /dev/tcp/127.0.0.1/80; } 2> $out/connection || true
    ''"""
    found = repository.described("default", text.replace("@SECRET@", str(secret)))
    (folder,) = found.path
    probe = repository.store.physical(folder).parent
    assert "canary" not in (probe / "secret").read_text()
    assert set((probe / "root").read_text().split()) <= {
        "bin",
        "build",
        "dev",
        "etc",
        "nix",
        "proc",
        "tmp",
    }
    assert "PAAS" not in (probe / "environment").read_text()
    assert {
        line.split(":")[0].strip() for line in (probe / "network").read_text().splitlines()[2:]
    } <= {"lo"}
    assert found.plan.processes == {"web": found.plan.processes["web"]}
    script = repository.store.physical(found.plan.processes["web"]).read_text()
    assert script.endswith(f"exec {folder}/probe\n")


@pytest.mark.skipif(bool(unusable()), reason=unusable() or "-")
@pytest.mark.parametrize(
    "attribute",
    [
        'exportReferencesGraph = [ "graph" "@PATH@" ];',
        '__structuredAttrs = true; exportReferencesGraph.graph = [ "@PATH@" ];',
        'from = "@PATH@";',
    ],
)
def test_another_apps_path_is_not_seen(repository: Repository, attribute: str) -> None:
    """Its name alone, learned somewhere, opens nothing: it is no input."""
    secret = repository.instance.home / "another-app"
    secret.write_text("canary-7261")
    path = repository.store.add(secret)
    text = (
        _DERIVATION.format(attribute.replace("@PATH@", path))
        .replace("echo > $out", 'IFS= read -r x < @PATH@; echo \\"\\${x-}\\" > $out || echo > $out')
        .replace("@PATH@", path)
    )
    try:
        found = repository.described("default", text)
    except BuildFailed as error:
        assert "not in the input closure" in f"{error.why}{repository.log}"
    else:
        (folder,) = found.path
        built = repository.store.physical(folder).parent
        assert "canary" not in built.read_text()
    assert "canary" not in "".join(repository.log)
