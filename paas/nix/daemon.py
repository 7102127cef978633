"""The machine's Nix daemon, whose configuration is not ours: whether it seals what it builds.

A daemon may be told to build without a sandbox (`sandbox = false` in its
nix.conf), and tells nobody. So it is tried: a builder that could see the
machine says so.
"""

from __future__ import annotations

import secrets

from paas.nix.errors import NixFailed, NixUnavailable
from paas.nix.store import Store

_OPEN = "open"
# In Nix's sandbox there is no /usr, and most often no /bin/sh either: then the builder cannot run.
_PROBE = """{ nonce }: derivation {
  name = "paas-sandbox-probe"; inherit nonce; system = builtins.currentSystem;
  builder = "/bin/sh"; args = [ "-c" "test -e /usr/bin/env && echo open > $out || echo > $out" ];
}"""


def require_sandbox(store: Store) -> None:
    """
    Raises:
        NixUnavailable: the daemon builds without a sandbox.
    """
    wanted = ("--no-out-link", "-E", _PROBE, "--argstr", "nonce", secrets.token_hex(8))
    try:
        path = store.run("nix-build", *wanted).strip()
    except NixFailed:
        return
    if store.physical(path).read_text().strip() == _OPEN:
        raise NixUnavailable(
            "The Nix daemon of this machine builds without a sandbox, so what is pushed would see "
            "the machine and its network. Set `sandbox = true` in /etc/nix/nix.conf and restart "
            "the daemon (systemctl restart nix-daemon), or set PAAS_NIX_STORE to a folder: a store "
            "of the panel's own, which it seals itself."
        )
