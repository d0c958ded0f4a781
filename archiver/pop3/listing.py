"""One line of a listing as number and UIDL, or number and size (RFC 1939 section 7).

Real UIDLs are longer than 70 characters, hold spaces and 8-bit octets, are blank, come without the
message number, or behind ``+OK``. Octets become text as latin-1, which loses none. Sizes are hints:
what is negative, malformed or larger than a 64-bit integer is no size.
"""

import re

_UIDL = re.compile(rb"(?:\+OK )?(\d{1,10})[ \t]+(.*)", re.DOTALL)
_SIZE = re.compile(rb"(?:\+OK )?(\d{1,10})(?:[ \t]+(?:(\d{1,19})(?:\s.*)?|.*))?", re.DOTALL)
_STAT = re.compile(r"(\d{1,10})(?:\s+(?:(\d{1,19})(?:\s.*)?|.*))?", re.DOTALL | re.ASCII)
_LARGEST = 2**63 - 1


def read_uidl(line: bytes) -> tuple[int | None, str]:
    """Number and UIDL; the number is None where the line has none, and then all of it is UIDL."""
    match = _UIDL.fullmatch(line)
    if match and (number := int(match[1])):
        return number, match[2].decode("latin-1")
    return None, line.decode("latin-1")


def read_size(line: bytes) -> tuple[int, int | None] | None:
    """Number and size in octets, the size None if it is none; None if no message is named."""
    match = _SIZE.fullmatch(line)
    number = int(match[1]) if match else 0
    if not match or not number:
        return None
    size = int(match[2]) if match[2] else None
    return number, size if size is not None and size <= _LARGEST else None


def read_stat(words: str) -> tuple[int, int] | None:
    """Messages and octets from the answer to STAT, 0 octets where they are no number.

    None if it does not even count the messages.
    """
    match = _STAT.fullmatch(words)
    return (int(match[1]), int(match[2] or 0)) if match else None
