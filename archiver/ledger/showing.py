"""What the server shows of a plan, session by session, held in temporary tables.

``shown`` has, for the session that goes on, the listed messages whose identity was asked for, and
how that ended; ``spared`` has the listed messages that no later session of this deletion retrieves,
since QUIT may take away whatever was. Only rows that are shown to be what the plan says ever become
DELETE_SENT. The plan is ``temp.plan`` (``pruning.py``), the listing ``temp.offered``
(``listing.py``).
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Any

from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.ledger.stages import sources, sql_list
from archiver.model import Fingerprint, Listed, Stage

_PAGE = 500
_MAY_GO = sql_list(sources(Stage.DELETE_SENT))

_SCRATCH = (
    "DROP TABLE IF EXISTS temp.shown",
    """
    CREATE TEMP TABLE shown (
        number INTEGER PRIMARY KEY,
        message INTEGER,
        state TEXT NOT NULL
    )
    """,
    "DROP TABLE IF EXISTS temp.spared",
    "CREATE TEMP TABLE spared (number INTEGER, uidl TEXT, size INTEGER)",
    "DROP TABLE IF EXISTS temp.remaining",
    "CREATE TEMP TABLE remaining (number INTEGER PRIMARY KEY)",
)


class Shown(StrEnum):
    """What became of a listed message in a session: what it was shown to be, and DELE.

    ``DOUBT``: its octets are to tell. ``GOES``: it is what the plan says. ``STAYS``: it is archived
    and stays. ``SPARED``: it is archived and must not leave, in no way. ``STRANGE``: the archive
    does not have it. ``UNSEEN``: the server does not show it. ``MARKED``, ``REFUSED``: by DELE.
    """

    DOUBT = "doubt"
    GOES = "shown"
    STAYS = "stays"
    SPARED = "spared"
    STRANGE = "strange"
    UNSEEN = "unseen"
    MARKED = "marked"
    REFUSED = "refused"


class Showing:
    """One deletion's sessions, over the connection that has its plan.

    Args:
        ledger: the connection.
        account: whose mailbox it is.
        goes: the verdict of what is to go.
        unreadable: the verdict of what could not be read back.
    """

    def __init__(
        self, ledger: Ledger, account: LedgerAccount, *, goes: str, unreadable: str
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._goes = goes
        self._unreadable = unreadable
        for statement in _SCRATCH:
            ledger.scratch(statement)

    def begin(self) -> None:
        """A session's listing is complete (``listing.Listing``), and nothing of it is shown yet."""
        self._ledger.scratch("DELETE FROM temp.shown")

    def planned(self, limit: int) -> Iterator[Listed]:
        """The listed messages that the ledger takes for ones that are to go."""
        yield from self._listed(
            "o.verdict IN ('known', 'linked') AND o.message IN"
            " (SELECT message FROM temp.plan WHERE verdict = ? AND NOT tried)",
            (self._goes,),
            limit,
        )

    def unclear(self, limit: int) -> Iterator[Listed]:
        """The listed messages that may be ones that are to go, which their octets alone can tell.

        Those whose header was in doubt, and where UIDLs prove nothing also those that share their
        UIDL, or the lack of one, with a message that is to go; none that are to be spared.
        """
        yield from self._listed(
            "(EXISTS (SELECT 1 FROM temp.shown s WHERE s.number = o.number AND s.state = 'doubt')"
            " OR (o.verdict = 'fetch' AND coalesce(o.uidl, '') IN (SELECT coalesce(m.uidl, '')"
            " FROM temp.plan p JOIN main.messages m ON m.id = p.message"
            " WHERE p.verdict = ? AND NOT p.tried)))"
            " AND NOT EXISTS"
            " (SELECT 1 FROM temp.spared s WHERE s.number = o.number AND s.uidl IS o.uidl"
            " AND s.size IS o.size)",
            (self._goes,),
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
        self._mark(listed, None, Shown.DOUBT)

    def show_header(self, listed: Listed, header: Fingerprint) -> None:
        """Holds the answer to ``TOP n 0`` against the ledger; in doubt the octets are to decide.

        A header says nothing of the body, so it is believed only of a message that was retrieved
        under this UIDL, of as many octets as the server says that it has now.
        """
        row = self._ledger.row(
            "SELECT m.id FROM temp.offered o JOIN messages m ON m.id = o.message"
            " WHERE o.number = ? AND m.header_digest = ? AND m.offset NOTNULL AND m.length = o.size"
            " AND (SELECT count(DISTINCT digest)"
            " FROM messages WHERE account_id = m.account_id AND header_digest = m.header_digest"
            " AND digest NOTNULL) = 1 AND NOT EXISTS (SELECT 1 FROM shared_headers h"
            " WHERE h.account_id = m.account_id AND h.header_digest = m.header_digest)",
            (listed.number, bytes.fromhex(header.header_digest)),
        )
        if row is None or not header.identifiable:
            self.doubt(listed)
        else:
            self._mark(listed, row[0], Shown.GOES)

    def show_octets(self, listed: Listed, whole: Fingerprint | None) -> None:
        """Holds a message's octets, None where they did not come, against plan and archive."""
        if whole is None:
            self._mark(listed, None, Shown.UNSEEN)
            return
        digest = bytes.fromhex(whole.digest)
        row = self._ledger.row(
            "SELECT m.id FROM temp.plan p JOIN messages m ON m.id = p.message"
            " WHERE p.verdict = ? AND m.account_id = ? AND m.digest = ? AND m.uidl IS ?"
            " ORDER BY m.id DESC LIMIT 1",
            (self._goes, self._account.row, digest, listed.uidl),
        )
        if row is not None:
            self._mark(listed, row[0], Shown.GOES)
            return
        self._note_header(bytes.fromhex(whole.header_digest), digest)
        if not self._ledger.value(
            "SELECT EXISTS (SELECT 1 FROM messages m JOIN batches b ON b.id = m.batch_id"
            " WHERE m.account_id = ? AND m.digest = ? AND b.archived_at NOTNULL)",
            (self._account.row, digest),
        ):
            self._mark(listed, None, Shown.STRANGE)
            return
        unreadable = self._ledger.value(
            "SELECT EXISTS (SELECT 1 FROM temp.plan p JOIN messages m ON m.id = p.message"
            " WHERE p.verdict = ? AND m.account_id = ? AND m.digest = ?)",
            (self._unreadable, self._account.row, digest),
        )
        self._mark(listed, None, Shown.SPARED if unreadable else Shown.STAYS)

    def _note_header(self, header: bytes, digest: bytes) -> None:
        """Remembers a header that stands for other octets too: it identifies nothing any more."""
        with self._ledger.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO shared_headers (account_id, header_digest)"
                " SELECT DISTINCT account_id, header_digest FROM messages"
                " WHERE account_id = ? AND header_digest = ? AND digest <> ?",
                (self._account.row, header, digest),
            )

    def _mark(self, listed: Listed, message: int | None, shown: Shown) -> None:
        self._ledger.scratch(
            "INSERT OR REPLACE INTO temp.shown VALUES (?, ?, ?)",
            [(listed.number, message, shown)],
        )

    def spare(self, *states: Shown) -> None:
        """Has later sessions not retrieve the messages that this one found to be so.

        They know them by number, UIDL and size: where these mean another message by then, it is
        either left alone or met again.
        """
        self._ledger.scratch(
            "INSERT INTO temp.spared SELECT o.number, o.uidl, o.size FROM temp.shown s"
            " JOIN temp.offered o ON o.number = s.number WHERE s.state = ?",
            [(state,) for state in states],
        )

    def shown(self) -> Iterator[Listed]:
        """The listed messages whose identity this session has shown."""
        yield from self._listed(
            "EXISTS (SELECT 1 FROM temp.shown s WHERE s.number = o.number AND s.state = ?)",
            (Shown.GOES,),
            1 << 62,
        )

    def tally(self, *states: Shown) -> int:
        """How many listed messages of this session ended in one of these ways."""
        counts = dict(self._ledger.rows("SELECT state, count(*) FROM temp.shown GROUP BY state"))
        return sum(counts.get(state, 0) for state in states)

    def mark(self, listed: Listed, *, refused: bool = False) -> None:
        """The server answered DELE."""
        self._ledger.scratch(
            "UPDATE temp.shown SET state = ? WHERE number = ?",
            [(Shown.REFUSED if refused else Shown.MARKED, listed.number)],
        )

    def misplaced(self, numbers: Iterable[int]) -> int:
        """How many messages are not as they should be after DELE.

        Args:
            numbers: those that the server still lists: all that it listed and did not mark.
        """
        scratch = self._ledger.scratch
        scratch("DELETE FROM temp.remaining")
        stream = iter(numbers)
        while chunk := [(number,) for number in islice(stream, _PAGE)]:
            scratch("INSERT OR IGNORE INTO temp.remaining VALUES (?)", chunk)
        left = (
            "SELECT number FROM temp.offered WHERE named_by & 2 AND number NOT IN"
            f" (SELECT number FROM temp.shown WHERE state = '{Shown.MARKED}')"
        )
        there = "SELECT number FROM temp.remaining"
        return int(
            self._ledger.value(
                f"SELECT (SELECT count(*) FROM ({left} EXCEPT {there}))"
                f" + (SELECT count(*) FROM ({there} EXCEPT {left}))"
            )
        )

    def settle(self, verdict_of: dict[Shown, str]) -> None:
        """Takes out of the plan what this session could not show or delete.

        Args:
            verdict_of: the new verdict for each way to end.
        """
        self._ledger.scratch(
            "UPDATE temp.plan SET verdict = ? WHERE verdict = ? AND message IN"
            " (SELECT coalesce(s.message, o.message) FROM temp.shown s"
            " JOIN temp.offered o ON o.number = s.number WHERE s.state = ?)",
            [(verdict, self._goes, shown) for shown, verdict in verdict_of.items()],
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

    def answered(self, said: str) -> None:
        """Records the server's words to QUIT; empty where none came.

        What it answered for is not tried again by this deletion, whatever became of it.
        """
        with self._ledger.write() as db:
            db.execute(
                "UPDATE messages SET said = ? WHERE account_id = ? AND stage = 'delete_sent'"
                " AND said IS NULL",
                (said, self._account.row),
            )
        if said:
            self._ledger.scratch(
                "UPDATE temp.plan SET tried = 1 WHERE message IN"
                " (SELECT message FROM temp.shown WHERE state = ?)",
                [(Shown.MARKED,)],
            )
