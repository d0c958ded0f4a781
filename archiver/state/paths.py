"""Names below the state directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archiver.durable import sync_directory
from archiver.errors import LocalDiskError


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The files of one writer; everything precious is in ``ledger`` and ``spool``."""

    root: Path

    @property
    def ledger(self) -> Path:
        """What happened to each message; precious."""
        return self.root / "ledger.db"

    @property
    def index(self) -> Path:
        """What messages say; made again at any time."""
        return self.root / "index.db"

    @property
    def restored(self) -> Path:
        """Which message was restored into which folder of an IMAP account."""
        return self.root / "restored.db"

    @property
    def spool(self) -> Path:
        """Octets between server and store; precious until archived."""
        return self.root / "spool"

    @property
    def commands(self) -> Path:
        """What a person typed in ``archiver pop``; no secrets are typed there."""
        return self.root / "pop-history"

    @property
    def locks(self) -> Path:
        """One lock file an account."""
        return self.root / "locks"

    @property
    def snapshots(self) -> Path:
        """Copies of the ledger, one a day, the older ones thinned out."""
        return self.root / "snapshots"

    def create(self) -> None:
        """Makes the directories, durable and for the owner's eyes alone: they hold mail.

        Raises:
            LocalDiskError: that is not possible.
        """
        with self._made():
            for directory in (self.root, self.spool, self.locks):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.ledger.exists():
                # A run that was killed may have made them, so it does not matter who did.
                for directory in (self.root, *self.root.parents):
                    _sync_own(directory)

    def create_snapshots(self) -> None:
        """Makes the directory for copies of the ledger, which no run depends on.

        Raises:
            LocalDiskError: that is not possible.
        """
        with self._made():
            self.snapshots.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self.root)

    @contextmanager
    def _made(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LocalDiskError(
                f"cannot make the state directory {self.root}: {error.strerror}",
                hint="name a directory that you may write with --state",
            ) from error


def _sync_own(directory: Path) -> None:
    # What we may not even read or write is not ours, and so are the names in it.
    if os.access(directory, os.R_OK | os.W_OK):
        sync_directory(directory)
