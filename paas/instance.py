"""Where one paas instance lives: its folders, ports and addresses.

Every process of the panel asks this module, and nothing else, where things
are. It imports the standard library only, because the gateway, the observer,
the CLI and the git hook load it without Django.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

DEFAULT_PORT = 8080
DEFAULT_SSH_PORT = 2222
DEFAULT_HTTPS_PORT = 8443
DEFAULT_RENDEZVOUS_PORT = 5000


class InstanceError(Exception):
    """The environment describes no usable instance; the text says why and what to do."""


class TlsMode(StrEnum):
    """Where the front door's certificates come from."""

    OFF = "off"
    INTERNAL = "internal"  # its own CA: for trying things out, trusted by nobody
    AUTO = "auto"  # an ACME CA: Let's Encrypt, or a private one
    PROXY = "proxy"  # a proxy's before it, such as a cluster's ingress: itself it speaks HTTP


@dataclass(frozen=True)
class Tls:
    """How the front door speaks HTTPS.

    Args:
        acme_ca: the ACME directory's URL; "" is Caddy's own choice, Let's Encrypt.
        acme_ca_root: PEM file with the root by which that URL's own certificate is checked.
        redirect: send HTTP to HTTPS, for hosts that have a certificate.
    """

    mode: TlsMode = TlsMode.OFF
    port: int = DEFAULT_HTTPS_PORT
    acme_email: str = ""
    acme_ca: str = ""
    acme_ca_root: str = ""
    redirect: bool = False

    def __bool__(self) -> bool:
        """Whether the front door itself speaks TLS."""
        return self.mode not in (TlsMode.OFF, TlsMode.PROXY)


@dataclass(frozen=True)
class Ingress:
    """Where a cluster's ingress controller serves the apps, if they run on one."""

    secure: bool = False
    port: int = 80


@dataclass(frozen=True)
class Instance:
    """One installation: everything that `PAAS_HOME` and its siblings decide.

    `home` holds what must last; `run` holds what may vanish at a reboot
    (sockets, routes, the environment of running processes: kept in memory
    where the system has a tmpfs, so that no config var rests on disk).
    """

    home: Path
    run: Path
    port: int
    ssh_port: int
    bind: str
    domain: str
    tls: Tls = field(default_factory=Tls)
    ingress: Ingress | None = None
    rendezvous_port: int = DEFAULT_RENDEZVOUS_PORT

    @property
    def certifies(self) -> bool:
        """Whether each host of an app gets a certificate: the front door's, or the cluster's."""
        return self.ingress.secure if self.ingress is not None else bool(self.tls)

    # --- what lasts -------------------------------------------------------
    @property
    def database(self) -> Path:
        return self.home / "db.sqlite3"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def authority(self) -> Path:
        """The certificate that clients of attach sessions trust; its key is in `keys`."""
        return self.home / "ca.pem"

    @property
    def credentials(self) -> Path:
        return self.home / "credentials.json"

    @property
    def admin_password(self) -> Path:
        """Where the first admin's password was written, for its owner to read once."""
        return self.home / "admin-password"

    @property
    def repositories(self) -> Path:
        return self.home / "repositories"

    @property
    def sources(self) -> Path:
        """Archives of pushed commits, one `<build id>.tar` a build."""
        return self.home / "sources"

    @property
    def build_dirs(self) -> Path:
        """Work folders of builds that are going on: `<build id>/`."""
        return self.home / "builds"

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time: downloads and shared dependencies."""
        return self.home / "cache"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def build_logs(self) -> Path:
        return self.logs / "builds"

    @property
    def release_logs(self) -> Path:
        return self.logs / "releases"

    @property
    def app_logs(self) -> Path:
        """`<app id>/` per app: raw process files, `platform.raw` and the merged `app.log`."""
        return self.logs / "apps"

    @property
    def router_log(self) -> Path:
        return self.logs / "router" / "access.log"

    @property
    def caddy_storage(self) -> Path:
        """Caddy's certificates, ACME accounts and internal CA."""
        return self.home / "caddy"

    @property
    def tls_log(self) -> Path:
        """What Caddy says of certificates: JSON lines."""
        return self.logs / "router" / "tls.log"

    @property
    def local_state(self) -> Path:
        """The local runtime's own records (no secrets): ports, instances, drains."""
        return self.home / "local"

    # --- what may vanish --------------------------------------------------
    @property
    def routes(self) -> Path:
        return self.run / "routes"

    @property
    def redis_socket(self) -> Path:
        return self.run / "redis.sock"

    @property
    def caddy_socket(self) -> Path:
        return self.run / "caddy.sock"

    @property
    def web_socket(self) -> Path:
        return self.run / "web.sock"

    @property
    def gateway_socket(self) -> Path:
        """HTTP of the gateway: Caddy sends `/<app>.git/*` here."""
        return self.run / "gateway.sock"

    @property
    def hook_socket(self) -> Path:
        """Where the pre-receive hook speaks to the gateway."""
        return self.run / "hook.sock"

    @property
    def panel_supervisor_socket(self) -> Path:
        return self.run / "panel.sock"

    @property
    def apps_supervisor_socket(self) -> Path:
        return self.run / "apps.sock"

    # --- addresses --------------------------------------------------------
    @cached_property
    def origin(self) -> str:
        """`scheme://host[:port]` of the panel, without a slash at the end."""
        return self._origin_of(self.domain)

    @property
    def front_address(self) -> str:
        """Where this machine reaches the front door, which may listen everywhere."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)  # noqa: S104

    def listen_addresses(self) -> list[str]:
        """Where what is open to users listens: `PAAS_BIND`, and ::1 beside 127.0.0.1."""
        both = self.bind == "127.0.0.1" and _has_ipv6()
        return [self.bind, "::1"] if both else [self.bind]

    def app_host(self, app: str) -> str:
        """The host name the front door routes to `app`."""
        return f"{app}.{self.domain}"

    def app_url(self, app: str) -> str:
        """The address a person opens, as Heroku gives it: with the slash."""
        if self.ingress is not None:
            return _origin(self.app_host(app), self.ingress.port, secure=self.ingress.secure) + "/"
        return self._origin_of(self.app_host(app)) + "/"

    def git_url(self, app: str) -> str:
        return f"{self.origin}/{app}.git"

    def ssh_git_url(self, app: str) -> str:
        """The user name is a habit; whose key it is decides who pushes."""
        port = "" if self.ssh_port == 22 else f":{self.ssh_port}"
        return f"ssh://git@{self.domain}{port}/{app}.git"

    def rendezvous_url(self, secret: str) -> str:
        """Where a client attaches to a one-off."""
        return f"rendezvous://{self.domain}:{self.rendezvous_port}/{secret}"

    def _origin_of(self, host: str) -> str:
        """HTTPS where everybody trusts the certificate; with an internal CA nobody does."""
        secure = self.tls.mode in (TlsMode.AUTO, TlsMode.PROXY)
        return _origin(host, self.tls.port if secure else self.port, secure=secure)


def current(environ: Mapping[str, str] | None = None) -> Instance:
    """The instance that the environment names.

    `PAAS_HOME`, `PAAS_RUN`, `PAAS_PORT`, `PAAS_SSH_PORT`, `PAAS_RENDEZVOUS_PORT`,
    `PAAS_BIND` (address they listen on) and `PAAS_DOMAIN` move it; all have defaults.
    `PAAS_TLS` and what belongs to it: see `_tls`; for apps on a cluster: `_ingress`.

    Raises:
        InstanceError: a port that is no port, or TLS settings that do not fit.
    """
    env = os.environ if environ is None else environ
    domain = env.get("PAAS_DOMAIN") or "localhost"
    home = Path(env.get("PAAS_HOME") or _user_data_dir(env) / "paas").expanduser().absolute()
    return Instance(
        home=home,
        run=Path(env["PAAS_RUN"]) if env.get("PAAS_RUN") else _default_run(home),
        port=_port(env, "PAAS_PORT", DEFAULT_PORT),
        ssh_port=_port(env, "PAAS_SSH_PORT", DEFAULT_SSH_PORT),
        bind=env.get("PAAS_BIND") or "127.0.0.1",
        domain=domain,
        tls=_tls(env, domain),
        ingress=_ingress(env),
        rendezvous_port=_port(env, "PAAS_RENDEZVOUS_PORT", DEFAULT_RENDEZVOUS_PORT),
    )


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def make_private(path: Path) -> Path:
    """Create `path` as a folder only its owner may enter.

    Raises:
        InstanceError: it exists and belongs to somebody else, or is a link
            (a folder under a world-writable parent could be laid as a trap).
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise InstanceError(
            f"{path} is not a folder of this user. Remove it, or set PAAS_RUN to another folder."
        )
    if stat.S_IMODE(facts.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def _user_data_dir(env: Mapping[str, str]) -> Path:
    """XDG Base Directory: `$XDG_DATA_HOME`, else `~/.local/share`."""
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def _default_run(home: Path) -> Path:
    """A short path in memory: Unix sockets allow 107 bytes, and secrets should not rest on disk."""
    mark = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    memory = Path("/dev/shm")  # noqa: S108 - make_private checks who owns it
    base = memory if memory.is_dir() and os.access(memory, os.W_OK) else Path("/tmp")  # noqa: S108
    return base / f"paas-{os.geteuid()}-{mark}"


def _tls(env: Mapping[str, str], domain: str) -> Tls:
    """`PAAS_TLS`, `PAAS_HTTPS_PORT`, `PAAS_HTTPS_REDIRECT`, `PAAS_ACME_{EMAIL,CA,CA_ROOT}`."""
    text = env.get("PAAS_TLS") or "off"
    if text not in list(TlsMode):
        raise InstanceError(f"PAAS_TLS={text} is unknown. Use off, internal, auto or proxy.")
    if text == TlsMode.AUTO and domain == "localhost":
        raise InstanceError(
            "PAAS_TLS=auto needs a domain that others can reach: set PAAS_DOMAIN. "
            "For HTTPS on this machine alone use PAAS_TLS=internal."
        )
    redirect = env.get("PAAS_HTTPS_REDIRECT") or "off"
    if redirect not in ("on", "off"):
        raise InstanceError(f"PAAS_HTTPS_REDIRECT={redirect} is unknown. Use on or off.")
    return Tls(
        mode=TlsMode(text),
        port=_port(env, "PAAS_HTTPS_PORT", 443 if text == TlsMode.PROXY else DEFAULT_HTTPS_PORT),
        acme_email=env.get("PAAS_ACME_EMAIL", ""),
        acme_ca=env.get("PAAS_ACME_CA", ""),
        acme_ca_root=env.get("PAAS_ACME_CA_ROOT", ""),
        redirect=redirect == "on",
    )


def _ingress(env: Mapping[str, str]) -> Ingress | None:
    """`PAAS_RUNTIME`, `PAAS_CLUSTER_ISSUER`, `PAAS_WILDCARD_TLS`, `PAAS_INGRESS_PORT`."""
    if env.get("PAAS_RUNTIME") != "kubernetes":
        return None
    secure = bool(env.get("PAAS_CLUSTER_ISSUER")) or env.get("PAAS_WILDCARD_TLS") == "on"
    return Ingress(secure, _port(env, "PAAS_INGRESS_PORT", 443 if secure else 80))


def _origin(host: str, port: int, *, secure: bool) -> str:
    scheme, usual = ("https", 443) if secure else ("http", 80)
    return f"{scheme}://{host}" if port == usual else f"{scheme}://{host}:{port}"


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise InstanceError(f"{name}={text} is no port. Use a number from 1 to 65535.")
    return int(text)
