"""Who has the ledger open, and whether those who had it last got to close it.

SQLite's last connection to close takes the write-ahead log away
(https://www.sqlite.org/wal.html#the_wal_file). One that still lies there when nobody has the ledger
open tells of an end that nobody chose: a kill, which harms nothing, or a loss of power, which does
where a disk promised what it did not keep. To know that nobody has it open, everybody who has holds
a shared ``flock`` on a file beside it, which the system drops however its holder ends. It is never
taken on the ledger itself: closing a second descriptor of that would drop SQLite's own locks.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

_SUSPECT = b"damage was met: the next to open the ledger checks it\n"


class Presence:
    """A share in an open ledger, from ``enter`` to ``leave``.

    ``first`` says that nobody else has it open; others that come wait until ``admit``.
    """

    def __init__(self, path: Path, descriptor: int, *, first: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self.first = first

    @classmethod
    def enter(cls, path: Path) -> Self:
        """Takes a share in the ledger at ``path``, which need not exist; may wait for a check.

        Raises:
            OSError: the file beside it cannot be made.
        """
        descriptor = os.open(_beside(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            return cls(path, descriptor, first=False)
        return cls(path, descriptor, first=True)

    @property
    def in_doubt(self) -> bool:
        """Whether the ledger was not closed, or damage was met in it, since it was checked last."""
        log = self._path.with_name(f"{self._path.name}-wal")
        return log.exists() or os.fstat(self._descriptor).st_size > 0

    def trust(self) -> None:
        """Notes that the ledger was found whole."""
        os.ftruncate(self._descriptor, 0)

    def admit(self) -> None:
        """Lets others in: the ledger is checked, up to date, and its log has a durable name."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Gives the share back; once is enough, and twice does no harm."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def suspect(path: Path) -> None:
    """Has the next one that opens the ledger alone check it, since damage was met in it."""
    descriptor = os.open(_beside(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, _SUSPECT, 0)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_suffix(".lock")
