"""Files below one directory, and nowhere else, whatever lies there already.

Every directory on the way is opened by its parent's descriptor and never through a symbolic link,
so that one that somebody has put there leads nowhere. A file has a temporary name until it is whole
and durable; those that a killed export left are removed when their directory is met again.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNFINISHED = ".archiver-unfinished"


class Below:
    """Writes files below a directory, which is made where it is missing.

    Args:
        root: the directory; it may itself be reached by symbolic links.

    Raises:
        OSError: it cannot be made or opened.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = os.open(root, _DIRECTORY)
        self._open: dict[tuple[str, ...], int] = {(): self._root}
        self._touched: set[tuple[str, ...]] = set()

    def has(self, directory: Sequence[str], name: str) -> bool:
        """Whether there is such a file."""
        try:
            descriptor = self._directory(tuple(directory), make=False)
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            return False
        return S_ISREG(found.st_mode)

    @contextmanager
    def create(
        self, directory: Sequence[str], name: str, modified: int | None = None
    ) -> Iterator[BinaryIO]:
        """A new file, which gets its name at the end, and replaces one that has it.

        Args:
            directory: where, by names below the root.
            name: a safe name.
            modified: the time that it is to bear, in seconds since the epoch; None for now.

        Raises:
            OSError: it cannot be written; there is nothing then.
        """
        place = tuple(directory)
        descriptor = self._directory(place, make=True)
        with suppress(FileNotFoundError):
            os.unlink(_UNFINISHED, dir_fd=descriptor)
        try:
            with os.fdopen(os.open(_UNFINISHED, _NEW, 0o600, dir_fd=descriptor), "wb") as file:
                yield file
                file.flush()
                if modified is not None:
                    os.utime(file.fileno(), (modified, modified))
                os.fsync(file.fileno())
            os.rename(_UNFINISHED, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except BaseException:
            with suppress(OSError):
                os.unlink(_UNFINISHED, dir_fd=descriptor)
            raise
        self._touched.add(place)

    def make(self, directory: Sequence[str]) -> None:
        """Makes a directory where it is missing."""
        self._directory(tuple(directory), make=True)
        self._touched.add(tuple(directory))

    def _directory(self, place: tuple[str, ...], *, make: bool) -> int:
        known = self._open.get(place)
        if known is not None:
            return known
        parent = self._directory(place[:-1], make=make)
        if make:
            with suppress(FileExistsError):
                os.mkdir(place[-1], 0o700, dir_fd=parent)
        opened = os.open(place[-1], _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        self._open[place] = opened
        return opened

    def sync(self) -> None:
        """Makes the names durable that were given since."""
        above = {place[:end] for place in self._touched for end in range(len(place) + 1)}
        for place in above:
            os.fsync(self._directory(place, make=False))
        self._touched.clear()

    def close(self) -> None:
        """Gives the directories back."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
