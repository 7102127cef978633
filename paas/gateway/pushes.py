"""What a push does: judge it, make a build of it, show the build's log, tell git."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paas import faults
from paas.gateway import build_log, updates
from paas.gateway.hooks import Say
from paas.gateway.panel import Access, AlreadyLive, Login, NewBuild, Panel, PanelError
from paas.gateway.protocol import RECEIVE_PACK
from paas.gateway.tree import PushedObjects, TreeError
from paas.gateway.updates import Update

log = logging.getLogger(__name__)

_CEILING = 3600.0  # seconds one push may take; the build has limits of its own below that
_LONGEST_SUBJECT = 200
_NO_DISK = "the disk is full or not writable"


class PushError(Exception):
    """The push is to be rejected; the text says why and what to do."""


@dataclass(frozen=True)
class Places:
    """Folders a push touches."""

    lens: Path
    sources: Path
    build_logs: Path


class Push:
    """One `git receive-pack`, from its first request to its end.

    Args:
        access: who pushes to which app.
        login: what they came with.
    """

    def __init__(self, panel: Panel, places: Places, access: Access, login: Login) -> None:
        self._panel, self._places, self._access, self._login = panel, places, access, login
        self._build_id: str | None = None
        self._settled = False
        self._interrupted = asyncio.Event()

    def interrupt(self) -> None:
        """Stop waiting for the deploy: the gateway is going down."""
        self._interrupted.set()

    async def receive(
        self, wanted: tuple[Update, ...], environment: Mapping[str, str], say: Say
    ) -> int:
        """Judge the push for the hook, whose exit status it returns. Never raises."""
        try:
            accepted = await self._judge(wanted, environment, say)
            faults.point("gateway.before_exit")
        except PushError as error:
            await say(_block(str(error)))
            accepted = False
        except Exception:
            log.exception("a push to %s failed", self._access.app)
            await say(_block("The gateway failed; its log says why. Try again."))
            accepted = False
        return 0 if accepted else 1

    async def end(self, *, delivered: bool) -> None:
        """Tell the panel that the push is over, and whether its client saw the end."""
        if self._build_id is None:
            return
        try:
            await self._panel.end(self._build_id, delivered=delivered and self._settled)
        except PanelError as error:
            log.warning("build %s: its end could not be reported: %s", self._build_id, error)

    async def _judge(
        self, wanted: tuple[Update, ...], environment: Mapping[str, str], say: Say
    ) -> bool:
        verdict = updates.judge(wanted, self._access.deploy_branch)
        if verdict.refusals:
            raise PushError("\n".join(verdict.refusals))
        await self._ask_again()
        if verdict.warnings:
            await say(_block("\n".join(verdict.warnings)))
        if verdict.deploy is None:
            return True
        deployed = await self._deploy(verdict.deploy.new, environment, say)
        if not deployed and len(wanted) > 1:
            await say(_block("Nothing of this push was stored: git takes all of it or nothing."))
        return deployed

    async def _ask_again(self) -> None:
        """A client may take long to send a push: the right counts that they have now."""
        try:
            await self._panel.access(str(self._access.app_id), RECEIVE_PACK, self._login)
        except PanelError as error:
            raise PushError(error.message) from error

    async def _deploy(self, commit: str, environment: Mapping[str, str], say: Say) -> bool:
        try:
            tree = PushedObjects(self._places.lens, self._access.repository, environment)
            answer = await self._create(tree, commit)
        except TreeError as error:
            raise PushError(f"The push could not be read: {error}. Push a commit.") from error
        await say("".join(f"{line}\n" for line in answer.notices))
        if isinstance(answer, AlreadyLive):
            await say(f"-----> already live as {answer.release}\n       {answer.url}\n")
            return True
        self._build_id = answer.build_id
        await self._archive(tree, commit, answer, say)
        await self._start(answer)
        return await self._watch(answer.build_id, say)

    async def _create(self, tree: PushedObjects, commit: str) -> NewBuild | AlreadyLive:
        subject = updates.shown(await tree.subject(commit))[:_LONGEST_SUBJECT]
        try:
            answer = await self._panel.create_push(self._access, commit, subject)
        except PanelError as error:
            raise PushError(error.message) from error
        if isinstance(answer, NewBuild) and answer.archive.parent != self._places.sources:
            raise RuntimeError(f"the panel named a foreign archive: {answer.archive}")
        return answer

    async def _archive(self, tree: PushedObjects, commit: str, build: NewBuild, say: Say) -> None:
        try:
            faults.point("gateway.after_create")
            if submodules := await tree.submodules(commit):
                await say(_block(_submodule_warning(submodules)))
            await tree.archive(commit, build.archive)
            faults.point("gateway.after_archive")
        except (TreeError, OSError) as error:
            reason = _NO_DISK if isinstance(error, OSError) else str(error)
            log.warning("build %s: no archive: %s", build.build_id, error)
            with contextlib.suppress(PanelError):
                await self._panel.abandon(build.build_id, reason)
            raise PushError(f"The source could not be archived: {reason}.") from error

    async def _start(self, build: NewBuild) -> None:
        try:
            await self._panel.start(build.build_id)
        except PanelError as error:
            raise PushError(error.message) from error
        faults.point("gateway.after_start")

    async def _watch(self, build_id: str, say: Say) -> bool:
        record = await self._end_record(self._places.build_logs / f"{build_id}.log", say)
        self._settled = True
        if record.state == "succeeded":
            await say("Verifying deploy... done.\n")
            return True
        await say(
            f"\n !     Push failed\nVerifying deploy...\n!\tPush rejected to {self._access.app}.\n"
        )
        return False

    async def _end_record(self, path: Path, say: Say) -> build_log.EndRecord:
        reading = asyncio.ensure_future(_relay(path, say))
        stopping = asyncio.ensure_future(self._interrupted.wait())
        await asyncio.wait(
            {reading, stopping}, timeout=_CEILING, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        if reading.done():
            return reading.result()
        reading.cancel()
        reason = "The gateway is stopping" if self._interrupted.is_set() else "This takes too long"
        raise PushError(
            f"{reason}, so the push is rejected. The deploy goes on: `paas builds` shows how\n"
            "it ends. If it succeeds, push again: that only moves the branch."
        )


async def _relay(path: Path, say: Say) -> build_log.EndRecord:
    async for item in build_log.follow(path):
        if isinstance(item, build_log.EndRecord):
            return item
        await say(item)
    raise AssertionError("a log has an end record")


def _submodule_warning(paths: list[str]) -> str:
    names = ", ".join(updates.shown(path) for path in paths[:5])
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return (
        f"Submodules are not deployed: {names}{more}. Their folders are empty.\n"
        "Commit the files themselves, or install them as a dependency."
    )


def _block(text: str) -> str:
    return "".join(f" !     {line}\n" for line in text.splitlines())
