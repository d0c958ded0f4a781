"""Opening ``ledger.db``, and the one way to write to it.

The ledger is precious: it is in WAL mode with ``synchronous=FULL``, so that a committed
transaction survives a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous). Only the
main process writes, each of its threads through a ``Ledger`` of its own.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlite_utils import Database

from archiver.durable import sync_directory
from archiver.errors import AlreadyRunning, LocalDiskError, UsageError
from archiver.ledger.check import check
from archiver.ledger.copying import copy
from archiver.ledger.failures import explained
from archiver.ledger.presence import Presence
from archiver.ledger.schema import MIGRATION_NAMES, migrations

_BUSY_MILLISECONDS = 30_000


class Ledger:
    """One thread's connection to the ledger."""

    # Threads queue here instead of in SQLite, whose busy handler sleeps between its tries.
    _writing = threading.RLock()

    def __init__(self, database: Database, path: Path, presence: Presence) -> None:
        self.database = database
        self.path = path
        self._presence = presence

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the ledger, and makes or upgrades it where that is due.

        After an end that nobody chose all of it is read first, once (``check.py``).

        Raises:
            LedgerDamaged: it is damaged; nothing was changed.
            UsageError: the file is no ledger, or one of a newer version of the program.
            LocalDiskError: it cannot be opened or made.
        """
        try:
            presence = Presence.enter(path)
            try:
                with explained(path):
                    return cls(_open(path, presence), path, presence)
            except BaseException:
                presence.leave()
                raise
        except OSError as error:
            raise LocalDiskError(
                f"cannot open {path}: {error.strerror}",
                hint="free space or mend the disk, then run again; nothing is lost",
            ) from error

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its first statement on.

        Raises:
            LocalDiskError: the disk is full or failing; nothing of the transaction is kept.
            LedgerDamaged: damage was met.
        """
        connection = self.database.conn
        with self._writing, explained(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One moment of the ledger, for several queries; others may write meanwhile."""
        connection = self.database.conn
        with explained(self.path):
            connection.execute("BEGIN")
            try:
                yield
            finally:
                connection.execute("COMMIT")

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, streamed."""
        with explained(self.path):
            yield from self.database.conn.execute(sql, arguments)

    def row(self, sql: str, arguments: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with explained(self.path):
            found: tuple[Any, ...] | None = self.database.conn.execute(sql, arguments).fetchone()
            return found

    def value(self, sql: str, arguments: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.row(sql, arguments)
        return None if found is None else found[0]

    def scratch(self, sql: str, arguments: Iterable[Sequence[Any]] | None = None) -> None:
        """Runs a statement over this connection's temporary tables, which no other one sees."""
        with explained(self.path):
            if arguments is None:
                self.database.conn.execute(sql)
            else:
                self._scratch_rows(sql, arguments)

    def _scratch_rows(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        connection = self.database.conn
        connection.execute("BEGIN")
        try:
            connection.executemany(sql, rows)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection; temporary tables go with it."""
        try:
            self.database.close()
        finally:
            self._presence.leave()

    def __enter__(self) -> Self:
        """Gives the ledger itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()


def _open(path: Path, presence: Presence) -> Database:
    # Only for the owner's eyes; its journals get the same permissions from SQLite.
    path.touch(mode=0o600)
    if presence.first and presence.in_doubt:
        check(path)
        presence.trust()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database = Database(connection)
        for pragma in (
            f"busy_timeout = {_BUSY_MILLISECONDS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        with Ledger._writing:
            _upgrade(database, path, presence)
        if presence.first:
            # SQLite makes the name of a log durable only where it made the log itself: one that a
            # killed process made would hold commits, and lose them with its name.
            sync_directory(path.parent)
            presence.admit()
    except BaseException:
        connection.close()
        raise
    return database


def _upgrade(database: Database, path: Path, presence: Presence) -> None:
    applied = {migration.name for migration in migrations.applied(database)}
    if not applied <= MIGRATION_NAMES:
        raise UsageError(
            f"{path} was made by a newer version of archiver",
            hint="use that version, or another --state",
        )
    if applied == MIGRATION_NAMES:
        return
    if not presence.first:
        raise AlreadyRunning(
            f"{path} is in use by an older version of archiver",
            hint="wait until it has ended, then run again",
        )
    # From here on nobody else writes, and all migrations are one step: one that is cut short leaves
    # the ledger as it was.
    database.conn.execute("BEGIN IMMEDIATE")
    try:
        if applied:
            # The ledger as it was stays beside it; an earlier copy of that version is replaced.
            copy(path, path.with_name(f"{path.name}.{max(applied)}"))
        migrations.apply(database)
        database.conn.execute("COMMIT")
    finally:
        if database.conn.in_transaction:
            database.conn.execute("ROLLBACK")
