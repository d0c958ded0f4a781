"""What makes files and their names survive a loss of power (fsync(2)).

A file's octets are durable once the file is synced, and its name once its directory is: either may
be lost without the other. A call that fails tells that nothing is: the system may have dropped what
it could not write, so that a second call would find nothing left to do and succeed.
"""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Makes the octets of a file durable that somebody else wrote.

    Raises:
        OSError: they are not.
    """
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable.

    Raises:
        OSError: they are not.
    """
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
