"""An mbox as most programs read it: mboxrd, which loses nothing (RFC 4155 describes the family)."""

import re
from datetime import UTC, datetime
from typing import BinaryIO

from archiver.index import Hit
from archiver.verbs.export.growing import Growing
from archiver.verbs.export.trees import unix_lines

_QUOTED = re.compile(rb"^(>*From )", re.MULTILINE)
_SPACE = re.compile(r"\s+")
_LONGEST_MARK = 64


class Mbox(Growing):
    """Every message behind a line ``From sender date``; a line that looks like one gets a ``>``.

    Lines end with LF as in ``Maildir``.
    """

    def write(self, file: BinaryIO, hit: Hit, octets: BinaryIO) -> None:
        """Writes the line, the message, and the empty line behind it."""
        file.write(_from_line(hit))
        held, last = b"", b"\n"
        for chunk in unix_lines(octets):
            # A line that has to be quoted must not be cut before it can be seen.
            whole, cut, rest = (held + chunk).rpartition(b"\n")
            if len(rest) > _LONGEST_MARK and not rest.startswith((b">", b"From")):
                whole, cut, rest = held + chunk, b"", b""
            file.write(_quoted(whole + cut, last))
            last, held = ((whole + cut)[-1:] or last), rest
        file.write(_quoted(held, last))
        ends = (held or last).endswith(b"\n")
        file.write(b"\n" if ends else b"\n\n")


def _quoted(octets: bytes, before: bytes) -> bytes:
    if before == b"\n":
        return _QUOTED.sub(rb">\1", octets)
    first, cut, rest = octets.partition(b"\n")
    return first + cut + _QUOTED.sub(rb">\1", rest)


def _from_line(hit: Hit) -> bytes:
    sender = hit.author.address if hit.author is not None else ""
    sender = _SPACE.sub("", sender) or "MAILER-DAEMON"
    date = datetime.fromtimestamp(max(hit.date or 0, 0), UTC)
    return f"From {sender} {date:%a %b %e %H:%M:%S %Y}\n".encode(errors="replace")
