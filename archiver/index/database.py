"""The index as a file: opening it, and one method for each thing that others ask of it.

It is disposable, so it is written with ``synchronous=NORMAL``: a power cut may lose the last
batches, which are due again, but in WAL mode does not damage the file.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from archiver.durable import sync_directory, sync_file
from archiver.errors import AlreadyRunning, IndexDamaged, LocalDiskError, UsageError
from archiver.index.asking import prepare_connection
from archiver.index.conversations import Conversation, conversations
from archiver.index.digests import BY_DIGEST
from archiver.index.disposal import condemn, is_condemned
from archiver.index.entry import INDEX_VERSION, Entry, Location
from archiver.index.reader import Hit, Sort, count, each, find, find_digest
from archiver.index.tidying import is_due, tidy
from archiver.index.totals import By, Total, total, totals
from archiver.index.writer import Writer
from archiver.query import EVERYTHING, Query

if TYPE_CHECKING:
    from sqlite_utils import Database

_BUSY_SECONDS: Final = 30.0
_CACHE_KIBIOCTETS: Final = 16 * 1024
_MADE_AGAIN: Final = "archiver index, or the next archiver run, makes it again"
_LOOK: Final = "look at the free space and the permissions of the state directory"
_CANNOT_OPEN: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


class Index:
    """What messages say, in one SQLite file that can be made again from the raw messages.

    It belongs to the thread that opened it. Any method raises IndexDamaged when the file turns out
    to be damaged, LocalDiskError when it cannot be written, and AlreadyRunning when another
    process has been writing to it for 30 seconds.
    """

    def __init__(self, database: "Database", path: Path, *, read_only: bool) -> None:
        """Over a database that has its tables: ``open`` makes one."""
        self._database = database
        self._connection = database.conn
        self._path = path
        self._read_only = read_only

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Opens the index at ``path``, and makes it first unless it is only to be read.

        Raises:
            IndexDamaged: the file is no index, or a damaged one.
            UsageError: there is none to read, or a newer version wrote it.
        """
        if read_only and not path.exists():
            raise UsageError("nothing is indexed yet", hint="archiver index makes the index")
        if read_only and is_condemned(path):
            raise IndexDamaged("the index is damaged", hint=_MADE_AGAIN)
        with _explained(path):
            return cls(_open(path, read_only=read_only), path, read_only=read_only)

    def add(self, entries: Iterable[tuple[Entry, Location]]) -> None:
        """Inserts a batch, all of it or nothing; what is known only gains the location."""
        with _explained(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                Writer(self._connection).add(entries)

    def indexed(self, digests: Sequence[str]) -> set[str]:
        """Those of ``digests`` (hex) that are in the index at INDEX_VERSION."""
        with _explained(self._path):
            return {digest for digest in digests if self._is_indexed(digest)}

    def make_due(self, unread: Sequence[str]) -> None:
        """Has messages be indexed anew that have attachments unread for one of these reasons."""
        marks = ", ".join("?" * len(unread))
        with _explained(self._path), self._connection:
            self._connection.execute(
                "UPDATE messages SET version = 0 WHERE id IN"
                f" (SELECT message FROM parts WHERE unread IN ({marks}))",
                unread,
            )

    def _is_indexed(self, digest: str) -> bool:
        row = self._connection.execute(
            f"SELECT 1 FROM messages WHERE {BY_DIGEST} AND version = ?2",
            (bytes.fromhex(digest), INDEX_VERSION),
        )
        return row.fetchone() is not None

    def count(self, query: Query = EVERYTHING) -> int:
        """How many distinct messages a query asks for."""
        with _explained(self._path):
            return count(self._connection, query)

    def search(
        self, query: Query, *, sort: Sort = Sort.DATE, limit: int = 50, offset: int = 0
    ) -> list[Hit]:
        """The messages that a query asks for.

        Args:
            query: what is asked for.
            sort: their order; in that of dates, those without a date come last.
            limit: at most so many.
            offset: how many of the first to pass over.
        """
        with _explained(self._path):
            return find(self._connection, query, sort, limit, offset)

    def each(self, query: Query) -> Iterator[Hit]:
        """Every message that a query asks for, in the order in which they were indexed.

        They carry no snippet. The order stays the same while messages are added, so that whoever
        stopped can go on.
        """
        with _explained(self._path):
            yield from each(self._connection, query)

    def conversations(
        self, query: Query, *, limit: int = 50, offset: int = 0
    ) -> list[Conversation]:
        """The conversations that a query finds, the one with the newest match first."""
        with _explained(self._path):
            return conversations(self._connection, query, limit, offset)

    def total(self, query: Query) -> Total:
        """How much a query asks for, all in all."""
        with _explained(self._path):
            return total(self._connection, query)

    def totals(self, query: Query, by: By, *, limit: int = 20) -> list[Total]:
        """How much a query asks for by something; see ``totals.totals``."""
        with _explained(self._path):
            return totals(self._connection, query, by, limit)

    def get(self, digest: str) -> Hit | None:
        """The message with these octets, None where the index does not hold it."""
        with _explained(self._path):
            return find_digest(self._connection, digest)

    def tidy(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Merges what many batches left behind, where that is worth it, until it is to stop."""
        with _explained(self._path):
            if is_due(self._connection):
                tidy(self._connection, stopping)

    def close(self) -> None:
        """Closes the file; what was added is durable then.

        Raises:
            LocalDiskError: it is not.
        """
        self._connection.close()
        if self._read_only:
            return
        # Where others have the index open the log stays, and nobody has synced that yet.
        log = self._path.with_name(f"{self._path.name}-wal")
        with _durable(self._path), suppress(FileNotFoundError):
            sync_file(log)
            sync_directory(log.parent)


def _open(path: Path, *, read_only: bool) -> "Database":
    # This import takes an eighth of a second, which workers and idle runs do not need to spend.
    from sqlite_utils import Database

    from archiver.index.schema import MIGRATIONS, is_newer, is_older

    mode = "ro" if read_only else "rwc"
    if not read_only and path.parent.exists() and not path.exists():
        # It holds what messages say: only for the owner's eyes, as are its journals then.
        path.touch(mode=0o600)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", timeout=_BUSY_SECONDS, uri=True
    )
    try:
        database = Database(connection, execute_plugins=False)
        if is_newer(database):
            raise UsageError(
                "the index was written by a newer version of archiver",
                hint="use that version, or remove index.db: archiver index makes it again",
            )
        if is_older(database):
            condemn(path)
            raise IndexDamaged("the index is of an older make", hint=_MADE_AGAIN)
        _set_up(connection, read_only=read_only)
        if not MIGRATIONS.pending(database):
            return database
        if read_only:
            raise UsageError("the index is not complete", hint="archiver index completes it")
        # Two first runs may come here at once; the second one then finds nothing left to do.
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            MIGRATIONS.apply(database)
    except BaseException:
        connection.close()
        raise
    return database


def _set_up(connection: sqlite3.Connection, *, read_only: bool) -> None:
    prepare_connection(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIOCTETS}")
    if not read_only:
        # Only a file without tables takes this: merged pages go back to the disk, see ``tidying``.
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says what SQLite reports in the words of a person who has to act on it."""
    try:
        yield
    except zlib.error as error:
        condemn(path)
        raise IndexDamaged("the index is damaged", hint=_MADE_AGAIN) from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            raise AlreadyRunning(
                "the index is in use by another process", hint="wait until it has finished"
            ) from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            condemn(path)
            raise IndexDamaged("the index is damaged", hint=_MADE_AGAIN) from error
        if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, *_CANNOT_OPEN}:
            raise LocalDiskError(f"the index cannot be used: {error}", hint=_LOOK) from error
        raise
    except OSError as error:
        raise LocalDiskError(f"the index cannot be made: {error.strerror}", hint=_LOOK) from error


@contextmanager
def _durable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalDiskError(f"cannot write {path}: {error.strerror}", hint=_LOOK) from error
