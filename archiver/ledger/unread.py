"""Which messages the index may lack: batches that were never read for it.

The mark on a batch is bookkeeping that saves looking at every message; what the index holds is
known to the index alone, and a mark is set only after the index is safely closed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archiver.format import raw_key
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.model import UnreadMessage


def unread_batches(ledger: Ledger, account: LedgerAccount) -> list[str]:
    """The names of batches without a mark, oldest first."""
    rows = ledger.rows(
        "SELECT name FROM batches WHERE account_id = ? AND indexed_at IS NULL ORDER BY id",
        (account.row,),
    )
    return [row[0] for row in rows]


_UNREAD = """
    SELECT a.name, coalesce(k.day, b.day), coalesce(k.name, b.name), m.digest, m.header_digest,
        m.length, m.fetched_at, CASE WHEN b.archived_at IS NULL THEN b.segment ELSE '' END, m.offset
    FROM batches b JOIN accounts a ON a.id = b.account_id
    JOIN messages m ON m.batch_id = b.id AND m.offset IS NOT NULL
    -- What was moved lies under the prefix of another batch than the one it was spooled in.
    LEFT JOIN copies c ON c.account_id = a.id AND c.store_id = a.store_id
        AND c.kind = 'raw' AND c.digest = m.digest
    LEFT JOIN batches k ON k.id = c.batch_id
    """


def messages_of(ledger: Ledger, batch: str) -> Iterator[UnreadMessage]:
    """The messages of a batch, as whoever reads them needs them."""
    rows = ledger.rows(f"{_UNREAD} WHERE b.name = ? ORDER BY m.offset", (batch,))
    yield from map(_unread, rows)


def message_of(ledger: Ledger, account: LedgerAccount, digest: str) -> UnreadMessage | None:
    """A message of an account by its digest, None where it has no octets of its own."""
    row = ledger.row(
        f"{_UNREAD} WHERE m.account_id = ? AND m.digest = ?", (account.row, bytes.fromhex(digest))
    )
    return None if row is None else _unread(row)


@dataclass(frozen=True, slots=True)
class Spooled:
    """Where a message's octets begin in a file of the spool."""

    segment: str
    offset: int


def spooled(ledger: Ledger, digest: str) -> Iterator[Spooled]:
    """Where octets lie in the spool that have not left it yet."""
    for row in ledger.rows(
        "SELECT b.segment, m.offset FROM accounts a JOIN messages m ON m.account_id = a.id"
        " JOIN batches b ON b.id = m.batch_id WHERE m.digest = ? AND m.offset NOTNULL"
        " AND b.archived_at IS NULL AND b.segment <> ''",
        (bytes.fromhex(digest),),
    ):
        yield Spooled(*row)


def fetched_at(ledger: Ledger, digest: str) -> int | None:
    """When these octets were first fetched, seconds since the epoch; None where nobody knows."""
    found = ledger.value(
        "SELECT min(m.fetched_at) FROM accounts a JOIN messages m ON m.account_id = a.id"
        " WHERE m.digest = ?",
        (bytes.fromhex(digest),),
    )
    return None if found is None else int(found)


def unread_messages(ledger: Ledger, store_url: str, *, anew: bool = False) -> int:
    """How many messages for a store are in batches that were never read for the index.

    Args:
        ledger: the ledger.
        store_url: where the store is.
        anew: no mark counts.
    """
    return int(
        ledger.value(
            "SELECT count(*) FROM stores s JOIN accounts a ON a.store_id = s.id"
            " JOIN batches b ON b.account_id = a.id JOIN messages m ON m.batch_id = b.id"
            " WHERE s.url = ? AND (? OR b.indexed_at IS NULL) AND m.offset NOTNULL",
            (store_url, anew),
        )
    )


def _unread(row: tuple[Any, ...]) -> UnreadMessage:
    account, day, name, digest, header, length, fetched_at, segment, offset = row
    return UnreadMessage(
        account=account,
        digest=digest.hex(),
        header_digest=header.hex(),
        length=length,
        fetched_at=fetched_at,
        key=raw_key(account, day, name, digest.hex()),
        segment=segment,
        offset=offset,
    )


def mark_read(ledger: Ledger, batches: Sequence[str], now: float) -> None:
    """Marks batches whose every message the index holds."""
    with ledger.write() as db:
        db.executemany(
            "UPDATE batches SET indexed_at = ? WHERE name = ?",
            ((int(now), name) for name in batches),
        )


def index_made_by(ledger: Ledger) -> str | None:
    """Which version of reader and index the marks speak of."""
    found = ledger.value("SELECT value FROM meta WHERE key = 'index'")
    return None if found is None else str(found)


def say_who_marks(ledger: Ledger, version: str) -> None:
    """Notes which version of reader and index marks speak of from now on."""
    with ledger.write() as db:
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('index', ?)", (version,))


def take_marks_back(ledger: Ledger, version: str) -> None:
    """Takes every mark back, of all accounts: the index is new, or made by another version.

    Args:
        ledger: the ledger.
        version: of which version of reader and index marks speak from now on.
    """
    with ledger.write() as db:
        db.execute("UPDATE batches SET indexed_at = NULL WHERE indexed_at NOTNULL")
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('index', ?)", (version,))
