"""Caddy as the file server of a folder that a build made."""

from __future__ import annotations

import shlex

from buildpacks.plan import Phase

CONFIGURATION = ".paas/Caddyfile"
START = f"caddy run --config {CONFIGURATION} --adapter caddyfile"
VARIABLES = {"XDG_DATA_HOME": "/tmp", "XDG_CONFIG_HOME": "/tmp"}  # noqa: S108 - not to be served
# "hidden" is decided here and not by the server: `.well-known` must stay
_REMOVE_HIDDEN = (
    "find {root} -mindepth 1 -name '.*' ! -name .well-known -prune -exec rm -rf -- '{{}}' +"
)
_OPTIONS = "admin off\n\tpersist_config off\n\tauto_https off\n\tgrace_period 10s"
_SITE = """{{
\t{options}
}}
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


def remove_hidden(root: str) -> str:
    """The command that takes hidden files out of the folder `root`."""
    return _REMOVE_HIDDEN.format(root=shlex.quote(root))


def serving(root: str, *, fallback: bool, hint: str) -> Phase:
    """The phase that makes the folder `root` ready to be served by `START`.

    Args:
        fallback: whether paths without a file get the app's one page.
    """
    quoted = root.replace("\\", "\\\\").replace('"', '\\"').replace("{", "\\{")
    text = _SITE.format(options=_OPTIONS, root=quoted, fallback=_FALLBACK if fallback else "")
    return Phase(
        "serve",
        commands=(
            f"test -d {shlex.quote(root)}",
            remove_hidden(root),
            f"mkdir -p .paas && printf %s {shlex.quote(text)} > {CONFIGURATION}",
        ),
        depends_on=("build",),
        hint=hint,
    )
