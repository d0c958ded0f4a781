"""Messages that wait for a person, or were given up, while what they waited for is replayed.

Such a row has nothing in the store that it could hang on, and may be released by any later
manifest. So they wait apart, and those that are left become rows in the end.
"""

from typing import Any

from archiver.format.records import Held, Released

_WAITING = """
    CREATE TEMP TABLE IF NOT EXISTS waiting (
        uidl TEXT,
        digest TEXT,
        listed_size INTEGER,
        reason TEXT,
        problem TEXT NOT NULL
    )
    """
_HELD = (
    "FROM messages WHERE account_id = ? AND problem IN ('held', 'given_up') AND NOT EXISTS"
    " (SELECT 1 FROM batches b WHERE b.id = messages.batch_id AND b.archived_at NOTNULL)"
)


class Waiting:
    """The messages of one account that wait, which begin with those that the ledger has.

    Args:
        db: the ledger, in a transaction.
        account: the account's row.
    """

    def __init__(self, db: Any, account: int) -> None:
        self._db = db
        self._account = account
        db.execute(_WAITING)
        db.execute("CREATE INDEX IF NOT EXISTS temp.waiting_uidl ON waiting (uidl)")
        db.execute("DELETE FROM temp.waiting")
        db.execute(
            "INSERT INTO temp.waiting SELECT uidl, lower(nullif(hex(digest), '')), listed_size,"
            f" reason, problem {_HELD} ORDER BY id",
            (account,),
        )
        db.execute(f"DELETE {_HELD}", (account,))

    def hold(self, said: Held) -> None:
        """A message is held."""
        self._note(said, "held")

    def release(self, said: Released) -> None:
        """A message waits no longer, perhaps since it was given up."""
        if said.given_up:
            self._note(said, "given_up")
            return
        # One that was never fetched when it was held may have its digest when it is released.
        self._db.execute(
            "DELETE FROM temp.waiting WHERE uidl IS ? AND (digest IS ? OR digest IS NULL)",
            (said.uidl, said.digest),
        )

    def _note(self, said: Held | Released, problem: str) -> None:
        self._db.execute(
            "DELETE FROM temp.waiting WHERE uidl IS ? AND digest IS ?", (said.uidl, said.digest)
        )
        self._db.execute(
            "INSERT INTO temp.waiting VALUES (?, ?, ?, ?, ?)",
            (said.uidl, said.digest, said.listed_size, said.reason, problem),
        )

    def settle(self) -> None:
        """Makes rows of what is left, unless its octets are archived by now.

        Where UIDLs prove nothing, one that was never fetched cannot be told from the next.
        """
        self._db.execute(
            "INSERT OR IGNORE INTO messages (account_id, uidl, listed_size, stage, listed_at,"
            " problem, reason) SELECT a.id, w.uidl, w.listed_size, 'listed', 0, w.problem, w.reason"
            " FROM temp.waiting w JOIN accounts a ON a.id = ? WHERE w.uidl NOTNULL AND w.rowid ="
            " (SELECT max(rowid) FROM temp.waiting WHERE uidl = w.uidl)"
            " AND a.distrusted IS NULL AND NOT EXISTS (SELECT 1 FROM messages m"
            " WHERE m.account_id = a.id AND m.uidl = w.uidl AND (m.digest IS NULL"
            " OR lower(hex(m.digest)) = w.digest)) ORDER BY w.rowid",
            (self._account,),
        )
        self._db.execute("DELETE FROM temp.waiting")
