"""A file that grows message by message, and can be gone on with after a kill.

Until it is whole it is called ``DEST.partial``, and ``DEST.partial.done`` has a line for each
message that is whole in it: its digest, where it ends, and a checksum of what was written. When the
export goes on, the file is read through, and cut off behind the last line that is true of it.
"""

import os
import re
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from archiver.durable import sync_directory
from archiver.errors import UsageError
from archiver.index import Hit

_BEGINNING = b"-"
_CHUNK = 1 << 16
_LINE = re.compile(rb"([0-9a-f]{64}|-) (\d{1,18}) (\d{1,10})\n")
_NEW = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Growing:
    """An export into one file.

    Args:
        destination: the file.
        asked: what is exported and how; a file of another export is begun anew.

    Raises:
        UsageError: it exists already.
        OSError: it cannot be written.
    """

    reads = True

    def __init__(self, destination: Path, asked: str) -> None:
        refuse_existing(destination)
        self._destination = destination
        self._partial = destination.with_name(f"{destination.name}.partial")
        self._journal = destination.with_name(f"{destination.name}.partial.done")
        self._file = os.fdopen(os.open(self._partial, _NEW, 0o600), "r+b")
        self._done = os.fdopen(os.open(self._journal, _NEW, 0o600), "r+b")
        self._known: set[bytes] = set()
        self._go_on(asked.encode())

    def _go_on(self, asked: bytes) -> None:
        end, sound = self._true_of_it(asked)
        self._file.truncate(end)
        self._file.seek(end)
        self._done.truncate(sound)
        self._done.seek(sound)
        if not sound:
            self._done.write(asked + b"\n")
            self.begin(self._file)
            self._note(_BEGINNING, 0)

    def _true_of_it(self, asked: bytes) -> tuple[int, int]:
        """How much of the file, and of the journal, is as it was written; nothing of another's."""
        if self._done.readline() != asked + b"\n":
            return 0, 0
        end = sound = 0
        for line in self._done:
            found = _LINE.fullmatch(line)
            if found is None or self._checksum(end, int(found[2])) != int(found[3]):
                break
            end, sound = int(found[2]), self._done.tell()
            if found[1] != _BEGINNING:
                self._known.add(bytes.fromhex(found[1].decode("ascii")))
        return end, sound

    def _checksum(self, begin: int, end: int) -> int:
        """That of a stretch of the file; of one that is not all there, none that was noted."""
        self._file.seek(begin)
        checksum, left = 0, end - begin
        while left > 0 and (chunk := self._file.read(min(left, _CHUNK))):
            checksum, left = zlib.crc32(chunk, checksum), left - len(chunk)
        return checksum if left == 0 else -1

    def _note(self, digest: bytes, begin: int) -> None:
        """Writes down that what stands behind ``begin`` is whole."""
        self._file.flush()
        end = self._file.tell()
        self._done.write(b"%s %d %d\n" % (digest, end, self._checksum(begin, end)))
        self._done.flush()
        self._file.seek(end)

    def begin(self, file: BinaryIO) -> None:
        """Writes what stands before the first message: nothing, unless a format says otherwise."""

    def write(self, file: BinaryIO, hit: Hit, octets: BinaryIO) -> None:
        """Writes one message at the end of the file."""
        raise NotImplementedError

    def has(self, hit: Hit) -> bool:
        """Whether the message is in the file."""
        return bytes.fromhex(hit.digest) in self._known

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Writes a message, then that it is there."""
        begin = self._file.tell()
        self.write(self._file, hit, octets)
        self._note(hit.digest.encode(), begin)

    def finish(self) -> None:
        """Gives the file its name."""
        os.fsync(self._file.fileno())
        self._partial.rename(self._destination)
        self._journal.unlink()
        sync_directory(self._destination.absolute().parent)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What was written stays, to go on with."""
        self._file.close()
        self._done.close()


def refuse_existing(destination: Path) -> None:
    """Sees that a file is not there yet.

    Raises:
        UsageError: it is.
    """
    if destination.is_symlink() or destination.exists():
        raise UsageError(
            f"{destination} exists already, and is left as it is", hint="name another file"
        )
