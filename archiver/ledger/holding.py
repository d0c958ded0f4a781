"""Messages that wait for a person: held when they failed too often, until they are released."""

from collections.abc import Sequence

from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.ledger.status import PROBLEM_COLUMNS, ProblemRow, problem_row


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


def release(ledger: Ledger, name: str, uidls: Sequence[str] | None) -> list[ProblemRow]:
    """Has messages with a problem tried again, as if they had never failed.

    Args:
        ledger: the ledger.
        name: the account's id; all stores into which it is archived.
        uidls: which messages; None for all of them. One that has no problem is passed over.

    Returns:
        The messages with the problems that they had.
    """
    with ledger.write() as db:
        rows = db.execute(
            f"SELECT m.id, {PROBLEM_COLUMNS} FROM messages m JOIN accounts a ON a.id = m.account_id"
            " WHERE a.name = ? AND m.problem <> 'none' ORDER BY m.id",
            (name,),
        ).fetchall()
        wanted = None if uidls is None else set(uidls)
        chosen = [row for row in rows if wanted is None or row[2] in wanted]
        db.executemany(
            "UPDATE messages SET problem = 'none', reason = NULL, tries = 0 WHERE id = ?",
            [(row[0],) for row in chosen],
        )
    return [problem_row(row[1:]) for row in chosen]
