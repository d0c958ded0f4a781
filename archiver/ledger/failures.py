"""What SQLite says of the ledger's file, in the words of the person who has to act on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from archiver.errors import (
    AlreadyRunning,
    ArchiverError,
    Interrupted,
    LedgerDamaged,
    LocalDiskError,
    UsageError,
)
from archiver.ledger.presence import suspect

_OF_THE_DISK = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Around whatever is done with the ledger at ``path``.

    Raises:
        LedgerDamaged: damage was met; the ledger is checked before it is used again.
        UsageError: the file is no ledger.
        LocalDiskError: the disk is full or failing.
        AlreadyRunning: another process has kept it from us for too long.
        Interrupted: a progress handler had it end.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        # Any other error is a bug, and stays what it is.
        expected = _expected(error, path)
        if expected is None:
            raise
        raise expected from error


def damage_met(path: Path, what: str) -> LedgerDamaged:
    """The error that says that a ledger is damaged, which is checked before it is used again."""
    with suppress(OSError):
        suspect(path)
    return damaged(path, what)


def damaged(path: Path, what: str) -> LedgerDamaged:
    """The error that says that a ledger is damaged, and ``what`` shows it."""
    return LedgerDamaged(
        f"{path} is damaged: {what}",
        hint="archiver rebuild --replace makes it again from the store, and moves this one aside",
    )


def _expected(error: sqlite3.DatabaseError, path: Path) -> ArchiverError | None:
    # The low octet is the error, what stands above it only its circumstances.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CORRUPT:
        return damage_met(path, str(error))
    if code == sqlite3.SQLITE_NOTADB:
        return UsageError(
            f"{path} is not a usable ledger: {error}",
            hint="archiver rebuild --replace makes one from the store; or use another --state",
        )
    if code == sqlite3.SQLITE_BUSY:
        return AlreadyRunning(
            f"{path} has been in use by another process for too long",
            hint="wait until it has ended, then run again; nothing is lost",
        )
    if code == sqlite3.SQLITE_INTERRUPT:
        return Interrupted()
    if code in _OF_THE_DISK:
        return LocalDiskError(
            f"cannot use {path}: {error}",
            hint="free space or mend the disk, then run again; nothing is lost",
        )
    return None
