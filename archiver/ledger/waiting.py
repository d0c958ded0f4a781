"""What waits in a mailbox, held against the ledger without writing into it.

A look, and no decision: a message counts as known by its UIDL where the account is trusted, and
else by its header, which is less than ``listing`` asks before it passes a message over. The
listing lies in a temporary table, so that nothing grows with the mailbox.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from archiver.ledger.accounts import LedgerAccount, account
from archiver.ledger.database import Ledger
from archiver.ledger.listing import Listing
from archiver.ledger.stages import FETCHED, sql_list
from archiver.model import Fingerprint, Listed

_NOBODY = LedgerAccount(0, "", 0, "", None, None, 0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message in a mailbox.

    ``known`` says that its UIDL stands for octets that we have, or was given up.
    """

    listed: Listed
    known: bool


def find_account(ledger: Ledger, name: str) -> LedgerAccount:
    """The account of this name as it was archived last; one without messages if it never was."""
    row = ledger.value(
        "SELECT a.id FROM accounts a LEFT JOIN runs r ON r.account_id = a.id WHERE a.name = ?"
        " ORDER BY r.started_at DESC NULLS LAST, r.id DESC, a.id DESC LIMIT 1",
        (name,),
    )
    return _NOBODY if row is None else account(ledger, int(row))


class Look:
    """A session's listing, held against what the ledger knows of an account.

    Args:
        listing: took UIDL and LIST of this session.
        count: how many messages STAT named.
    """

    def __init__(self, listing: Listing, count: int) -> None:
        self._ledger = listing.ledger
        self._owner = listing.account
        ask = self._ledger.value
        self._trusted = (
            self._owner.distrusted is None
            and ask("SELECT count(*) FROM temp.offered WHERE named_by & 1") == count
            and listing.trouble() is None
        )
        self.empty = not ask(
            "SELECT EXISTS (SELECT 1 FROM messages WHERE account_id = ? AND digest NOTNULL)",
            (self._owner.row,),
        )

    def waiting(self, limit: int | None) -> Iterator[Waiting]:
        """The messages that are listed, the oldest first, or only so many of the newest."""
        number = 0
        if limit is not None:
            number = self._ledger.value(
                "SELECT number FROM temp.offered ORDER BY number DESC LIMIT 1 OFFSET ?", (limit,)
            )
        number = number or 0
        while page := list(self._ledger.rows(_PAGE_OF, (self._trusted, self._owner.row, number))):
            yield from (Waiting(Listed(*row[:3]), bool(row[3])) for row in page)
            number = page[-1][0]

    def knows(self, header: Fingerprint) -> bool:
        """Whether this header is that of exactly one message whose octets we have."""
        known = self._ledger.value(
            "SELECT count(DISTINCT digest) FROM messages WHERE account_id = ?"
            " AND header_digest = ? AND digest NOTNULL",
            (self._owner.row, bytes.fromhex(header.header_digest)),
        )
        return header.identifiable and known == 1


_PAGE_OF = f"""
    SELECT number, uidl, size, ? AND named_by = 3 AND EXISTS (
        SELECT 1 FROM main.messages m WHERE m.account_id = ? AND m.uidl = offered.uidl
        AND (m.stage IN ({sql_list(FETCHED)}) OR m.problem = 'given_up')
        AND m.listed_size IS offered.size
        AND m.id = (SELECT max(id) FROM main.messages
                    WHERE account_id = m.account_id AND uidl = m.uidl))
    FROM temp.offered WHERE number > ? ORDER BY number LIMIT 500
    """
