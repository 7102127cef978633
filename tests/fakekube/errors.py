"""Refusals as Kubernetes words them: a `Status` object with an HTTP code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kinds import Kind

Json = dict[str, Any]


class ApiError(Exception):
    """An answer other than success; `body()` is what the client gets."""

    def __init__(
        self,
        code: int,
        reason: str | None,
        message: str,
        *,
        details: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.headers = details, dict(headers or {})

    def body(self) -> Json:
        """The `Status`; a 500 carries no reason, as on the real server."""
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def cause(reason: str, message: str, field: str) -> Json:
    """One entry of `details.causes`."""
    return {"reason": reason, "message": message, "field": field}


def details(kind: Kind, name: str, causes: Sequence[Json] = ()) -> Json:
    """`details` for a resource: its name, group and (for all but Invalid) its plural."""
    found: Json = {"name": name, "group": kind.group, "kind": kind.plural, "causes": list(causes)}
    return {key: value for key, value in found.items() if value}


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(
        404, "NotFound", f'{kind.resource} "{name}" not found', details=details(kind, name)
    )


def already_exists(kind: Kind, name: str, *, deleting: bool = False) -> ApiError:
    message = f'{kind.resource} "{name}" already exists'
    if deleting:
        message = f"object is being deleted: {message}"
    return ApiError(409, "AlreadyExists", message, details=details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}',
        details=details(kind, name),
    )


def stale(kind: Kind, name: str) -> ApiError:
    return conflict(
        kind,
        name,
        "the object has been modified; please apply your changes to the latest version and"
        " try again",
    )


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Json] = ()) -> ApiError:
    return ApiError(
        403,
        "Forbidden",
        f'{kind.resource} "{name}" is forbidden: {why}',
        details=details(kind, name, causes),
    )


def invalid(kind: Kind, name: str, causes: Sequence[Json]) -> ApiError:
    """422 with one line per cause, joined as Kubernetes joins an aggregate."""
    texts = [f"{each['field']}: {each['message']}" for each in causes]
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    found: Json = {"name": name, "group": kind.group, "kind": kind.kind, "causes": list(causes)}
    return ApiError(
        422,
        "Invalid",
        f'{kind.qualified} "{name}" is invalid: {text}',
        details={key: value for key, value in found.items() if value},
    )


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def expired(asked: int, oldest: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")
