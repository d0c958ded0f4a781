"""A message in somebody's files, and its octets as they were on the wire.

Mail is sent with CRLF at the end of each line (RFC 5322 section 2.1); a maildir and an mbox hold it
with LF alone, as the system's text files are. So **a message that has LFs, and none with a CR
before it, gets a CR before each, and CRLF at its end if its last line has no end; any other is
taken as it is.** That gives the octets that a POP3 server would send of it, and with them the same
digest. Where a sender had put bare LFs among CRLFs, the file that was made of it does not tell any
more, and nobody could.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from archiver.errors import MessageError
from archiver.model import Origin

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that was found.

    ``name`` is where, for people; ``size`` its octets in the file. ``pieces`` gives those to be
    archived, and raises FileNotFoundError where the file is gone, another OSError where it cannot
    be read, MessageError where it changed meanwhile.
    """

    name: str
    size: int
    origin: Origin
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be read at all; ``name`` is where, for people."""

    name: str
    reason: str


def open_file(path: Path) -> BinaryIO:
    """Opens a regular file to read; one that is none, or a symbolic link, is refused.

    Raises:
        OSError: it cannot be opened.
    """
    # Opening a pipe would wait for whoever writes to it.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def whole_file(path: Path) -> Iterator[bytes]:
    """The octets of a file that is one message.

    Raises:
        OSError: it cannot be read, or is gone.
        MessageError: it changed meanwhile.
    """
    with open_file(path) as file:
        before = os.fstat(file.fileno())
        yield from as_sent(file, 0, before.st_size)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed()


def as_sent(
    file: BinaryIO,
    start: int,
    end: int,
    restore: Callable[[Iterable[bytes]], Iterator[bytes]] | None = None,
) -> Iterator[bytes]:
    """A slice of a file as it was on the wire.

    Args:
        file: the file.
        start, end: the slice, in octets.
        restore: takes back what the format did to lines; sees them as they are in the file.

    Raises:
        OSError: it cannot be read.
        MessageError: the slice is not there any more.
    """
    sent_by_line = _has_bare_ends(_slice(file, start, end))
    pieces: Iterable[bytes] = _slice(file, start, end)
    last = b""
    for piece in pieces if restore is None else restore(pieces):
        yield piece.replace(b"\n", b"\r\n") if sent_by_line else piece
        last = piece[-1:]
    if sent_by_line and last != b"\n":
        yield b"\r\n"


def whole_lines(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The same octets in pieces that end where lines do, unless a line is larger than a piece.

    With each piece comes whether it begins a line.
    """
    rest, fresh = b"", True
    for piece in pieces:
        text = rest + piece
        cut = text.rfind(b"\n") + 1
        if cut:
            yield text[:cut], fresh
            rest, fresh = text[cut:], True
        elif len(text) < CHUNK:
            rest = text
        else:
            yield text, fresh
            rest, fresh = b"", False
    if rest:
        yield rest, fresh


def _slice(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end:
        piece = file.read(min(CHUNK, end - start))
        if not piece:
            raise _changed()
        start += len(piece)
        yield piece


def _has_bare_ends(pieces: Iterable[bytes]) -> bool:
    """Whether lines end, and none of them in CRLF."""
    found, last = False, b""
    for piece in pieces:
        if b"\r\n" in piece or (last == b"\r" and piece.startswith(b"\n")):
            return False
        found = found or b"\n" in piece
        last = piece[-1:]
    return found


def _changed() -> MessageError:
    return MessageError(
        "it changed while it was read", hint="import it again when nobody writes to it"
    )
