"""Versions: every message that the ledger has under one UIDL, with what is in the store of it.

Servers give a UIDL to other octets, and what failed may be another version of what is archived.
Whoever decides about a message has to see all that stands under its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archiver.format import raw_key
from archiver.ledger.database import Ledger
from archiver.model import Stage


@dataclass(frozen=True, slots=True)
class Version:
    """One message of an account, as it is archived into one store.

    Attributes:
        row: its row in the ledger.
        account: the account's id.
        store: the store.
        uidl: its UIDL, None where the server gave none.
        stage: how far it came.
        problem: ``none``, ``failed``, ``held`` or ``given_up``, with the ``reason`` and the number
            of ``tries``.
        listed_size: what LIST said, in octets.
        listed_at: when it was listed first, in seconds since the epoch; None if that was forgotten.
        digest: that of its octets, None if they never came.
        size: how many octets it has; of one that never came, how many did before that ended.
        fetched_at: when its octets came.
        archived_at: when it was archived.
        key: where its octets are in the store, once that is proven.
        segment: the file in the spool that holds its octets at ``offset``; empty if none does.
        distrusted: why the account's UIDLs prove nothing, or None.
    """

    row: int
    account: str
    store: str
    uidl: str | None
    stage: Stage
    problem: str
    reason: str
    tries: int
    listed_size: int | None
    listed_at: int | None
    digest: str | None
    size: int | None
    fetched_at: int | None
    archived_at: int | None
    key: str | None
    segment: str
    offset: int
    distrusted: str | None

    @property
    def since(self) -> int | None:
        """Since when it waits, if it does."""
        return self.fetched_at or self.listed_at

    @property
    def octets(self) -> int | None:
        """How large it is, as far as that is known."""
        return self.size if self.size is not None else self.listed_size


_SELECT = """
    SELECT m.id, a.name, s.url, m.uidl, m.stage, m.problem, coalesce(m.reason, ''), m.tries,
        m.listed_size, nullif(m.listed_at, 0), m.digest, coalesce(m.length, c.length),
        m.fetched_at, b.archived_at, k.day, k.name,
        iif(m.offset NOTNULL AND b.archived_at IS NULL, b.segment, ''), coalesce(m.offset, 0),
        a.distrusted
    FROM messages m JOIN accounts a ON a.id = m.account_id JOIN stores s ON s.id = a.store_id
    LEFT JOIN batches b ON b.id = m.batch_id
    LEFT JOIN copies c ON c.account_id = a.id AND c.store_id = a.store_id AND c.kind = 'raw'
        AND c.digest = m.digest AND c.proof NOTNULL
    LEFT JOIN batches k ON k.id = c.batch_id
    """


def versions(ledger: Ledger, account: str, uidl: str) -> list[Version]:
    """All that the ledger has under a UIDL, the oldest first; into whatever store it goes."""
    rows = ledger.rows(
        f"{_SELECT} WHERE a.name = ? AND m.uidl = ? ORDER BY a.id, m.id", (account, uidl)
    )
    return [_version(row) for row in rows]


def problems(ledger: Ledger, account: str | None = None) -> list[Version]:
    """The messages that have a problem, by account; only those of one account on request."""
    rows = ledger.rows(
        f"{_SELECT} WHERE m.problem <> 'none' AND a.name = coalesce(?, a.name)"
        " ORDER BY a.name, m.id",
        (account,),
    )
    return [_version(row) for row in rows]


def _version(row: Sequence[Any]) -> Version:
    number, account, store, uidl, stage, problem, reason, tries, *rest = row
    listed_size, listed_at, digest, size, fetched_at, archived_at, day, batch, *place = rest
    segment, offset, distrusted = place
    found = None if digest is None else digest.hex()
    return Version(
        row=number,
        account=account,
        store=store,
        uidl=uidl,
        stage=Stage(stage),
        problem=problem,
        reason=reason,
        tries=tries,
        listed_size=listed_size,
        listed_at=listed_at,
        digest=found,
        size=size,
        fetched_at=fetched_at,
        archived_at=archived_at,
        key=None if batch is None or found is None else raw_key(account, day, batch, found),
        segment=segment,
        offset=offset,
        distrusted=distrusted,
    )
