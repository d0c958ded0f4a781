"""The ledger's place in a state directory, and how another ledger comes to it.

The new one is made beside it and takes its place by one rename, so that a rebuild which is killed
leaves what was there. Nothing that was there is removed: the old ledger, and segments of the spool
that the new one does not know, are moved aside together.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from archiver.durable import sync_directory, sync_file
from archiver.errors import AlreadyRunning, ArchiverError, LocalDiskError, UsageError
from archiver.ledger import Ledger
from archiver.ledger.presence import Presence
from archiver.state import StatePaths

_LOG = "-wal"


@dataclass(frozen=True, slots=True)
class Aside:
    """What was moved aside, and where to; ``segments`` of the spool hold so many ``octets``."""

    path: Path
    ledger: bool
    segments: int
    octets: int


class Place:
    """Where the ledger of a state directory is.

    Args:
        paths: the state directory, which exists.
        replace: whether a ledger that is there may be replaced.
    """

    def __init__(self, paths: StatePaths, *, replace: bool) -> None:
        self._ledger = paths.ledger
        self._spool = paths.spool
        self._root = paths.root
        self._replace = replace
        self.building = paths.ledger.with_name(f"{paths.ledger.name}.rebuilding")

    def check(self) -> None:
        """Refuses before any work is done what ``install`` would refuse after it.

        Raises:
            UsageError: there is a ledger, which is not to be replaced.
            AlreadyRunning: somebody has it open.
        """
        if self._ledger.exists() and not self._replace:
            raise UsageError(
                f"there is a ledger already: {self._ledger}",
                hint="name another --state; --replace moves this one aside, and loses nothing",
            )
        with self._alone():
            pass

    def clear(self) -> None:
        """Removes what a rebuild that was killed left."""
        for path in self._root.glob(f"{self.building.name}*"):
            path.unlink(missing_ok=True)
        self.building.with_suffix(".lock").unlink(missing_ok=True)

    def install(self, needed: set[str], now: float) -> Aside | None:
        """Puts the ledger that was built, and is closed, into its place.

        Args:
            needed: the segments of the spool that it speaks of.
            now: the time, in seconds since the epoch.

        Returns:
            What was moved aside, None where nothing was there.

        Raises:
            UsageError, AlreadyRunning: see ``check``; what was there is still there.
            LocalDiskError: the disk is full or failing; as well.
        """
        self.check()
        # Folds its log into it, where it is whole; one that is not is moved as it is.
        if self._ledger.exists():
            with suppress(ArchiverError):
                Ledger.open(self._ledger).close()
        try:
            with self._alone() as presence:
                aside = self._move_aside(needed, now)
                sync_file(self.building)
                self.building.replace(self._ledger)
                sync_directory(self._root)
                presence.trust()
        except OSError as error:
            raise LocalDiskError(
                f"cannot put the ledger into {self._root}: {error.strerror}",
                hint="free space or mend the disk, then run it again; nothing is lost",
            ) from error
        self.clear()
        return aside

    @contextmanager
    def _alone(self) -> Iterator[Presence]:
        presence = Presence.enter(self._ledger)
        try:
            if not presence.first:
                raise AlreadyRunning(
                    f"{self._ledger} is in use",
                    hint="wait until every other archiver on this state has ended, then run again",
                )
            yield presence
        finally:
            presence.leave()

    def _move_aside(self, needed: set[str], now: float) -> Aside | None:
        segments = [path for path in self._segments() if self._name(path) not in needed]
        old = self._ledger.exists()
        if not old and not segments:
            return None
        aside = self._directory(now)
        octets = 0
        for path in segments:
            octets += path.stat().st_size
            target = aside / "spool" / self._name(path)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.replace(target)
        for suffix in ("", _LOG):
            path = self._ledger.with_name(f"{self._ledger.name}{suffix}")
            if path.exists():
                _duplicate(path, aside / path.name)
        for directory in (*aside.rglob("*/"), aside, self._root):
            if directory.is_dir():
                sync_directory(directory)
        # A log that stayed would be taken for the new ledger's.
        for suffix in (_LOG, "-shm"):
            self._ledger.with_name(f"{self._ledger.name}{suffix}").unlink(missing_ok=True)
        return Aside(aside, old, len(segments), octets)

    def _segments(self) -> Iterator[Path]:
        return (path for path in self._spool.rglob("*") if path.is_file())

    def _name(self, segment: Path) -> str:
        return str(segment.relative_to(self._spool))

    def _directory(self, now: float) -> Path:
        name = f"replaced-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
        for number in range(1, 1000):
            path = self._root / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir(mode=0o700)
                return path
        raise FileExistsError(f"{name} exists a thousand times")


def _duplicate(source: Path, target: Path) -> None:
    """A second name for a file, so that it never lacks one; a copy where a disk cannot do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        sync_file(target)
