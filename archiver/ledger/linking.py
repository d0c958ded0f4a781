"""One message's octets under several UIDLs: what joins a listed message to octets that we have."""

from typing import Any

from archiver.model import Listed


def join_or_link(
    db: Any, account: int, listed: Listed, *, digest: bytes, header: bytes, now: int
) -> tuple[int, str]:
    """Attaches a listed message to octets that the account already has.

    Under the same UIDL it is the message we know (``known``); under another, a LINKED row says so
    (``linked``). Runs inside the caller's transaction and returns the row and which it was.
    """
    same = db.execute(
        "SELECT id, stage FROM main.messages WHERE account_id = ? AND uidl IS ? AND digest = ?",
        (account, listed.uidl, digest),
    ).fetchone()
    if same is not None:
        # A version of it that could not be fetched is this one, as its octets now show.
        db.execute(
            "DELETE FROM main.messages WHERE account_id = ? AND uidl IS ? AND digest IS NULL",
            (account, listed.uidl),
        )
        back = "archived" if _has_manifest(db, account, digest) else "spooled"
        db.execute(
            "UPDATE main.messages SET listed_size = ?, said = NULL, left_at = NULL, stage = CASE"
            " WHEN stage NOT IN ('vanished', 'delete_sent', 'gone') THEN stage"
            " WHEN batch_id IS NULL OR offset IS NULL THEN 'linked' ELSE ? END WHERE id = ?",
            (listed.size, back, same[0]),
        )
        return int(same[0]), "known"
    pending = db.execute(
        "SELECT id FROM main.messages WHERE account_id = ? AND uidl IS ? AND digest IS NULL",
        (account, listed.uidl),
    ).fetchone()
    if pending is not None:
        db.execute(
            "UPDATE main.messages SET stage = 'linked', digest = ?, header_digest = ?,"
            " length = NULL, problem = 'none', reason = NULL, tries = 0, listed_size = ?"
            " WHERE id = ?",
            (digest, header, listed.size, pending[0]),
        )
        return int(pending[0]), "linked"
    made = db.execute(
        "INSERT INTO main.messages (account_id, uidl, listed_size, stage, listed_at, digest,"
        " header_digest) VALUES (?, ?, ?, 'linked', ?, ?, ?)",
        (account, listed.uidl, listed.size, now, digest, header),
    )
    return int(made.lastrowid), "linked"


def _has_manifest(db: Any, account: int, digest: bytes) -> bool:
    found = db.execute(
        "SELECT 1 FROM main.messages m JOIN main.batches b ON b.id = m.batch_id"
        " WHERE m.account_id = ? AND m.digest = ? AND b.archived_at IS NOT NULL",
        (account, digest),
    ).fetchone()
    return found is not None
