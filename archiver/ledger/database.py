"""Opening ``ledger.db``, and the one way to write to it.

The ledger is precious: it is in WAL mode with ``synchronous=FULL``, so that a committed
transaction survives a power cut (https://www.sqlite.org/pragma.html#pragma_synchronous). Only the
main process writes, each of its threads through a ``Ledger`` of its own.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlite_utils import Database

from archiver.errors import LocalDiskError, UsageError
from archiver.ledger.schema import MIGRATION_NAMES, migrations

_BUSY_MILLISECONDS = 30_000


class Ledger:
    """One thread's connection to the ledger."""

    # Threads queue here instead of in SQLite, whose busy handler sleeps between its tries.
    _writing = threading.RLock()

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the ledger, and makes or upgrades it where that is due.

        Raises:
            UsageError: the file is no ledger, or one of a newer version of the program.
            LocalDiskError: it cannot be opened or made.
        """
        try:
            # Only for the owner's eyes; its journals get the same permissions from SQLite.
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            database = Database(connection)
            for pragma in (
                f"busy_timeout = {_BUSY_MILLISECONDS}",
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            with cls._writing:
                _upgrade(database, path)
        except sqlite3.DatabaseError as error:
            raise _translated(error, path) from error
        except OSError as error:
            raise LocalDiskError(f"cannot open {path}: {error.strerror}") from error
        return cls(database, path)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its first statement on.

        Raises:
            LocalDiskError: the disk is full or failing; nothing of the transaction is kept.
        """
        connection = self.database.conn
        with self._writing:
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
                raise _translated(error, self.path) from error

    def rows(self, sql: str, arguments: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, streamed."""
        yield from self.database.conn.execute(sql, arguments)

    def row(self, sql: str, arguments: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found: tuple[Any, ...] | None = self.database.conn.execute(sql, arguments).fetchone()
        return found

    def value(self, sql: str, arguments: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.row(sql, arguments)
        return None if found is None else found[0]

    def scratch(self, sql: str, arguments: Iterable[Sequence[Any]] | None = None) -> None:
        """Runs a statement over this connection's temporary tables, which no other one sees."""
        if arguments is None:
            self.database.conn.execute(sql)
        else:
            self.database.conn.execute("BEGIN")
            self.database.conn.executemany(sql, arguments)
            self.database.conn.execute("COMMIT")

    def close(self) -> None:
        """Closes the connection; temporary tables go with it."""
        self.database.close()

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


def _upgrade(database: Database, path: Path) -> None:
    applied = {migration.name for migration in migrations.applied(database)}
    if not applied <= MIGRATION_NAMES:
        raise UsageError(
            f"{path} was made by a newer version of archiver",
            hint="use that version, or another --state",
        )
    if applied < MIGRATION_NAMES:
        if applied:
            _keep_copy(database, path, max(applied))
        # Two processes may open a new ledger at once; the second finds it made.
        database.conn.execute("BEGIN IMMEDIATE")
        migrations.apply(database)
        database.conn.execute("COMMIT")


def _keep_copy(database: Database, path: Path, version: str) -> None:
    """Keeps the ledger as it was before an upgrade, beside it; an earlier copy is replaced."""
    copy = path.with_name(f"{path.name}.{version}")
    unfinished = path.with_name(f"{copy.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    database.conn.execute("VACUUM INTO ?", (str(unfinished),))
    unfinished.replace(copy)


def _translated(error: sqlite3.DatabaseError, path: Path) -> LocalDiskError | UsageError:
    text = str(error)
    if "not a database" in text or "malformed" in text:
        return UsageError(
            f"{path} is not a usable ledger: {text}",
            hint="restore it from a copy, or use another --state; nothing in the store is touched",
        )
    return LocalDiskError(
        f"cannot write {path}: {text}",
        hint="free space or mend the disk, then run again; nothing is lost",
    )
