"""The spool: the durable landing place on local disk between server and store.

A segment file holds the raw octets of one batch, message after message, nothing between them; the
ledger's rows hold offset and length. A segment is durable once its octets and its directory entry
are fsynced, and only then may a row speak of it. A segment that no row speaks of is the leftover
of a crash: its messages never left the server.
"""

import errno
import io
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from archiver.durable import sync_directory
from archiver.errors import LocalDiskError
from archiver.format import account_segment

_BUFFER = 1 << 20
_COPY_CHUNK = 1 << 20
_KEPT = "kept"


class Spool:
    """All segments of a state directory.

    Args:
        root: the spool's directory.
        limit: octets that waiting segments may take; an empty spool takes any one message.
    """

    def __init__(self, root: Path, limit: int) -> None:
        self.root = root
        self.limit = limit
        self._sizes: dict[str, int] = {}
        self._durable: set[Path] = set()
        self._guard = threading.Lock()

    def recover(self, account: str, needed: Iterable[tuple[str, int]]) -> list[str]:
        """Takes stock of an account's segments, under its lock, before anything new is written.

        Counts what batches need and removes what none does.

        Args:
            account: the account's id.
            needed: the names of segments that the ledger speaks of, with their octets.

        Returns:
            the names of segments that the ledger speaks of and that are not there.
        """
        sizes = dict(needed)
        own = account_segment(account)
        present: set[str] = set()
        with _disk(self.root):
            for directory in (self.root / own, self.root / _KEPT / own):
                for path in filter(Path.is_file, directory.glob("*")):
                    name = str(path.relative_to(self.root))
                    if name in sizes:
                        present.add(name)
                    else:
                        path.unlink()
        with self._guard:
            self._sizes.update(sizes)
        return sorted(sizes.keys() - present)

    @property
    def used(self) -> int:
        """Octets that waiting segments take, those set aside apart."""
        with self._guard:
            return sum(size for name, size in self._sizes.items() if not _is_kept(name))

    def path(self, segment: str) -> Path:
        """The file of a segment."""
        return self.root / segment

    def make_directory(self, directory: Path) -> None:
        """Makes a directory below the spool and its entry durable, once, whoever made it.

        A run that was killed may have made it and not come to more.
        """
        if directory not in self._durable:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for above in (directory.parent, self.root):
                sync_directory(above)
            self._durable.add(directory)

    def create(self, account: str, now: float) -> "Segment":
        """A new, empty segment for an account.

        Raises:
            LocalDiskError: the disk is full or cannot be written.
        """
        name = batch_name(now)
        return Segment(self, f"{account_segment(account)}/{name}.seg", name, now)

    def keep(
        self, account: str, source: Path, slices: list[tuple[int, int]], now: float
    ) -> "Segment":
        """Copies messages with a problem out of their segment, so that they pin it no longer.

        Args:
            account: whose messages they are.
            source: the segment's file.
            slices: offset and length of each message.
            now: the time, in seconds since the epoch.
        """
        name = batch_name(now)
        kept = Segment(self, f"{_KEPT}/{account_segment(account)}/{name}.seg", name, now)
        with _disk(source), source.open("rb") as octets:
            for offset, length in slices:
                octets.seek(offset)
                while length > 0 and (chunk := octets.read(min(length, _COPY_CHUNK))):
                    kept.write(chunk)
                    length -= len(chunk)
        kept.commit()
        return kept

    def count(self, segment: str, octets: int) -> None:
        """Counts a durable segment."""
        with self._guard:
            self._sizes[segment] = octets

    def remove(self, segment: str) -> None:
        """Removes a segment whose every message is archived or kept elsewhere."""
        if not segment:
            return
        with _disk(self.root):
            self.path(segment).unlink(missing_ok=True)
        with self._guard:
            self._sizes.pop(segment, None)


class Segment:
    """A segment being written; it counts for nothing until ``commit``."""

    def __init__(self, spool: Spool, name: str, batch: str, now: float) -> None:
        self._spool = spool
        self.name = name
        self.batch = batch
        self.day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
        self.octets = 0
        self._path = spool.path(name)
        with _disk(self._path):
            spool.make_directory(self._path.parent)
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
            self._file = io.BufferedWriter(io.FileIO(descriptor, "wb"), _BUFFER)

    def write(self, octets: bytes) -> None:
        """Appends octets.

        Raises:
            LocalDiskError: the disk is full or cannot be written.
        """
        with _disk(self._path):
            self._file.write(octets)
        self.octets += len(octets)

    def cut(self, octets: int) -> None:
        """Takes back everything from ``octets`` on: a message that did not arrive whole."""
        with _disk(self._path):
            self._file.flush()
            self._file.truncate(octets)
            self._file.seek(octets)
        self.octets = octets

    def commit(self) -> None:
        """Makes octets and directory entry durable.

        Raises:
            LocalDiskError: that failed; the segment is removed, and nothing may speak of it.
        """
        try:
            with _disk(self._path):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                sync_directory(self._path.parent)
        except LocalDiskError:
            self.discard()
            raise
        self._spool.count(self.name, self.octets)

    def discard(self) -> None:
        """Removes the segment: its messages are still on the server."""
        # Closing flushes, which fails again on the full disk that may have brought us here; the
        # file goes in any case.
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


def _is_kept(segment: str) -> bool:
    # An account may be called like the directory, whose segments then lie one level higher.
    return segment.startswith(f"{_KEPT}/") and segment.count("/") == 2


def batch_name(now: float) -> str:
    """A new batch id: the time of day and a random tail, so that a day's batches sort by time."""
    return f"{datetime.fromtimestamp(now, UTC):%H%M%S}-{secrets.token_hex(5)}"


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LocalDiskError(
                f"the disk of {path.parent} is full",
                hint="free space or name another --state, then run again; nothing is lost",
            ) from error
        raise LocalDiskError(
            f"cannot write {path}: {error.strerror}",
            hint="mend the disk or its permissions, then run again; nothing is lost",
        ) from error
