"""The panel's supervisord configuration.

Only names stand in it, relative to the folder supervisord works in: no path
has to survive its quoting, its `%` expansion and its inline comments.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paas.instance import Instance, make_private
from paas.launcher import bound, leftovers
from paas.launcher.orders import write_order, write_private
from paas.launcher.parts import Part

LOG_BYTES = "5MB"
LOG_BACKUPS = 2

_HEAD = f"""\
[supervisord]
nodaemon=true
silent=true
umask=077
logfile=logs/supervisord.log
logfile_maxbytes={LOG_BYTES}
logfile_backups={LOG_BACKUPS}
pidfile=supervisord.pid
childlogdir=.

[unix_http_server]
file=../panel.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = f"""\
[program:{{name}}]
command=./python -I -S bound.py {{name}}.json
priority=1
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={{stop_seconds}}
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{{name}}.log
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups={LOG_BACKUPS}
"""

# supervisord stops group after group: all that use Redis at once, then Redis.
_GROUP = """\
[group:parts]
programs={names}
priority=100
"""


def panel_logs(instance: Instance) -> Path:
    """`<part>.log` for every part, and supervisord's own."""
    return instance.logs / "panel"


def write_panel_config(instance: Instance, parts: list[Part]) -> Path:
    """Write the configuration and all orders; returns its path, in the folder to start it in."""
    panel_logs(instance).mkdir(parents=True, exist_ok=True)
    folder = make_private(instance.run / leftovers.PANEL)
    _link(folder / "logs", panel_logs(instance))
    _link(folder / "bound.py", Path(bound.__file__))
    _link(folder / "python", Path(sys.executable).resolve())  # bound.py needs no venv
    for part in parts:
        write_order(folder, part.order)
    path = folder / "supervisord.conf"
    write_private(path, "\n".join([_HEAD, *map(_program, parts), _group(parts)]))
    return path


def _program(part: Part) -> str:
    return _PROGRAM.format(name=part.order.name, stop_seconds=part.stop_seconds)


def _group(parts: list[Part]) -> str:
    return _GROUP.format(names=",".join(p.order.name for p in parts if p.order.name != "redis"))


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
