"""Messages that wait for a person: held when they failed too often, until that person decides.

Released, a message is tried again as if it had never failed. Given up, it stays on the server: it
is not fetched, not stored and not deleted any more, and no run ends with 3 on its account. Both are
told by the next manifest.
"""

from collections.abc import Sequence

from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger


def hold(ledger: Ledger, account: LedgerAccount, *, tries: int) -> None:
    """Holds the messages that failed so often that trying again by itself makes no sense.

    Where UIDLs prove nothing, a message that was never fetched cannot be told from the next one
    under its UIDL, and goes on being tried.
    """
    with ledger.write() as db:
        db.execute(
            "UPDATE messages SET problem = 'held' WHERE account_id = ? AND problem = 'failed'"
            " AND tries >= ? AND (digest NOTNULL OR (uidl NOTNULL AND NOT EXISTS"
            " (SELECT 1 FROM accounts WHERE id = account_id AND distrusted NOTNULL)))",
            (account.row, tries),
        )


def release(ledger: Ledger, messages: Sequence[int]) -> None:
    """Has messages tried again, as if they had never failed, or been given up.

    Args:
        ledger: the ledger; the accounts' locks are held.
        messages: their rows.
    """
    with ledger.write() as db:
        db.executemany(
            "UPDATE messages SET problem = 'none', reason = NULL, tries = 0 WHERE id = ?",
            [(message,) for message in messages],
        )


def is_apart(ledger: Ledger, message: int) -> bool:
    """Whether the segment with a message's octets holds no others, and none is uploaded yet."""
    return bool(
        ledger.value(
            "SELECT b.uploaded_at IS NULL AND 1 = (SELECT count(*) FROM messages"
            " WHERE batch_id = b.id AND offset NOTNULL)"
            " FROM messages m JOIN batches b ON b.id = m.batch_id WHERE m.id = ?",
            (message,),
        )
    )


def give_up(ledger: Ledger, messages: Sequence[int]) -> None:
    """Leaves messages on the server for good; why they failed, and octets in the spool, are kept.

    Args:
        ledger: the ledger; the accounts' locks are held.
        messages: their rows; those of which nothing came have a UIDL that identifies them.
    """
    with ledger.write() as db:
        db.executemany(
            "UPDATE messages SET problem = 'given_up' WHERE id = ?",
            [(message,) for message in messages],
        )
