"""Copies: which octets lie in the store, under which key, and how that is known.

Dedup is within an account: a part that was stored once is named again by its locator. A copy
without a proof was uploaded and not yet verified; no manifest names it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from archiver.format import part_key, raw_key
from archiver.ledger.accounts import LedgerAccount
from archiver.ledger.database import Ledger
from archiver.model import Copy, Kind, Locator, Proof

SELECT = (
    "SELECT c.kind, c.digest, a.name, b.day, b.name, c.length, c.etag, c.version_id, c.proof"
    " FROM copies c JOIN accounts a ON a.id = c.account_id JOIN batches b ON b.id = c.batch_id"
)
"""What ``copy_of`` reads of copies ``c``."""


def record_upload(
    ledger: Ledger,
    account: LedgerAccount,
    batch: str,
    *,
    copies: Sequence[Copy],
    parts: Mapping[str, Sequence[str]],
    now: float,
) -> None:
    """Writes down what a worker stored of a batch.

    Args:
        ledger: the ledger.
        account: whose batch it is.
        batch: the batch's name.
        copies: every object the batch put, proven or not.
        parts: for each message's digest, the digests of its parts in their order.
        now: the time, in seconds since the epoch.
    """
    with ledger.write() as db:
        row = db.execute("SELECT id FROM batches WHERE name = ?", (batch,)).fetchone()[0]
        db.executemany(
            "INSERT INTO copies (account_id, store_id, kind, digest, batch_id, length, etag,"
            " version_id, proof, uploaded_at, proven_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (account_id, store_id, kind, digest) DO UPDATE SET"
            " batch_id = excluded.batch_id, length = excluded.length, etag = excluded.etag,"
            " version_id = excluded.version_id, proof = excluded.proof,"
            " uploaded_at = excluded.uploaded_at, proven_at = excluded.proven_at"
            " WHERE copies.proof IS NULL",
            (_copy_row(account, copy, row, int(now)) for copy in copies),
        )
        db.executemany(
            "INSERT OR IGNORE INTO parts (account_id, digest, position, part_digest)"
            " VALUES (?, ?, ?, ?)",
            (
                (account.row, bytes.fromhex(message), position, bytes.fromhex(part))
                for message, digests in parts.items()
                for position, part in enumerate(digests)
            ),
        )


def _copy_row(account: LedgerAccount, copy: Copy, batch: int, now: int) -> tuple[Any, ...]:
    locator = copy.locator
    proof = None if copy.proof is None else str(copy.proof)
    proven = None if proof is None else now
    return (
        account.row,
        account.store,
        str(copy.kind),
        bytes.fromhex(copy.digest),
        batch,
        locator.length,
        locator.etag,
        locator.version_id,
        proof,
        now,
        proven,
    )


def record_proofs(
    ledger: Ledger, account: LedgerAccount, copies: Sequence[Copy], now: float
) -> None:
    """Writes down that copies were seen in the store."""
    with ledger.write() as db:
        db.executemany(
            "UPDATE copies SET proof = ?, proven_at = ? WHERE account_id = ? AND store_id = ?"
            " AND kind = ? AND digest = ?",
            (
                (copy.proof, int(now), account.row, account.store, copy.kind, _blob(copy.digest))
                for copy in copies
            ),
        )


def forget(ledger: Ledger, account: LedgerAccount, batch: str, missing: Sequence[Copy]) -> None:
    """Drops copies that turned out not to be there, so that their batch is uploaded again."""
    with ledger.write() as db:
        db.executemany(
            "DELETE FROM copies WHERE account_id = ? AND store_id = ? AND kind = ?"
            " AND digest = ? AND proof IS NULL",
            ((account.row, account.store, copy.kind, _blob(copy.digest)) for copy in missing),
        )
        db.execute("UPDATE batches SET uploaded_at = NULL WHERE name = ?", (batch,))


def find(
    ledger: Ledger, account: LedgerAccount, kind: Kind, digest: str, *, proven: bool = False
) -> Copy | None:
    """The copy of these octets that the account has, or None."""
    row = ledger.row(
        f"{SELECT} WHERE c.account_id = ? AND c.store_id = ? AND c.kind = ? AND c.digest = ?",
        (account.row, account.store, kind, _blob(digest)),
    )
    found = None if row is None else copy_of(row)
    return None if found is not None and proven and found.proof is None else found


def of_batch(ledger: Ledger, batch: str, *, unproven: bool = False) -> list[Copy]:
    """The copies that were put under a batch's prefix; only those without a proof on request."""
    only = " AND c.proof IS NULL" if unproven else ""
    return [copy_of(row) for row in ledger.rows(f"{SELECT} WHERE b.name = ?{only}", (batch,))]


def parts_of(ledger: Ledger, account: LedgerAccount, digest: str) -> list[str]:
    """The digests of a message's parts in their order."""
    rows = ledger.rows(
        "SELECT part_digest FROM parts WHERE account_id = ? AND digest = ? ORDER BY position",
        (account.row, _blob(digest)),
    )
    return [row[0].hex() for row in rows]


def copy_of(row: tuple[Any, ...]) -> Copy:
    """A row of ``SELECT`` as a record."""
    kind, digest, account, day, batch, length, etag, version_id, proof = row
    key = (raw_key if kind == Kind.RAW else part_key)(account, day, batch, digest.hex())
    return Copy(
        kind=Kind(kind),
        digest=digest.hex(),
        locator=Locator(key=key, length=length, etag=etag, version_id=version_id),
        proof=None if proof is None else Proof(proof),
    )


def _blob(digest: str) -> bytes:
    return bytes.fromhex(digest)
