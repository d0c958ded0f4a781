"""What in a copy of a ledger its manifests have told: all that a rebuild may begin with.

A copy knows more, which belonged to its machine or its moment: what waited in a spool that is lost,
what was listed and never fetched, archives in other stores, and what an index that is not there
held. The functions run inside the transaction of a replay (``replay.py``), which sets aside what
would tell manifests of these changes.
"""

from collections.abc import Sequence
from typing import Any

from archiver.format import ChainHead

_OTHERS = "(SELECT id FROM accounts WHERE id NOT IN (SELECT id FROM temp.wanted))"
_UNTOLD = "(SELECT id FROM batches WHERE archived_at IS NULL)"
_NAMED = (
    "(SELECT 1 FROM messages m WHERE m.account_id = parts.account_id"
    " AND m.digest = parts.digest AND m.offset NOTNULL)"
)
_UNHELD = "problem NOT IN ('held', 'given_up')"
_TABLES = (
    "events",
    "messages",
    "copies",
    "parts",
    "manifests",
    "shared_headers",
    "batches",
    "runs",
)
_STRIP = (
    *(f"DELETE FROM {table} WHERE account_id IN {_OTHERS}" for table in _TABLES),
    f"DELETE FROM accounts WHERE id IN {_OTHERS}",
    "DELETE FROM stores WHERE id NOT IN (SELECT store_id FROM accounts)",
    # What is held or given up was told, and is settled where the account's replay begins.
    f"DELETE FROM messages WHERE {_UNHELD} AND batch_id IS NULL",
    f"DELETE FROM messages WHERE {_UNHELD} AND batch_id IN {_UNTOLD}",
    f"DELETE FROM parts WHERE NOT EXISTS {_NAMED}",
    f"DELETE FROM copies WHERE batch_id IN {_UNTOLD}",
    "DELETE FROM batches WHERE archived_at IS NULL",
    "UPDATE batches SET indexed_at = NULL",
    "DELETE FROM meta WHERE key = 'index'",
)


def strip(db: Any, names: Sequence[str], store_url: str) -> None:
    """Leaves only what manifests in this store have told of these accounts."""
    db.execute("CREATE TEMP TABLE wanted (id INTEGER PRIMARY KEY)")
    db.executemany(
        "INSERT INTO temp.wanted SELECT a.id FROM accounts a JOIN stores s ON s.id = a.store_id"
        " WHERE a.name = ? AND s.url = ?",
        ((name, store_url) for name in names),
    )
    for statement in _STRIP:
        db.execute(statement)
    db.execute("DROP TABLE temp.wanted")


def told_up_to(db: Any, name: str, store_url: str) -> dict[str, tuple[int, ChainHead]] | None:
    """The newest link of each chain of an account, which tells all that the copy knows of it.

    By writer, and with the time when it was drafted.

    Returns:
        None where the copy knows more or less than its manifests say: the run that it was taken
        from had not come to its end.
    """
    found = db.execute(
        "SELECT a.id, a.store_id FROM accounts a JOIN stores s ON s.id = a.store_id"
        " WHERE a.name = ? AND s.url = ?",
        (name, store_url),
    ).fetchone()
    if found is None:
        return None
    account, store = found
    under_way = db.execute(
        "SELECT EXISTS (SELECT 1 FROM events WHERE account_id = ?) OR EXISTS"
        " (SELECT 1 FROM manifests WHERE account_id = ? AND proven_at IS NULL)",
        (account, account),
    ).fetchone()[0]
    rows = db.execute(
        "SELECT writer, drafted_at, max(sequence), digest FROM manifests"
        " WHERE account_id = ? AND store_id = ? GROUP BY writer",
        (account, store),
    )
    heads = {
        writer: (at, ChainHead(sequence, digest.hex())) for writer, at, sequence, digest in rows
    }
    return None if under_way or not heads else heads
