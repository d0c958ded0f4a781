"""What happened to messages after a manifest named them, until the next manifest says so.

The outbox of the manifests: triggers (``schema.py``) write a record here in the transaction that
changes a message, a manifest takes it along, and it is removed when that manifest is proven. So the
chain says what the ledger says, and a crash at any point only makes it say so later.
"""

import json
from typing import Any

from archiver.format import account_json
from archiver.format.records import AccountSays
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger

MOST_IN_A_MANIFEST = 5_000
"""How many events one manifest takes along."""


def waiting(ledger: Ledger, account: LedgerAccount) -> int:
    """How many events no proven manifest names yet."""
    return int(
        ledger.value("SELECT count(*) FROM events WHERE account_id = ?", (account.row,)),
    )


def describe(ledger: Ledger, account: LedgerAccount) -> None:
    """Notes what is known of the account itself, where that changed since it was noted last."""
    row = ledger.row(
        "SELECT host, utf8, distrusted, retires NOTNULL, described FROM accounts WHERE id = ?",
        (account.row,),
    )
    assert row is not None
    host, utf8, distrusted, retires, described = row
    says = AccountSays(host, None if utf8 is None else bool(utf8), distrusted, bool(retires))
    record = json.dumps(account_json(says))
    if record == described:
        return
    with ledger.write() as db:
        add(db, account, record)
        db.execute("UPDATE accounts SET described = ? WHERE id = ?", (record, account.row))


def add(db: Any, account: LedgerAccount, record: str) -> None:
    """Adds a record, as JSON; inside the caller's transaction."""
    db.execute("INSERT INTO events (account_id, record) VALUES (?, ?)", (account.row, record))


def take(db: Any, account: LedgerAccount, manifest: int, most: int) -> None:
    """Gives the oldest events to a manifest that is drafted in the caller's transaction."""
    db.execute(
        "UPDATE events SET manifest_id = ? WHERE id IN (SELECT id FROM events"
        " WHERE account_id = ? AND manifest_id IS NULL ORDER BY id LIMIT ?)",
        (manifest, account.row, most),
    )


def oldest(ledger: Ledger, account: LedgerAccount, most: int) -> list[dict[str, Any]]:
    """The records of the oldest events that no manifest has taken."""
    rows = ledger.rows(
        "SELECT record FROM events WHERE account_id = ? AND manifest_id IS NULL"
        " ORDER BY id LIMIT ?",
        (account.row, most),
    )
    return [json.loads(row[0]) for row in rows]


def settle(db: Any, manifest: int) -> None:
    """Removes the events that a proven manifest names."""
    db.execute("DELETE FROM events WHERE manifest_id = ?", (manifest,))


def give_back(db: Any, manifest: int) -> None:
    """Has the events of a manifest that is dropped wait for another one."""
    db.execute("UPDATE events SET manifest_id = NULL WHERE manifest_id = ?", (manifest,))
