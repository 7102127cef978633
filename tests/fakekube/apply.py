"""Server-side apply, and the book of who manages which field.

`metadata.managedFields` has an entry per manager, operation, version and
subresource. An apply adds its fields, lets go of those it no longer names
(what nobody else holds vanishes) and conflicts where it would change what
another manager holds. Any other write takes what it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import ApiError, Json, cause
from .fields import PRESENT, Path, decode, encode, flatten, merge, remove, with_parents
from .kinds import Kind
from .schema import Type, complaints, dotted, type_of

_OWN_META = {
    ("f:metadata", f"f:{name}")
    for name in (
        "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink",
    )
}  # fmt: skip
_UNMANAGED = _OWN_META | {("f:apiVersion",), ("f:kind",), ("f:metadata",)}


@dataclass(frozen=True, order=True)
class Manager:
    """Whose an entry is. Args: operation: Apply or Update."""

    operation: str
    name: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return text if self.operation == "Apply" else f"{text} using {self.api_version}"


@dataclass(frozen=True)
class Entry:
    """One entry: since when, and which fields."""

    time: str
    paths: frozenset[Path]


Book = dict[Manager, Entry]


def read_book(obj: Json) -> Book:
    """An object's managedFields."""
    return {
        Manager(
            each["operation"], each.get("manager", ""), each["apiVersion"],
            each.get("subresource", ""),
        ): Entry(each.get("time", ""), frozenset(decode(each.get("fieldsV1", {}))))
        for each in obj.get("metadata", {}).get("managedFields", [])
    }  # fmt: skip


def write_book(obj: Json, book: Book) -> Json:
    """The object with these managedFields, oldest first as on the real server."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    rows = []
    for who, entry in sorted(book.items(), key=lambda each: (each[0].operation, each[1].time)):
        row = {
            "manager": who.name,
            "operation": who.operation,
            "apiVersion": who.api_version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(entry.paths),
        }
        if who.subresource:
            row["subresource"] = who.subresource
        rows.append(row)
    if rows:
        metadata["managedFields"] = rows
    return {**obj, "metadata": metadata}


def managed(of: Type, obj: Json, *, subresource: str, has_status: bool) -> dict[Path, Any]:
    """The leaves that count: no server's own metadata, status only by its subresource."""
    found = flatten(of, obj)
    for path in list(found):
        other = "f:spec" if subresource == "status" else "f:status"
        if path in _UNMANAGED or path[:2] in _OWN_META or (has_status and path[0] == other):
            del found[path]
    return found


def difference(old: dict[Path, Any], new: dict[Path, Any]) -> tuple[set[Path], set[Path]]:
    """(what was added or has another value, what was removed)."""
    changed = {
        path
        for path, value in new.items()
        if path not in old or (old[path] != value and PRESENT not in (value, old[path]))
    }
    return changed, old.keys() - new.keys()


def note_update(
    kind: Kind, live: Json | None, new: Json, *, manager: str, subresource: str, now: str
) -> Json:
    """The new object with the book of a write that is no apply."""
    of = type_of(kind)
    has_status = "status" in kind.subresources
    before = managed(of, live or {}, subresource=subresource, has_status=has_status)
    after = managed(of, new, subresource=subresource, has_status=has_status)
    changed, gone = difference(before, after)
    who = Manager("Update", manager, kind.api_version, subresource)
    book = _let_go(read_book(live or {}), changed | gone, who)
    mine = book[who].paths if who in book else frozenset()
    kept = frozenset((mine - gone) | changed)
    if kept != mine:
        book[who] = Entry(now, kept)
    return write_book(new, {w: entry for w, entry in book.items() if entry.paths})


def _let_go(book: Book, paths: set[Path], but: Manager) -> Book:
    left = {}
    for who, entry in book.items():
        kept = entry.paths if who == but else entry.paths - paths
        if kept:
            left[who] = Entry(entry.time, kept)
    return left


def before_first_apply(kind: Kind, live: Json, *, now: str) -> Json:
    """What an apply to the scale meets where nobody has set the number yet.

    The scale knows no managers of the rest, so the present number is taken for
    the work of one before the first apply; another number is a conflict with it.
    """
    book, number = read_book(live), ("f:spec", "f:replicas")
    if any(number in entry.paths for entry in book.values()):
        return live
    who = Manager("Update", "before-first-apply", kind.api_version, "scale")
    return write_book(live, {**book, who: Entry(now, frozenset({number}))})


def check(kind: Kind, config: Json) -> None:
    """Whether a body fits its schema.

    Raises:
        ApiError: 500 without a reason, as the real server has it.
    """
    found = list(complaints(type_of(kind), config))
    if not found:
        return
    meta = config.get("metadata") or {}
    where = "/".join(str(x) for x in (meta.get("namespace"), meta.get("name")) if x)
    text = found[0] if len(found) == 1 else "errors:\n  " + "\n  ".join(found)
    what = f"{where}; {kind.api_version}, Kind={kind.kind}"
    raise ApiError(500, None, f"failed to create typed patch object ({what}): {text}")


def apply(
    kind: Kind,
    live: Json | None,
    config: Json,
    *,
    manager: str,
    subresource: str = "",
    force: bool = False,
    now: str,
) -> Json:
    """What live becomes when the manager applies config; `config` is checked already.

    Raises:
        ApiError: 409 with a cause per field that another manager holds.
    """
    of = type_of(kind)
    has_status = "status" in kind.subresources
    who = Manager("Apply", manager, kind.api_version, subresource)
    wanted = managed(of, config, subresource=subresource, has_status=has_status)
    base = live or {}
    book = read_book(base)
    before = book[who].paths if who in book else frozenset()
    merged = merge(of, base, config)
    others = {path for other, entry in book.items() if other != who for path in entry.paths}
    dropped = with_parents(before) - with_parents(others | wanted.keys())
    merged = remove(of, merged, dropped - _UNMANAGED)
    if live is not None:
        changed, gone = difference(
            managed(of, base, subresource=subresource, has_status=has_status),
            managed(of, merged, subresource=subresource, has_status=has_status),
        )
        _refuse_conflicts(book, changed, who, force=force)
        book = _let_go(book, changed | gone, who)
    if wanted.keys() != before:
        book[who] = Entry(now, frozenset(wanted))
    return write_book(merged, {w: entry for w, entry in book.items() if entry.paths})


def _refuse_conflicts(book: Book, changed: set[Path], who: Manager, *, force: bool) -> None:
    rows = [
        (other, dotted(path))
        for other, entry in sorted(book.items())
        if other != who
        for path in sorted(entry.paths & changed)
    ]
    if force or not rows:
        return
    causes = [cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in rows]
    if len(rows) == 1:
        text = f"1 conflict: conflict with {rows[0][0]}: {rows[0][1]}"
    else:
        lines = []
        for other in dict.fromkeys(other for other, _ in rows):
            lines.append(f"conflicts with {other}:")
            lines += [f"- {path}" for owner, path in rows if owner == other]
        text = f"{len(rows)} conflicts: " + "\n".join(lines)
    raise ApiError(409, "Conflict", f"Apply failed with {text}", details={"causes": causes})
