"""A message's parts as payloads, while its octets are read: in memory, or large ones in files."""

import hashlib
import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from archiver.errors import LocalDiskError
from archiver.model import Part, Payload

PART_TYPE = "application/octet-stream"
"""What a part is called whose message does not say."""

_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class _TemporaryFile:
    """A part too large for memory, in a file that goes when it is stored."""

    path: Path

    def __call__(self) -> BinaryIO:
        return self.path.open("rb")


def release(payload: Payload) -> None:
    """Lets go of what a part's payload holds on the disk."""
    if isinstance(payload.open, _TemporaryFile):
        payload.open.path.unlink(missing_ok=True)


class Parts:
    """Takes a message's parts as they are decoded: what ``mail.read_mail`` wants as its sink.

    Args:
        directory: for files of large parts.
        take: is given each part, and has to ``release`` its payload in the end.

    ``digests`` are those of the parts so far, in their order.
    """

    def __init__(self, directory: Path, take: Callable[[Part, Payload], None]) -> None:
        self._directory = directory
        self._take = take
        self._memory = io.BytesIO()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.digests: list[str] = []

    def begin(self) -> None:
        """A part begins."""
        self._memory, self._file, self._path = io.BytesIO(), None, None
        self._md5 = hashlib.md5(usedforsecurity=False)

    def write(self, octets: bytes) -> None:
        """The next decoded octets of it.

        Raises:
            LocalDiskError: there is no room for a large part.
        """
        self._md5.update(octets)
        try:
            self._write(octets)
        except OSError as error:
            raise LocalDiskError(
                f"cannot write a decoded part into {self._directory}: {error.strerror}",
                hint="free space or mend the disk, then run again; nothing is lost",
            ) from error

    def _write(self, octets: bytes) -> None:
        if self._file is None and self._memory.tell() + len(octets) > _SMALL:
            self._path = self._directory / f"part-{secrets.token_hex(8)}.tmp"
            self._file = self._path.open("xb")
            self._file.write(self._memory.getvalue())
            self._memory = io.BytesIO()
        (self._file or self._memory).write(octets)

    def end(self, part: Part) -> None:
        """The part is complete."""
        if self._file is not None and self._path is not None:
            self._file.close()
            opener: Callable[[], BinaryIO] = _TemporaryFile(self._path)
        else:
            opener = partial(io.BytesIO, self._memory.getvalue())
        self.digests.append(part.digest)
        self._take(part, Payload(part.size, part.digest, self._md5.digest(), opener))
