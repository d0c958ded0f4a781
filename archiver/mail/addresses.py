"""Address lists (RFC 5322 section 3.4), read so that what real software writes gives its address.

One pass over tokens. Groups give their members, comments give a name where no phrase does, a
route before an address is dropped, and an address whose brackets are missing is found. Names may
hold encoded words even between quotes. Domains stay as they are written (IDNA is not undone).
"""

import re
from collections.abc import Iterable

from archiver.mail.words import decode_words, header_text, one_line
from archiver.model import Address

ADDRESS_LIMIT = 10_000

_TOKEN = re.compile(
    r'"(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"?'
    r"|<(?P<angle>[^<>]*+)>?"
    r"|(?P<literal>\[[^\[\]]*+\]?)"
    r"|(?P<mark>[,;:()])"
    r"|(?P<atom>[^\"<\[,;:()]++)",
    re.DOTALL,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ROUTE = re.compile(r"[@,][^:]*+:")
# The look behind lets each run of spaces be tried once, not once for each of its spaces.
_AROUND_MARK = re.compile(r"(?<=[@.])[ \t]++|(?<![ \t])[ \t]++(?=[@.])")
_NAME_LIMIT = 1000
_ADDRESS_LENGTH_LIMIT = 2000


def read_addresses(fields: Iterable[bytes], defects: set[str]) -> tuple[Address, ...]:
    """The mailboxes of all occurrences of an address field, in their order.

    Args:
        fields: the unfolded octets of each occurrence.
        defects: takes ``too-many-addresses`` beyond 10,000, and what encoded words get wrong.
    """
    found: list[Address] = []
    for octets in fields:
        found += _List(header_text(octets), ADDRESS_LIMIT - len(found), defects).read()
    return tuple(found)


class _List:
    """One address field on its way into mailboxes."""

    def __init__(self, text: str, room: int, defects: set[str]) -> None:
        self._text = text
        self._room = room
        self._defects = defects
        self._found: list[Address] = []
        self._forget()

    def _forget(self) -> None:
        self._phrase: list[str] = []
        self._written: list[str] = []
        self._comment: list[str] = []
        self._angle: str | None = None

    def read(self) -> list[Address]:
        depth = 0
        for token in _TOKEN.finditer(self._text):
            if len(self._found) >= self._room:
                self._defects.add("too-many-addresses")
                return self._found
            mark = token["mark"]
            if mark == "(":
                depth += 1
            elif mark == ")":
                depth = max(depth - 1, 0)
            elif depth:
                self._comment.append(token[0])
            elif mark in (",", ";"):
                self._end()
            elif mark == ":":
                # What stood before it is the name of a group, not a mailbox.
                self._forget()
            else:
                self._take(token)
        self._end()
        return self._found

    def _take(self, token: re.Match[str]) -> None:
        self._written.append(token[0])
        if token["angle"] is not None:
            if self._angle is None:
                self._angle = token["angle"]
        elif token["quoted"] is not None:
            self._phrase.append(_QUOTED_PAIR.sub(r"\1", token["quoted"]))
        else:
            self._phrase.append(token[0])

    def _end(self) -> None:
        address = self._mailbox()
        self._forget()
        if address.name or address.address:
            self._found.append(address)

    def _mailbox(self) -> Address:
        if not self._phrase and self._angle is None:
            return Address("", "")
        if self._angle is not None:
            return self._named("".join(self._phrase), _spec(self._angle))
        return self._bare(_AROUND_MARK.sub("", "".join(self._written).strip()))

    def _bare(self, written: str) -> Address:
        """A mailbox without brackets: an address, a name, or a name and an address after it."""
        quoted = written.rfind('"', 0, max(written.find('"@'), 0))
        if quoted >= 0:
            # A quoted local part keeps its quotes, without which it is another address.
            return self._named(written[:quoted], written[quoted:])
        text = "".join(self._phrase).strip()
        if "@" not in written:
            return self._named(text, "") if " " in text else self._named("", text)
        before, _, last = written.rpartition(" ")
        if "@" in last:
            return self._named(before.strip('" '), last)
        return self._named("", next(word for word in written.split() if "@" in word))

    def _named(self, name: str, address: str) -> Address:
        words = name if name.strip() else "".join(self._comment)
        name = one_line(decode_words(words.strip(), self._defects))[:_NAME_LIMIT]
        address = one_line(address)[:_ADDRESS_LENGTH_LIMIT]
        return Address("" if name == address else name, address)


def _spec(angle: str) -> str:
    # A route (RFC 5322 section 4.4) says how mail went in 1982.
    angle = angle.strip()
    route = _ROUTE.match(angle)
    return _AROUND_MARK.sub("", angle[route.end() :] if route else angle).strip()
