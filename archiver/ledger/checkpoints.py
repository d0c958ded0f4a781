"""Checkpoints: what the ledger knows of an account, restated where a chain has become long.

Whoever has the store alone then reads the newest checkpoint and the manifests behind it. One is
written to a file, put into the store and proven, and only then noted: a manifest names it with its
digest. A crash at any point leaves at most an object that nothing names, and another is made.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from archiver.errors import Interrupted, LocalDiskError
from archiver.format import (
    ChainHead,
    CheckpointHead,
    checkpoint_key,
    checkpoint_line,
    checkpoint_record,
    line_of,
)
from archiver.ledger import events
from archiver.ledger.accounts import LedgerAccount, writer
from archiver.ledger.database import Ledger
from archiver.ledger.restating import restated

EVERY = 1_000
"""So many manifests of a chain there are between two checkpoints."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on its way into the store: ``length`` octets in a file, with this digest."""

    path: Path
    key: str
    sequence: int
    length: int
    digest: str


def due(ledger: Ledger, account: LedgerAccount) -> bool:
    """Whether this writer's chain has become so long behind its last checkpoint."""
    found = ledger.row(
        "SELECT max(sequence) FILTER (WHERE proven_at NOTNULL),"
        " max(sequence) FILTER (WHERE checkpoint NOTNULL)"
        " FROM manifests WHERE account_id = ? AND store_id = ?"
        " AND writer = (SELECT value FROM meta WHERE key = 'writer')",
        (account.row, account.store),
    )
    assert found is not None
    last, covered = found
    return (last or 0) - (covered or 0) >= EVERY


def write(
    ledger: Ledger,
    account: LedgerAccount,
    directory: Path,
    now: float,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Checkpoint:
    """Writes a checkpoint behind the newest manifest of this writer's chain into a file.

    Args:
        ledger: the ledger.
        account: of which ``due`` is true; nobody else writes manifests for it meanwhile.
        directory: where; a file that a crash left there is replaced.
        now: the time, in seconds since the epoch.
        stopping: whether to give up; a million messages take a minute.

    Raises:
        LocalDiskError: it cannot be written.
        Interrupted: it gave up.
    """
    path = directory / f"checkpoint-{account.row}.jsonl.gz"
    try:
        with ledger.reading():
            covers = _heads(ledger, account)
            own = writer(ledger)
            head = CheckpointHead(account.name, own, covers[own].sequence, covers, int(now))
            _fill(path, _lines(head, ledger, account), stopping)
        return _measured(path, head)
    except OSError as error:
        raise LocalDiskError(
            f"cannot write {path}: {error.strerror}",
            hint="free space or mend the disk, then run again; nothing is lost",
        ) from error


def _heads(ledger: Ledger, account: LedgerAccount) -> dict[str, ChainHead]:
    """The newest proven manifest of every chain that the ledger knows."""
    rows = ledger.rows(
        "SELECT writer, max(sequence), digest FROM manifests"
        " WHERE account_id = ? AND store_id = ? AND proven_at NOTNULL GROUP BY writer",
        (account.row, account.store),
    )
    return {own: ChainHead(sequence, digest.hex()) for own, sequence, digest in rows}


def _lines(head: CheckpointHead, ledger: Ledger, account: LedgerAccount) -> Iterator[bytes]:
    yield checkpoint_line(head)
    for record in restated(ledger, account):
        yield line_of(record)


def _fill(path: Path, lines: Iterator[bytes], stopping: Callable[[], bool]) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    try:
        with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as folded:
            for line in lines:
                if stopping():
                    raise Interrupted("asked to end while a checkpoint was written")
                folded.write(line)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _measured(path: Path, head: CheckpointHead) -> Checkpoint:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
        length = file.tell()
    digest = hashed.hexdigest()
    key = checkpoint_key(head.account, head.writer, head.sequence, digest)
    return Checkpoint(path, key, head.sequence, length, digest)


def note(ledger: Ledger, account: LedgerAccount, checkpoint: Checkpoint) -> None:
    """Has the next manifest name a checkpoint that is proven to be in the store."""
    with ledger.write() as db:
        events.add(
            db,
            account,
            json.dumps(checkpoint_record(checkpoint.sequence, checkpoint.digest, checkpoint.key)),
        )
        db.execute(
            "UPDATE manifests SET checkpoint = ? WHERE account_id = ? AND store_id = ?"
            " AND writer = ? AND sequence = ?",
            (
                bytes.fromhex(checkpoint.digest),
                account.row,
                account.store,
                writer(ledger),
                checkpoint.sequence,
            ),
        )
