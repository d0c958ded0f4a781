"""The tables of ``ledger.db``, as migrations in the order in which they were made.

Digests are 32-octet blobs and times whole seconds since the epoch, UTC: the ledger of a million
messages should stay small. A copy's key is not stored: it follows from its batch (``format.py``).
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("ledger")

_TABLES = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE stores (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL UNIQUE,
        capabilities TEXT
    )
    """,
    """
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        store_id INTEGER NOT NULL REFERENCES stores (id),
        host TEXT NOT NULL,
        utf8 INTEGER,
        distrusted TEXT,
        narrow_until INTEGER,
        UNIQUE (name, store_id)
    )
    """,
    """
    CREATE TABLE batches (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        day TEXT NOT NULL,
        segment TEXT NOT NULL,
        octets INTEGER NOT NULL,
        spooled_at INTEGER NOT NULL,
        uploaded_at INTEGER,
        archived_at INTEGER,
        indexed_at INTEGER
    )
    """,
    "CREATE INDEX batches_pending ON batches (account_id) WHERE archived_at IS NULL",
    "CREATE INDEX batches_unread ON batches (account_id) WHERE indexed_at IS NULL",
    """
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        uidl TEXT,
        listed_size INTEGER,
        stage TEXT NOT NULL,
        problem TEXT NOT NULL DEFAULT 'none',
        reason TEXT,
        tries INTEGER NOT NULL DEFAULT 0,
        listed_at INTEGER NOT NULL,
        digest BLOB,
        header_digest BLOB,
        batch_id INTEGER REFERENCES batches (id),
        offset INTEGER,
        length INTEGER,
        fetched_at INTEGER,
        anomalies TEXT
    )
    """,
    "CREATE UNIQUE INDEX messages_uidl ON messages (account_id, uidl, digest)",
    "CREATE INDEX messages_digest ON messages (account_id, digest) WHERE digest IS NOT NULL",
    """
    CREATE INDEX messages_header ON messages (account_id, header_digest)
    WHERE header_digest IS NOT NULL
    """,
    "CREATE INDEX messages_batch ON messages (batch_id) WHERE batch_id IS NOT NULL",
    "CREATE INDEX messages_problem ON messages (account_id) WHERE problem <> 'none'",
    """
    CREATE TABLE copies (
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        store_id INTEGER NOT NULL REFERENCES stores (id),
        kind TEXT NOT NULL,
        digest BLOB NOT NULL,
        batch_id INTEGER NOT NULL REFERENCES batches (id),
        length INTEGER NOT NULL,
        etag TEXT,
        version_id TEXT,
        proof TEXT,
        uploaded_at INTEGER NOT NULL,
        proven_at INTEGER,
        PRIMARY KEY (account_id, store_id, kind, digest)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE parts (
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        digest BLOB NOT NULL,
        position INTEGER NOT NULL,
        part_digest BLOB NOT NULL,
        PRIMARY KEY (account_id, digest, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE manifests (
        id INTEGER PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        store_id INTEGER NOT NULL REFERENCES stores (id),
        writer TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        batch_id INTEGER NOT NULL REFERENCES batches (id),
        digest BLOB NOT NULL,
        octets BLOB,
        drafted_at INTEGER NOT NULL,
        proven_at INTEGER,
        UNIQUE (account_id, store_id, writer, sequence)
    )
    """,
    "CREATE INDEX manifests_unproven ON manifests (account_id) WHERE proven_at IS NULL",
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        verb TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER,
        exit_code INTEGER,
        report TEXT
    )
    """,
)


@migrations()
def m001_first_tables(db: Database) -> None:
    """The ledger as it first was."""
    for statement in _TABLES:
        db.execute(statement)


@migrations()
def m002_logins(db: Database) -> None:
    """What sessions taught us: when and how we signed in, how often that may be, what QUIT does."""
    columns = ("last_login INTEGER", "login_delay REAL", "mechanism TEXT", "retires INTEGER")
    for column in columns:
        db.execute(f"ALTER TABLE accounts ADD COLUMN {column}")


MIGRATION_NAMES = frozenset({m001_first_tables.__name__, m002_logins.__name__})
"""What a ledger of this version has applied; one that has more comes from a newer version."""
