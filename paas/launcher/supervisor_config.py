"""The panel's supervisord configuration: only `bound.py` and paths of ours stand in it."""

from __future__ import annotations

import shlex
from pathlib import Path

from paas.instance import Instance, make_private
from paas.launcher.orders import write_order, write_private
from paas.launcher.parts import Part

LOG_BYTES = "5MB"
LOG_BACKUPS = 2


def panel_logs(instance: Instance) -> Path:
    """`<part>.log` for every part, and supervisord's own."""
    return instance.logs / "panel"


def write_panel_config(instance: Instance, parts: list[Part]) -> Path:
    """Write the configuration and all orders; returns its path."""
    logs = panel_logs(instance)
    logs.mkdir(parents=True, exist_ok=True)
    orders = make_private(instance.run / "panel")
    sections = [_head(instance, logs), *(_program(part, orders, logs) for part in parts)]
    sections.append(_group([part.order.name for part in parts if part.order.name != "redis"]))
    path = instance.run / "panel.conf"
    write_private(path, "\n".join(sections))
    return path


def _head(instance: Instance, logs: Path) -> str:
    return f"""\
[supervisord]
nodaemon=true
silent=true
umask=077
logfile={_escaped(logs / "supervisord.log")}
logfile_maxbytes={LOG_BYTES}
logfile_backups={LOG_BACKUPS}
pidfile={_escaped(instance.run / "panel.pid")}
childlogdir={_escaped(instance.run)}

[unix_http_server]
file={_escaped(instance.panel_supervisor_socket)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def _program(part: Part, orders: Path, logs: Path) -> str:
    command = shlex.join(write_order(orders, part.order))
    return f"""\
[program:{part.order.name}]
command={_escaped(command)}
priority=1
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={part.stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile={_escaped(logs / part.order.name)}.log
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups={LOG_BACKUPS}
"""


def _group(names: list[str]) -> str:
    """supervisord stops group after group: all that use Redis at once, then Redis."""
    return f"""\
[group:parts]
programs={",".join(names)}
priority=100
"""


def _escaped(value: Path | str) -> str:
    """supervisord expands `%(name)s` in every value."""
    return str(value).replace("%", "%%")
