"""What left the server: messages that a complete listing no longer shows.

Deletion is proven by a later listing alone, since servers carry out less than they agree to (RFC
1939 section 6 permits it), and a connection may be lost around QUIT. The functions run inside the
transaction that settles a listing (``listing.Listing.settle``), over its ``temp.offered``.
"""

from typing import Any

from archiver.ledger.stages import sources, sql_list
from archiver.model import Stage

_MAY_VANISH = sql_list(sources(Stage.VANISHED))
_UNFETCHED = sql_list((Stage.LISTED,))
# A UIDL that is still listed has not left, whichever version of it is the newest.
_UNLISTED = (
    "id NOT IN (SELECT message FROM temp.offered WHERE message IS NOT NULL)"
    " AND (uidl IS NULL OR uidl NOT IN (SELECT uidl FROM temp.offered WHERE uidl IS NOT NULL))"
    " AND NOT (uidl IS NULL AND EXISTS (SELECT 1 FROM temp.offered WHERE verdict = 'fetch'))"
)


def confirm(db: Any, account: int, now: int) -> int:
    """Settles what was to be deleted: no longer listed it is GONE, else it is still there.

    Returns:
        How many are GONE.
    """
    # A run that was killed around QUIT has heard no answer to it.
    db.execute(
        "UPDATE main.messages SET said = '' WHERE account_id = ? AND stage = 'delete_sent'"
        " AND said IS NULL",
        (account,),
    )
    db.execute(
        "UPDATE main.messages SET stage = iif(offset IS NULL, 'linked', 'archived'),"
        " said = NULL, left_at = NULL WHERE account_id = ? AND stage = 'delete_sent'"
        " AND id IN (SELECT message FROM temp.offered"
        " WHERE message IS NOT NULL AND verdict <> 'fetch')",
        (account,),
    )
    gone = db.execute(
        "UPDATE main.messages SET stage = 'gone', left_at = ?"
        f" WHERE account_id = ? AND stage = 'delete_sent' AND {_UNLISTED}",
        (now, account),
    )
    return int(gone.rowcount)


def vanish(db: Any, account: int, *, retires: bool) -> None:
    """Known messages that are no longer listed left without our DELE.

    Args:
        db: the caller's transaction.
        account: the account's row.
        retires: the server hides what was retrieved, so only what was not can have vanished.
    """
    stages = _UNFETCHED if retires else _MAY_VANISH
    db.execute(
        "UPDATE main.messages SET stage = 'vanished',"
        " problem = CASE stage WHEN 'listed' THEN 'none' ELSE problem END,"
        " reason = CASE stage WHEN 'listed' THEN NULL ELSE reason END,"
        " tries = CASE stage WHEN 'listed' THEN 0 ELSE tries END"
        f" WHERE account_id = ? AND stage IN ({stages}) AND source IS NULL AND {_UNLISTED}",
        (account,),
    )
