"""Returning: what was landed and is lost on the local disk is to be fetched again."""

from typing import Any

from archiver.ledger.database import Ledger


def give_back(ledger: Ledger, segment: str) -> int:
    """Returns the messages of a lost segment to LISTED, to be fetched again if they still can be.

    Those that were uploaded stay as they are: the store has them, which a verification will show.
    Why others failed is forgotten with their octets; one that was given up stays so, where its UIDL
    alone identifies it. Returns how many messages went back.
    """
    with ledger.write() as db:
        batch = "(SELECT id FROM batches WHERE segment = ? AND uploaded_at IS NULL)"
        given_up = db.execute(
            "SELECT m.reason, m.id FROM messages m JOIN accounts a ON a.id = m.account_id"
            f" WHERE batch_id IN {batch} AND problem = 'given_up' AND uidl NOTNULL"
            " AND a.distrusted IS NULL",
            (segment,),
        ).fetchall()
        db.execute(
            "UPDATE messages SET problem = 'none', reason = NULL, tries = 0"
            f" WHERE batch_id IN {batch} AND problem <> 'none'",
            (segment,),
        )
        lost = f"(SELECT digest FROM messages WHERE batch_id IN {batch} AND stage = 'spooled')"
        # A link to octets that are lost is none any more.
        back = db.execute(
            "UPDATE messages SET stage = 'listed', digest = NULL, header_digest = NULL,"
            " batch_id = NULL, offset = NULL, length = NULL, fetched_at = NULL, anomalies = NULL"
            f" WHERE (batch_id IN {batch} AND stage = 'spooled')"
            f" OR (stage IN ('linked', 'vanished') AND digest IN {lost} AND account_id ="
            " (SELECT account_id FROM batches WHERE segment = ?))",
            (segment, segment, segment),
        )
        # What was imported is met again in its source, and nowhere else.
        db.execute("DELETE FROM messages WHERE stage = 'listed' AND source NOTNULL")
        # One to octets that are not is named by another batch, where it still is one.
        db.execute(f"UPDATE messages SET batch_id = NULL WHERE batch_id IN {batch}", (segment,))
        _dissolve(db, batch, segment)
        db.executemany(
            "UPDATE messages SET problem = 'given_up', reason = ? WHERE id = ?", given_up
        )
        return int(back.rowcount)


def _dissolve(db: Any, batch: str, segment: str) -> None:
    """Ends a batch whose messages are gone from it; one that put what others name stays, closed."""
    db.execute(f"DELETE FROM copies WHERE proof IS NULL AND batch_id IN {batch}", (segment,))
    db.execute(
        f"DELETE FROM batches WHERE id IN {batch} AND id NOT IN (SELECT batch_id FROM copies)"
        " AND id NOT IN (SELECT batch_id FROM manifests WHERE batch_id NOTNULL)",
        (segment,),
    )
    db.execute(
        "UPDATE batches SET segment = '', uploaded_at = spooled_at, archived_at = spooled_at"
        f" WHERE id IN {batch}",
        (segment,),
    )
