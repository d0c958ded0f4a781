"""Parameters of a field: ``attachment; filename="a.pdf"`` (RFC 2045 section 5.1, RFC 2231).

The parsers of mail-parser and of the standard library take quadratic time over ``filename="``
followed by semicolons, so neither sees such a field. Ours is one pattern, which begins only at a
semicolon and never gives back what it took.
"""

import re
from urllib.parse import unquote_to_bytes

from archiver.mail.charsets import decode
from archiver.mail.words import decode_words, header_text, one_line

NAME_LIMIT = 1000

_PARAMETER = re.compile(
    r';[ \t]*+([^ \t=;"()<>,]++)[ \t]*+=[ \t]*+(?:"([^"\\]*(?:\\.[^"\\]*)*)|([^;]*+))', re.DOTALL
)
_SECTION_NUMBER = re.compile(r"[0-9]{1,4}")
_QUOTED_PAIR = re.compile(r'\\(["\\])')


class Parameters:
    """What a field says: its value in lower case, and its parameters.

    Args:
        octets: the unfolded value of the field.
    """

    def __init__(self, octets: bytes) -> None:
        # Latin-1 keeps each octet apart until it is known what a parameter's text is.
        text = octets.decode("latin-1")
        self.value = text.partition(";")[0].partition("(")[0].strip().lower()
        self._plain: dict[str, str] = {}
        self._sections: dict[str, dict[int, tuple[bool, str]]] = {}
        for name, quoted, bare in _PARAMETER.findall(text):
            value = _QUOTED_PAIR.sub(r"\1", quoted) if quoted else bare.strip()
            self._keep(name.lower(), value)

    def _keep(self, name: str, value: str) -> None:
        if "*" not in name:
            self._plain.setdefault(name, value)
            return
        base, _, rest = name.partition("*")
        number = rest.removesuffix("*") or "0"
        if _SECTION_NUMBER.fullmatch(number):
            starred = not rest or rest.endswith("*")
            self._sections.setdefault(base, {}).setdefault(int(number), (starred, value))

    def token(self, name: str) -> str | None:
        """A parameter that is a word of the protocol, in lower case, such as a charset."""
        value = self._plain.get(name)
        if value is None and name in self._sections:
            value = self.text(name, set())
        if value is None:
            return None
        words = value.partition("(")[0].split()
        return words[0].lower().strip("\"'") if words else None

    def octets(self, name: str) -> bytes | None:
        """A parameter's octets as they stand, such as a boundary's."""
        value = self._plain.get(name)
        if value is None and name in self._sections:
            value, _ = _joined(self._sections[name])
        return None if value is None else value.encode("latin-1", "replace")

    def text(self, name: str, defects: set[str]) -> str | None:
        """A parameter that is text for people, such as a file name, at most 1,000 characters.

        RFC 2231 is preferred; RFC 2047 words are read as well, since much software writes them
        here although the RFC forbids it.
        """
        if name in self._sections:
            value = _extended(self._sections[name], defects)
        elif name in self._plain:
            value = decode_words(header_text(self._plain[name].encode("latin-1")), defects)
        else:
            return None
        if len(value) > NAME_LIMIT:
            defects.add("name-too-long")
        return one_line(value[:NAME_LIMIT]) or None


def _joined(sections: dict[int, tuple[bool, str]]) -> tuple[str, bool]:
    """The sections up to the first that is missing, and whether any is percent-encoded."""
    pieces = []
    encoded = False
    for number in range(len(sections)):
        if number not in sections:
            break
        starred, value = sections[number]
        encoded |= starred
        pieces.append(value)
    return "".join(pieces), encoded


def _extended(sections: dict[int, tuple[bool, str]], defects: set[str]) -> str:
    charset = ""
    octets = bytearray()
    any_encoded = False
    for number in range(len(sections)):
        if number not in sections:
            defects.add("parameter-section-missing")
            break
        starred, value = sections[number]
        if starred and number == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        any_encoded |= starred
        raw = value.encode("latin-1")
        octets += unquote_to_bytes(raw) if starred else raw
    if any_encoded and charset:
        return decode(bytes(octets), charset.lower(), defects)
    return decode_words(header_text(bytes(octets)), defects)
