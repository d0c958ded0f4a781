"""APPEND (RFC 3501 section 6.3.11): many messages under way, and what became of each.

Where the server takes MULTIAPPEND (RFC 3502) a batch is one command, which stores all of it or
nothing. Else each message has a command of its own, and as many are sent ahead as the server's
literals allow (RFC 7888): all of them with LITERAL+, those up to 4,096 octets with LITERAL-, and
without either each waits until the server wants it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from archiver.imap.wire import Answer, Wire

_END = b"\r\n"
_CHUNK = 64 << 10
_SMALL_LITERAL = 4096
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_APPENDED = re.compile(r"(\d+) ([\d:,]+)")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to append.

    Args:
        octets: what it is, from the beginning.
        size: how many they are.
        date: its internal date, seconds since the epoch; None for now.
        binary: it holds NUL, which only a literal8 may (RFC 3516).
    """

    octets: BinaryIO
    size: int
    date: int | None = None
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """The message is in the folder; ``uid`` is None where the server does not say which it is."""

    validity: int | None = None
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server does not take the message; ``code`` as in ``Answer``."""

    code: str
    words: str


Outcome = Appended | Rejected
"""What became of a message."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do for whoever appends.

    Args:
        multi: MULTIAPPEND.
        ahead: how many octets a literal may have that is sent unasked; None for any number, 0
            where every literal waits for the server.
    """

    multi: bool = False
    ahead: int | None = 0

    @classmethod
    def of(cls, capabilities: frozenset[str]) -> "Abilities":
        """What these capabilities say."""
        ahead = _SMALL_LITERAL if "LITERAL-" in capabilities else 0
        return cls("MULTIAPPEND" in capabilities, None if "LITERAL+" in capabilities else ahead)


def append(
    wire: Wire, folder: bytes, letters: Sequence[Letter], flags: Sequence[str], can: Abilities
) -> list[Outcome]:
    """Appends messages, in their order; one that is refused does not hold up those behind it.

    Args:
        wire: the connection, signed in.
        folder: its name as the server wants it, quoted.
        letters: the messages.
        flags: those that each gets, such as ``\\Seen``.
        can: how they may be sent.
    """
    writer = _Writer(wire, folder, f"({' '.join(flags)})".encode(), can)
    if can.multi and len(letters) > 1:
        answer = writer.sent(letters)
        if answer.ok:
            return _appended(answer, len(letters))
        # One of them was refused, and it alone ought to be.
    if can.ahead == 0:
        return [_outcome(writer.sent([letter])) for letter in letters]
    begun = [writer.begin([letter]) for letter in letters]
    return [_outcome(one if isinstance(one, Answer) else wire.answer(one)) for one in begun]


class _Writer:
    def __init__(self, wire: Wire, folder: bytes, flags: bytes, can: Abilities) -> None:
        self._wire = wire
        self._folder = folder
        self._flags = flags
        self._can = can

    def sent(self, letters: Sequence[Letter]) -> Answer:
        """Sends one command and gives its answer."""
        begun = self.begin(letters)
        return begun if isinstance(begun, Answer) else self._wire.answer(begun)

    def begin(self, letters: Sequence[Letter]) -> Answer | bytes:
        """Sends one command, and gives its tag, or the answer that came before its end."""
        tag, line = b"", b"APPEND " + self._folder
        for letter in letters:
            ahead = self._can.ahead is None or letter.size <= self._can.ahead
            line += b" " + self._head(letter, ahead=ahead)
            if tag:
                self._wire.send(line)
            else:
                tag = self._wire.ask(line)
            if not ahead:
                answer = self._wire.answer(tag)
                if answer.kind != "+":
                    return answer
            for piece in _pieces(letter):
                self._wire.send(piece)
            line = b""
        self._wire.send(_END)
        return tag

    def _head(self, letter: Letter, *, ahead: bool) -> bytes:
        words = [self._flags] if self._flags != b"()" else []
        if letter.date is not None:
            words.append(internal_date(letter.date))
        tilde, plus = b"~" * letter.binary, b"+" * ahead
        words.append(tilde + b"{%d" % letter.size + plus + b"}" + _END)
        return b" ".join(words)


def _pieces(letter: Letter) -> Iterator[bytes]:
    letter.octets.seek(0)
    while piece := letter.octets.read(_CHUNK):
        yield piece


def internal_date(seconds: int) -> bytes:
    """A time as APPEND wants it, in UTC (RFC 3501 section 9, ``date-time``)."""
    at = datetime.fromtimestamp(seconds, UTC)
    month = _MONTHS[at.month - 1]
    return f'"{at.day:2d}-{month}-{at.year:04d} {at:%H:%M:%S} +0000"'.encode()


def _outcome(answer: Answer) -> Outcome:
    return _appended(answer, 1)[0] if answer.ok else Rejected(answer.code, answer.words)


def _appended(answer: Answer, count: int) -> list[Outcome]:
    """Every message with its UID, where the server gave one to each (RFC 4315 section 3)."""
    found = _APPENDED.fullmatch(answer.arguments) if answer.code == "APPENDUID" else None
    if found is None:
        return [Appended()] * count
    uids = list(_uids(found[2], count))
    if len(uids) != count:
        return [Appended()] * count
    return [Appended(int(found[1]), uid) for uid in uids]


def _uids(text: str, most: int) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition(":")
        if not first or (":" in part and not last):
            return
        low, high = sorted((int(first), int(last or first)))
        yield from range(low, min(high, low + most) + 1)
