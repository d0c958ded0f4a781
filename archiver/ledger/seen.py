"""What became of every message that a run met, over all of its sessions.

A run may need many sessions, and a message may be listed in each of them. The temporary table
``seen`` has it once, by its UIDL and its place among those that share it, with its end; the run's
report is counted from it. ``offered``, the listing of the session that goes on, is in ``listing``.
"""

from array import array
from dataclasses import dataclass
from typing import Any

from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.model import Listed

_SCRATCH = (
    "DROP TABLE IF EXISTS temp.seen",
    """
    CREATE TEMP TABLE seen (
        uidl TEXT NOT NULL,
        nth INTEGER NOT NULL,
        size INTEGER,
        message INTEGER,
        outcome TEXT,
        session INTEGER NOT NULL,
        closed INTEGER,
        PRIMARY KEY (uidl, nth)
    ) WITHOUT ROWID
    """,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of the messages that a run met ended in which way.

    ``known`` are those about which nothing is left to do, also because they were given up.
    """

    listed: int = 0
    known: int = 0
    linked: int = 0
    fetched: int = 0
    failed: int = 0
    vanished: int = 0
    remaining: int = 0


class Seen:
    """The messages that a run met; ``offered`` is the table of the session's listing."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._session = 0
        self._unmoved_since = 0
        for statement in _SCRATCH:
            ledger.scratch(statement)

    def skip_done(self, db: Any, *, trusted: bool) -> None:
        """Leaves alone what an earlier session of this run has retrieved, or was refused.

        Where UIDLs prove nothing, a message counts as the one at its place before only as long as
        the whole listing before is repeated in this one; the next run looks at all of it again.

        Args:
            db: the caller's transaction, with a listing that is complete.
            trusted: whether UIDLs identify messages.
        """
        before, self._session = self._session, self._session + 1
        moved = db.execute(
            "SELECT count(*) <> (SELECT count(*) FROM temp.offered o JOIN temp.seen s"
            " ON s.uidl = coalesce(o.uidl, '') AND s.nth = o.nth AND s.size IS o.size"
            " WHERE s.session = ?1) FROM temp.seen WHERE session = ?1",
            (before,),
        ).fetchone()[0]
        if moved:
            self._unmoved_since = self._session
        done = "'failed'" if trusted else "'failed', 'fetched', 'linked', 'known'"
        db.execute(
            "UPDATE temp.offered SET verdict = s.outcome,"
            " message = coalesce(offered.message, s.message) FROM temp.seen s"
            " WHERE s.uidl = coalesce(offered.uidl, '') AND s.nth = offered.nth"
            f" AND offered.verdict = 'fetch' AND s.outcome IN ({done}) AND s.closed >= ?",
            (0 if trusted else self._unmoved_since,),
        )

    def record(self, db: Any) -> None:
        """Takes a session's listing in, with the verdicts that are ends already."""
        db.execute(
            "INSERT INTO temp.seen (uidl, nth, size, message, outcome, session)"
            " SELECT coalesce(uidl, ''), nth, size, message,"
            " CASE WHEN verdict IN ('known', 'linked', 'failed', 'given_up') THEN verdict END, ?"
            " FROM temp.offered WHERE true"
            " ON CONFLICT (uidl, nth) DO UPDATE SET outcome = coalesce(outcome, excluded.outcome),"
            " message = coalesce(excluded.message, message), size = excluded.size,"
            " session = excluded.session",
            (self._session,),
        )

    def close(self, db: Any, listed: Listed, outcome: str, message: int | None) -> None:
        """Notes what became of a message; what was fetched once in this run stays fetched."""
        db.execute(
            "UPDATE temp.seen SET outcome = CASE outcome WHEN 'fetched' THEN outcome ELSE ? END,"
            " message = coalesce(?, message), closed = ? WHERE (uidl, nth) ="
            " (SELECT coalesce(uidl, ''), nth FROM temp.offered WHERE number = ?)",
            (outcome, message, self._session, listed.number),
        )

    def counts(self) -> Counts:
        """How many messages ended in which way so far; what has no end yet remains."""
        rows = self._ledger.rows(
            "SELECT coalesce(outcome, 'open') AS ending, count(*) FROM temp.seen GROUP BY ending"
        )
        by_ending = dict(rows)
        vanished = self._no_longer_offered()
        return Counts(
            listed=sum(by_ending.values()),
            known=by_ending.get("known", 0) + by_ending.get("given_up", 0),
            linked=by_ending.get("linked", 0),
            fetched=by_ending.get("fetched", 0),
            failed=by_ending.get("failed", 0),
            vanished=by_ending.get("vanished", 0) + vanished,
            remaining=by_ending.get("open", 0) - vanished,
        )

    def _no_longer_offered(self) -> int:
        return int(
            self._ledger.value(
                "SELECT count(*) FROM temp.seen WHERE outcome IS NULL AND session < ?",
                (self._session,),
            )
        )

    def unarchived(self, account: LedgerAccount) -> dict[str, "array[int]"]:
        """By their ends, the rows of messages that are in the spool and may fail to be stored."""
        rows = self._ledger.rows(
            "SELECT outcome, message FROM temp.seen WHERE outcome IN ('known', 'linked', 'fetched')"
            " AND message IN (SELECT m.id FROM main.messages m JOIN main.batches b"
            " ON b.id = m.batch_id WHERE b.account_id = ? AND b.archived_at IS NULL"
            " AND m.stage = 'spooled')",
            (account.row,),
        )
        found: dict[str, array[int]] = {}
        for outcome, message in rows:
            found.setdefault(outcome, array("q")).append(message)
        return found
