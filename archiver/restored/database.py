"""Opening ``restored.db``, and one method for each thing that a restore asks of it.

What one run wants is in temporary tables, so that nothing in memory grows with the archive.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlite_utils import Database

from archiver.errors import LocalDiskError, UsageError
from archiver.restored.schema import MIGRATIONS, NAMES, TEMPORARY

_PAGE = 500
# Messages without a date come last.
_LAST = 1 << 62
_WAITING = """
    SELECT id, digest, date, size, place FROM wanted
    WHERE folder = ? AND outcome IS NULL AND (place, id) > (?, ?) ORDER BY place, id LIMIT ?
"""
_COUNTS = """
    SELECT count(*) FILTER (WHERE known), count(*) FILTER (WHERE NOT known),
        coalesce(sum(size) FILTER (WHERE NOT known), 0),
        count(*) FILTER (WHERE outcome = 'appended'), count(*) FILTER (WHERE outcome = 'found'),
        count(*) FILTER (WHERE outcome = 'refused'),
        coalesce(sum(size) FILTER (WHERE outcome = 'appended'), 0)
    FROM wanted WHERE folder = ?
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message to restore; ``date`` is its own, seconds since the epoch, None without one."""

    row: int
    digest: str
    date: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was not restored: the server's code, if it gave one, and why, in words."""

    digest: str
    size: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """A message of the folder that nobody recorded; without ``likeness`` it was not read yet."""

    uid: int
    size: int
    message_id: bytes
    likeness: bytes | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run wants of a folder, and what became of it; ``octets`` are those to be restored.

    Attributes:
        known: restored before.
        wanted: everything else.
        appended: put there now.
        found: met there, though nothing was recorded of it.
        refused: not restored.
        sent: octets of what was put there.
    """

    known: int
    wanted: int
    octets: int
    appended: int
    found: int
    refused: int
    sent: int

    @property
    def left(self) -> int:
        """How many the run ended before."""
        return self.wanted - self.appended - self.found - self.refused


class Restored:
    """The record of what was restored; it belongs to the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the record, and makes it first where there is none.

        Raises:
            UsageError: the file is damaged, none of ours, or of a newer version.
            LocalDiskError: it cannot be opened or made.
        """
        with _explained(path):
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                for pragma in (
                    "busy_timeout = 30000",
                    "journal_mode = WAL",
                    "synchronous = FULL",
                    "temp_store = FILE",
                ):
                    connection.execute(f"PRAGMA {pragma}")
                _upgrade(connection, path)
                for statement in TEMPORARY:
                    connection.execute(statement)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    def close(self) -> None:
        """Closes the record; what this run wanted is forgotten."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Gives the record itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with _explained(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _explained(self._path):
            return self._connection.execute(sql, values).fetchall()

    def folder(self, target: str, name: str) -> int:
        """The row of a folder.

        Args:
            target: whose it is: ``user@host:port``.
            name: its name at the server.
        """
        with self._writing() as db:
            db.execute(
                "INSERT INTO folders (target, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (target, name),
            )
        found = self._rows("SELECT id FROM folders WHERE target = ? AND name = ?", (target, name))
        return int(found[0][0])

    def want(self, wanted: Iterable[tuple[int, str, int | None, int]]) -> None:
        """Takes what a run wants: folder, digest, date and size of each message.

        What was restored there before is known; once more is not twice.
        """
        with self._writing() as db:
            db.executemany(
                "INSERT INTO wanted (folder, digest, date, place, size, known, outcome)"
                f" SELECT ?1, ?2, ?3, coalesce(?3, {_LAST}), ?4, k, iif(k, 'known', NULL)"
                " FROM (SELECT EXISTS"
                " (SELECT 1 FROM restored WHERE folder = ?1 AND digest = ?2) AS k)"
                " WHERE true ON CONFLICT DO NOTHING",
                (
                    (folder, bytes.fromhex(digest), date, size)
                    for folder, digest, date, size in wanted
                ),
            )

    def counts(self, folder: int) -> Counts:
        """How a folder stands in this run."""
        return Counts(*self._rows(_COUNTS, (folder,))[0])

    def waiting(self, folder: int) -> Iterator[Wanted]:
        """What is still to be restored into a folder, the oldest first."""
        last = (-_LAST, 0)
        while rows := self._rows(_WAITING, (folder, *last, _PAGE)):
            for row, digest, date, size, _ in rows:
                yield Wanted(row, digest.hex(), date, size)
            last = (rows[-1][4], rows[-1][0])

    def note(
        self,
        folder: int,
        outcome: str,
        done: Iterable[tuple[Wanted, int | None, int | None, bytes | None]],
    ) -> None:
        """Records what is in the folder now, durable when this returns.

        Args:
            folder: its row.
            outcome: ``appended`` or ``found``.
            done: each message with UIDVALIDITY and UID, or its likeness where these are not known.
        """
        now = int(time.time())
        with self._writing() as db:
            for wanted, validity, uid, likeness in done:
                db.execute(
                    "INSERT OR REPLACE INTO restored VALUES (?, ?, ?, ?, ?, ?)",
                    (folder, bytes.fromhex(wanted.digest), validity, uid, likeness, now),
                )
                db.execute("UPDATE wanted SET outcome = ? WHERE id = ?", (outcome, wanted.row))

    def refuse(self, wanted: Wanted, code: str, reason: str) -> None:
        """Keeps for this run why a message was not restored; the next run tries again."""
        with self._writing() as db:
            db.execute(
                "UPDATE wanted SET outcome = 'refused', code = ?, reason = ? WHERE id = ?",
                (code, reason, wanted.row),
            )

    def refuse_rest(self, folder: int, code: str, reason: str) -> None:
        """The same for everything that waits for a folder."""
        with self._writing() as db:
            db.execute(
                "UPDATE wanted SET outcome = 'refused', code = ?, reason = ?"
                " WHERE folder = ? AND outcome IS NULL",
                (code, reason, folder),
            )

    def refused(self, folder: int) -> Iterator[Refused]:
        """What was not restored into a folder, and why."""
        last = 0
        while rows := self._rows(
            "SELECT id, digest, size, code, reason FROM wanted"
            " WHERE folder = ? AND outcome = 'refused' AND id > ? ORDER BY id LIMIT ?",
            (folder, last, _PAGE),
        ):
            for _, digest, size, code, reason in rows:
                yield Refused(digest.hex(), size, code, reason)
            last = rows[-1][0]

    def look(self, folder: int, validity: int, uids: Sequence[int]) -> list[int]:
        """Takes what a folder holds, and gives the UIDs of which nothing is recorded."""
        with self._writing() as db:
            db.execute("DELETE FROM there")
            db.executemany("INSERT OR IGNORE INTO there (uid) VALUES (?)", ((u,) for u in uids))
            db.execute(
                "UPDATE there SET claimed = 1 WHERE EXISTS (SELECT 1 FROM restored r"
                " WHERE r.folder = ? AND r.uid = there.uid AND r.validity = ?)",
                (folder, validity),
            )
        return [row[0] for row in self._rows("SELECT uid FROM there WHERE NOT claimed")]

    def take_back(self, folder: int, validity: int) -> None:
        """Wants again what was restored before, and is not in the folder that was looked into."""
        gone = (
            "folder = ?1 AND NOT (validity IS ?2 AND coalesce(uid, 0) IN (SELECT uid FROM there))"
        )
        with self._writing() as db:
            db.execute(
                "UPDATE wanted SET known = 0, outcome = NULL WHERE folder = ?1 AND known"
                f" AND digest IN (SELECT digest FROM restored WHERE {gone})",
                (folder, validity),
            )
            db.execute(
                f"DELETE FROM restored WHERE {gone}"
                " AND digest IN (SELECT digest FROM wanted WHERE folder = ?1)",
                (folder, validity),
            )

    def describe(self, seen: Iterable[tuple[int, int, bytes]]) -> None:
        """Takes size and field Message-ID of what nobody recorded."""
        with self._writing() as db:
            db.executemany(
                "UPDATE there SET size = ?2, message_id = ?3 WHERE uid = ?1",
                ((uid, size, message_id) for uid, size, message_id in seen),
            )

    def alike(self, sizes: Iterable[int]) -> list[Found]:
        """What has one of these sizes and is not yet known to be anything."""
        wanted = tuple(sizes)
        marks = ", ".join("?" * len(wanted))
        rows = self._rows(
            "SELECT uid, size, message_id, likeness FROM there"
            f" WHERE size IN ({marks}) AND claimed = 0 ORDER BY uid",
            wanted,
        )
        return [Found(*row) for row in rows]

    def claim(self, uid: int) -> None:
        """A message of the folder stands for one that was wanted, and for no other."""
        with self._writing() as db:
            db.execute("UPDATE there SET claimed = 1 WHERE uid = ?", (uid,))

    def unread(self, first: int, largest: int, most: int) -> list[int]:
        """UIDs of messages to read together, from ``first`` on; none if that one was read before.

        Args:
            first: a UID.
            largest: how many octets one of them may have.
            most: how many they may be.
        """
        rows = self._rows(
            "SELECT uid FROM there WHERE uid >= ? AND size <= ? AND likeness IS NULL"
            " AND claimed = 0 ORDER BY uid LIMIT ?",
            (first, largest, most),
        )
        uids = [row[0] for row in rows]
        return uids if first in uids else []

    def read(self, folder: int, validity: int, uid: int, likeness: bytes) -> bool:
        """Keeps what a message of the folder is like; says whether it is one recorded without UID.

        That record then has its UID.
        """
        with self._writing() as db:
            db.execute("UPDATE there SET likeness = ? WHERE uid = ?", (likeness, uid))
            recorded = db.execute(
                "SELECT digest FROM restored WHERE folder = ? AND likeness = ? LIMIT 1",
                (folder, likeness),
            ).fetchone()
            if recorded is None:
                return False
            db.execute(
                "UPDATE restored SET validity = ?, uid = ?, likeness = NULL"
                " WHERE folder = ? AND digest = ?",
                (validity, uid, folder, recorded[0]),
            )
            db.execute("UPDATE there SET claimed = 1 WHERE uid = ?", (uid,))
            return True


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    database = Database(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        applied = {migration.name for migration in MIGRATIONS.applied(database)}
        if not applied <= NAMES:
            raise UsageError(
                f"{path} was made by a newer version of archiver",
                hint="use that version, or another --state",
            )
        if applied != NAMES:
            MIGRATIONS.apply(database)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says what SQLite reports in the words of a person who has to act on it."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise UsageError(
                f"{path} is damaged",
                hint="move it away: what was restored is then looked for in the folders",
            ) from error
        if isinstance(error, sqlite3.OperationalError):
            raise LocalDiskError(
                f"{path} cannot be used: {error}",
                hint="look at the free space and the permissions of the state directory",
            ) from error
        raise
    except OSError as error:
        raise LocalDiskError(f"{path} cannot be made: {error.strerror}") from error
