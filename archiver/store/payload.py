"""Octets on their way into the store, and the check that they are what their digests say.

A payload is opened once for each attempt to write it, so that a retry starts from the first octet.
Most messages are small and travel as one piece of memory; the others are read from the disk while
they are sent, whatever their size.
"""

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archiver.errors import MessageError
from archiver.model import Payload

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SMALL = 1 << 20
"""Up to this many octets are held in memory while they are sent."""


def payload_of(octets: bytes) -> Payload:
    """A payload of octets in memory."""
    return Payload(
        length=len(octets),
        sha256=hashlib.sha256(octets).hexdigest(),
        md5=hashlib.md5(octets, usedforsecurity=False).digest(),
        open=lambda: io.BytesIO(octets),
    )


def payload_of_slice(path: Path | str, offset: int, length: int, sha256: str) -> Payload:
    """A payload of ``length`` octets at ``offset`` of a file, which stays as it is meanwhile.

    Args:
        path: the file.
        offset: octets before the slice.
        length: octets of the slice.
        sha256: its digest, as recorded when it was written; ``put`` checks it.

    Raises:
        MessageError: the file cannot be read there, or is too short.
    """

    def opened() -> BinaryIO:
        return open_slice(path, offset, length)

    return Payload(length=length, sha256=sha256, md5=_md5(path, offset, length), open=opened)


def open_slice(path: Path | str, offset: int, length: int) -> io.BufferedReader:
    """A seekable, read-only stream over ``length`` octets at ``offset`` of a file.

    Raises:
        MessageError: the file cannot be opened.
    """
    try:
        return io.BufferedReader(_Slice(path, offset, length), buffer_size=1 << 16)
    except OSError as error:
        raise MessageError(
            f"{path} cannot be read: {error.strerror}",
            hint="nothing was deleted on the server",
        ) from error


def checked_body(payload: Payload) -> bytes | None:
    """Reads a payload through and checks it, so that no store is given octets that went bad.

    Returns:
        The octets where they are few enough to be held, else None: open the payload again.

    Raises:
        MessageError: they are not what the payload's digest and length say.
    """
    if payload.length <= SMALL:
        with payload.open() as stream:
            octets = stream.read(payload.length + 1)
        _check(payload, hashlib.sha256(octets).hexdigest(), len(octets))
        return octets
    hashed, size = hashlib.sha256(), 0
    with payload.open() as stream:
        while chunk := stream.read(SMALL):
            hashed.update(chunk)
            size += len(chunk)
    _check(payload, hashed.hexdigest(), size)
    return None


def _check(payload: Payload, sha256: str, size: int) -> None:
    if (sha256, size) != (payload.sha256, payload.length):
        raise MessageError(
            f"the local octets of {payload.sha256} changed before they were stored",
            hint="the local disk may be failing; nothing was deleted on the server",
        )


def _md5(path: Path | str, offset: int, length: int) -> bytes:
    hashed, size = hashlib.md5(usedforsecurity=False), 0
    with open_slice(path, offset, length) as stream:
        while chunk := stream.read(SMALL):
            hashed.update(chunk)
            size += len(chunk)
    if size != length:
        raise MessageError(
            f"{path} ends before the message at {offset} does",
            hint="the local disk may be failing; nothing was deleted on the server",
        )
    return hashed.digest()


class _Slice(io.RawIOBase):
    """A window on a file; positions are counted from its beginning."""

    def __init__(self, path: Path | str, offset: int, length: int) -> None:
        super().__init__()
        self._file = io.FileIO(path)
        self._offset = offset
        self._length = length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(self._length - self._position, 0))
        self._file.seek(self._offset + self._position)
        got = self._file.readinto(view[:wanted])
        self._position += got
        return got

    def close(self) -> None:
        # The base class's own __init__ may have failed to reach the file.
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()
