"""Isolation: commands of builds and apps run where they see and harm nothing of the panel.

`start` runs a command from this process; `command` gives what a launcher must
exec. Only the standard library and bubblewrap are needed.
"""

from paas.sandbox.child import Child, start
from paas.sandbox.command import OUR_FOLDER, Prepared, command, run_user_command
from paas.sandbox.probe import Isolation, find_bwrap, probe
from paas.sandbox.processes import kill, members, signal_all
from paas.sandbox.spec import Bind, Limits, Overlay, Root, Sandbox, SandboxError
from paas.sandbox.streams import take_streams
from paas.sandbox.system import interpreter_binds, panel_python, system_path
from paas.sandbox.trees import copy_tree, give_tree, make_folder, remove_tree
from paas.sandbox.usage import Use, forget, oom_killed, usage
from paas.sandbox.users import INSTALLER, builder_uids, uid_for

__all__ = [
    "INSTALLER",
    "OUR_FOLDER",
    "Bind",
    "Child",
    "Isolation",
    "Limits",
    "Overlay",
    "Prepared",
    "Root",
    "Sandbox",
    "SandboxError",
    "Use",
    "builder_uids",
    "command",
    "copy_tree",
    "find_bwrap",
    "forget",
    "give_tree",
    "interpreter_binds",
    "kill",
    "make_folder",
    "members",
    "oom_killed",
    "panel_python",
    "probe",
    "remove_tree",
    "run_user_command",
    "signal_all",
    "start",
    "system_path",
    "take_streams",
    "uid_for",
    "usage",
]
