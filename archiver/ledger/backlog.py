"""What an account has still to do, apart from single messages that failed: counted, since when."""

from dataclasses import dataclass

from archiver.ledger.database import Ledger


@dataclass(frozen=True, slots=True)
class Backlog:
    """One account; sizes are octets, times seconds since the epoch and None for nothing.

    Attributes:
        account: the account's id.
        store: the store that it is archived into.
        batches: how many batches wait in the spool for the store; with ``messages`` in ``octets``,
            the oldest ``since`` then.
        deleted: to how many messages DELE and QUIT were sent and no listing has shown it; the first
            at ``deleted_at``.
        set_aside: how many segments lie apart since their messages cannot be stored.
        octets_set_aside: their octets.
        events: how many events no manifest tells of yet.
        distrusted: why its UIDLs prove nothing, or None.
        cut_at: when the newest run began, if it has not ended; None if it has.
        verb: what that run was.
    """

    account: str
    store: str
    batches: int
    messages: int
    octets: int
    since: int | None
    deleted: int
    deleted_at: int | None
    set_aside: int
    octets_set_aside: int
    events: int
    distrusted: str | None
    cut_at: int | None
    verb: str | None


# Batches of messages that failed hold nothing else, and are told of message by message.
_BACKLOG = """
    SELECT a.name, s.url, w.batches, w.messages, w.octets, w.since,
        (SELECT count(*) FROM messages WHERE account_id = a.id AND stage = 'delete_sent'),
        (SELECT min(left_at) FROM messages WHERE account_id = a.id AND stage = 'delete_sent'),
        w.set_aside, w.octets_set_aside,
        (SELECT count(*) FROM events WHERE account_id = a.id),
        a.distrusted, iif(r.ended_at IS NULL, r.started_at, NULL), r.verb
    FROM accounts a JOIN stores s ON s.id = a.store_id
    JOIN (SELECT a.id AS account,
            count(*) FILTER (WHERE b.troubled = 0) AS batches,
            coalesce(sum(b.messages) FILTER (WHERE b.troubled = 0), 0) AS messages,
            coalesce(sum(b.octets) FILTER (WHERE b.troubled = 0), 0) AS octets,
            min(b.spooled_at) FILTER (WHERE b.troubled = 0) AS since,
            count(*) FILTER (WHERE b.troubled) AS set_aside,
            coalesce(sum(b.octets) FILTER (WHERE b.troubled), 0) AS octets_set_aside
        FROM accounts a LEFT JOIN (
            SELECT account_id, octets, spooled_at,
                (SELECT count(*) FROM messages WHERE batch_id = batches.id) AS messages,
                EXISTS (SELECT 1 FROM messages
                    WHERE batch_id = batches.id AND problem <> 'none') AS troubled
            FROM batches WHERE archived_at IS NULL) b ON b.account_id = a.id
        GROUP BY a.id) w ON w.account = a.id
    LEFT JOIN runs r ON r.id = (SELECT max(id) FROM runs WHERE account_id = a.id)
    ORDER BY a.name, a.id
    """


def backlogs(ledger: Ledger) -> list[Backlog]:
    """Every account of the ledger, by name."""
    return [Backlog(*row) for row in ledger.rows(_BACKLOG)]
