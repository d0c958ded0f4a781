"""Messages by the beginning of their digest: what the ledger knows of them without the index."""

from dataclasses import dataclass

from archiver.format import raw_key
from archiver.ledger.database import Ledger

_DIGITS = 64
# For each account its own search, since its index over digests begins with the account.
_FOUND = """
    SELECT m.digest, m.length, a.name, coalesce(k.day, b.day), coalesce(k.name, b.name),
        c.digest NOTNULL OR b.archived_at NOTNULL
    FROM accounts a CROSS JOIN messages m ON m.account_id = a.id AND m.digest BETWEEN ? AND ?
    JOIN batches b ON b.id = m.batch_id
    -- What was moved lies under the prefix of another batch than the one it was spooled in.
    LEFT JOIN copies c ON c.account_id = a.id AND c.store_id = a.store_id
        AND c.kind = 'raw' AND c.digest = m.digest
    LEFT JOIN batches k ON k.id = c.batch_id
    WHERE m.offset NOTNULL
    ORDER BY m.digest, a.name LIMIT ?
    """


@dataclass(frozen=True, slots=True)
class Archived:
    """A message of one account: ``size`` octets under ``key``, None while only the spool has it."""

    digest: str
    size: int
    account: str
    key: str | None


def archived(ledger: Ledger, prefix: str, limit: int) -> list[Archived]:
    """Messages of all accounts, by digest and account; at most ``limit``.

    Args:
        ledger: the ledger.
        prefix: how the digest begins, in lower-case hex, at most all 64 digits of it.
        limit: at most so many, one for each account that has it.
    """
    low, high = (bytes.fromhex(prefix.ljust(_DIGITS, digit)) for digit in "0f")
    rows = ledger.rows(_FOUND, (low, high, limit))
    return [
        Archived(
            digest.hex(),
            size,
            account,
            raw_key(account, day, batch, digest.hex()) if there else None,
        )
        for digest, size, account, day, batch, there in rows
    ]
