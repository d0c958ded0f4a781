"""What manifests name, sorted by key, in a database of its own that is thrown away afterwards.

An audit meets names in the order of the manifests, and objects in the order of their keys. The
names of an archive of any size are brought into that order on the disk, so that both can be read
side by side with nothing held but a page. What many keys have in common, the prefix of a batch, is
one row of ``places``.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from archiver.format import batch_prefix, mail_prefix, parse_mail_key, part_key, raw_key
from archiver.ledger.failures import explained
from archiver.model import Kind, Locator

_TABLES = (
    "PRAGMA journal_mode = MEMORY",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -32768",  # KiB
    """
    CREATE TABLE places (
        id INTEGER PRIMARY KEY,
        prefix TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL,
        day TEXT NOT NULL,
        batch TEXT NOT NULL
    )
    """,
    # Raw octets come before parts, as their keys do.
    """
    CREATE TABLE named (
        place INTEGER NOT NULL,
        is_part INTEGER NOT NULL,
        digest BLOB NOT NULL,
        length INTEGER NOT NULL,
        etag TEXT,
        version_id TEXT,
        PRIMARY KEY (place, is_part, digest)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE damaged (
        place INTEGER NOT NULL,
        is_part INTEGER NOT NULL,
        digest BLOB NOT NULL,
        sound_version TEXT,
        PRIMARY KEY (place, is_part, digest)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE moved (
        place INTEGER NOT NULL,
        is_part INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (place, is_part, digest)
    ) WITHOUT ROWID
    """,
)
_SORTED = """
    SELECT p.account, p.day, p.batch, n.is_part, n.digest, n.length, n.etag, n.version_id,
        m.place NOTNULL
    FROM places p CROSS JOIN named n ON n.place = p.id LEFT JOIN moved m
        ON m.place = n.place AND m.is_part = n.is_part AND m.digest = n.digest
    WHERE p.prefix >= ? AND p.prefix < ?
    ORDER BY p.prefix, n.is_part, n.digest
    """
_DAMAGED = """
    SELECT p.account, p.day, p.batch, n.is_part, n.digest, n.length, n.etag, n.version_id,
        d.sound_version, p.prefix
    FROM places p CROSS JOIN damaged d ON d.place = p.id JOIN named n
        ON n.place = d.place AND n.is_part = d.is_part AND n.digest = d.digest
    WHERE p.account = ? AND n.is_part = ? AND (p.prefix, n.digest) > (?, ?)
    ORDER BY p.prefix, n.digest LIMIT ?
    """
_ELSEWHERE = """
    SELECT p.account, p.day, p.batch, n.is_part, n.digest, n.length, n.etag, n.version_id, 0
    FROM named n JOIN places p ON p.id = n.place
    WHERE n.digest = ? AND NOT EXISTS (SELECT 1 FROM damaged d
        WHERE d.place = n.place AND d.is_part = n.is_part AND d.digest = n.digest)
    LIMIT 10
    """
_PLACES_REMEMBERED = 1_000
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a manifest names; ``moved`` says that it was given up for another one."""

    account: str
    kind: Kind
    digest: str
    locator: Locator
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Damaged:
    """A named object that is damaged; ``sound_version`` still holds what was archived."""

    named: Named
    sound_version: str | None


class Names:
    """The names, while an audit lasts.

    Names are added within ``whole``.

    Args:
        path: a file that is not there yet, in a directory that will be removed.

    Raises:
        LocalDiskError: the disk is full or cannot be written; any method may raise that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with explained(path):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for statement in _TABLES:
                self._db.execute(statement)
        self._places: OrderedDict[str, int] = OrderedDict()
        self._waiting: list[tuple[int, bool, bytes, int, str | None, str | None]] = []

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Around all that one manifest names: it counts as a whole or, after an error, not."""
        with explained(self._path):
            self._db.execute("BEGIN")
            try:
                yield
                self._flush()
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._waiting.clear()
                    self._places.clear()
                    self._db.execute("ROLLBACK")

    def add(self, kind: Kind, digest: str, locator: Locator) -> None:
        """A manifest names this object; what was said of it first counts."""
        is_part, octets = kind is Kind.PART, bytes.fromhex(digest)
        self._waiting.append(
            (
                self._place(locator.key),
                is_part,
                octets,
                locator.length,
                locator.etag,
                locator.version_id,
            )
        )
        if len(self._waiting) >= _AT_ONCE:
            self._flush()

    def move(self, kind: Kind, digest: str, key: str) -> None:
        """A manifest says that the object under ``key`` was given up for a sound one."""
        with explained(self._path):
            self._db.execute(
                "INSERT OR IGNORE INTO moved VALUES (?, ?, ?)",
                (self._place(key), kind is Kind.PART, bytes.fromhex(digest)),
            )

    def damage(self, named: Named, sound_version: str | None) -> None:
        """Remembers that an object is damaged, in the order of keys."""
        with explained(self._path):
            self._db.execute(
                "INSERT OR IGNORE INTO damaged VALUES (?, ?, ?, ?)",
                (
                    self._place(named.locator.key),
                    named.kind is Kind.PART,
                    bytes.fromhex(named.digest),
                    sound_version,
                ),
            )

    def damaged(self, account: str, kind: Kind, most: int) -> Iterator[list[Damaged]]:
        """The damaged objects of an account, so many at a time, in the order of their keys."""
        last: tuple[str, bytes] = ("", b"")
        while True:
            with explained(self._path):
                rows = self._db.execute(_DAMAGED, (account, kind is Kind.PART, *last, most))
                page = [(Damaged(_named((*row[:-2], False)), row[-2]), row) for row in rows]
            if not page:
                return
            yield [one for one, _ in page]
            last = (page[-1][1][-1], page[-1][1][4])

    def is_damaged(self, kind: Kind, digest: str, key: str) -> bool:
        """Whether the object under a key is remembered as damaged."""
        with explained(self._path):
            found = self._db.execute(
                "SELECT 1 FROM damaged WHERE place = ? AND is_part = ? AND digest = ?",
                (self._place(key), kind is Kind.PART, bytes.fromhex(digest)),
            ).fetchone()
        return found is not None

    def elsewhere(self, digest: str) -> list[Named]:
        """Other objects of these octets, of any account and kind, not known to be damaged."""
        with explained(self._path):
            self._db.execute("CREATE INDEX IF NOT EXISTS named_digest ON named (digest)")
            return [_named(row) for row in self._db.execute(_ELSEWHERE, (bytes.fromhex(digest),))]

    def count(self) -> int:
        """How many objects are named and not given up."""
        with explained(self._path):
            found = self._db.execute(
                "SELECT (SELECT count(*) FROM named) - (SELECT count(*) FROM moved"
                " JOIN named USING (place, is_part, digest))"
            ).fetchone()
        return int(found[0])

    def below(self, account: str | None = None) -> Iterator[Named]:
        """The objects of an account, or of all of them, in the order of their keys' octets."""
        first = mail_prefix(account)
        # What comes behind everything that begins so: the character behind a slash is a zero.
        values = (first, first[:-1] + "0")
        with explained(self._path):
            yield from map(_named, self._db.execute(_SORTED, values))

    def _place(self, key: str) -> int:
        prefix = key.rpartition("/")[0]
        row = self._places.get(prefix)
        if row is None:
            row = self._find_place(key)
            self._places[prefix] = row
            if len(self._places) > _PLACES_REMEMBERED:
                self._places.popitem(last=False)
        return row

    def _find_place(self, key: str) -> int:
        found = parse_mail_key(key)
        assert found is not None, "a record with another key is not read"
        prefix = batch_prefix(found.account, found.day, found.batch)
        with explained(self._path):
            self._db.execute(
                "INSERT OR IGNORE INTO places (prefix, account, day, batch) VALUES (?, ?, ?, ?)",
                (prefix, found.account, found.day, found.batch),
            )
            row = self._db.execute("SELECT id FROM places WHERE prefix = ?", (prefix,)).fetchone()
        return int(row[0])

    def _flush(self) -> None:
        with explained(self._path):
            self._db.executemany(
                "INSERT OR IGNORE INTO named VALUES (?, ?, ?, ?, ?, ?)", self._waiting
            )
        self._waiting.clear()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def __enter__(self) -> Self:
        """The names themselves."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets go of the file."""
        self.close()


def _named(row: tuple[Any, ...]) -> Named:
    account, day, batch, is_part, octets, length, etag, version_id, moved = row
    kind, digest = Kind.PART if is_part else Kind.RAW, octets.hex()
    key = (part_key if is_part else raw_key)(account, day, batch, digest)
    locator = Locator(key, length, etag=etag, version_id=version_id)
    return Named(account, kind, digest, locator, bool(moved))
