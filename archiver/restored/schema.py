"""The tables of ``restored.db``: which message went into which folder of which account.

Without it nothing is restored twice all the same: whoever restores looks into the folder first, and
compares. What would be lost is that a message was deleted there on purpose.
"""

from typing import Final

from sqlite_utils import Database, Migrations

MIGRATIONS: Final = Migrations("restored")

_TABLES: Final = (
    """
    CREATE TABLE folders (
        id INTEGER PRIMARY KEY,
        target TEXT NOT NULL,
        name TEXT NOT NULL,
        UNIQUE (target, name)
    ) STRICT
    """,
    # A server without UIDPLUS does not say which UID a message got; then its likeness is kept.
    """
    CREATE TABLE restored (
        folder INTEGER NOT NULL REFERENCES folders (id),
        digest BLOB NOT NULL,
        validity INTEGER,
        uid INTEGER,
        likeness BLOB,
        at INTEGER NOT NULL,
        PRIMARY KEY (folder, digest)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX restored_uid ON restored (folder, uid)",
    "CREATE INDEX restored_likeness ON restored (folder, likeness) WHERE likeness NOTNULL",
)

TEMPORARY: Final = (
    """
    CREATE TEMP TABLE wanted (
        id INTEGER PRIMARY KEY,
        folder INTEGER NOT NULL,
        digest BLOB NOT NULL,
        date INTEGER,
        place INTEGER NOT NULL,
        size INTEGER NOT NULL,
        known INTEGER NOT NULL DEFAULT 0,
        outcome TEXT,
        code TEXT,
        reason TEXT,
        UNIQUE (folder, digest)
    )
    """,
    "CREATE INDEX temp.wanted_waiting ON wanted (folder, place, id) WHERE outcome IS NULL",
    """
    CREATE TEMP TABLE there (
        uid INTEGER PRIMARY KEY,
        size INTEGER,
        message_id BLOB,
        likeness BLOB,
        claimed INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX temp.there_size ON there (size) WHERE claimed = 0",
)
"""What a run wants to restore, and what lies in the folder that it is about."""


@MIGRATIONS()
def m001_first_tables(db: Database) -> None:
    """The file as it first was."""
    for statement in _TABLES:
        db.execute(statement)


NAMES: Final = frozenset({m001_first_tables.__name__})
"""What a file of this version has applied; one that has more comes from a newer version."""
