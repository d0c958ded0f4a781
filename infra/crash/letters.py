"""Letters of a mailbox, drawn from a seed: ordinary, hostile, with parts, equal and nearly equal.

No two different letters are equally long: a server that gives one UIDL to two messages of one size
shows nothing by which they could be told apart, and no archiver is expected to.
"""

from base64 import encodebytes
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

_LARGE = 1_100_000
_PARTS = (b"%PDF-1.7 the same leaflet\n" * 40, b"\x89PNG\r\n\x1a\n\0\0" * 90, b"x" * 5)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as the server holds it."""

    uidl: str
    octets: bytes

    @property
    def header(self) -> bytes:
        """The octets before the first empty line."""
        return self.octets.partition(b"\r\n\r\n")[0]

    def __str__(self) -> str:
        """What a person needs to recognise it by."""
        return f"{self.uidl!r}:{len(self.octets)}"


class Letters:
    """Draws letters, one after the other."""

    def __init__(self, luck: Random) -> None:
        self._luck = luck
        self._drawn: list[Letter] = []

    def draw(self, *, reuses: float = 0.0) -> Letter:
        """One more.

        Args:
            reuses: the chance of a UIDL that an earlier one has.
        """
        luck, number = self._luck, len(self._drawn)
        uidl = f"{luck.randrange(1 << 40):x}.{number}"
        if luck.random() < 0.1:
            uidl = luck.choice("!~#\xe9") * luck.randrange(1, 70) + str(number)
        if self._drawn and luck.random() < reuses:
            uidl = luck.choice(self._drawn).uidl
        if self._drawn and luck.random() < 0.2:
            octets = luck.choice(self._drawn).octets
        else:
            octets = _padded(self._octets(number), number)
        letter = Letter(uidl, octets)
        self._drawn.append(letter)
        return letter

    def _octets(self, number: int) -> bytes:
        if self._drawn and self._luck.random() < 0.1:
            header, end, _ = self._luck.choice(self._drawn).octets.partition(b"\r\n\r\n")
            return header + end + b"another body under the same header"
        make: Callable[[Random, int], bytes] = self._luck.choices(
            (_plain, _with_parts, _hostile, _large, _bare), (8, 6, 4, 0.3, 1)
        )[0]
        return make(self._luck, number)


def _padded(octets: bytes, number: int) -> bytes:
    """Ends with a line end, as every answer does, and is as long as no other."""
    end = octets if octets.endswith(b"\r\n") else octets + b"\r\n"
    room = (number - len(end) - 3) % 997 + 3
    return end + b"=" * (room - 2) + b"\r\n"


def _header(luck: Random, number: int) -> bytes:
    lines = [
        b"From: someone <a@example.com>",
        b"To: me@example.com",
        b"Date: Thu, 1 Jan 2026 10:%02d:00 +0000" % (number % 60),
        b"Subject: " + luck.choice((b"news", b"=?utf-8?b?w7xiZXI=?=", b"\xfcber \xe9\xff", b"")),
    ]
    if luck.random() < 0.85:
        lines.append(b"Message-ID: <%d@example.com>" % (number // luck.choice((1, 1, 1, 2))))
    return b"\r\n".join(lines) + b"\r\n"


def _plain(luck: Random, number: int) -> bytes:
    return _header(luck, number) + b"\r\n" + b"word %d\r\n" % number * luck.randrange(1, 30)


def _with_parts(luck: Random, number: int) -> bytes:
    parts = [b"Content-Type: text/plain\r\n\r\nword %d\r\n" % number]
    for _ in range(luck.randrange(1, 4)):
        part = luck.choice(_PARTS)
        name = b"Content-Disposition: attachment; filename=a%d.bin\r\n" % luck.randrange(3)
        parts.append(
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            + name
            + b"\r\n"
            + _base64(part)
        )
    if luck.random() < 0.2:
        parts.append(b"Content-Type: message/rfc822\r\n\r\n" + _plain(luck, number))
    body = b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"
    head = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    return _header(luck, number) + head + b"\r\n" + body


def _base64(octets: bytes) -> bytes:
    return encodebytes(octets).replace(b"\n", b"\r\n")


def _hostile(luck: Random, number: int) -> bytes:
    bodies = (
        b".\r\n..\r\n.\r\n",
        bytes(range(256)) * 3,
        b"\0" * 100,
        b"bare\rreturn and\nnewline\n.\nFrom here\r\r\n",
        b"+OK\r\n-ERR\r\n.QUIT\r\n",
        b"x" * 70_000,
    )
    return _header(luck, number) + b"\r\n" + luck.choice(bodies) + b"%d" % number


def _large(luck: Random, number: int) -> bytes:
    """Larger than what is held in memory on its way."""
    line = b"%060d\r\n" % number
    return _header(luck, number) + b"\r\n" + line * (_LARGE // len(line))


def _bare(luck: Random, number: int) -> bytes:
    return luck.choice((b"", b"\r\n", b"no header at all", b"\r\n.\r\n", b"Subject:"))


def alike(letters: Iterable[Letter]) -> set[bytes]:
    """The octets of letters that have their header in common with a letter of other octets."""
    by_header: dict[bytes, set[bytes]] = {}
    for letter in letters:
        by_header.setdefault(letter.header, set()).add(letter.octets)
    return {octets for found in by_header.values() if len(found) > 1 for octets in found}
