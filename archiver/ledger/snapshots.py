"""Daily copies of the ledger beside it: taken, described, thinned out; and which store has one."""

import hashlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from archiver.errors import LedgerDamaged, LocalDiskError
from archiver.format import Snapshot, WriterHead, time_text
from archiver.ledger.copying import copy
from archiver.ledger.database import Ledger
from archiver.ledger.failures import explained
from archiver.retention import superseded

_NAME = re.compile(r"ledger-([0-9]{4}-[0-9]{2}-[0-9]{2})\.db")
_HEADS = """
    SELECT a.name, m.writer, m.sequence, m.digest FROM accounts a
    JOIN manifests m ON m.id =
        (SELECT max(id) FROM manifests WHERE account_id = a.id AND proven_at NOTNULL)
    WHERE a.store_id = ?
"""

Heads = Mapping[str, WriterHead]


def day_of(now: float) -> date:
    """The day of a copy that is taken now, in UTC."""
    return datetime.fromtimestamp(now, UTC).date()


def chain_heads(ledger: Ledger, store: int) -> Heads:
    """Where the chains of a store stand, by account: the newest proven manifest of each."""
    return _heads(ledger.rows(_HEADS, (store,)))


def _heads(rows: Iterable[tuple[Any, ...]]) -> Heads:
    return {
        name: WriterHead(writer, sequence, digest.hex()) for name, writer, sequence, digest in rows
    }


def is_due(ledger: Ledger, store: int, now: float) -> bool:
    """Whether a copy should go into this store.

    It should where a manifest was added since the last one, which was not put today. So a run that
    changes nothing takes none, and one that failed is made up for by the next run.
    """
    found = ledger.value("SELECT value FROM meta WHERE key = ?", (_key(store),))
    last = {} if found is None else json.loads(found)
    heads = chain_heads(ledger, store)
    if not heads or last.get("day") == day_of(now).isoformat():
        return False
    return bool(last.get("heads") != _digests(heads))


def remember(ledger: Ledger, store: int, snapshot: Snapshot) -> None:
    """Notes that a copy is in a store, and where its chains stood."""
    last = {"day": snapshot.day.isoformat(), "heads": _digests(snapshot.heads)}
    with ledger.write() as db:
        db.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
            (_key(store), json.dumps(last)),
        )


def _key(store: int) -> str:
    return f"snapshot in store {store}"


def _digests(heads: Heads) -> dict[str, str]:
    return {account: head.digest for account, head in heads.items()}


def check_present(ledger: Path, directory: Path) -> None:
    """Refuses to begin anew where there was a ledger: all would be fetched and stored once more.

    Args:
        ledger: where the ledger should be.
        directory: where copies of it are.

    Raises:
        LedgerDamaged: it is gone, or empty, and there are copies of it.
    """
    if not (ledger.exists() and ledger.stat().st_size) and any(directory.glob("ledger-*.db")):
        raise LedgerDamaged(
            f"{ledger} is gone, though there are copies of it in {directory}",
            hint="archiver rebuild --replace brings it back; to begin anew, remove the copies too",
        )


def take(ledger: Path, directory: Path, now: float, *, stopping: Callable[[], bool]) -> Path:
    """Copies the ledger into a directory of copies; one of the same day is replaced.

    Raises:
        Interrupted: the run was asked to end.
        LedgerDamaged: the ledger is.
        LocalDiskError: the copy cannot be written.
    """
    file = directory / f"ledger-{day_of(now).isoformat()}.db"
    copy(ledger, file, stopping=stopping)
    return file


def describe(file: Path, store: int, writer: str, now: float, program: str) -> Snapshot:
    """What a copy is to a store.

    Args:
        file: the copy.
        store: the store's row in the ledger.
        writer: whose ledger it is.
        now: when it was taken, in seconds since the epoch.
        program: the version of the program.

    Raises:
        LocalDiskError: the copy cannot be read.
    """
    with _explained(file), file.open("rb") as octets:
        digest = hashlib.file_digest(octets, "sha256").hexdigest()
    with (
        explained(file),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db,
    ):
        migrations = db.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = 'ledger' ORDER BY name"
        )
        return Snapshot(
            writer=writer,
            day=day_of(now),
            made_at=time_text(now),
            program=program,
            migrations=tuple(name for (name,) in migrations),
            size=file.stat().st_size,
            sha256=digest,
            heads=_heads(db.execute(_HEADS, (store,))),
        )


def thin_out(directory: Path) -> None:
    """Removes the copies in a directory that newer ones stand for.

    Raises:
        LocalDiskError: one cannot be removed.
    """
    with _explained(directory):
        days = {day: file for file in directory.iterdir() if (day := _day_in(file.name))}
        for day in superseded(days):
            days[day].unlink(missing_ok=True)


def _day_in(name: str) -> date | None:
    found = _NAME.fullmatch(name)
    try:
        return None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalDiskError(
            f"cannot use {place}: {error.strerror}", hint="free space or mend the disk"
        ) from error
