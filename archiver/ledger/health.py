"""What can be said of a ledger without changing it: it is neither made nor upgraded here."""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from archiver.ledger.check import damage_of
from archiver.ledger.failures import explained
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
        damage: what a check of all of it says, empty where all is well.
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
        LedgerDamaged: it is too damaged to be read.
        LocalDiskError: it cannot be opened.
    """
    # Whoever may write brings a log that was left into the file when it closes, and one that reads
    # alone leaves a log behind where none was. Where nothing can be written nobody else does.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "mode=rw"
    if not os.access(path.parent, os.W_OK):
        mode = "immutable=1"
    with (
        explained(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database,
    ):
        applied = {
            str(row[0])
            for row in database.execute(
                "SELECT name FROM _sqlite_migrations WHERE migration_set = 'ledger'"
            )
        }
        (newest,) = database.execute("SELECT max(fetched_at) FROM messages").fetchone()
        damage = damage_of(database)
    return LedgerHealth(
        version=len(applied),
        missing=len(MIGRATION_NAMES - applied),
        foreign=not applied <= MIGRATION_NAMES,
        newest=newest,
        damage=damage,
    )
