"""Why a release did not happen, as data: shown in the push, the API and the pages alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from paas.runtimes.base import NotHealthy, RuntimeFailure


@dataclass(frozen=True)
class Failure:
    """What is wrong, why, what to do next, and what the program printed last."""

    what: str
    why: str = ""
    fix: str = ""
    output: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        message = self.what if not self.why else f"{self.what}: {self.why}"
        return {**asdict(self), "output": list(self.output), "message": message, "hint": self.fix}

    def block(self) -> str:
        """As an error block of the push output."""
        texts = [self.what, self.why, self.fix]
        lines = [f" !     {line}" for text in texts if text for line in text.splitlines()]
        quoted = [f"       {line}" for line in self.output]
        return "\n".join([*quoted, *lines])


WORKER_LOST = Failure(
    what="The worker was lost",
    why="the process that carried this out ended, or lost the database, before it was done",
    fix="Nothing was changed. Try again; if it happens again, look into logs/panel/worker.log.",
)
DATABASE_AWAY = Failure(
    what="The database did not answer",
    why="it was restarted, or cut the connection, while this was carried out",
    fix="Nothing was changed: what ran before goes on. Push again.",
)
CANCELLED = Failure(what="Cancelled", fix="Nothing was changed. Push again when you are ready.")


def failure_of(error: RuntimeFailure) -> Failure:
    """A runtime's error in our form."""
    if isinstance(error, NotHealthy):
        return Failure(
            what=f"{error.process} did not become healthy",
            why=error.reason,
            fix=error.hint,
            output=error.output,
        )
    return Failure(what="The runtime refused", why=str(error))
