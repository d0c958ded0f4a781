"""A message's octets as lines, read in chunks, so that memory does not grow with the message.

A line ends with LF; CRLF is the rule (RFC 5322 section 2.3) and a bare LF is what some files hold.
A bare CR ends nothing. The one question that large messages ask is where the next line begins that
may be a boundary delimiter, and it is answered at the speed of a search for octets.
"""

from typing import BinaryIO

CHUNK = 128 * 1024
LINE_LIMIT = 64 * 1024


class Octets:
    """The octets of one message, from the first to the last.

    ``at_line_start`` says whether the next octet begins a line. ``ending`` is the number of octets
    (0, 1 or 2) by which the line before it ended.

    Args:
        stream: seekable; read from its beginning, wherever it stands.
        size: how many octets it holds.
    """

    def __init__(self, stream: BinaryIO, size: int) -> None:
        stream.seek(0)
        self._stream = stream
        self._left = size
        self._buffer = b""
        self._base = 0
        self._at = 0
        self.at_line_start = True
        self.ending = 0

    @property
    def offset(self) -> int:
        """Where the next octet lies in the message."""
        return self._base + self._at

    def line(self) -> bytes:
        """The next line with its end, or 64 KiB of it when it is longer; nothing at the end."""
        while True:
            limit = self._at + LINE_LIMIT
            end = self._buffer.find(b"\n", self._at, limit) + 1
            if end:
                break
            if len(self._buffer) > limit:
                # A CR stays with the LF that may follow it.
                end = limit - self._buffer.startswith(b"\r", limit - 1)
                break
            if not self._fill():
                end = len(self._buffer)
                break
        line = self._buffer[self._at : end]
        self._at = end
        self.at_line_start = line.endswith(b"\n")
        self.ending = self.at_line_start + line.endswith(b"\r\n")
        return line

    def give_back(self, line: bytes, ending: int) -> None:
        """Undoes the last ``line()``, which gave this line when ``ending`` was this."""
        self._at -= len(line)
        self.at_line_start = True
        self.ending = ending

    def skip_to_dashes(self) -> bool:
        """Goes to the start of the next line that begins with ``--``; False where none is left."""
        if self.at_line_start and self._starts_with_dashes():
            return True
        while True:
            found = self._buffer.find(b"\n--", self._at)
            if found >= 0:
                self.ending = 1 + (found > 0 and self._buffer.startswith(b"\r", found - 1))
                self._at = found + 1
                self.at_line_start = True
                return True
            self._at = max(self._at, len(self._buffer) - 3)
            if not self._fill():
                self._at = len(self._buffer)
                return False

    def _starts_with_dashes(self) -> bool:
        while len(self._buffer) - self._at < 2 and self._fill():
            pass
        return self._buffer.startswith(b"--", self._at)

    def _fill(self) -> bool:
        chunk = self._stream.read(min(CHUNK, self._left)) if self._left else b""
        self._left = self._left - len(chunk) if chunk else 0
        # The octet before the next one stays, since it may be the CR of a line end.
        keep = max(self._at - 1, 0)
        self._buffer = self._buffer[keep:] + chunk
        self._base += keep
        self._at -= keep
        return bool(chunk)
