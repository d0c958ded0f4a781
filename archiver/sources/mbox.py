"""mbox files (RFC 4155, and the four habits that came before it), read as a stream.

A message begins with a line ``From ``, behind an empty one. What else begins so is text: it counts
as a border only where it ends in a date as that line does, and a header field, or no line at all,
follows; a file whose first such line has no date needs none in the others. mboxrd put a ``>``
before every line that began with any number of ``>`` and ``From ``, so one is taken from each of
them; mboxo did so only where there was none, so one is taken where there is one. mboxcl writes as
mboxrd does, mboxcl2 changes nothing, and both give the size in ``Content-Length``, which is
believed where a border, or the file's end, lies there. Nothing in a file tells which it is, and a
sender can write a ``Content-Length``: mboxrd is what is read unless a person says otherwise.
"""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from archiver.model import Origin
from archiver.sources.letter import CHUNK, Letter, Trouble, as_sent, open_file, whole_lines

_LOOK = 4096
_HEADER = 1 << 18
_WEEKDAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DATED = re.compile(
    rb"From (?=.*\b" + _WEEKDAY + rb"\b)(?=.*\b\d{1,2}:\d\d)(?=.*\b\d{4}\b)[^\n]*\n?"
)
_FIELD = re.compile(rb"(?:[!-9;-~]+[ \t]*:|>From |\r?\n|\Z)")
_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?$")
_END_OF_HEADER = re.compile(rb"\n\r?\n")
_BLANK = (b"\r\n\r\n", b"\n\n")
_ASCTIME = re.compile(
    rb"\b" + _WEEKDAY + rb",? +(\w{3}) +(\d{1,2}) +(\d{1,2}):(\d\d)(?::(\d\d))?"
    rb"(?: +(?:([+-])(\d\d)(\d\d)|GMT|UTC))? +(\d{4})\b"
)
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Mbox(StrEnum):
    """How an mbox was written."""

    RD = "mboxrd"
    O = "mboxo"  # noqa: E741 - that is its name
    CL = "mboxcl"
    CL2 = "mboxcl2"


_QUOTED = {
    Mbox.RD: re.compile(rb"(?<=\n)>(>*From )"),
    Mbox.O: re.compile(rb"(?<=\n)>(From )"),
    Mbox.CL: re.compile(rb"(?<=\n)>(>*From )"),
}


def is_mbox(beginning: bytes) -> bool:
    """Whether a file that begins so is an mbox."""
    line, _, rest = beginning.partition(b"\n")
    return line.startswith(b"From ") and bool(_DATED.match(line) or _FIELD.match(rest))


def letters(path: Path, kind: Mbox, labels: tuple[str, ...]) -> Iterator[Letter | Trouble]:
    """Every message of a file, to be read before the next one is asked for.

    Args:
        path: the file.
        kind: how it was written.
        labels: what they are labelled with.

    Raises:
        OSError: the file cannot be read.
    """
    with open_file(path) as file:
        before = os.fstat(file.fileno())
        quoted = _QUOTED.get(kind)
        restore = None if quoted is None else partial(_unquoted, quoted)
        for number, (line, start, end) in enumerate(_Borders(file, kind).messages(), start=1):
            origin = Origin("mbox", labels, internal_date=_date(line))
            octets = partial(as_sent, file, start, end, restore)
            yield Letter(f"{path}, message {number:,}", end - start, origin, octets)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        yield Trouble(str(path), "it changed while it was read: import it again")


class _Borders:
    """Where the messages of a file begin and end."""

    def __init__(self, file: BinaryIO, kind: Mbox) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._by_length = kind in (Mbox.CL, Mbox.CL2)
        self._dated = bool(_DATED.match(self._at(0)))

    def messages(self) -> Iterator[tuple[bytes, int, int]]:
        """The From line of each, and the slice behind it."""
        position = 0
        while position < self._size:
            line = self._at(position).partition(b"\n")[0]
            start = min(position + len(line) + 1, self._size)
            if len(line) >= _LOOK:
                start = self._next_line(position)
            said = self._by_its_length(start) if self._by_length else None
            if said is None:
                position = self._next(start)
                yield line, start, self._without_blank(start, position)
            else:
                end, position = said
                yield line, start, end

    def _at(self, position: int, octets: int = _LOOK) -> bytes:
        return os.pread(self._file.fileno(), octets, position)

    def _next_line(self, position: int) -> int:
        while piece := self._at(position, CHUNK):
            end = piece.find(b"\n")
            if end >= 0:
                return position + end + 1
            position += len(piece)
        return self._size

    def _next(self, start: int) -> int:
        """Where the next message begins, or the file ends."""
        # The message may be empty, and begins behind a line's end.
        position = start - 1
        while position < self._size:
            piece = self._at(position, CHUNK)
            found = piece.find(b"\nFrom ")
            while found >= 0:
                if self._is_border(position + found + 1):
                    return position + found + 1
                found = piece.find(b"\nFrom ", found + 1)
            if position + len(piece) >= self._size or len(piece) < 6:
                break
            position += len(piece) - 5
        return self._size

    def _is_border(self, position: int) -> bool:
        line, end, rest = self._at(position).partition(b"\n")
        if not _FIELD.match(rest) and end:
            return False
        if self._dated:
            return bool(_DATED.match(line))
        return self._at(max(0, position - 4), 4).endswith(_BLANK)

    def _without_blank(self, start: int, border: int) -> int:
        """The end of a message, without the empty line that was put behind it."""
        before = max(start, border - 4)
        tail = self._at(before, border - before)
        for blank in _BLANK:
            if tail.endswith(blank):
                return border - len(blank) // 2
        # Nothing but that line: the message is empty.
        return start if tail in (b"\n", b"\r\n") else border

    def _by_its_length(self, start: int) -> tuple[int, int] | None:
        """End and next border, where Content-Length leads to one."""
        header = self._at(start, _HEADER)
        ending = _END_OF_HEADER.search(header)
        found = None if ending is None else _LENGTH.search(header, 0, ending.start() + 1)
        if ending is None or found is None:
            return None
        end = start + ending.end() + int(found[1])
        if end > self._size:
            return None
        for blank in (b"", b"\n", b"\r\n"):
            border = end + len(blank)
            if self._at(end, len(blank)) == blank and (
                border == self._size
                or (self._at(border, 5) == b"From " and self._is_border(border))
            ):
                return end, border
        return None


def _unquoted(quoted: "re.Pattern[bytes]", pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Takes one ``>`` from each line that was given one."""
    for text, fresh in whole_lines(pieces):
        yield quoted.sub(rb"\1", b"\n" + text)[1:] if fresh else quoted.sub(rb"\1", text)


def _date(line: bytes) -> int | None:
    """When a From line says that the message was delivered: UTC if it names no zone (RFC 4155)."""
    found = _ASCTIME.search(line[:_LOOK])
    if found is None or found[1] not in _MONTHS:
        return None
    day, hour, minute, second = (int(found[n] or 0) for n in (2, 3, 4, 5))
    zone = UTC
    try:
        if found[6]:
            ahead = timedelta(hours=int(found[7]), minutes=int(found[8]))
            zone = timezone(ahead if found[6] == b"+" else -ahead)
        month = _MONTHS.index(found[1]) + 1
        at = datetime(int(found[9]), month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    return max(0, int(at.timestamp()))
