"""From the checks to the banner, and from Ctrl-C to nothing left."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from paas import keys
from paas.instance import Instance, InstanceError, TlsMode, current
from paas.launcher import alone, checks, health, leftovers, nix, run_folder, setup
from paas.launcher.errors import AlreadyRunning, LaunchError
from paas.launcher.lock import only_launcher
from paas.launcher.supervisor_config import panel_logs
from paas.launcher.trees import Tree, make_trees

READY_SECONDS = 60.0
PANEL_STOP_SECONDS = 25.0

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WATCHED = (*_STOP_SIGNALS, signal.SIGCHLD)


class Stopped(Exception):
    """Somebody asked us to stop before the panel was up."""


def main(arguments: Sequence[str] = ()) -> int:
    """Run the instance of the environment until it is told to stop.

    Args:
        arguments: none, or what to do instead: see `alone`.

    Returns:
        0 stopped when asked or done, 1 could not start, 3 runs already.
    """
    try:
        instance = current()
        if arguments:
            _say(alone.run(instance, list(arguments)))
            return 0
        with only_launcher(instance), _signals_wait():
            return _run(instance)
    except AlreadyRunning as error:
        _say(str(error), error=True)
        return 3
    except (LaunchError, InstanceError) as error:
        what = f"paas {' '.join(arguments)}" if arguments else "paas cannot start"
        _say(f"{what}: {error}", error=True)
        return 1


def console() -> int:
    """`paas-panel [PART]`: as `python -m paas.launcher`."""
    return main(sys.argv[1:])


def _run(instance: Instance) -> int:
    leftovers_of = leftovers.end_all(instance.run)
    if leftovers_of:
        _say(f"Stopped what an earlier launcher had left: {', '.join(leftovers_of)}.")
    _check(instance)
    keys.ensure_keys(instance)
    run_folder.take(instance)
    trees: list[Tree] = []
    try:
        user = _prepared(instance)
        trees = make_trees(instance)
        for tree in trees:
            tree.start()
        _wait_until_ready(instance, trees)
        _say(_banner(instance, user))
        _watch(instance, trees)
    except Stopped:
        pass
    finally:
        _stop(instance, trees)
        run_folder.remove(instance)
    return 0


def _check(instance: Instance) -> None:
    checks.check_runtime()
    checks.check_git()
    checks.check_isolation()
    checks.check_disk(instance)
    checks.check_port(instance)
    checks.check_ssh_port(instance)
    if nix.wanted():
        nix.ensure_nix(instance)
    nix.bring_back(instance)
    if taken := checks.rendezvous_taken(instance):
        _say(taken, error=True)


def _prepared(instance: Instance) -> str:
    """The database brought up to date; the admin's user name."""
    try:
        user = setup.prepare_database(instance)
    except LaunchError:
        if _asked_to_stop(0):
            raise Stopped from None  # Ctrl-C reached it, too
        raise
    if _asked_to_stop(0):
        raise Stopped
    return user


# --- until it answers -------------------------------------------------------
def _wait_until_ready(instance: Instance, trees: Sequence[Tree]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    watch = health.Watch(instance)
    while (answer := health.healthz(instance))[0] != 200:
        if _asked_to_stop(0.05):
            raise Stopped
        _tell_failing(instance, watch)
        for tree in trees:
            _refuse_dead(tree)
        if time.monotonic() > deadline:
            raise LaunchError(
                f"the panel does not answer after {READY_SECONDS:.0f} s: {answer[1].strip()}\n"
                f"The logs of its parts are in {panel_logs(instance)}."
            )


def _refuse_dead(tree: Tree) -> None:
    if not tree.alive:
        said = tree.output.read_text(errors="replace")
        raise LaunchError(f"supervisord ({tree.name}) ended at once:\n{_indented(said)}")


def _banner(instance: Instance, user: str) -> str:
    password = instance.admin_password
    lines = [
        f"paas is up:  {instance.origin}",
        _https_line(instance),
        f"  user       {user}",
        f"  password   in {password}" if password.exists() else "",
        f"  ssh        {instance.ssh_git_url('APP')}",
        f"  host key   {keys.ssh_fingerprint(instance)} (ed25519)",
        f"  logs       {panel_logs(instance)}",
        "  stop       Ctrl-C",
    ]
    return "\n".join(line for line in lines if line)


def _https_line(instance: Instance) -> str:
    """With an internal CA: the second address, and what one has to trust for it."""
    if instance.tls.mode is not TlsMode.INTERNAL:
        return ""
    root = instance.caddy_storage / "pki" / "authorities" / "local" / "root.crt"
    return f"  https      https://{instance.domain}:{instance.tls.port}  (its root: {root})"


# --- while it runs ----------------------------------------------------------
def _watch(instance: Instance, trees: Sequence[Tree]) -> None:
    watch = health.Watch(instance)
    while not _asked_to_stop(1.0):
        for tree in trees:
            if not tree.alive:
                _say(f"supervisord ({tree.name}) had ended; starting it again.", error=True)
                tree.start()
        _tell_failing(instance, watch)


def _tell_failing(instance: Instance, watch: health.Watch) -> None:
    for part in watch.failing():
        lines = "\n".join(health.last_lines(instance, part))
        _say(f"{part} keeps dying and is started again. Its last lines:\n{_indented(lines)}", True)


# --- stopping ---------------------------------------------------------------
def _stop(instance: Instance, trees: Sequence[Tree]) -> None:
    """The panel, then the apps, in good order; at the second signal, by force."""
    timeouts = {"panel": PANEL_STOP_SECONDS, "apps": leftovers.APPS_STOP_SECONDS}
    for tree in trees:
        tree.ask_to_stop()
        deadline = time.monotonic() + timeouts[tree.name]
        while not tree.wait(0.05) and time.monotonic() < deadline:
            if _asked_to_stop(0):
                return leftovers.kill_all(instance.run)
    return leftovers.kill_all(instance.run)


# --- signals ----------------------------------------------------------------
@contextmanager
def _signals_wait() -> Iterator[None]:
    """Keep the signals pending, so that they are met only where we look for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _asked_to_stop(timeout: float) -> bool:
    """Whether a stop signal came; waits up to `timeout` seconds, less when a child ends."""
    received = signal.sigtimedwait(_WATCHED, timeout)
    return received is not None and received.si_signo in _STOP_SIGNALS


# --- texts ------------------------------------------------------------------
def _say(text: str, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-15:])
