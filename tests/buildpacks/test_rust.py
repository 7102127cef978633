"""Rust: the version, the crates, the programs and which of them is web."""

from __future__ import annotations

import pytest

from buildpacks import plan
from tests.buildpacks.conftest import MakeTree, Refusal, phase_of

Files = dict[str, str | bytes]
MANIFEST = '[package]\nname = "hello"\nversion = "1.0.0"\nrust-version = "1.70"\n'
LOCK = '[[package]]\nname = "left"\nversion = "1.0.0"\nsource = "registry+https://index.example"\n'
BASE: Files = {"Cargo.toml": MANIFEST, "Cargo.lock": LOCK, "src/main.rs": ""}


def test_crates_are_compiled_by_the_lock_and_the_manifests_alone(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE))
    fetch, install = phase_of(made, "fetch"), phase_of(made, "install")
    assert fetch.commands[-1] == "cargo fetch --locked"
    assert fetch.network and fetch.inert and not install.network
    assert fetch.files == install.files == ("Cargo.lock", "Cargo.toml")
    assert install.results == ("/deps/cargo", "target")
    assert "tee -- src/main.rs" in install.commands[0]
    assert "cargo clean --release --locked --offline -p hello" in install.commands[1]
    assert phase_of(made, "build").commands[0] == "cargo build --release --locked --offline"


def test_without_crates_there_is_nothing_to_fetch(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"Cargo.lock": '[[package]]\nname = "hello"\n'}))
    assert [phase.name for phase in made.phases] == ["setup", "build"]


@pytest.mark.parametrize(
    "more",
    [
        {".cargo/config.toml": '[registry]\nglobal-credential-providers = ["x"]\n'},
        {"Cargo.lock": LOCK + 'source = "git+https://code.example/x#1"\n'},
    ],
)
def test_what_runs_programs_is_the_apps_own(make_tree: MakeTree, more: Files) -> None:
    assert not phase_of(plan(make_tree(BASE | more)), "fetch").inert


def test_every_package_of_the_tree_is_seen(make_tree: MakeTree) -> None:
    tree: Files = BASE | {
        "Cargo.toml": MANIFEST
        + '[workspace]\nmembers = ["crates/*"]\n[dependencies]\nother = { path = "other" }\n',
        "crates/one/Cargo.toml": '[package]\nname = "one"\n[lib]\npath = "lib.rs"\n',
        "crates/one/lib.rs": "",
        "crates/notes.md": "",
        "other/Cargo.toml": '[package]\nname = "other"\n[dependencies]\none = { path = "../crates/'
        'one" }\nfar = { path = "../../far" }\n',
        "other/src/lib.rs": "",
    }
    install = phase_of(plan(make_tree(tree)), "install")
    assert install.files == (
        "Cargo.lock",
        "Cargo.toml",
        "crates/one/Cargo.toml",
        "other/Cargo.toml",
    )
    assert "-p hello -p one -p other" in install.commands[1]
    assert "src/main.rs crates/one/lib.rs other/src/lib.rs" in install.commands[0]


@pytest.mark.parametrize(
    ("more", "web"),
    [
        ({}, "hello"),
        ({"src/bin/tool.rs": ""}, "hello"),
        ({"Cargo.toml": f'{MANIFEST}default-run = "tool"\n', "src/bin/tool.rs": ""}, "tool"),
        ({"Cargo.toml": f'{MANIFEST}[[bin]]\nname = "x"\npath = "src/main.rs"\n'}, "x"),
        (
            {
                "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\n',
                "a/Cargo.toml": '[package]\nname = "tool"\n',
                "a/src/main.rs": "",
                "b/Cargo.toml": '[package]\nname = "server"\n',
                "b/src/main.rs": "",
            },
            "server",
        ),
    ],
)
def test_what_is_started(make_tree: MakeTree, more: Files, web: str) -> None:
    assert plan(make_tree(BASE | more)).processes == {"web": f"bin/{web}"}


@pytest.mark.parametrize(
    ("more", "spec", "source"),
    [
        ({}, ">=1.70", "rust-version of Cargo.toml"),
        ({"rust-toolchain": "1.75.0\n"}, "1.75.0", "rust-toolchain"),
        ({"rust-toolchain.toml": '[toolchain]\nchannel = "1.75"\n'}, "1.75", "rust-toolchain.toml"),
        ({"rust-toolchain": "stable\n"}, ">=1.70", "rust-version of Cargo.toml"),
        (
            {"nixpacks.toml": '[variables]\nNIXPACKS_RUST_VERSION = "1.80"\n'},
            "1.80",
            "NIXPACKS_RUST_VERSION",
        ),
    ],
)
def test_the_version(make_tree: MakeTree, more: Files, spec: str, source: str) -> None:
    (pin,) = plan(make_tree(BASE | more)).pins
    assert (pin.tool, pin.spec, pin.source) == ("rust", spec, source)


def test_without_a_version_there_is_a_warning(make_tree: MakeTree) -> None:
    made = plan(make_tree(BASE | {"Cargo.toml": '[package]\nname = "hello"\n'}))
    assert made.pins[0].spec == "" and "No Rust version" in made.warnings[0]


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"Cargo.toml": MANIFEST, "src/main.rs": ""}, "There is no Cargo.lock"),
        ({"Cargo.toml": MANIFEST, "Cargo.lock": LOCK}, "There is no program to build"),
        (BASE | {"rust-toolchain": "nightly\n"}, '"nightly" is not a released version of Rust'),
        (BASE | {"Cargo.toml": '[package]\nname = "-p x"\n'}, "is not the name of a package"),
        (BASE | {"Cargo.toml": "[package\n"}, "not valid TOML"),
    ],
)
def test_what_is_refused(refusal: Refusal, files: Files, what: str) -> None:
    assert what in refusal(files).what


def test_too_many_packages(refusal: Refusal) -> None:
    members = {f"crates/p{n}/Cargo.toml": f'[package]\nname = "p{n}"\n' for n in range(201)}
    files: Files = {**BASE, **members}
    files["Cargo.toml"] = '[workspace]\nmembers = ["crates/*"]\n'
    assert "more than 200 packages" in refusal(files).what
