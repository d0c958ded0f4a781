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


_DELETION = (
    "ALTER TABLE accounts ADD COLUMN described TEXT",
    "ALTER TABLE messages ADD COLUMN said TEXT",
    "ALTER TABLE messages ADD COLUMN left_at INTEGER",
    # A manifest may name no batch, which SQLite can only say in a new table.
    """
    CREATE TABLE manifests_with_events (
        id INTEGER PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        store_id INTEGER NOT NULL REFERENCES stores (id),
        writer TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        batch_id INTEGER REFERENCES batches (id),
        digest BLOB NOT NULL,
        octets BLOB,
        drafted_at INTEGER NOT NULL,
        proven_at INTEGER,
        checkpoint BLOB,
        UNIQUE (account_id, store_id, writer, sequence)
    )
    """,
    "INSERT INTO manifests_with_events SELECT *, NULL FROM manifests",
    "DROP TABLE manifests",
    "ALTER TABLE manifests_with_events RENAME TO manifests",
    "CREATE INDEX manifests_unproven ON manifests (account_id) WHERE proven_at IS NULL",
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        record TEXT NOT NULL,
        manifest_id INTEGER REFERENCES manifests (id)
    )
    """,
    "CREATE INDEX events_waiting ON events (account_id, manifest_id)",
    "CREATE INDEX messages_delete_sent ON messages (account_id) WHERE stage = 'delete_sent'",
    # Headers that were seen to stand for several messages, of which the ledger may know only one.
    """
    CREATE TABLE shared_headers (
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        header_digest BLOB NOT NULL,
        PRIMARY KEY (account_id, header_digest)
    ) WITHOUT ROWID
    """,
    # What a manifest has named once is named again when the server's side of it changes: whoever
    # has the manifests alone knows what the ledger knew. Triggers see every change, wherever made.
    """
    CREATE TRIGGER messages_moved AFTER UPDATE OF stage, listed_size ON messages
    WHEN old.digest IS new.digest AND new.stage IN ('archived', 'linked', 'vanished', 'gone')
        AND (old.stage <> new.stage OR old.listed_size IS NOT new.listed_size)
        AND EXISTS (SELECT 1 FROM batches WHERE id = new.batch_id AND archived_at NOTNULL)
    BEGIN
        INSERT INTO events (account_id, record) VALUES (new.account_id, CASE new.stage
            WHEN 'vanished' THEN json_object('kind', 'vanished', 'uidl', new.uidl,
                'digest', lower(hex(new.digest)))
            WHEN 'gone' THEN json_object('kind', 'gone', 'uidl', new.uidl,
                'digest', lower(hex(new.digest)),
                'at', strftime('%Y-%m-%dT%H:%M:%SZ', new.left_at, 'unixepoch'))
            ELSE json_object('kind', 'listed', 'uidl', new.uidl,
                'digest', lower(hex(new.digest)), 'listed_size', new.listed_size) END);
    END
    """,
    """
    CREATE TRIGGER messages_deleted AFTER UPDATE OF said ON messages WHEN new.said NOTNULL
    BEGIN
        INSERT INTO events (account_id, record) VALUES (new.account_id,
            json_object('kind', 'deleted', 'uidl', new.uidl, 'digest', lower(hex(new.digest)),
                'said', nullif(new.said, ''),
                'at', strftime('%Y-%m-%dT%H:%M:%SZ', new.left_at, 'unixepoch')));
    END
    """,
    """
    CREATE TRIGGER messages_held AFTER UPDATE OF problem ON messages
    WHEN old.problem <> new.problem
        AND (old.problem IN ('held', 'given_up') OR new.problem IN ('held', 'given_up'))
    BEGIN
        INSERT INTO events (account_id, record) VALUES (new.account_id, json_patch(json_object(
            'kind', iif(new.problem = 'held', 'held', 'released'), 'uidl', new.uidl,
            'digest', lower(nullif(hex(new.digest), '')), 'listed_size', new.listed_size,
            'reason', new.reason), iif(new.problem = 'given_up', '{"given_up":true}', '{}')));
    END
    """,
    """
    CREATE TRIGGER header_shared AFTER INSERT ON shared_headers
    BEGIN
        INSERT INTO events (account_id, record) VALUES (new.account_id, json_object(
            'kind', 'shared_header', 'header_digest', lower(hex(new.header_digest))));
    END
    """,
    """
    CREATE TRIGGER messages_forgotten AFTER DELETE ON messages
    WHEN old.problem IN ('held', 'given_up')
    BEGIN
        INSERT INTO events (account_id, record) VALUES (old.account_id, json_object(
            'kind', 'released', 'uidl', old.uidl,
            'digest', lower(nullif(hex(old.digest), '')), 'reason', NULL));
    END
    """,
)


@migrations()
def m003_deletion(db: Database) -> None:
    """Deletion, and manifests of what happened to messages after they were archived."""
    for statement in _DELETION:
        db.execute(statement)


@migrations()
def m004_origins(db: Database) -> None:
    """Where imported messages came from (``format/origin.py``); NULL for what a server listed."""
    db.execute("ALTER TABLE messages ADD COLUMN source TEXT")


MIGRATION_NAMES = frozenset(
    {
        m001_first_tables.__name__,
        m002_logins.__name__,
        m003_deletion.__name__,
        m004_origins.__name__,
    }
)
"""What a ledger of this version has applied; one that has more comes from a newer version."""
