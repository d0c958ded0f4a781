"""What a ledger knows, written so that two ledgers can be compared; no test of its own.

A ledger that is replayed from manifests equals the lost one in all of this. Left out is what

- belongs to one run or machine: runs, logins, numbers of tries, segments and offsets in them (the
  order within a batch is there), times of steps on the way, ids of rows, the writer;
- the next listing brings back: messages that were listed and never archived, with the copies and
  batches of such, and when a message was listed first. One that is held is there, since it must go
  on waiting, unless its UIDL identifies nothing;
- manifests before the newest of each chain: the ledger goes on from there, and needs no other.
"""

from typing import Any

from archiver.ledger import Ledger

_ACCOUNTS = """
    SELECT a.name, s.url, a.host, a.utf8, a.distrusted, a.retires NOTNULL
    FROM accounts a JOIN stores s ON s.id = a.store_id
    """
_NAMED = """
    SELECT m.*, b.name AS batch, a.name AS account, rank() OVER (
        PARTITION BY m.batch_id, m.offset IS NULL ORDER BY m.offset) AS place
    FROM messages m JOIN batches b ON b.id = m.batch_id JOIN accounts a ON a.id = m.account_id
    WHERE m.digest NOTNULL AND b.archived_at NOTNULL
    """
_MESSAGES = f"""
    SELECT account, uidl, hex(digest), hex(header_digest), listed_size, stage, batch,
        iif(offset IS NULL, NULL, place), length, fetched_at, anomalies, said, left_at, source
    FROM ({_NAMED})
    """
_VERSIONS = f"""
    SELECT account, uidl, hex(digest), row_number() OVER (PARTITION BY account, uidl ORDER BY id)
    FROM ({_NAMED}) WHERE uidl NOTNULL AND offset NOTNULL
    """
_HELD = """
    SELECT a.name, m.uidl, m.listed_size, m.reason, m.problem
    FROM messages m JOIN accounts a ON a.id = m.account_id
    LEFT JOIN batches b ON b.id = m.batch_id
    WHERE m.problem IN ('held', 'given_up') AND m.uidl NOTNULL AND a.distrusted IS NULL
        AND b.archived_at IS NULL
    """
_COPIES = f"""
    SELECT a.name, c.kind, hex(c.digest), b.name, c.length, c.etag, c.version_id, %s
    FROM copies c JOIN batches b ON b.id = c.batch_id JOIN accounts a ON a.id = c.account_id
    WHERE (c.kind = 'raw' AND (c.account_id, c.digest) IN (SELECT account_id, digest FROM ({_NAMED})
        WHERE offset NOTNULL))
    OR (c.kind = 'part' AND (c.account_id, c.digest) IN (SELECT p.account_id, p.part_digest
        FROM parts p JOIN ({_NAMED}) n ON n.account_id = p.account_id AND n.digest = p.digest))
    """
_PARTS = f"""
    SELECT a.name, hex(p.digest), p.position, hex(p.part_digest)
    FROM parts p JOIN accounts a ON a.id = p.account_id
    WHERE (p.account_id, p.digest) IN (SELECT account_id, digest FROM ({_NAMED}))
    """
_HEADS = """
    SELECT a.name, m.writer, max(m.sequence), hex(m.digest)
    FROM manifests m JOIN accounts a ON a.id = m.account_id
    WHERE m.proven_at NOTNULL GROUP BY m.account_id, m.writer
    """
_HEADERS = """
    SELECT a.name, hex(h.header_digest)
    FROM shared_headers h JOIN accounts a ON a.id = h.account_id
    """
_BATCHES = """
    SELECT a.name, b.name, b.day, b.archived_at
    FROM batches b JOIN accounts a ON a.id = b.account_id
    WHERE b.archived_at NOTNULL AND (EXISTS (SELECT 1 FROM messages WHERE batch_id = b.id)
        OR EXISTS (SELECT 1 FROM copies WHERE batch_id = b.id AND kind = 'raw'))
    """


def dump(ledger: Ledger, *, proofs: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a rebuilt ledger must know.

    Args:
        ledger: the ledger.
        proofs: whether to tell by what proof a copy is known; not where copies were read back
            later, which a deletion does anew each time, and no manifest tells.
    """
    queries = {
        "accounts": _ACCOUNTS,
        "messages": _MESSAGES,
        "versions": _VERSIONS,
        "held": _HELD,
        "copies": _COPIES % ("c.proof" if proofs else "c.proof NOTNULL"),
        "parts": _PARTS,
        "heads": _HEADS,
        "headers": _HEADERS,
        "batches": _BATCHES,
    }
    return {name: sorted(ledger.rows(sql), key=repr) for name, sql in queries.items()}
