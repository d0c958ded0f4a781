"""Servers that show a mailbox in portions, and hide at QUIT what was retrieved.

Gmail does, and says ``EXPIRE 0``. Of one that says nothing, only what it lists can tell. These
questions are about ``temp.offered``, the listing of the session that goes on.
"""

from archiver.ledger.listing import Listing

_SMALLEST_PORTION = 100


def is_all_new(listing: Listing) -> bool:
    """Whether messages are listed, and none under a UIDL that we know; never if UIDLs lie."""
    if listing.distrusted is not None:
        return False
    ask = listing.ledger.value
    listed = ask("SELECT EXISTS (SELECT 1 FROM temp.offered)")
    return bool(listed) and not ask(
        "SELECT EXISTS (SELECT 1 FROM temp.offered WHERE message NOTNULL)"
    )


def may_be_portion(listing: Listing) -> bool:
    """Whether another session may list other messages: worth a login, but not to most servers.

    All that was listed was new and came, or was refused; it was as much as a portion is, and
    nothing that was fetched before was listed. An account's first run cannot tell.
    """
    counted = listing.ledger.row(
        "SELECT count(*), coalesce(sum(retrieved AND verdict IN ('fetched', 'linked')), 0),"
        " coalesce(sum(verdict IN ('failed', 'given_up')), 0) FROM temp.offered"
    )
    assert counted is not None
    count, new, failed = counted
    if not new or new + failed != count or count < _SMALLEST_PORTION:
        return False
    return bool(
        listing.ledger.value(
            "SELECT EXISTS (SELECT 1 FROM main.messages WHERE account_id = ? AND digest NOTNULL"
            " AND source IS NULL AND id NOT IN"
            " (SELECT message FROM temp.offered WHERE message NOTNULL))",
            (listing.account.row,),
        )
    )
