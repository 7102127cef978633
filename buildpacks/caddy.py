"""Caddy in front of what a build made: a folder of files, or PHP scripts."""

from __future__ import annotations

import posixpath
import shlex

from buildpacks.errors import PlanError, shown
from buildpacks.plan import Phase

CONFIGURATION = ".paas/Caddyfile"
START = f"caddy run --config {CONFIGURATION} --adapter caddyfile"
VARIABLES = {"XDG_DATA_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"}  # noqa: S108 - not to be served
# "hidden" is decided here and not by the server: `caddy file-server` has no flag for it
_REMOVE_HIDDEN = (
    "find {root} -mindepth 1 -name '.*' ! -name .well-known -prune -exec rm -rf -- '{{}}' +"
)
_GLOBAL = """\
{
\tadmin off
\tpersist_config off
\tauto_https off
\tgrace_period 10s
\tservers {
\t\ttrusted_proxies static private_ranges
\t}
}
"""
_SITE = """\
:{{$PORT}} {{
\troot * "{root}"
\tencode zstd gzip
\ttry_files {{path}} {{path}}.html {{path}}/index.html{fallback}
\tfile_server
\thandle_errors {{
\t\trewrite * /{{err.status_code}}.html
\t\tfile_server
\t}}
}}
"""
_FALLBACK = " /200.html /index.html"
_PHP = """\
:{{$PORT}} {{
\troot * "{root}"
\tencode zstd gzip
\t@private {{
\t\tpath */.* /vendor/* /composer.json /composer.lock /nixpacks.toml /Procfile
\t\tnot path /.well-known/*
\t}}
\trespond @private 404
\tphp_fastcgi unix//tmp/php-fpm.sock
\tfile_server
}}
"""
_FPM = """\
[global]
error_log = /proc/self/fd/2
log_level = warning
daemonize = no
[www]
listen = /tmp/php-fpm.sock
pm = ondemand
pm.max_children = ${WEB_CONCURRENCY}
clear_env = no
php_value[session.save_path] = /tmp
catch_workers_output = yes
decorate_workers_output = no
"""
# each is useless without the other: one that ends takes the other with it
_SERVE_PHP = """\
export WEB_CONCURRENCY="${WEB_CONCURRENCY:-4}"
php-fpm --nodaemonize --fpm-config .paas/php-fpm.conf &
caddy run --config .paas/Caddyfile --adapter caddyfile &
trap 'kill $(jobs -p)' TERM INT
wait -n
kill $(jobs -p)
wait
exit 1
"""


def remove_hidden(root: str) -> str:
    """The command that takes hidden files out of the folder `root`."""
    return _REMOVE_HIDDEN.format(root=shlex.quote(root))


def serving(root: str, *, fallback: bool, hint: str) -> Phase:
    """The phase that makes the folder `root` ready to be served by `START`.

    Args:
        fallback: whether paths without a file get the app's one page.
    """
    site = _SITE.format(root=_quoted(root), fallback=_FALLBACK if fallback else "")
    folder = f"./{root}"  # it may begin with a dash
    commands = (
        f"test -d {shlex.quote(folder)} && {remove_hidden(folder)}",
        _written({"Caddyfile": _GLOBAL + site}),
    )
    return Phase("serve", commands, depends_on=("build",), hint=hint)


def serving_php(root: str) -> Phase:
    """The phase that writes what `.paas/serve-php` needs to serve the folder `root`."""
    files = {
        "Caddyfile": _GLOBAL + _PHP.format(root=_quoted(root)),
        "php-fpm.conf": _FPM,
        "serve-php": _SERVE_PHP,
    }
    hint = f"The folder to serve, {shown(root)}, must be there when the build is done."
    commands = (f"test -d {shlex.quote(f'./{root}')} && {_written(files)}",)
    return Phase("serve", commands, depends_on=("install", "build"), hint=hint)


def checked_root(root: str, source: str) -> str:
    """`root` in its shortest form; the folder itself may be made by the build.

    Raises:
        PlanError: it lies outside of the repository.
    """
    path = posixpath.normpath(root or ".")
    if not posixpath.isabs(path) and path.split("/")[0] != ".." and path.isprintable():
        return path
    raise PlanError(
        f'the root "{shown(root)}" is not a folder of the repository',
        why="Only files of the repository can be served.",
        fix=f"Give a path relative to the top of the repository as {source}, for example public.",
        file=source,
    )


def _written(files: dict[str, str]) -> str:
    writes = (f"printf %s {shlex.quote(text)} > .paas/{name}" for name, text in files.items())
    return " && ".join(["mkdir -p .paas", *writes])


def _quoted(root: str) -> str:
    """`root` within quotes of a Caddyfile, where a brace begins a placeholder."""
    return root.replace("\\", "\\\\").replace('"', '\\"').replace("{", "\\{")
