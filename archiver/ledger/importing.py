"""Importing: what was found in somebody's files joins an account's messages.

A message is known by its octets alone, whatever the account has them from: a mail server, or an
import before. Such rows have a ``source`` and no UIDL; no listing says anything about them, so
they never vanish, never identify what a server lists by its header, and are never deleted there.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from archiver.format import origin_text
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.ledger.landing import Draft, Landed, Landing, insert_batch, keep_batch
from archiver.ledger.seen import Counts


class Importing:
    """One account's import over the ledger, and what became of every message that it met.

    Args:
        ledger: a connection that stays open as long as this object is used.
        account: the account.

    ``failed`` and ``vanished`` count what could not be read, and what went before it was.
    """

    def __init__(self, ledger: Ledger, account: LedgerAccount) -> None:
        self.account = account
        self.failed = 0
        self.vanished = 0
        self._ledger = ledger
        self._ends: dict[str, int] = {"fetched": 0, "linked": 0, "known": 0}
        self._unarchived: dict[str, array[int]] = {}
        self._first_new = int(ledger.value("SELECT coalesce(max(id), 0) + 1 FROM messages"))

    def land(self, draft: Draft, messages: Sequence[Landed], now: float) -> Landing:
        """Writes a durable batch into the ledger; with nothing new in it, no batch is made."""
        ends: list[str] = []
        with self._ledger.write() as db:
            batch = insert_batch(db, self.account, draft, int(now))
            for landed in messages:
                row, end = self._land(db, landed, batch)
                ends.append(end)
                if end != "linked":
                    self._note_unarchived(db, row, end)
            needed = keep_batch(db, batch)
        for end in ends:
            self._ends[end] += 1
        return Landing(ends.count("fetched"), ends.count("linked"), ends.count("known"), needed)

    def _land(self, db: Any, landed: Landed, batch: int) -> tuple[int, str]:
        account, digest = self.account.row, bytes.fromhex(landed.fingerprint.digest)
        had = db.execute(
            "SELECT min(id) FROM messages WHERE account_id = ? AND digest = ?", (account, digest)
        ).fetchone()[0]
        if had is not None:
            # The second of two copies in the source.
            return int(had), "linked" if had >= self._first_new else "known"
        made = db.execute(
            "INSERT INTO messages (account_id, digest, header_digest, batch_id, offset, length,"
            " fetched_at, stage, listed_at, source) VALUES (?, ?, ?, ?, ?, ?, ?, 'spooled', ?, ?)",
            (
                account,
                digest,
                bytes.fromhex(landed.fingerprint.header_digest),
                batch,
                landed.offset,
                landed.fingerprint.size,
                int(landed.fetched_at),
                int(landed.fetched_at),
                origin_text(landed.origin),
            ),
        )
        return int(made.lastrowid), "fetched"

    def _note_unarchived(self, db: Any, row: int, end: str) -> None:
        spooled = db.execute(
            "SELECT 1 FROM messages WHERE id = ? AND stage = 'spooled'", (row,)
        ).fetchone()
        if spooled is not None:
            self._unarchived.setdefault(end, array("q")).append(row)

    def counts(self) -> Counts:
        """How many messages ended in which way."""
        ends = self._ends
        return Counts(
            listed=sum(ends.values()) + self.failed + self.vanished,
            known=ends["known"],
            linked=ends["linked"],
            fetched=ends["fetched"],
            failed=self.failed,
            vanished=self.vanished,
        )

    def unarchived(self) -> Mapping[str, "array[int]"]:
        """By their ends, the rows of messages that are in the spool and may fail to be stored."""
        return self._unarchived
