"""A copy of the ledger beside it or elsewhere: as of one commit, whole and durable, or none."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from archiver.durable import sync_directory, sync_file
from archiver.errors import Interrupted, LocalDiskError
from archiver.ledger.check import damage_of
from archiver.ledger.failures import damage_met, explained

_PAGES_AT_ONCE = 1024
"""So much is copied between two looks at whether the run was asked to end: 4 MiB."""


_STEPS_AT_ONCE = 100_000
"""So many steps of SQLite's are taken between two such looks while the copy is checked."""


def copy(source: Path, target: Path, *, stopping: Callable[[], bool] = lambda: False) -> None:
    """Copies the ledger at ``source``; nobody is kept from writing to it meanwhile.

    A file that is at ``target`` is replaced once the copy is checked and durable, so that damage is
    met here before it takes the place of what was whole. Two processes must not copy to the same
    target at once.

    Args:
        source: the ledger, which others may have open.
        target: the copy, which is for the owner's eyes alone and needs no other file beside it.
        stopping: whether to give up.

    Raises:
        Interrupted: it gave up.
        LedgerDamaged: the ledger is.
        LocalDiskError: the copy cannot be written.
    """
    unfinished = target.with_name(f"{target.name}.part")
    try:
        unfinished.unlink(missing_ok=True)
        try:
            unfinished.touch(mode=0o600)
            with explained(unfinished):
                _fill(source, unfinished, stopping)
            sync_file(unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_directory(target.parent)
    except OSError as error:
        raise LocalDiskError(
            f"cannot write {target}: {error.strerror}", hint="free space or mend the disk"
        ) from error


def _fill(source: Path, unfinished: Path, stopping: Callable[[], bool]) -> None:
    def look(_status: int, _left: int, _total: int) -> None:
        if stopping():
            raise Interrupted

    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(unfinished, isolation_level=None)) as copied,
    ):
        # Its octets are synced once, by us, and a copy that is cut short is thrown away.
        copied.execute("PRAGMA synchronous = OFF")
        copied.execute("PRAGMA journal_mode = OFF")
        # What others commit meanwhile would have the copy begin anew; this read sees none of it.
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        live.backup(copied, pages=_PAGES_AT_ONCE, progress=look)
        copied.set_progress_handler(stopping, _STEPS_AT_ONCE)
        if damage := damage_of(copied):
            raise damage_met(source, damage)
        # The header says that there is a log beside it, which the copy has not.
        copied.execute("PRAGMA journal_mode = DELETE")
