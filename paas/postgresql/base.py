"""Django's backend for PostgreSQL, with connections that come back.

Django looks at a connection only when a request begins or ends. A worker's
thread has none: it builds for minutes, finds that the server was restarted
meanwhile, and every statement after that fails, too.

Here a connection outside of a transaction is looked at before it is used, if
it was idle or its last statement failed, and a server that does not answer is
tried again for some seconds, as long as a restart takes. What fails within a
transaction fails: only its owner knows whether it may be repeated.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base

PATIENCE = 4.0
"""Seconds that a server which does not answer is tried again."""

_RETRY_EVERY = 0.1
_IDLE = 1.0
"""Seconds after which a connection may have been lost unnoticed."""


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._used = time.monotonic()

    def ensure_connection(self) -> None:
        """Called before every statement and every transaction.

        Raises:
            OperationalError: the server stayed away, or refuses us.
        """
        if self._is_doubtful() and not self.is_usable():
            self.close()
        self._used = time.monotonic()
        super().ensure_connection()

    def get_autocommit(self) -> bool:
        """Django asks at the end of a request, which no server that is away may fail."""
        return self.autocommit if self.connection is not None else super().get_autocommit()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                connection = super().get_new_connection(conn_params)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_EVERY)
            else:
                self.autocommit = False  # psycopg's way; Django sets it next
                return connection

    def _is_doubtful(self) -> bool:
        """Never between a transaction's begin and end, where a look would be a part of it."""
        if self.connection is None or self.in_atomic_block or not self.autocommit:
            return False
        failed, self.errors_occurred = self.errors_occurred, False
        return failed or time.monotonic() - self._used > _IDLE
