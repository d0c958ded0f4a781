"""Manifests: the chain that makes messages ARCHIVED, and tells what became of them.

A manifest is drafted once, its exact octets and its place in the chain committed before the PUT,
so that a retry sends the same octets; messages become ARCHIVED in the transaction that records
its proof. An account has at most one unproven manifest, which every later one must wait for. It
names the events that wait (``events.py``), and then what a batch brought, if it is for one.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from archiver.format import (
    ManifestHead,
    Sign,
    archived_json,
    batch_prefix,
    linked_json,
    manifest_key,
    manifest_octets,
)
from archiver.format.records import Archived, ArchivedPart, BatchName, Linked
from archiver.ledger import copies, events
from archiver.ledger.accounts import LedgerAccount, renew_writer, writer
from archiver.ledger.database import Ledger
from archiver.model import Batch, Copy, Kind, SpooledMessage


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest on its way into the store; ``digest`` is that of its stored octets."""

    row: int
    key: str
    octets: bytes
    digest: str


def unproven(ledger: Ledger, account: LedgerAccount) -> Manifest | None:
    """The manifest that a crash or a refusing store left without proof, or None."""
    row = ledger.row(
        "SELECT id, writer, sequence, octets, digest FROM manifests"
        " WHERE account_id = ? AND proven_at IS NULL ORDER BY id LIMIT 1",
        (account.row,),
    )
    if row is None:
        return None
    key = manifest_key(account.name, row[1], row[2])
    return Manifest(row[0], key, row[3], row[4].hex())


def draft(
    ledger: Ledger,
    account: LedgerAccount,
    batch: Batch | None,
    now: float,
    sign: Sign | None = None,
) -> Manifest:
    """The next manifest of the chain, committed; nobody else drafts for this account meanwhile.

    Args:
        ledger: the ledger.
        account: whose chain it is.
        batch: what it makes ARCHIVED, of which ``is_proven`` is true; None for events alone.
        now: the time, in seconds since the epoch.
        sign: signs it; None where manifests are not signed.
    """
    events.describe(ledger, account)
    records = events.oldest(ledger, account, events.MOST_IN_A_MANIFEST)
    taken = len(records)
    if batch is not None:
        records += _records(ledger, account, batch, now)
    head = _next(ledger, account, now)
    octets = manifest_octets(head, records, sign)
    digest = hashlib.sha256(octets)
    with ledger.write() as db:
        made = db.execute(
            "INSERT INTO manifests (account_id, store_id, writer, sequence, batch_id, digest,"
            " octets, drafted_at)"
            " VALUES (?, ?, ?, ?, (SELECT id FROM batches WHERE name = ?), ?, ?, ?)",
            (
                account.row,
                account.store,
                head.writer,
                head.sequence,
                None if batch is None else batch.id,
                digest.digest(),
                octets,
                int(now),
            ),
        )
        row = int(made.lastrowid or 0)
        events.take(db, account, row, taken)
    key = manifest_key(account.name, head.writer, head.sequence)
    return Manifest(row, key, octets, digest.hexdigest())


def _next(ledger: Ledger, account: LedgerAccount, now: float) -> ManifestHead:
    """The place behind the last manifest of this writer's chain."""
    own = writer(ledger)
    last = ledger.row(
        "SELECT sequence, digest FROM manifests WHERE account_id = ? AND store_id = ?"
        " AND writer = ? ORDER BY sequence DESC LIMIT 1",
        (account.row, account.store, own),
    )
    sequence, previous = (1, None) if last is None else (last[0] + 1, last[1].hex())
    return ManifestHead(account.name, own, sequence, previous, int(now))


def is_proven(ledger: Ledger, account: LedgerAccount, batch: Batch) -> bool:
    """Whether everything that a manifest of this batch must name has a proof."""
    return all(
        copy is not None and copy.proof is not None
        for message in batch.messages
        for copy in _message_copies(ledger, account, message)
    )


def parts_named(ledger: Ledger, account: LedgerAccount, batch: Batch) -> list[str]:
    """The digests of all parts that a manifest of this batch must name."""
    return [
        part
        for message in batch.messages
        for part in copies.parts_of(ledger, account, message.digest)
    ]


def reused(ledger: Ledger, account: LedgerAccount, batch: Batch) -> list[Copy]:
    """What this batch needs although another one put it: parts, and linked messages with theirs."""
    linked = [each.digest for each in batch.linked]
    parts = parts_named(ledger, account, batch)
    parts += [part for each in linked for part in copies.parts_of(ledger, account, each)]
    named = [(Kind.RAW, digest) for digest in linked] + [(Kind.PART, digest) for digest in parts]
    found = (copies.find(ledger, account, *each) for each in dict.fromkeys(named))
    own = batch_prefix(account.name, batch.day, batch.id)
    return [copy for copy in found if copy is not None and not copy.locator.key.startswith(own)]


def segment_of(ledger: Ledger, manifest: Manifest) -> str:
    """The segment of the batch that a manifest names; empty where there is none."""
    found = ledger.value(
        "SELECT b.segment FROM batches b JOIN manifests m ON m.batch_id = b.id WHERE m.id = ?",
        (manifest.row,),
    )
    return str(found or "")


def _message_copies(
    ledger: Ledger, account: LedgerAccount, message: SpooledMessage
) -> list[Copy | None]:
    parts = copies.parts_of(ledger, account, message.digest)
    return [
        copies.find(ledger, account, Kind.RAW, message.digest),
        *(copies.find(ledger, account, Kind.PART, part) for part in parts),
    ]


def _records(
    ledger: Ledger, account: LedgerAccount, batch: Batch, now: float
) -> list[dict[str, Any]]:
    name = BatchName(batch.day, batch.id)
    archived = [
        archived_json(_archived(ledger, account, message, name, now)) for message in batch.messages
    ]
    linked = [
        linked_json(Linked(message.uidl, message.digest, message.listed_size, name, int(now)))
        for message in batch.linked
    ]
    return [*archived, *linked]


def _archived(
    ledger: Ledger, account: LedgerAccount, message: SpooledMessage, batch: BatchName, now: float
) -> Archived:
    found = _message_copies(ledger, account, message)
    raw, *parts = (copy for copy in found if copy is not None)
    assert raw.proof is not None
    return Archived(
        uidl=message.uidl,
        digest=message.digest,
        header_digest=message.header_digest,
        size=message.length,
        listed_size=message.listed_size,
        host=account.host if message.origin is None else None,
        utf8=bool(account.utf8) if message.origin is None else None,
        anomalies=message.anomalies,
        raw=raw.locator,
        proof=raw.proof,
        parts=tuple(ArchivedPart(part.digest, part.locator, part.proof) for part in parts),
        fetched_at=int(message.fetched_at),
        archived_at=int(now),
        batch=batch,
        origin=message.origin,
    )


def seal(ledger: Ledger, manifest: Manifest, now: float) -> None:
    """Records that a manifest is proven in the store, and with it that its batch is ARCHIVED."""
    with ledger.write() as db:
        db.execute(
            "UPDATE manifests SET proven_at = ?, octets = NULL WHERE id = ?",
            (int(now), manifest.row),
        )
        events.settle(db, manifest.row)
        batch, drafted_at = db.execute(
            "SELECT batch_id, drafted_at FROM manifests WHERE id = ?", (manifest.row,)
        ).fetchone()
        if batch is not None:
            # As its manifest says, so that whoever has that alone knows the same.
            _close_batch(db, batch, drafted_at)


def close_empty(ledger: Ledger, batch: str, now: float) -> None:
    """Closes a batch whose messages were all set aside: there is nothing for a manifest to name."""
    with ledger.write() as db:
        row = db.execute("SELECT id FROM batches WHERE name = ?", (batch,)).fetchone()[0]
        _close_batch(db, row, int(now))


def _close_batch(db: Any, batch: int, now: int) -> None:
    db.execute(
        "UPDATE messages SET stage = 'archived', problem = 'none', reason = NULL, tries = 0"
        " WHERE batch_id = ? AND stage = 'spooled'",
        (batch,),
    )
    db.execute("UPDATE batches SET archived_at = ? WHERE id = ?", (now, batch))
    # A link that left the server before a manifest named it.
    db.execute(
        "INSERT INTO events (account_id, record) SELECT account_id, json_object('kind', 'vanished',"
        " 'uidl', uidl, 'digest', lower(hex(digest))) FROM messages"
        " WHERE batch_id = ? AND stage = 'vanished' ORDER BY id",
        (batch,),
    )


def move_chain(ledger: Ledger, manifest: Manifest) -> None:
    """Drops a draft whose place in the chain holds foreign octets, and renews the writer id.

    Another machine, or a state directory restored from a copy, wrote there. What it was to name is
    drafted again at the head of a new chain.
    """
    with ledger.write() as db:
        events.give_back(db, manifest.row)
        db.execute("DELETE FROM manifests WHERE id = ?", (manifest.row,))
    renew_writer(ledger)


def head(ledger: Ledger, account: LedgerAccount) -> str | None:
    """The digest of the newest proven manifest, or None before the first."""
    found = ledger.value(
        "SELECT digest FROM manifests WHERE account_id = ? AND proven_at IS NOT NULL"
        " ORDER BY id DESC LIMIT 1",
        (account.row,),
    )
    return None if found is None else found.hex()


def proven_ends(ledger: Ledger, account: LedgerAccount) -> dict[str, int]:
    """The sequence number of each chain's newest proven manifest, by its writer."""
    return dict(
        ledger.rows(
            "SELECT writer, max(sequence) FROM manifests WHERE account_id = ? AND store_id = ?"
            " AND proven_at NOTNULL GROUP BY writer",
            (account.row, account.store),
        )
    )


def knows(ledger: Ledger, account: LedgerAccount, writer: str, first: int, count: int) -> bool:
    """Whether the ledger holds all that so many manifests from ``first`` on have said.

    One that was rebuilt from a chain does not: what was missing there is missing here.
    """
    found = ledger.value(
        "SELECT count(*) FROM manifests WHERE account_id = ? AND store_id = ? AND writer = ?"
        " AND sequence >= ? AND sequence < ? AND proven_at NOTNULL",
        (account.row, account.store, writer, first, first + count),
    )
    return bool(found == count)


def proven_digest(ledger: Ledger, account: LedgerAccount, writer: str, sequence: int) -> str | None:
    """The digest of a proven manifest, None where the ledger does not know it."""
    found = ledger.value(
        "SELECT digest FROM manifests WHERE account_id = ? AND store_id = ? AND writer = ?"
        " AND sequence = ? AND proven_at NOTNULL",
        (account.row, account.store, writer, sequence),
    )
    return None if found is None else found.hex()
