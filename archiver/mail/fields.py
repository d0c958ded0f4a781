"""Header fields as octets: found line by line, unfolded, bounded, and not yet understood.

RFC 5322 section 2.2 is the rule. What breaks it is met like this: a line that is neither a field
nor the continuation of one is left out once a field was seen, and begins the body when none was;
the line ``From `` that a mailbox file puts first is left out. Limits are counted in octets.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, field

from archiver.mail.octets import Octets

FIELD_LIMIT = 64 * 1024
HEADER_LIMIT = 1024 * 1024

MIME_FIELDS = frozenset(
    {
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "content-id",
    }
)
ADDRESS_FIELDS = ("from", "to", "cc", "bcc", "reply-to")
MESSAGE_FIELDS = MIME_FIELDS.union(
    ADDRESS_FIELDS,
    ("subject", "date", "message-id", "in-reply-to", "references", "list-id"),
)

_FIELD = re.compile(rb"([!-9;-~]{1,128})[ \t]*:")
_MAILBOX_LINE = (b"From ", b">From ")


@dataclass(slots=True)
class Fields:
    """The wanted fields of one header.

    ``values`` maps a name in lower case to the unfolded octets of each of its occurrences.
    """

    values: dict[str, list[bytes]] = field(default_factory=dict)
    defects: set[str] = field(default_factory=set)

    def first(self, name: str) -> bytes | None:
        """The first occurrence of a field."""
        values = self.values.get(name)
        return values[0] if values else None


def read_fields(octets: Octets, wanted: frozenset[str], delimiters: Container[bytes]) -> Fields:
    """Reads a header and leaves the octets at the first line of the body.

    Args:
        octets: standing at the first line of a header.
        wanted: names in lower case; other fields are passed over.
        delimiters: lines without their ends that end a header before its empty line.
    """
    reader = _Reader(wanted)
    while True:
        ending = octets.ending
        starts = octets.at_line_start
        line = octets.line()
        if not line or (starts and line in (b"\r\n", b"\n")):
            break
        if starts and line.startswith(b"--") and line.rstrip() in delimiters:
            octets.give_back(line, ending)
            reader.fields.defects.add("header-without-end")
            break
        if not reader.take(line, starts):
            octets.give_back(line, ending)
            reader.fields.defects.add("header-without-end")
            break
    return reader.close()


class _Reader:
    """Gathers fields from lines."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.fields = Fields()
        self._wanted = wanted
        self._name: str | None = None
        self._pieces: list[bytes] = []
        self._length = 0
        self._total = 0
        self._begun = False

    def take(self, line: bytes, starts: bool) -> bool:
        """Takes one line, or a piece of a long one; False when the body begins with it."""
        if not starts or line[0] in b" \t":
            self._continue(line)
            return True
        match = _FIELD.match(line)
        if match:
            self._end()
            self._begun = True
            name = match[1].decode("ascii").lower()
            if name in self._wanted:
                self._name = name
                self._continue(line[match.end() :])
            return True
        if self._begun:
            self._end()
            self.fields.defects.add("malformed-header-line")
            return True
        return line.startswith(_MAILBOX_LINE)

    def _continue(self, line: bytes) -> None:
        if self._name is None:
            return
        line = line.rstrip(b"\r\n")
        room = FIELD_LIMIT - self._length
        if len(line) > room:
            self.fields.defects.add("field-too-long")
            line = line[:room]
        if line:
            self._pieces.append(line)
            self._length += len(line)

    def _end(self) -> None:
        if self._name is not None:
            self._keep(self._name, b"".join(self._pieces).strip(b" \t"))
        self._name = None
        self._pieces = []
        self._length = 0

    def _keep(self, name: str, value: bytes) -> None:
        if self._total + len(value) > HEADER_LIMIT:
            self.fields.defects.add("header-too-long")
            return
        values = self.fields.values.setdefault(name, [])
        if not values or name in ADDRESS_FIELDS:
            self._total += len(value)
            values.append(value)

    def close(self) -> Fields:
        """The fields of the header that ended."""
        self._end()
        return self.fields
