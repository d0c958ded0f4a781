"""What the ledger knows of an account, said in records as manifests say them.

Replayed into an empty ledger (``replay.py``) they give the same again. Only what a proven manifest
has named is restated; the server's words, host and anomalies stay where they were said first.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from archiver.format import (
    archived_json,
    linked_json,
    part_key,
    raw_key,
    read_origin,
    time_text,
)
from archiver.format.records import Archived, ArchivedPart, BatchName, Linked
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.model import Locator, Proof

Row = tuple[Any, ...]

_BATCHES_AT_ONCE = 500

_MESSAGES = """
    SELECT m.id, m.uidl, m.digest, m.listed_size, m.stage, m.said, m.left_at,
        m.header_digest, m.length, m.fetched_at, m.anomalies, m.source,
        rb.day, rb.name, c.length, c.etag, c.version_id, c.proof,
        p.part_digest, pb.day, pb.name, pc.length, pc.etag, pc.version_id, pc.proof
    FROM messages m
    JOIN copies c ON c.account_id = m.account_id AND c.store_id = ? AND c.kind = 'raw'
        AND c.digest = m.digest
    JOIN batches rb ON rb.id = c.batch_id
    LEFT JOIN parts p ON p.account_id = m.account_id AND p.digest = m.digest
    LEFT JOIN copies pc ON pc.account_id = m.account_id AND pc.store_id = c.store_id
        AND pc.kind = 'part' AND pc.digest = p.part_digest
    LEFT JOIN batches pb ON pb.id = pc.batch_id
    WHERE m.batch_id = ? AND m.offset NOTNULL AND m.stage <> 'spooled'
    ORDER BY m.offset, m.id, p.position
    """
_LINKS = """
    SELECT id, uidl, digest, listed_size, stage, said, left_at FROM messages
    WHERE batch_id = ? AND offset IS NULL AND digest NOTNULL ORDER BY id
    """


def restated(ledger: Ledger, account: LedgerAccount) -> Iterator[dict[str, Any]]:
    """Every record of a checkpoint behind its head, streamed; the caller holds one moment still."""
    described = ledger.value("SELECT described FROM accounts WHERE id = ?", (account.row,))
    if described is not None:
        yield json.loads(described)
    for header in ledger.rows(
        "SELECT header_digest FROM shared_headers WHERE account_id = ?", (account.row,)
    ):
        yield {"kind": "shared_header", "header_digest": header[0].hex()}
    for batch, name, archived_at in _batches(ledger, account):
        yield from _messages(ledger, account, batch, name, archived_at)
        for row in ledger.rows(_LINKS, (batch,)):
            uidl, digest, listed_size = row[1:4]
            yield linked_json(Linked(uidl, digest.hex(), listed_size, name, archived_at))
            yield from _fate(row)
    yield from _waiting(ledger, account)


def _waiting(ledger: Ledger, account: LedgerAccount) -> Iterator[dict[str, Any]]:
    """The messages that wait for a person, and those that were given up."""
    for uidl, digest, listed_size, reason, problem in ledger.rows(
        "SELECT uidl, lower(nullif(hex(digest), '')), listed_size, reason, problem FROM messages"
        " WHERE account_id = ? AND problem IN ('held', 'given_up') ORDER BY id",
        (account.row,),
    ):
        record = {"uidl": uidl, "digest": digest, "listed_size": listed_size, "reason": reason}
        if problem == "held":
            yield {"kind": "held", **record}
        else:
            yield {"kind": "released", **record, "given_up": True}


def _batches(ledger: Ledger, account: LedgerAccount) -> Iterator[tuple[int, BatchName, int]]:
    """The account's archived batches, in the order in which they were spooled."""
    last = 0
    while page := list(
        ledger.rows(
            "SELECT id, day, name, archived_at FROM batches WHERE id > ? AND account_id = ?"
            " AND archived_at NOTNULL ORDER BY id LIMIT ?",
            (last, account.row, _BATCHES_AT_ONCE),
        )
    ):
        for row, day, name, archived_at in page:
            yield row, BatchName(day, name), archived_at
        last = page[-1][0]


def _messages(
    ledger: Ledger, account: LedgerAccount, batch: int, name: BatchName, archived_at: int
) -> Iterator[dict[str, Any]]:
    rows = ledger.rows(_MESSAGES, (account.store, batch))
    for _, group in groupby(rows, key=lambda row: row[0]):
        parts = list(group)
        yield archived_json(_archived(account, parts[0], parts, name, archived_at))
        yield from _fate(parts[0])


def _archived(
    account: LedgerAccount, row: Row, parts: Iterable[Row], batch: BatchName, archived_at: int
) -> Archived:
    _, uidl, digest, listed_size, _, _, _, header, length, fetched_at, *rest = row
    anomalies, source, *copy = rest
    day, name, octets, etag, version_id, proof = copy[:6]
    key = raw_key(account.name, day, name, digest.hex())
    return Archived(
        uidl=uidl,
        digest=digest.hex(),
        header_digest=header.hex(),
        size=length,
        listed_size=listed_size,
        host=None,
        utf8=None,
        anomalies=tuple(json.loads(anomalies)) if anomalies else (),
        raw=Locator(key, octets, etag=etag, version_id=version_id),
        proof=Proof(proof),
        parts=tuple(_part(account, part[18:]) for part in parts if part[18] is not None),
        fetched_at=fetched_at,
        archived_at=archived_at,
        batch=batch,
        origin=read_origin(source),
    )


def _part(account: LedgerAccount, row: Row) -> ArchivedPart:
    digest, day, name, length, etag, version_id, proof = row
    key = part_key(account.name, day, name, digest.hex())
    locator = Locator(key, length, etag=etag, version_id=version_id)
    return ArchivedPart(digest.hex(), locator, Proof(proof))


def _fate(row: Row) -> Iterator[dict[str, Any]]:
    """What became of a message on the server, where it is not as it was."""
    _, uidl, digest, _, stage, said, left_at = row[:7]
    named = {"uidl": uidl, "digest": digest.hex()}
    at = None if left_at is None else time_text(left_at)
    if stage == "vanished":
        yield {"kind": "vanished", **named}
    elif stage in ("delete_sent", "gone") and said is not None:
        yield {"kind": "deleted", **named, "said": said or None, "at": at}
    if stage == "gone":
        yield {"kind": "gone", **named, "at": at}
