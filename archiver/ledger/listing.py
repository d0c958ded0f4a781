"""Known or new: a session's listing held against what the ledger remembers.

A listed message is *known* without a further word when its UIDL is unique in this listing, its
listed size is unchanged and the account's UIDLs are trusted. Otherwise its header digest decides
(``check``), or its octets (``fetch``). UIDLs collide and are reused on real servers, so a UIDL that
was gone before, or that appears twice, proves nothing.

Listings stream into temporary tables of this connection, so that nothing grows with the mailbox:
``offered`` is the session's listing; ``seen`` (in ``seen.py``) is every message that this run has
met in any session, with what became of it.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from archiver.ledger import leaving
from archiver.ledger.accounts import LedgerAccount, distrust
from archiver.ledger.database import Ledger
from archiver.ledger.linking import join_or_link
from archiver.ledger.seen import Counts, Seen
from archiver.ledger.stages import FETCHED, sql_list
from archiver.model import Fingerprint, Listed, Stage

_CHUNK = 5_000
_FETCHED = sql_list(FETCHED)
# A UIDL that was deleted may stand for another message by now, as one that is gone may.
_KEPT = sql_list(tuple(stage for stage in FETCHED if stage is not Stage.DELETE_SENT))

_SCRATCH = (
    "DROP TABLE IF EXISTS temp.offered",
    """
    CREATE TEMP TABLE offered (
        number INTEGER PRIMARY KEY,
        uidl TEXT,
        size INTEGER,
        named_by INTEGER NOT NULL,
        nth INTEGER NOT NULL DEFAULT 1,
        message INTEGER,
        verdict TEXT,
        header_digest BLOB,
        late INTEGER NOT NULL DEFAULT 0,
        retrieved INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX temp.offered_message ON offered (message) WHERE message IS NOT NULL",
)


class Listing:
    """One account's run over the ledger: what its sessions list and what becomes of it.

    Args:
        ledger: a connection that stays open as long as this object is used.
        account: the account as the ledger knew it when the run began.
        tries: how often a message may fail before it waits for a person.

    ``gone`` counts the messages whose deletion was confirmed by a listing.
    """

    def __init__(self, ledger: Ledger, account: LedgerAccount, *, tries: int) -> None:
        self.ledger = ledger
        self.account = account
        self.distrusted = account.distrusted
        self.gone = 0
        self._tries = tries
        self._unnumbered = False
        self._has_uidl = True
        self._seen = Seen(ledger)
        self._first_new = int(ledger.value("SELECT coalesce(max(id), 0) + 1 FROM messages"))
        for statement in _SCRATCH:
            ledger.scratch(statement)

    def begin(self) -> None:
        """Forgets the last session's numbers, which died with it."""
        self.ledger.scratch("DELETE FROM temp.offered")
        self._unnumbered = False

    def add_uidls(self, uidls: Iterable[tuple[int | None, str]]) -> None:
        """Takes what UIDL answered, as it streams in; None where a line had no number."""
        for chunk in _chunks(self._numbered(uidls)):
            self.ledger.scratch(
                "INSERT INTO temp.offered (number, uidl, named_by) VALUES (?, ?, 1)"
                " ON CONFLICT (number) DO UPDATE SET uidl = NULL",
                chunk,
            )

    def _numbered(
        self, uidls: Iterable[tuple[int | None, str]]
    ) -> Iterator[tuple[int, str | None]]:
        for position, (number, uidl) in enumerate(uidls, start=1):
            if number is None:
                self._unnumbered = True
            yield number or position, uidl or None

    def add_sizes(self, sizes: Iterable[tuple[int, int | None]]) -> None:
        """Takes what LIST answered, as it streams in."""
        for chunk in _chunks(sizes):
            self.ledger.scratch(
                "INSERT INTO temp.offered (number, size, named_by) VALUES (?, ?, 2)"
                " ON CONFLICT (number) DO UPDATE SET size = excluded.size, named_by = named_by | 2",
                chunk,
            )

    def complete(self, count: int, *, has_uidl: bool) -> None:
        """Judges the listing as a whole, once both answers are in.

        Args:
            count: how many messages STAT named.
            has_uidl: whether the server answered UIDL.
        """
        ledger = self.ledger
        listed = ledger.value("SELECT count(*) FROM temp.offered WHERE named_by & 1")
        if (self._unnumbered and listed != count) or (count and not listed):
            # Then LIST alone says which messages there are.
            ledger.scratch("DELETE FROM temp.offered WHERE named_by = 1")
            ledger.scratch("UPDATE temp.offered SET uidl = NULL")
            has_uidl = False
        self._has_uidl = has_uidl
        if not has_uidl:
            self._distrust("the server gives no usable UIDLs")
        elif reason := self.trouble():
            self._distrust(reason)
        if self.distrusted is not None:
            ledger.scratch(
                "UPDATE temp.offered SET nth = r.nth FROM (SELECT number, row_number() OVER"
                " (PARTITION BY coalesce(uidl, '') ORDER BY number) AS nth FROM temp.offered) AS r"
                " WHERE r.number = offered.number"
            )

    def trouble(self) -> str | None:
        """Why the UIDLs of this listing identify nothing, or None."""
        ask = self.ledger.value
        if ask("SELECT EXISTS (SELECT 1 FROM temp.offered WHERE named_by <> 3)"):
            return "UIDL and LIST name different messages"
        if ask("SELECT count(uidl) <> count(DISTINCT uidl) FROM temp.offered"):
            return "two messages shared one UIDL"
        if ask("SELECT EXISTS (SELECT 1 FROM temp.offered WHERE uidl IS NULL)"):
            return "a message has no UIDL, or more than one"
        if ask("SELECT count(*) > 0 AND count(*) = sum(uidl = number) FROM temp.offered"):
            return "the server gives message numbers as UIDLs"
        return None

    def reused(self, db: Any) -> None:
        """Notes that a UIDL stood for other octets before; inside the caller's transaction."""
        self.distrusted = self.distrusted or "a UIDL was given to other octets"
        db.execute(
            "UPDATE main.accounts SET distrusted = coalesce(distrusted, ?) WHERE id = ?",
            (self.distrusted, self.account.row),
        )

    def _distrust(self, reason: str) -> None:
        if self.distrusted is None:
            self.distrusted = reason
            distrust(self.ledger, self.account, reason)

    def classify(self, *, top: bool) -> None:
        """Gives every offered message a first verdict: known, check, fetch, failed or given up.

        Args:
            top: whether the server answers TOP; without it ``check`` becomes ``fetch``.
        """
        if self.distrusted is None:
            self._match_uidls()
        doubt = "check" if top and self._has_unaccounted() else "fetch"
        scratch = self.ledger.scratch
        if self._has_uidl:
            scratch("UPDATE temp.offered SET verdict = 'fetch' WHERE named_by <> 3")
        scratch("UPDATE temp.offered SET verdict = ? WHERE verdict IS NULL", [(doubt,)])
        if not top:
            scratch("UPDATE temp.offered SET verdict = 'fetch' WHERE verdict = 'check'")

    def _match_uidls(self) -> None:
        account = self.account.row
        self.ledger.scratch(
            "UPDATE temp.offered SET message = (SELECT max(m.id) FROM main.messages m"
            " WHERE m.account_id = ? AND m.uidl = offered.uidl)",
            [(account,)],
        )
        self.ledger.scratch(
            f"""
            UPDATE temp.offered SET verdict = CASE
                WHEN m.digest IS NULL AND m.listed_size IS offered.size
                    AND m.problem = 'given_up' THEN 'given_up'
                WHEN m.digest IS NULL AND m.listed_size IS offered.size
                    AND (m.problem = 'held' OR m.tries >= ?) THEN 'failed'
                WHEN m.digest IS NULL THEN 'fetch'
                WHEN m.stage IN ({_KEPT}) AND m.listed_size IS offered.size THEN 'known'
                ELSE 'check' END
            FROM main.messages m WHERE m.id = offered.message AND offered.named_by = 3
            """,
            [(self._tries,)],
        )

    def _has_unaccounted(self) -> bool:
        """Whether a known message is not matched: only then can an unmatched one be an old one."""
        return bool(
            self.ledger.value(
                "SELECT EXISTS (SELECT 1 FROM temp.offered WHERE verdict IS NULL) AND EXISTS"
                " (SELECT 1 FROM main.messages WHERE account_id = ?"
                f" AND stage IN ({_FETCHED}) AND source IS NULL"
                " AND id NOT IN (SELECT message FROM temp.offered WHERE message IS NOT NULL))",
                (self.account.row,),
            )
        )

    def waiting(self) -> int:
        """How many messages are to be fetched."""
        return int(self.ledger.value("SELECT count(*) FROM temp.offered WHERE verdict = 'fetch'"))

    def waiting_octets(self) -> int:
        """How many octets they have, by LIST."""
        return int(
            self.ledger.value(
                "SELECT coalesce(sum(size), 0) FROM temp.offered WHERE verdict = 'fetch'"
            )
        )

    def to_check(self) -> Iterator[Listed]:
        """The messages whose header digest is wanted, in the order of their numbers."""
        return self._with_verdict("check", late=False)

    def to_fetch(self) -> Iterator[Listed]:
        """The messages whose octets are wanted, by number; what failed before comes last."""
        yield from self._with_verdict("fetch", late=False)
        yield from self._with_verdict("fetch", late=True)

    def _with_verdict(self, verdict: str, *, late: bool) -> Iterator[Listed]:
        number = 0
        while page := list(
            self.ledger.rows(
                "SELECT number, uidl, size FROM temp.offered WHERE number > ? AND verdict = ?"
                " AND late = ? ORDER BY number LIMIT 500",
                (number, verdict, late),
            )
        ):
            yield from (Listed(*row) for row in page)
            number = page[-1][0]

    def identify(self, checked: Sequence[tuple[Listed, Fingerprint]], now: float) -> None:
        """Decides messages by their header digests.

        One that names exactly one known message, and one that no other listed message is, is that
        message. Equal headers are no proof against each other, so two of this listing that share
        one are both fetched, as is one that shares it with a message known by its UIDL, or with
        an imported one alone, whose body another program may have changed.
        """
        with self.ledger.write():
            for listed, fingerprint in checked:
                self._identify(listed, fingerprint, int(now))

    def _identify(self, listed: Listed, fingerprint: Fingerprint, now: int) -> None:
        db = self.ledger.database.conn
        header = bytes.fromhex(fingerprint.header_digest)
        db.execute(
            "UPDATE temp.offered SET header_digest = ?, verdict = 'fetch' WHERE number = ?",
            (header, listed.number),
        )
        known = db.execute(
            "SELECT DISTINCT digest FROM main.messages WHERE account_id = ? AND header_digest = ?"
            " AND digest IS NOT NULL AND source IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM shared_headers h"
            " WHERE h.account_id = messages.account_id"
            " AND h.header_digest = messages.header_digest) LIMIT 2",
            (self.account.row, header),
        ).fetchall()
        if not fingerprint.identifiable or len(known) != 1:
            return
        if not self._is_accounted(db, known[0][0]):
            db.execute(
                "UPDATE temp.offered SET verdict = 'same' WHERE number = ?", (listed.number,)
            )

    def _is_accounted(self, db: Any, digest: bytes) -> bool:
        found = db.execute(
            "SELECT 1 FROM main.messages m JOIN temp.offered o ON o.message = m.id"
            " WHERE m.account_id = ? AND m.digest = ? AND o.verdict = 'known' LIMIT 1",
            (self.account.row, digest),
        ).fetchone()
        return found is not None

    def settle(self, now: float, *, retires: bool = False) -> None:
        """Writes down what the listing says, once every header digest asked for is in.

        New messages become LISTED, known ones that are no longer listed VANISHED; those that we
        have do not where the server ``retires`` at QUIT what was retrieved, since it was told to.
        """
        with self.ledger.write() as db:
            db.execute("UPDATE temp.offered SET verdict = 'fetch' WHERE verdict = 'check'")
            db.execute(
                "UPDATE temp.offered SET verdict = 'fetch' WHERE verdict = 'same' AND header_digest"
                " IN (SELECT header_digest FROM temp.offered WHERE header_digest IS NOT NULL"
                " GROUP BY header_digest HAVING count(*) > 1)"
            )
            for row in db.execute(
                "SELECT number, uidl, size, header_digest FROM temp.offered WHERE verdict = 'same'"
            ).fetchall():
                self._recognise(db, row, int(now))
            self._seen.skip_done(db, trusted=self.distrusted is None)
            self._register(db, int(now))
            self.gone += leaving.confirm(db, self.account.row, int(now))
            leaving.vanish(db, self.account.row, retires=retires)

    def _recognise(self, db: Any, row: tuple[int, str | None, int | None, bytes], now: int) -> None:
        number, uidl, size, header = row
        account = self.account.row
        old = db.execute(
            "SELECT id, digest FROM main.messages WHERE account_id = ? AND header_digest = ?"
            " AND digest IS NOT NULL AND source IS NULL ORDER BY uidl IS ? DESC, id DESC LIMIT 1",
            (account, header, uidl),
        ).fetchone()
        message, verdict = join_or_link(
            db, account, Listed(number, uidl, size), digest=old[1], header=header, now=now
        )
        db.execute(
            "UPDATE temp.offered SET message = ?, verdict = ? WHERE number = ?",
            (message, verdict, number),
        )

    def _register(self, db: Any, now: int) -> None:
        account = self.account.row
        db.execute(
            "UPDATE temp.offered SET late = 1 WHERE verdict = 'fetch' AND message IN"
            " (SELECT id FROM main.messages WHERE account_id = ? AND problem <> 'none')",
            (account,),
        )
        if self.distrusted is None:
            db.execute(
                "INSERT INTO main.messages (account_id, uidl, listed_size, stage, listed_at)"
                " SELECT ?, uidl, size, 'listed', ? FROM temp.offered"
                " WHERE verdict = 'fetch' AND message IS NULL ORDER BY number",
                (account, now),
            )
            db.execute(
                "UPDATE temp.offered SET message = (SELECT max(m.id) FROM main.messages m"
                " WHERE m.account_id = ? AND m.uidl = offered.uidl)"
                " WHERE verdict = 'fetch' AND message IS NULL",
                (account,),
            )
            db.execute(
                "UPDATE main.messages SET stage = 'listed', listed_size = o.size,"
                " length = iif(listed_size IS o.size, length, NULL)"
                " FROM temp.offered o WHERE o.message = messages.id AND o.verdict = 'fetch'"
                " AND messages.digest IS NULL AND messages.stage IN ('listed', 'vanished', 'gone')"
            )
            # At another size it may be another message: what was decided does not concern it.
            db.execute(
                "UPDATE main.messages SET problem = 'none', reason = NULL, tries = 0"
                " WHERE account_id = ? AND problem IN ('held', 'given_up') AND digest IS NULL"
                " AND id IN (SELECT message FROM temp.offered WHERE verdict = 'fetch')",
                (account,),
            )
        self._seen.record(db)

    def close(self, listed: Listed, outcome: str, message: int | None) -> None:
        """Notes what became of a message; inside a transaction of the caller's."""
        db = self.ledger.database.conn
        self._seen.close(db, listed, outcome, message)
        db.execute(
            "UPDATE temp.offered SET verdict = ?, message = coalesce(?, message), retrieved = ?"
            " WHERE number = ?",
            (outcome, message, outcome not in ("failed", "vanished"), listed.number),
        )

    def retrieved_unarchived(self) -> bool:
        """Whether this session retrieved a message whose octets are not ARCHIVED yet."""
        return bool(
            self.ledger.value(
                "SELECT EXISTS (SELECT 1 FROM temp.offered o"
                " JOIN main.messages m ON m.id = o.message WHERE o.retrieved AND NOT EXISTS"
                " (SELECT 1 FROM main.messages a JOIN main.batches b ON b.id = a.batch_id"
                " WHERE a.account_id = m.account_id AND a.digest = m.digest"
                " AND a.offset IS NOT NULL AND b.archived_at IS NOT NULL))"
            )
        )

    def is_new(self, message: int) -> bool:
        """Whether a ledger row was made in this run."""
        return message >= self._first_new

    def counts(self) -> Counts:
        """How many messages ended in which way so far; what has no end yet remains."""
        return self._seen.counts()

    def unarchived(self) -> dict[str, "array[int]"]:
        """By their ends, the rows of messages that are in the spool and may fail to be stored."""
        return self._seen.unarchived(self.account)


def _chunks(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk
