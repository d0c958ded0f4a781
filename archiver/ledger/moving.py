"""Moving: a copy that was found damaged is given up for a sound one, which lies elsewhere.

Nothing in the store is overwritten, so the sound one lies under the prefix of a batch of its own:
a copy's key follows from its batch. The batch brings no messages, and is archived like any other,
by the manifest that says what was moved.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archiver.format import moved_json
from archiver.format.records import Moved
from archiver.ledger import events
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.model import Copy


@dataclass(frozen=True, slots=True)
class Move:
    """``copy`` is a proven, sound one; ``old`` is the key of the damaged one, which stays."""

    copy: Copy
    old: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Under which UIDL, and at which size, a server listed a message."""

    uidl: str | None
    listed_size: int | None


def move(
    ledger: Ledger, account: LedgerAccount, batch: str, day: str, moves: Sequence[Move], now: float
) -> None:
    """Records copies that lie under the prefix of a new batch, which waits for its manifest.

    Args:
        ledger: the ledger.
        account: whose they are.
        batch: the batch's name; ``day`` is ``yyyy-mm-dd``.
        moves: the copies, each of which the ledger knows, and what they take the place of.
        now: the time, in seconds since the epoch.
    """
    with ledger.write() as db:
        made = db.execute(
            "INSERT INTO batches (name, account_id, day, segment, octets, spooled_at, uploaded_at,"
            " indexed_at) VALUES (?, ?, ?, '', 0, ?, ?, ?)",
            (batch, account.row, day, int(now), int(now), int(now)),
        )
        db.executemany(
            "UPDATE copies SET batch_id = ?, length = ?, etag = ?, version_id = ?, proof = ?,"
            " uploaded_at = ?, proven_at = ? WHERE account_id = ? AND store_id = ? AND kind = ?"
            " AND digest = ?",
            (_row(made.lastrowid, account, each.copy, int(now)) for each in moves),
        )
        _tell(db, account, moves, now)


def _row(batch: int | None, account: LedgerAccount, copy: Copy, now: int) -> tuple[Any, ...]:
    locator = copy.locator
    return (
        batch,
        locator.length,
        locator.etag,
        locator.version_id,
        copy.proof,
        now,
        now,
        account.row,
        account.store,
        copy.kind,
        bytes.fromhex(copy.digest),
    )


def renounce(ledger: Ledger, account: LedgerAccount, moves: Sequence[Move], now: float) -> None:
    """Has the next manifest say that the copies that the ledger knows take the place of others.

    Those were archived by another machine, and are damaged.
    """
    with ledger.write() as db:
        _tell(db, account, moves, now)


def _tell(db: Any, account: LedgerAccount, moves: Sequence[Move], now: float) -> None:
    for each in moves:
        copy = each.copy
        said = Moved(copy.kind, copy.digest, copy.locator, copy.proof, int(now), each.old)
        events.add(db, account, json.dumps(moved_json(said)))


def offers(ledger: Ledger, account: LedgerAccount, digest: str) -> list[Offer]:
    """How a server listed these octets, each time that it did."""
    rows = ledger.rows(
        "SELECT uidl, listed_size FROM messages WHERE account_id = ? AND digest = ? ORDER BY id",
        (account.row, bytes.fromhex(digest)),
    )
    return [Offer(*row) for row in rows]


def spooled(ledger: Ledger, account: LedgerAccount, digest: str) -> list[tuple[str, int, int]]:
    """Where these octets may lie in the spool: segment, offset and length.

    The mailbox may wait for another store as well, for which the ledger has another account.
    """
    return list(
        ledger.rows(
            "SELECT b.segment, m.offset, m.length FROM messages m"
            " JOIN batches b ON b.id = m.batch_id JOIN accounts a ON a.id = m.account_id"
            " WHERE a.name = ? AND m.digest = ? AND m.offset NOTNULL AND b.segment <> ''"
            " AND b.archived_at IS NULL",
            (account.name, bytes.fromhex(digest)),
        )
    )


def messages_with(
    ledger: Ledger, account: LedgerAccount, parts: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """For each of these parts one or two messages that have it, all by their digests."""
    ledger.scratch("CREATE TEMP TABLE IF NOT EXISTS wanted (part BLOB PRIMARY KEY)")
    ledger.scratch("DELETE FROM temp.wanted")
    ledger.scratch(
        "INSERT OR IGNORE INTO temp.wanted VALUES (?)", ((bytes.fromhex(part),) for part in parts)
    )
    rows = ledger.rows(
        "SELECT part_digest, min(digest), max(digest) FROM parts WHERE account_id = ?"
        " AND part_digest IN (SELECT part FROM temp.wanted) GROUP BY part_digest",
        (account.row,),
    )
    return {
        part.hex(): (first.hex(),) if first == last else (first.hex(), last.hex())
        for part, first, last in rows
    }
