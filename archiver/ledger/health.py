"""What can be said of a ledger without changing it: it is neither made nor upgraded here."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from archiver.errors import LocalDiskError, UsageError
from archiver.ledger.schema import MIGRATION_NAMES

SQLITE_VERSION = sqlite3.sqlite_version
"""The library that holds ledger and index."""


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """A ledger as it lies there.

    Attributes:
        version: how many migrations it has had.
        missing: how many this version of the program has beyond those.
        foreign: whether it has some that this version does not know.
        newest: when the newest message was fetched, in seconds since the epoch; None for none.
        damage: what SQLite's quick check says, empty where all is well.
    """

    version: int
    missing: int
    foreign: bool
    newest: int | None
    damage: str


def look(path: Path) -> LedgerHealth:
    """Reads a ledger that exists.

    Raises:
        UsageError: it is no ledger.
        LocalDiskError: it cannot be read.
    """
    # One that opens for reading alone leaves the files of its WAL behind; the last one that may
    # write clears them away. Where nothing can be written nobody else writes meanwhile.
    mode = "mode=rw" if os.access(path.parent, os.W_OK) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database:
            applied = {
                str(row[0])
                for row in database.execute(
                    "SELECT name FROM _sqlite_migrations WHERE migration_set = 'ledger'"
                )
            }
            (newest,) = database.execute("SELECT max(fetched_at) FROM messages").fetchone()
            (check,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        raise LocalDiskError(
            f"cannot read {path}: {error}", hint="check the rights and the disk"
        ) from error
    except sqlite3.DatabaseError as error:
        raise UsageError(
            f"{path} is not a usable ledger: {error}",
            hint="restore it from a copy, or use another --state; nothing in the store is touched",
        ) from error
    return LedgerHealth(
        version=len(applied),
        missing=len(MIGRATION_NAMES - applied),
        foreign=not applied <= MIGRATION_NAMES,
        newest=newest,
        damage="" if check == "ok" else str(check),
    )
