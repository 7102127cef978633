"""Columns as the API writes them, made by the database: a list of 200 apps has 800 ids and times.

Made into Python's objects first they cost more than all else of the list.
"""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, Func
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, Any]


class UuidText(Func):
    """A UUID as text; SQLite keeps its 32 digits, without the hyphens."""

    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Sql:
        cuts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        column, values = compiler.compile(self.source_expressions[0])
        parts = (f"substr({column}, {start}, {length})" for start, length in cuts)
        return " || '-' || ".join(parts), [*values] * len(cuts)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Sql:
        return self.as_sql(compiler, connection, template="(%(expressions)s)::text", **extra)


class UtcText(Func):
    """A time in UTC, as `render` of the API's shapes writes it."""

    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Sql:
        template = "replace(%(expressions)s, ' ', 'T') || 'Z'"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Sql:
        template = (
            "to_char((%(expressions)s) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        )
        return self.as_sql(compiler, connection, template=template, **extra)
