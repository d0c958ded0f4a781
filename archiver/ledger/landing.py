"""Landing: a batch whose octets are durable in the spool becomes rows that say so.

One transaction a batch, after segment and directory entry are fsynced: a row says SPOOLED only
when a power cut can no longer take the octets.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from archiver.format import read_origin
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.ledger.linking import join_or_link
from archiver.ledger.listing import Listing
from archiver.model import Batch, Fingerprint, LinkedMessage, Listed, Origin, SpooledMessage

_BATCH_ROWS = 500
# A link is named only when what it leads to is, or is going to be by itself.
_LEADS_TO_TROUBLE = (
    "EXISTS (SELECT 1 FROM messages m WHERE m.account_id = messages.account_id"
    " AND m.digest = messages.digest AND m.offset NOTNULL AND m.problem <> 'none')"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch on its way into the ledger; ``segment`` is its file's name below the spool."""

    name: str
    day: str
    segment: str
    octets: int


@dataclass(frozen=True, slots=True)
class Landed:
    """A retrieved message at its place in the batch's segment.

    ``origin`` is None for what a mail server listed.
    """

    listed: Listed
    fingerprint: Fingerprint
    offset: int
    fetched_at: float
    anomalies: tuple[str, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Landing:
    """What a batch brought: new messages, links to old ones, and octets that we had.

    ``is_batch`` is False where no row needs the batch, which then does not exist.
    """

    fetched: int
    linked: int
    known: int
    is_batch: bool


def land(listing: Listing, draft: Draft, messages: Sequence[Landed], now: float) -> Landing:
    """Writes a durable batch into the ledger; with nothing new in it, no batch is made."""
    outcomes: list[str] = []
    with listing.ledger.write() as db:
        batch = insert_batch(db, listing.account, draft, int(now))
        for landed in messages:
            message, outcome = _land(db, listing, landed, batch)
            listing.close(landed.listed, outcome, message)
            outcomes.append(outcome)
        fetched, linked = outcomes.count("fetched"), outcomes.count("linked")
        needed = keep_batch(db, batch)
    return Landing(fetched, linked, len(outcomes) - fetched - linked, needed)


def insert_batch(db: Any, account: LedgerAccount, draft: Draft, now: int) -> int:
    """Makes a batch in the caller's transaction, and returns its row."""
    made = db.execute(
        "INSERT INTO batches (name, account_id, day, segment, octets, spooled_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (draft.name, account.row, draft.day, draft.segment, draft.octets, now),
    )
    return int(made.lastrowid)


def keep_batch(db: Any, batch: int) -> bool:
    """Whether a row needs the batch; one that none does is removed."""
    found = db.execute("SELECT 1 FROM messages WHERE batch_id = ? LIMIT 1", (batch,)).fetchone()
    if found is None:
        db.execute("DELETE FROM batches WHERE id = ?", (batch,))
    return found is not None


def _land(db: Any, listing: Listing, landed: Landed, batch: int) -> tuple[int, str]:
    account, listed = listing.account.row, landed.listed
    digest = bytes.fromhex(landed.fingerprint.digest)
    header = bytes.fromhex(landed.fingerprint.header_digest)
    had = db.execute(
        "SELECT 1 FROM messages WHERE account_id = ? AND digest = ? LIMIT 1", (account, digest)
    ).fetchone()
    if had is not None:
        row, outcome = join_or_link(
            db, account, listed, digest=digest, header=header, now=int(landed.fetched_at)
        )
        if outcome == "linked":
            db.execute(
                f"UPDATE messages SET batch_id = ? WHERE id = ? AND NOT {_LEADS_TO_TROUBLE}",
                (batch, row),
            )
        elif listing.is_new(row):
            # Two copies under one UIDL: the first was fetched in this run, this one adds nothing.
            outcome = "linked"
        return row, outcome
    return _spool(db, listing, landed, batch, digest, header), "fetched"


def _spool(
    db: Any, listing: Listing, landed: Landed, batch: int, digest: bytes, header: bytes
) -> int:
    account, listed = listing.account.row, landed.listed
    anomalies = json.dumps(landed.anomalies) if landed.anomalies else None
    values = (listed.size, digest, header, batch, landed.offset, landed.fingerprint.size)
    times = (int(landed.fetched_at), anomalies)
    waiting = db.execute(
        "SELECT id FROM messages WHERE account_id = ? AND uidl IS ? AND digest IS NULL LIMIT 1",
        (account, listed.uidl),
    ).fetchone()
    if waiting is not None:
        db.execute(
            "UPDATE messages SET listed_size = ?, digest = ?, header_digest = ?, batch_id = ?,"
            " offset = ?, length = ?, fetched_at = ?, anomalies = ?, stage = 'spooled',"
            " problem = 'none', reason = NULL, tries = 0 WHERE id = ?",
            (*values, *times, waiting[0]),
        )
        return int(waiting[0])
    if listed.uidl is not None:
        _note_reuse(db, listing, listed.uidl)
    made = db.execute(
        "INSERT INTO messages (account_id, uidl, listed_size, digest, header_digest, batch_id,"
        " offset, length, fetched_at, anomalies, stage, listed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'spooled', ?)",
        (account, listed.uidl, *values, *times, int(landed.fetched_at)),
    )
    return int(made.lastrowid)


def _note_reuse(db: Any, listing: Listing, uidl: str) -> None:
    known = "SELECT 1 FROM messages WHERE account_id = ? AND uidl = ? AND digest NOTNULL LIMIT 1"
    if db.execute(known, (listing.account.row, uidl)).fetchone():
        listing.reused(db)


def land_links(ledger: Ledger, account: LedgerAccount, draft: Draft, now: float) -> int:
    """Gives links that no batch carries yet a batch without octets; returns how many it took."""
    unnamed = (
        f"stage = 'linked' AND batch_id IS NULL AND account_id = ? AND NOT {_LEADS_TO_TROUBLE}"
    )
    if not ledger.value(f"SELECT 1 FROM messages WHERE {unnamed} LIMIT 1", (account.row,)):
        return 0
    with ledger.write() as db:
        batch = insert_batch(db, account, draft, int(now))
        taken = db.execute(
            f"UPDATE messages SET batch_id = ? WHERE id IN"
            f" (SELECT id FROM messages WHERE {unnamed} ORDER BY id LIMIT {_BATCH_ROWS})",
            (batch, account.row),
        )
        return int(taken.rowcount)


def fail_fetch(
    listing: Listing,
    listed: Listed,
    reason: str,
    now: float,
    *,
    vanished: bool = False,
    counted: bool = True,
    octets: int | None = None,
) -> None:
    """Records that a message could not be fetched; progress and earlier rows stay as they are.

    Args:
        listing: the run's listing.
        listed: the message.
        reason: why, for a person.
        now: the time, in seconds since the epoch.
        vanished: it left the server since it was listed, which is no failure.
        counted: whether this was one of the tries that a message has.
        octets: how many had come of one that had no end within what we take.
    """
    outcome = "vanished" if vanished else "failed"
    with listing.ledger.write() as db:
        unfetched = db.execute(
            "SELECT max(id) FROM messages WHERE account_id = ? AND uidl IS ? AND digest IS NULL",
            (listing.account.row, listed.uidl),
        )
        message = unfetched.fetchone()[0]
        if vanished:
            db.execute(
                "UPDATE messages SET stage = 'vanished', problem = 'none', reason = NULL"
                " WHERE id = ? AND stage = 'listed'",
                (message,),
            )
        elif message is None:
            made = db.execute(
                "INSERT INTO messages (account_id, uidl, listed_size, stage, listed_at, length,"
                " problem, reason, tries) VALUES (?, ?, ?, 'listed', ?, ?, 'failed', ?, ?)",
                (listing.account.row, listed.uidl, listed.size, int(now), octets, reason, counted),
            )
            message = int(made.lastrowid or 0)
        else:
            db.execute(
                "UPDATE messages SET stage = 'listed', listed_size = ?, length ="
                " coalesce(?, length), problem = 'failed', reason = ?, tries = tries + ?"
                " WHERE id = ?",
                (listed.size, octets, reason, counted, message),
            )
        listing.close(listed, outcome, message)


def lengths(listing: Listing) -> dict[int, int]:
    """How many octets came, by number, of listed messages that had no end within what we take."""
    return dict(
        listing.ledger.rows(
            "SELECT o.number, m.length FROM temp.offered o JOIN main.messages m"
            " ON m.id = o.message WHERE o.late AND m.digest IS NULL AND m.length NOTNULL"
        )
    )


def pending(ledger: Ledger, account: LedgerAccount, *, tries: int) -> list[str]:
    """The names of the account's batches that are not archived yet, oldest first.

    Messages that failed ``tries`` times, are held or given up have batches of their own, and wait.
    """
    rows = ledger.rows(
        "SELECT name FROM batches b WHERE account_id = ? AND archived_at IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM messages m WHERE m.batch_id = b.id AND (m.problem IN ('held', 'given_up')"
        " OR (m.problem = 'failed' AND m.tries >= ?))) ORDER BY id",
        (account.row, tries),
    )
    return [row[0] for row in rows]


def load(ledger: Ledger, name: str) -> Batch:
    """A batch with its messages, as a worker takes it."""
    row = ledger.row(
        "SELECT b.id, a.name, b.day, b.segment FROM batches b"
        " JOIN accounts a ON a.id = b.account_id WHERE b.name = ?",
        (name,),
    )
    assert row is not None, f"batch {name} is not in the ledger"
    batch, account, day, segment = row
    messages = ledger.rows(
        "SELECT id, uidl, listed_size, digest, header_digest, offset, length, fetched_at,"
        " anomalies, source FROM messages WHERE batch_id = ? AND stage IN ('spooled', 'archived')"
        " ORDER BY offset",
        (batch,),
    )
    linked = ledger.rows(
        "SELECT id, uidl, listed_size, digest FROM messages"
        " WHERE batch_id = ? AND stage IN ('linked', 'vanished') AND offset IS NULL ORDER BY id",
        (batch,),
    )
    return Batch(
        id=name,
        account=account,
        day=day,
        segment=segment,
        messages=tuple(_spooled(message) for message in messages),
        linked=tuple(LinkedMessage(r[0], r[1], r[2], r[3].hex()) for r in linked),
    )


def _spooled(row: tuple[Any, ...]) -> SpooledMessage:
    message, uidl, listed_size, digest, header, offset, length, fetched_at, *rest = row
    anomalies, source = rest
    return SpooledMessage(
        row=message,
        uidl=uidl,
        listed_size=listed_size,
        digest=digest.hex(),
        header_digest=header.hex(),
        offset=offset,
        length=length,
        fetched_at=fetched_at,
        anomalies=tuple(json.loads(anomalies)) if anomalies else (),
        origin=read_origin(source),
    )


def waiting(ledger: Ledger, account: LedgerAccount) -> int:
    """How many of the account's messages are in the spool, and neither archived nor given up."""
    return int(
        ledger.value(
            "SELECT count(*) FROM messages m JOIN batches b ON b.id = m.batch_id"
            " WHERE b.account_id = ? AND b.archived_at IS NULL AND m.stage = 'spooled'"
            " AND m.problem <> 'given_up'",
            (account.row,),
        )
    )


def is_uploaded(ledger: Ledger, name: str) -> bool:
    """Whether every message of a batch was put into the store, proven or not."""
    return bool(ledger.value("SELECT uploaded_at NOTNULL FROM batches WHERE name = ?", (name,)))


def is_archived(ledger: Ledger, name: str) -> bool:
    """Whether a manifest names all that the batch brought."""
    return bool(ledger.value("SELECT archived_at NOTNULL FROM batches WHERE name = ?", (name,)))


def mark_uploaded(ledger: Ledger, name: str, now: float) -> None:
    """Records that every message of a batch was put into the store, or set aside."""
    with ledger.write() as db:
        db.execute("UPDATE batches SET uploaded_at = ? WHERE name = ?", (int(now), name))


def segments(ledger: Ledger, account: LedgerAccount) -> Iterable[tuple[str, int]]:
    """The segment files that batches of a mailbox still need, with their size in octets.

    They lie in one directory for all stores into which the mailbox is archived.
    """
    yield from ledger.rows(
        "SELECT b.segment, b.octets FROM batches b JOIN accounts a ON a.id = b.account_id"
        " WHERE a.name = ? AND b.archived_at IS NULL AND b.segment <> ''",
        (account.name,),
    )


def all_segments(ledger: Ledger) -> set[str]:
    """The segment files that batches of any account still need."""
    return {
        row[0]
        for row in ledger.rows(
            "SELECT segment FROM batches WHERE archived_at IS NULL AND segment <> ''"
        )
    }


def set_aside(
    ledger: Ledger, messages: Sequence[SpooledMessage], draft: Draft, reason: str, now: float
) -> None:
    """Moves failed messages into a batch of their own, so that they pin no other.

    Links to them wait until they are archived.
    """
    with ledger.write() as db:
        made = db.execute(
            "INSERT INTO batches (name, account_id, day, segment, octets, spooled_at)"
            " SELECT ?, account_id, ?, ?, ?, ? FROM messages WHERE id = ?",
            (draft.name, draft.day, draft.segment, draft.octets, int(now), messages[0].row),
        )
        offset = 0
        for message in messages:
            db.execute(
                "UPDATE messages SET batch_id = ?, offset = ?, problem = 'failed', reason = ?,"
                " tries = tries + 1 WHERE id = ?",
                (made.lastrowid, offset, reason, message.row),
            )
            db.execute(
                "UPDATE messages SET batch_id = NULL WHERE digest = ? AND offset IS NULL"
                " AND account_id = (SELECT account_id FROM messages WHERE id = ?)"
                " AND batch_id IN (SELECT id FROM batches WHERE archived_at IS NULL)",
                (bytes.fromhex(message.digest), message.row),
            )
            offset += message.length
