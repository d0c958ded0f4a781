"""A plan of what to delete, and what a session shows of it, held in temporary tables.

``plan`` has every message that the server listed last with its verdict (``stages/prune_plan.py``);
``shown`` has, for the session that goes on, the listed messages whose identity was asked for, and
how that ended. Only rows that are shown to be what the plan says ever become DELETE_SENT.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from archiver.ledger import copies
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.ledger.stages import sources, sql_list
from archiver.model import Copy, Fingerprint, Listed, Present, Stage

_PAGE = 500
_PRESENT = sql_list((Stage.LISTED, Stage.SPOOLED, Stage.ARCHIVED, Stage.LINKED))
_MAY_GO = sql_list(sources(Stage.DELETE_SENT))

_SCRATCH = (
    "DROP TABLE IF EXISTS temp.plan",
    "CREATE TEMP TABLE plan (message INTEGER PRIMARY KEY, verdict TEXT NOT NULL)",
    "DROP TABLE IF EXISTS temp.shown",
    """
    CREATE TEMP TABLE shown (
        number INTEGER PRIMARY KEY,
        message INTEGER,
        state TEXT NOT NULL
    )
    """,
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
            self._ledger.scratch("INSERT INTO temp.plan VALUES (?, ?)", verdicts)
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
                f" WHERE m.account_id = ? AND m.stage IN ({_PRESENT}) AND ({newest})"
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

    def require_read(self, since: float, goes: str, otherwise: str) -> None:
        """Takes messages out of the plan whose copy was not proven again since then."""
        self._ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE verdict = ? AND message NOT IN"
            " (SELECT m.id FROM messages m JOIN copies c ON c.account_id = m.account_id"
            " AND c.store_id = ? AND c.kind = 'raw' AND c.digest = m.digest"
            " AND c.proof IN ('read', 'checksum') AND c.proven_at >= ?)",
            [(otherwise, goes, self._account.store, int(since))],
        )

    def begin(self) -> None:
        """A session's listing is complete (``listing.Listing``), and nothing of it is shown yet."""
        self._ledger.scratch("DELETE FROM temp.shown")

    def planned(self, goes: str, limit: int) -> Iterator[Listed]:
        """The listed messages that the ledger takes for ones that are to go."""
        yield from self._listed(
            "o.verdict IN ('known', 'linked') AND o.message IN"
            " (SELECT message FROM temp.plan WHERE verdict = ?)",
            (goes,),
            limit,
        )

    def unclear(self, goes: str, limit: int) -> Iterator[Listed]:
        """The listed messages that may be ones that are to go, which their octets alone can tell.

        Those whose header was in doubt, and where UIDLs prove nothing also those that share their
        UIDL, or the lack of one, with a message that is to go.
        """
        yield from self._listed(
            "EXISTS (SELECT 1 FROM temp.shown s WHERE s.number = o.number AND s.state = 'doubt')"
            " OR (o.verdict = 'fetch' AND EXISTS (SELECT 1 FROM temp.plan p JOIN main.messages m"
            " ON m.id = p.message WHERE p.verdict = ? AND m.uidl IS o.uidl))",
            (goes,),
            limit,
        )

    def _listed(self, condition: str, values: tuple[Any, ...], limit: int) -> Iterator[Listed]:
        number = 0
        while limit > 0 and (
            page := list(
                self._ledger.rows(
                    "SELECT o.number, o.uidl, o.size FROM temp.offered o"
                    f" WHERE o.number > ? AND ({condition}) ORDER BY o.number LIMIT ?",
                    (number, *values, min(_PAGE, limit)),
                )
            )
        ):
            yield from (Listed(*row) for row in page)
            number, limit = page[-1][0], limit - len(page)

    def doubt(self, listed: Listed) -> None:
        """Only its octets can tell what this message is."""
        self._mark(listed, None, "doubt")

    def show_header(self, listed: Listed, header: Fingerprint) -> None:
        """Holds the answer to ``TOP n 0`` against the ledger; in doubt the octets are to decide."""
        row = self._ledger.row(
            "SELECT m.id FROM temp.offered o JOIN messages m ON m.id = o.message"
            " WHERE o.number = ? AND m.header_digest = ? AND (SELECT count(DISTINCT digest)"
            " FROM messages WHERE account_id = m.account_id AND header_digest = m.header_digest"
            " AND digest NOTNULL) = 1 AND NOT EXISTS (SELECT 1 FROM shared_headers h"
            " WHERE h.account_id = m.account_id AND h.header_digest = m.header_digest)",
            (listed.number, bytes.fromhex(header.header_digest)),
        )
        shown = row is not None and header.identifiable
        self._mark(listed, row[0] if row and shown else None, "shown" if shown else "doubt")

    def show_octets(self, listed: Listed, whole: Fingerprint, goes: str) -> bool:
        """Holds a message's octets against the plan.

        Returns:
            Whether these octets are archived, whatever the plan says of them.
        """
        digest = bytes.fromhex(whole.digest)
        row = self._ledger.row(
            "SELECT m.id FROM temp.plan p JOIN messages m ON m.id = p.message"
            " WHERE p.verdict = ? AND m.digest = ? AND m.uidl IS ? ORDER BY m.id DESC LIMIT 1",
            (goes, digest, listed.uidl),
        )
        self._mark(listed, row[0] if row else None, "shown" if row else "strange")
        if row is None:
            self._note_header(bytes.fromhex(whole.header_digest), digest)
        return row is not None or bool(
            self._ledger.value(
                "SELECT EXISTS (SELECT 1 FROM messages m JOIN batches b ON b.id = m.batch_id"
                " WHERE m.account_id = ? AND m.digest = ? AND b.archived_at NOTNULL)",
                (self._account.row, digest),
            )
        )

    def _note_header(self, header: bytes, digest: bytes) -> None:
        """Remembers a header that stands for other octets too: it identifies nothing any more."""
        with self._ledger.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO shared_headers (account_id, header_digest)"
                " SELECT DISTINCT account_id, header_digest FROM messages"
                " WHERE account_id = ? AND header_digest = ? AND digest <> ?",
                (self._account.row, header, digest),
            )

    def _mark(self, listed: Listed, message: int | None, state: str) -> None:
        self._ledger.scratch(
            "INSERT OR REPLACE INTO temp.shown VALUES (?, ?, ?)",
            [(listed.number, message, state)],
        )

    def shown(self) -> Iterator[Listed]:
        """The listed messages whose identity this session has shown."""
        yield from self._listed(
            "EXISTS (SELECT 1 FROM temp.shown s WHERE s.number = o.number AND s.state = 'shown')",
            (),
            1 << 62,
        )

    def tally(self, state: str) -> int:
        """How many listed messages of this session ended so: shown, strange, marked or refused."""
        return int(self._ledger.value("SELECT count(*) FROM temp.shown WHERE state = ?", (state,)))

    def mark(self, listed: Listed, *, refused: bool = False) -> None:
        """The server answered DELE."""
        self._ledger.scratch(
            "UPDATE temp.shown SET state = ? WHERE number = ?",
            [("refused" if refused else "marked", listed.number)],
        )

    def settle(self, verdict_of: dict[str, str]) -> None:
        """Takes out of the plan what this session could not show or delete.

        Args:
            verdict_of: the new verdict for each state of this session.
        """
        self._ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE message IN (SELECT coalesce(s.message,"
            " o.message) FROM temp.shown s JOIN temp.offered o ON o.number = s.number"
            " WHERE s.state = ?)",
            [(verdict, state) for state, verdict in verdict_of.items()],
        )

    def send(self, now: float) -> None:
        """The marked messages are DELETE_SENT, which is written before QUIT is sent."""
        with self._ledger.write() as db:
            db.execute(
                "UPDATE messages SET stage = 'delete_sent', left_at = ?, said = NULL"
                f" WHERE stage IN ({_MAY_GO}) AND id IN"
                " (SELECT message FROM temp.shown WHERE state = 'marked')",
                (int(now),),
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

    def answered(self, said: str) -> None:
        """Records the server's words to QUIT; empty where none came."""
        with self._ledger.write() as db:
            db.execute(
                "UPDATE messages SET said = ? WHERE account_id = ? AND stage = 'delete_sent'"
                " AND said IS NULL",
                (said, self._account.row),
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
