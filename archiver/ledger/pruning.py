"""A plan of what to delete, held in temporary tables.

``plan`` has every message that the server listed last with its verdict (``stages/prune_plan.py``);
``tried`` says that DELE and QUIT were answered. ``proven`` has the digests of the copies that this
deletion has read back. What the server shows of
the plan is in ``showing.py``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from archiver.ledger import copies
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.ledger.stages import sql_list
from archiver.model import Copy, Present, Stage

_PAGE = 500
_PRESENT = sql_list((Stage.LISTED, Stage.SPOOLED, Stage.ARCHIVED, Stage.LINKED))

_SCRATCH = (
    "DROP TABLE IF EXISTS temp.plan",
    """
    CREATE TEMP TABLE plan (
        message INTEGER PRIMARY KEY,
        verdict TEXT NOT NULL,
        tried INTEGER NOT NULL DEFAULT 0
    )
    """,
    "DROP TABLE IF EXISTS temp.proven",
    "CREATE TEMP TABLE proven (digest BLOB PRIMARY KEY) WITHOUT ROWID",
)


class Pruning:
    """One account's plan over one connection to the ledger."""

    def __init__(self, ledger: Ledger, account: LedgerAccount) -> None:
        self._ledger = ledger
        self._account = account
        for statement in _SCRATCH:
            ledger.scratch(statement)

    def plan(self, judge: Callable[[Present], str]) -> None:
        """Gives every message that the server listed last a verdict, the newest first."""
        last, newer = None, 0
        while page := self._page(last):
            verdicts = []
            for row in page:
                verdicts.append((row[0], judge(_present(row, newer))))
                newer += 1
            self._ledger.scratch("INSERT INTO temp.plan (message, verdict) VALUES (?, ?)", verdicts)
            last = page[-1][0]

    def _page(self, before: int | None) -> list[tuple[Any, ...]]:
        # Where UIDLs are trusted, only the newest version of one is what the server holds.
        newest = (
            "m.uidl IS NULL OR m.id = (SELECT max(id) FROM messages"
            " WHERE account_id = m.account_id AND uidl = m.uidl)"
        )
        if self._distrusted():
            newest = "true"
        return list(
            self._ledger.rows(
                "SELECT m.id, m.uidl, m.digest, coalesce(c.length, m.listed_size, 0), m.stage,"
                " m.problem <> 'none', CASE WHEN b.archived_at NOTNULL THEN"
                " (SELECT max(b.archived_at, k.archived_at) FROM batches k WHERE k.id = c.batch_id)"
                " END"
                " FROM messages m LEFT JOIN batches b ON b.id = m.batch_id"
                " LEFT JOIN copies c ON c.account_id = m.account_id AND c.store_id = ?"
                " AND c.kind = 'raw' AND c.digest = m.digest AND c.proof NOTNULL"
                # What was imported never was on the server.
                f" WHERE m.account_id = ? AND m.stage IN ({_PRESENT}) AND ({newest})"
                " AND m.source IS NULL"
                " AND m.id < ? ORDER BY m.id DESC LIMIT ?",
                (self._account.store, self._account.row, before or 1 << 62, _PAGE),
            )
        )

    def _distrusted(self) -> bool:
        return bool(
            self._ledger.value(
                "SELECT distrusted NOTNULL FROM accounts WHERE id = ?", (self._account.row,)
            )
        )

    def counts(self) -> Counter[str]:
        """How many messages got which verdict."""
        return Counter(
            dict(self._ledger.rows("SELECT verdict, count(*) FROM temp.plan GROUP BY verdict"))
        )

    def entries(self) -> Iterator[tuple[str, str | None, str | None, int]]:
        """Verdict, UIDL, digest and size of every message, the oldest first."""
        for row in self._ledger.rows(
            "SELECT p.verdict, m.uidl, lower(nullif(hex(m.digest), '')),"
            " coalesce(m.length, m.listed_size, 0) FROM temp.plan p"
            " JOIN messages m ON m.id = p.message ORDER BY p.message"
        ):
            verdict, uidl, digest, size = row
            yield verdict, uidl, digest, size

    def change(self, old: str, new: str) -> None:
        """Gives every message with one verdict another."""
        self._ledger.scratch("UPDATE temp.plan SET verdict = ? WHERE verdict = ?", [(new, old)])

    def require_listed(self, goes: str, otherwise: str) -> None:
        """Takes messages out of the plan that this connection's last listing does not show."""
        self._ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE verdict = ? AND message NOT IN"
            " (SELECT message FROM temp.offered WHERE message NOTNULL)",
            [(otherwise, goes)],
        )

    def to_read(self, goes: str) -> Iterator[list[Copy]]:
        """The raw copies of the messages that are to go, each once, in pieces."""
        last = b""
        while page := list(
            self._ledger.rows(
                f"{copies.SELECT} WHERE c.account_id = ? AND c.store_id = ? AND c.kind = 'raw'"
                " AND c.digest > ? AND EXISTS (SELECT 1 FROM messages m JOIN temp.plan p"
                " ON p.message = m.id WHERE m.account_id = c.account_id AND m.digest = c.digest"
                " AND p.verdict = ?) ORDER BY c.digest LIMIT 200",
                (self._account.row, self._account.store, last, goes),
            )
        ):
            yield [copies.copy_of(row) for row in page]
            last = page[-1][1]

    def note_proven(self, copies: Iterable[Copy]) -> None:
        """Copies were read back, for this deletion and now."""
        self._ledger.scratch(
            "INSERT OR IGNORE INTO temp.proven VALUES (?)",
            [(bytes.fromhex(copy.digest),) for copy in copies],
        )

    def require_proven(self, goes: str, otherwise: str) -> None:
        """Takes messages out of the plan whose copy was not read back."""
        self._ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE verdict = ? AND message NOT IN (SELECT m.id"
            " FROM main.messages m JOIN temp.proven p ON p.digest = m.digest)",
            [(otherwise, goes)],
        )

    def recall(self, goes: str, otherwise: str) -> None:
        """Takes messages out of the plan that were deleted and are listed again."""
        self._ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE verdict = ? AND tried AND message IN"
            " (SELECT id FROM main.messages WHERE stage IN ('archived', 'linked'))",
            [(otherwise, goes)],
        )

    def sent(self, goes: str) -> int:
        """How many messages of the plan are DELETE_SENT or GONE by now."""
        return int(
            self._ledger.value(
                "SELECT count(*) FROM temp.plan p JOIN messages m ON m.id = p.message"
                " WHERE p.verdict = ? AND m.stage IN ('delete_sent', 'gone')",
                (goes,),
            )
        )


def unconfirmed(ledger: Ledger, account: LedgerAccount) -> int:
    """How many messages were to be deleted and no later listing has confirmed it."""
    return int(
        ledger.value(
            "SELECT count(*) FROM messages WHERE account_id = ? AND stage = 'delete_sent'",
            (account.row,),
        )
    )


def _present(row: tuple[Any, ...], newer: int) -> Present:
    number, uidl, digest, size, stage, troubled, archived_at = row
    return Present(
        row=number,
        uidl=uidl,
        digest=None if digest is None else digest.hex(),
        size=size,
        stage=Stage(stage),
        troubled=bool(troubled),
        archived_at=archived_at,
        newer=newer,
    )
