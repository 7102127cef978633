"""Which Nix store an instance uses, and how Nix behaves there.

| variable | what |
|---|---|
| `PAAS_NIX_STORE` | folder of a store of its own: `<folder>/nix/store`; default: the machine's |
| `PAAS_NIX_SUBSTITUTERS` | caches to fetch from instead of building, separated by spaces |
| `PAAS_NIX_TRUSTED_KEYS` | the public keys that sign what they offer (`name:base64`) |

Nothing else configures it: not `/etc/nix/nix.conf`, not the user's files, not
`NIX_CONFIG`. Where Nix's daemon runs, builds are its work and obey its own
configuration in what is not ours to say (sandbox, build users).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from paas.instance import Instance, make_private
from paas.nix import builders, files
from paas.nix.errors import NixUnavailable

MACHINE = "/nix"
_DAEMON_SOCKET = f"{MACHINE}/var/nix/daemon-socket/socket"
# Nobody is there to be asked for a password, or whether a host is the right one.
_SSH = "-oBatchMode=yes -oConnectTimeout=10"
_MIB = 1024 * 1024
_MIN_FREE, _MAX_FREE = 1024 * _MIB, 4096 * _MIB
# Of the panel's environment, what Nix and git under it need.
_INHERITED = (
    *("PATH", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)


@dataclass(frozen=True)
class Config:
    """Where Nix works for an instance.

    Args:
        home: Nix's corner of `PAAS_HOME`: `conf/` and `roots/`.
        owner: the `PAAS_HOME`, from which the users of builders follow.
        cache: what Nix may lose (evaluations, downloads of flakes).
        directory: the folder of a store of its own; None is the machine's.
        daemon: all goes through the machine's Nix daemon.
    """

    home: Path
    owner: Path
    cache: Path
    directory: Path | None
    daemon: bool
    substituters: tuple[str, ...] = ()
    trusted_keys: tuple[str, ...] = ()

    @property
    def conf(self) -> Path:
        """The `NIX_CONF_DIR`."""
        return self.home / "conf"

    @property
    def remote(self) -> str:
        """The store as Nix names it (`NIX_REMOTE`, `--store`)."""
        if self.directory is not None:
            return str(self.directory)
        return "daemon" if self.daemon else "local"

    def environment(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """All that a Nix command gets to know."""
        env = os.environ if environ is None else environ
        return {
            **{name: env[name] for name in _INHERITED if env.get(name)},
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.cache),
            "NIX_CONF_DIR": str(self.conf),
            "NIX_USER_CONF_FILES": "",
            "NIX_REMOTE": self.remote,
            "NIX_PATH": "",
            "NIX_SSHOPTS": f"{_SSH} {env.get('NIX_SSHOPTS', '')}".strip(),
            **self._search_path(env),
        }

    @property
    def _as_root(self) -> bool:
        """Nix's builders are ours to start, and to make users of their own."""
        return os.geteuid() == 0 and not self.daemon

    def _search_path(self, env: Mapping[str, str]) -> dict[str, str]:
        if not self._as_root:
            return {}
        return {"PATH": f"{builders.programs(self.home)}:{env.get('PATH') or os.defpath}"}

    def text(self) -> str:
        """The nix.conf."""
        lines = {
            "experimental-features": "nix-command flakes",
            "build-users-group": builders.GROUP if self._as_root else "",
            "sandbox": "true",
            "sandbox-fallback": "false",
            "substituters": " ".join(self.substituters),
            "trusted-public-keys": " ".join(self.trusted_keys),
            "require-sigs": "true",
            "builders": "",
            "accept-flake-config": "false",
            "warn-dirty": "false",
            # What a kept release was built with stays too, so that its next build is short.
            "keep-outputs": "true",
            "keep-derivations": "true",
            # In the midst of a build, Nix itself makes room before the disk is full.
            "min-free": str(_MIN_FREE),
            "max-free": str(_MAX_FREE),
            "connect-timeout": "10",
        }
        return "".join(f"{name} = {value}".rstrip() + "\n" for name, value in lines.items())

    def write(self) -> None:
        """Make the folders and the nix.conf; harmless when they are there."""
        make_private(self.home)
        for folder in (self.conf, self.home / "roots", self.cache):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._as_root:
            builders.prepare(self.home, self.owner)
        files.put(self.conf / "nix.conf", self.text())


def configure(instance: Instance, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration that the environment names; nothing is written.

    Raises:
        NixUnavailable: `PAAS_NIX_STORE` is no absolute path, or this user may
            not use the machine's store.
    """
    env = os.environ if environ is None else environ
    directory = _directory(env.get("PAAS_NIX_STORE", ""))
    daemon = directory is None and _daemon_answers(env)
    if directory is None and not daemon:
        _require_machine_store()
    return Config(
        home=instance.home / "nix",
        owner=instance.home,
        cache=instance.cache / "nix-evaluations",
        directory=directory,
        daemon=daemon,
        substituters=tuple(env.get("PAAS_NIX_SUBSTITUTERS", "").split()),
        trusted_keys=tuple(env.get("PAAS_NIX_TRUSTED_KEYS", "").split()),
    )


def _directory(text: str) -> Path | None:
    if not text:
        return None
    path = Path(text)
    if not path.is_absolute() or path == Path("/"):
        raise NixUnavailable(
            f"PAAS_NIX_STORE={text} is no folder of its own. Use an absolute path such as "
            "/srv/paas/store, or unset it to use the machine's /nix/store."
        )
    return path.resolve()


def _daemon_answers(env: Mapping[str, str]) -> bool:
    path = env.get("NIX_DAEMON_SOCKET_PATH") or _DAEMON_SOCKET
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        probe.connect(path)
        return True
    return False


def _require_machine_store() -> None:
    if os.geteuid() == 0 or os.access(f"{MACHINE}/var/nix/db", os.W_OK):
        return
    raise NixUnavailable(
        "The machine's Nix store belongs to root and no Nix daemon answers. Start the daemon "
        "(as root: systemctl start nix-daemon.socket, or nix-daemon), or set PAAS_NIX_STORE "
        "to a folder of yours."
    )
