"""How a file comes into being whole: never half written, never over another, never lost again.

Octets are written to a file that has no name yet, fsynced, and only then linked under their name,
which fails if the name is taken; then the directory is fsynced (``O_TMPFILE`` and linkat(2)). Where
the file system has no nameless files, a hidden name takes their place; where it cannot link
(exFAT, some network mounts), a rename under an exclusive lock on the directory does.
"""

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from archiver.durable import sync_directory

HIDDEN = ".archiver-"
"""Names in a store's directories that are no objects begin with this."""

_NO_SUCH_CALL = frozenset(
    (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EMLINK)
)
_NO_LOCKS = frozenset(
    (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
)
_UNNAMED = getattr(os, "O_TMPFILE", 0)
_DESCRIPTORS = Path("/proc/self/fd")
# linkat(2) follows the link in /proc only when asked, which Python does only with a directory.
_ANY_DIRECTORY = 0


def create(target: Path, chunks: Iterable[bytes]) -> bool:
    """Writes a new file durably; its directory must be there.

    Returns:
        False if something has that name already: nothing was changed then.

    Raises:
        OSError: the disk is full, or anything else. There is no such file then, or it is whole and
            its name may still be lost: whoever finds it has to sync the directory.
    """
    descriptor = _open_unnamed(target.parent)
    if descriptor is None:
        return _create_by_name(target, chunks)
    try:
        _fill(descriptor, chunks)
        os.link(
            _DESCRIPTORS / str(descriptor),
            target,
            src_dir_fd=_ANY_DIRECTORY,
            follow_symlinks=True,
        )
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
    sync_directory(target.parent)
    return True


def overwrite(target: Path, octets: bytes) -> None:
    """Writes a file durably, in place of one that may be there.

    Raises:
        OSError: what was there before is still there, or comes back after a loss of power.
    """
    with _hidden(target.parent, (octets,)) as hidden:
        hidden.rename(target)
    sync_directory(target.parent)


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[bool]:
    """Keeps out whoever else comes this way, from other machines as well on a network file system.

    Yields False where the file system has no locks. The lock is on a hidden file, since NFS locks
    only what is open for writing, and the file is gone afterwards.
    """
    path = directory / f"{HIDDEN}lock"
    descriptor, locked = _lock(path)
    try:
        yield locked
    finally:
        # Before the lock is given up: whoever waits for it looks whether its file still has a name.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path) -> tuple[int, bool]:
    """A lock file, locked if that can be, which nobody has removed meanwhile."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:
            # Another user made it, and may have been killed before it was gone.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_named(descriptor, path):
                return descriptor, True
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor, False
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _open_unnamed(directory: Path) -> int | None:
    if not _UNNAMED or not _DESCRIPTORS.exists():
        return None
    try:
        return os.open(directory, _UNNAMED | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in _NO_SUCH_CALL:
            return None
        raise


def _create_by_name(target: Path, chunks: Iterable[bytes]) -> bool:
    with _hidden(target.parent, chunks) as hidden:
        try:
            os.link(hidden, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
            if not _rename_locked(hidden, target):
                return False
    sync_directory(target.parent)
    return True


def _rename_locked(hidden: Path, target: Path) -> bool:
    """Renames if nothing is there; the lock keeps out every other process that comes this way."""
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.lexists(target):
            return False
        hidden.rename(target)
        return True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _hidden(directory: Path, chunks: Iterable[bytes]) -> Iterator[Path]:
    """A durable file under a hidden name, which is gone afterwards."""
    path = directory / f"{HIDDEN}{secrets.token_hex(8)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _fill(descriptor, chunks)
        finally:
            os.close(descriptor)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _fill(descriptor: int, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)
