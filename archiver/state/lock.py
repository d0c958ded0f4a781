"""One run at a time for an account, on one machine.

The lock is ``flock`` on a file that says who holds it. The system drops it when its holder ends in
any way, so a stale file locks nobody out.
"""

import fcntl
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from archiver.errors import AlreadyRunning, LocalDiskError
from archiver.format import account_segment


class AccountLock:
    """Holds an account's lock from ``acquire`` to ``release``.

    Args:
        directory: where lock files are.
        account: the account's id.
        verb: what is running, for whoever finds the lock taken.
    """

    def __init__(self, directory: Path, account: str, verb: str) -> None:
        self._path = directory / f"{account_segment(account)}.lock"
        self._account = account
        self._verb = verb
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Takes the lock at once.

        Raises:
            AlreadyRunning: another process holds it; the message says which.
            LocalDiskError: the lock's file cannot be opened.
        """
        try:
            self._acquire()
        except OSError as error:
            raise LocalDiskError(
                f"cannot open {self._path}: {error.strerror}",
                hint="free space, or name a directory that you may write with --state",
            ) from error

    def _acquire(self) -> None:
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(os.read(descriptor, 4096))
            os.close(descriptor)
            raise AlreadyRunning(
                f"account {self._account} is in use by {holder}",
                hint="wait until it has ended, then run again",
            ) from None
        self._descriptor = descriptor
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        holder_json = {"pid": os.getpid(), "verb": self._verb, "since": started}
        # The lock is held already: on a full disk nobody is told who we are, and that is all.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder_json).encode(), 0)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o600)
        except PermissionError:
            # Somebody took our rights to a file of ours, which is still the one to lock.
            self._path.chmod(0o600)
            return os.open(self._path, flags, 0o600)

    def release(self) -> None:
        """Gives the lock back."""
        if self._descriptor is not None:
            # Closing is what counts; a name that cannot be removed from the file does no harm.
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Takes the lock."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives it back."""
        self.release()


def _describe(octets: bytes) -> str:
    try:
        holder = json.loads(octets)
        return f"archiver {holder['verb']}, process {holder['pid']}, since {holder['since']}"
    except (ValueError, TypeError, KeyError):
        return "another process"
