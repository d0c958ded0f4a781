"""The tables of the index, and how a file comes to have them.

A message is one row by digest, however many accounts hold it. The full-text table is contentless:
it knows words by row number only, and SQLite 3.40 cannot delete from it. So a row number is never
used twice, and words whose row is gone from ``messages`` belong to an entry that was replaced.

What messages have in common is stored once: addresses, file names, the ``places`` of a batch
(keys without the digest in them), and what texts repeat, as ``blocks`` of them are compressed.

``idents`` knows every Message-ID that was ever met, also of messages that are not here, by the hash
of it, and the thread that it belongs to. A thread that turned out to be part of another one is in
``merged`` with the one that it is ``now``. Roles of addresses are numbers (``people.py``).

``words`` splits at spaces alone (every other character is part of a word), because ``normalise``
has already decided what a word is. Trigrams, three times the size of what they cover, are kept of
the *distinct* addresses and file names only.
"""

from typing import Final

from sqlite_utils import Database, Migrations

MIGRATIONS: Final = Migrations("index")

_TOKENIZER: Final = "unicode61 remove_diacritics 0 categories ''L* M* N* P* S* C*''"

_TABLES: Final = (
    """
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL,
        version INTEGER NOT NULL,
        message_id TEXT,
        date INTEGER,
        subject TEXT NOT NULL,
        size INTEGER NOT NULL,
        list INTEGER REFERENCES lists(id),
        thread INTEGER NOT NULL
    ) STRICT
    """,
    # All of a digest would be in here twice; what follows is compared in the table.
    "CREATE INDEX messages_by_digest ON messages (substr(digest, 1, 8))",
    "CREATE INDEX messages_by_date ON messages (date)",
    "CREATE INDEX messages_by_thread ON messages (thread)",
    """
    CREATE TABLE lists (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    """
    CREATE TABLE idents (
        key INTEGER PRIMARY KEY,
        thread INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE merged (
        thread INTEGER PRIMARY KEY,
        now INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE dictionaries (
        id INTEGER PRIMARY KEY,
        since INTEGER NOT NULL,
        octets BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE blocks (
        id INTEGER PRIMARY KEY,
        dictionary INTEGER REFERENCES dictionaries(id),
        octets BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE texts (
        message INTEGER PRIMARY KEY REFERENCES messages(id) ON DELETE CASCADE,
        block INTEGER NOT NULL REFERENCES blocks(id),
        "offset" INTEGER NOT NULL,
        length INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE places (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        prefix TEXT NOT NULL,
        suffix TEXT NOT NULL,
        has_digest INTEGER NOT NULL,
        UNIQUE (account, prefix, suffix, has_digest)
    ) STRICT
    """,
    """
    CREATE TABLE locations (
        message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
        place INTEGER NOT NULL REFERENCES places(id),
        "offset" INTEGER NOT NULL,
        length INTEGER NOT NULL,
        PRIMARY KEY (message, place)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE addresses (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        UNIQUE (address, name)
    ) STRICT
    """,
    """
    CREATE TABLE message_addresses (
        message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        role INTEGER NOT NULL,
        address INTEGER NOT NULL REFERENCES addresses(id),
        PRIMARY KEY (message, position)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX messages_by_address ON message_addresses (address, message)",
    """
    CREATE TABLE names (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT
    """,
    """
    CREATE TABLE parts (
        message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        name INTEGER REFERENCES names(id),
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        digest BLOB NOT NULL,
        unread TEXT,
        PRIMARY KEY (message, position)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX messages_by_name ON parts (name, message) WHERE name IS NOT NULL",
    f"""
    CREATE VIRTUAL TABLE words USING fts5(
        body, subject, names, attached, content='', tokenize='{_TOKENIZER}'
    )
    """,
    "CREATE VIRTUAL TABLE address_grams USING fts5(words, content='', tokenize='trigram')",
    "CREATE VIRTUAL TABLE name_grams USING fts5(words, content='', tokenize='trigram')",
)


_KNOWN: Final = frozenset({"0002_tables"})
_OLDER: Final = frozenset({"0001_tables"})


@MIGRATIONS(name="0002_tables")
def _tables(database: Database, /) -> None:
    for statement in _TABLES:
        database.conn.execute(statement)


def is_newer(database: Database) -> bool:
    """Whether a version of the program that knows more migrations has written the file."""
    return any(one.name not in _KNOWN | _OLDER for one in MIGRATIONS.applied(database))


def is_older(database: Database) -> bool:
    """Whether the file has tables that are no longer used; it is made again from raw."""
    return any(one.name in _OLDER for one in MIGRATIONS.applied(database))
