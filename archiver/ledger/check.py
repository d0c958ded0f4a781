"""Whether all of a ledger is as it was written."""

import sqlite3
from contextlib import closing
from pathlib import Path

from archiver.ledger.failures import damaged, explained


def check(path: Path) -> None:
    """Reads all of the ledger at ``path``, and what its log holds; neither is changed.

    Raises:
        LedgerDamaged: it is not whole.
        UsageError: it is no ledger.
        LocalDiskError: it cannot be read.
    """
    # Whoever may write would bring the log into the file when it closes.
    with (
        explained(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
    ):
        damage = damage_of(db)
    if damage:
        raise damaged(path, damage)


def damage_of(database: sqlite3.Connection) -> str:
    """What is wrong with an open ledger, in one line; empty where all is well.

    A disk that loses writes leaves pages that are each as they should be, but of different ages:
    a message without its entry in an index would be fetched anew, and one whose batch is missing
    could be neither found nor read. The quick check compares neither, which is why the whole one is
    run: half a second for 100,000 messages.

    Raises:
        sqlite3.DatabaseError: it cannot be read.
    """
    try:
        return _damage_of(database)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return str(error)


def _damage_of(database: sqlite3.Connection) -> str:
    (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        return str(found).splitlines()[-1]
    orphan = database.execute("PRAGMA foreign_key_check").fetchone()
    if orphan is not None:
        return f"row {orphan[1]} of {orphan[0]} belongs to a row of {orphan[2]} that is not there"
    return ""
