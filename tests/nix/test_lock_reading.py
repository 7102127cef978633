"""What the locks of gems, pnpm, Yarn and Cargo say, read without their tools."""

from __future__ import annotations

import time

import pytest

from apps.builds.builders.nix import crates, gems, pnpm_lock, yarn_lock

A, B = "a" * 64, "b" * 64
SHA512 = "sha512-" + "A" * 86 + "=="
GEMS = f"""GEM
  remote: https://gems.example/
  specs:
    left (1.0.0)
    right (2.0.0)
      left (~> 1.0)
    right (2.0.0-x86_64-linux)
      left (~> 1.0)
    right (2.0.0-arm64-darwin)
      left (~> 1.0)

CHECKSUMS
  left (1.0.0) sha256={A}
  right (2.0.0) sha256={A}
  right (2.0.0-x86_64-linux) sha256={B}
"""


def test_the_gem_of_this_platform_is_taken() -> None:
    assert [(one.name, one.digest) for one in gems.wanted(GEMS)] == [
        ("left-1.0.0.gem", A),
        ("right-2.0.0-x86_64-linux.gem", B),
    ]


@pytest.mark.parametrize(
    "lock",
    [
        GEMS.replace(f"  left (1.0.0) sha256={A}\n", "  left (1.0.0)\n"),
        GEMS.replace("CHECKSUMS", "OTHERS"),
        f"GIT\n  remote: https://code.example/x\n\n{GEMS}",
        f"PATH\n  remote: engine\n\n{GEMS}",
        "",
    ],
)
def test_gems_that_are_not_all_proven_are_none(lock: str) -> None:
    assert gems.wanted(lock) == []


def test_pnpms_packages_of_this_platform() -> None:
    block = f"  '@scope/name@1.0.0':\n    resolution: {{integrity: {SHA512}}}\n"
    read = pnpm_lock._tarball(block + "    os: [linux]\n    cpu: [x64]\n")
    assert read is not None and (read.name, read.version) == ("@scope/name", "1.0.0")
    assert read.entry.file == "scope-name-1.0.0.tgz" and read.integrity == SHA512
    assert pnpm_lock._tarball(block + "    os: [darwin]\n") is None
    assert pnpm_lock._tarball(block + "    cpu: ['!x64']\n") is None
    older = block.replace("'@scope/name@1.0.0'", "/@scope/name@1.0.0(peer@2.0.0)")
    assert pnpm_lock._tarball(older) == read
    with pytest.raises(ValueError, match="no package of a registry"):
        pnpm_lock._tarball(block.replace("integrity: ", "tarball: https://x, integrity: "))


def test_yarns_name_for_a_file_of_its_mirror() -> None:
    def read(address: str) -> tuple[str, str]:
        block = f'"x@^1":\n  version "1.0.0"\n  resolved "{address}"\n  integrity {SHA512}\n'
        file, tarball = yarn_lock._tarball(block)
        return file, tarball.name

    usual = "https://registry.example"
    assert read(f"{usual}/left/-/left-1.0.0.tgz#abc") == ("left-1.0.0.tgz", "left")
    assert read(f"{usual}/@a/left/-/left-1.0.0.tgz") == ("@a-left-1.0.0.tgz", "@a/left")
    for other in ("https://code.example/x.tar.gz", "git+ssh://code.example/x", f"{usual}/x/-/a b"):
        with pytest.raises(ValueError, match="no registry's"):
            read(other)


def test_crates_of_registries_alone() -> None:
    package = {
        "name": "left",
        "version": "1.0.0+x",
        "source": "registry+https://index.example",
        "checksum": A,
    }
    assert crates._entry(package).name == "left-1.0.0+x.crate"
    for wrong in (
        {"source": "git+https://code.example/x#1"},
        {"name": "../left"},
        {"version": "1.0.0 x"},
        {"checksum": A[:-1]},
    ):
        with pytest.raises(ValueError, match="no package of a registry"):
            crates._entry(package | wrong)
    lock = (
        f'[[package]]\nname = "app"\n\n[[package]]\nname = "left"\nsource = "x"\nchecksum = "{A}"\n'
    )
    assert crates._packages(lock) == [{"name": "left", "source": "x", "checksum": A}]


def test_sources_of_the_tree_are_replaced_in_their_turn() -> None:
    own = '[source.crates-io]\nreplace-with = "mine"\n[source.mine]\nregistry = "https://mine"\n'
    text = crates._sources({".cargo/config.toml": own.encode()}, {"registry+https://other"})
    assert text.split("\n") == [
        "[source.vendored]",
        'directory = "/deps/cargo/vendor"',
        '[source."crates-io"]',
        'replace-with = "vendored"',
        '[source."mine"]',
        'replace-with = "vendored"',
        "[source.registry-0]",
        'registry = "https://other"',
        'replace-with = "vendored"',
        "",
    ]
    known = crates._sources({".cargo/config.toml": own.encode()}, {"registry+https://mine"})
    assert "registry-0" not in known, "Cargo takes no registry twice"


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * 500_000,
        "  " * 500_000,
        "a." * 500_000,
        '"' * 500_000,
        "  @/" * 300_000,
        "[[package]]" * 90_000,
    ],
)
def test_hostile_locks_take_no_long_time(hostile: str) -> None:
    started = time.process_time()
    gems.wanted(f"GEM\n  specs:\n    {hostile}\n\nCHECKSUMS\n  {hostile}")
    crates._packages(f"[[package]]\n{hostile}")
    crates._sources({".cargo/config": hostile.encode()}, set())
    for read in (pnpm_lock._tarball, yarn_lock._tarball):
        with pytest.raises((ValueError, KeyError)):
            read(f"  {hostile}")
    assert time.process_time() - started < 5
