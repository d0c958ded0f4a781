"""Messages that tests of the mail package share, and how they read them."""

import hashlib
import io

from archiver.format import MessageHash
from archiver.mail import read_mail
from archiver.model import Mail, Part

NOW = 1_700_000_000.0


class Collected:
    """A sink that keeps what it receives and insists on order."""

    def __init__(self) -> None:
        self.parts: list[tuple[Part, bytes]] = []
        self._open: list[bytes] | None = None

    def begin(self) -> None:
        assert self._open is None
        self._open = []

    def write(self, octets: bytes) -> None:
        assert self._open is not None
        assert octets
        self._open.append(octets)

    def end(self, part: Part) -> None:
        assert self._open is not None
        octets = b"".join(self._open)
        assert (len(octets), hashlib.sha256(octets).hexdigest()) == (part.size, part.digest)
        self.parts.append((part, octets))
        self._open = None


def read(octets: bytes, now: float = NOW) -> Mail:
    """The record of a message."""
    return read_with_parts(octets, now)[0]


def read_with_parts(octets: bytes, now: float = NOW) -> tuple[Mail, list[bytes]]:
    """The record of a message, and the decoded octets of its parts."""
    fingerprint = MessageHash()
    fingerprint.update(octets)
    found = fingerprint.result()
    sink = Collected()
    mail = read_mail(
        io.BytesIO(octets),
        digest=found.digest,
        header_digest=found.header_digest,
        size=found.size,
        sink=sink,
        now=now,
    )
    assert mail.parts == tuple(part for part, _ in sink.parts)
    return mail, [octets for _, octets in sink.parts]


def nested(depth: int, inner: bytes = b"inside", *, closed: bool = True) -> bytes:
    """A text within that many multiparts, one in another."""
    opening = [
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    ]
    closing = [b"\r\n--b%d--" % level for level in reversed(range(depth))]
    return b"".join(opening) + b"\r\n" + inner + (b"".join(closing) if closed else b"")


def multipart(*parts: bytes, boundary: bytes = b"b", header: bytes = b"") -> bytes:
    """A multipart/mixed message of these entities."""
    head = header + b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return head + body + b"--" + boundary + b"--\r\n"


def html(markup: str) -> bytes:
    """A message that is this document."""
    return b"Content-Type: text/html; charset=utf-8\r\n\r\n" + markup.encode()


KIB = 1024


def hostile() -> dict[str, bytes]:
    """Messages made to cost time or memory, or to break a parser, by what they try."""
    many = multipart(*([b"\r\nx"] * 10_050))
    return {
        "semicolons": b'Content-Disposition: attachment; filename="'
        + b";" * 60 * KIB
        + b"\r\n\r\n",
        "semicolons-short": b'Content-Type: a/b; name="' + b";" * 60 * KIB + b"\r\n\r\nx",
        "sections": b"Content-Type: a/b"
        + b"".join(b";name*%d*=%%41" % n for n in range(4000))
        + b"\r\n\r\n",
        "backslashes": b'Content-Type: a/b; name="' + b"\\" * 60 * KIB + b"\r\n\r\n",
        "open-words": b"Subject: " + b"=?a?q?" * 10 * KIB + b"\r\n\r\n",
        "words": b"Subject: " + b"=?utf-8?q?a?= " * 4 * KIB + b"\r\n\r\n",
        "parentheses": b"To: " + b"(" * 60 * KIB + b"\r\n\r\n",
        "angles": b"To: " + b"<" * 60 * KIB + b"\r\n\r\n",
        "quotes": b"To: " + b'"' * 60 * KIB + b"\r\n\r\n",
        "route": b"To: <" + b"@a," * 20 * KIB + b">\r\n\r\n",
        "spaces": b"To: a"
        + b" " * 200 * KIB
        + b"b@c\r\nSubject: a"
        + b" " * 200 * KIB
        + b"\r\n\r\n",
        "addresses": (b"To: " + b"a," * 30 * KIB + b"\r\n") * 8 + b"\r\n",
        "short-parentheses": b"To: " + b"(" * 4000 + b"\r\nDate: " + b"(" * 4000 + b"\r\n\r\n",
        "date-digits": b"Date: Mon, 1 Jan " + b"9" * 4000 + b" 00:00:00 +0000\r\n\r\n",
        "long-line": b"X" * 400 * KIB + b"\r\nSubject: after\r\n\r\n",
        "long-header": b"X-A: b\r\n" * 128 * KIB + b"Subject: after\r\n\r\n",
        "long-fold": b"Subject: a\r\n" + b" a\r\n" * 60 * KIB + b"\r\n",
        "noise": b"Subject: a\r\n" + b"noise\r\n" * 50 * KIB + b"\r\n",
        "nested": nested(1000),
        "nested-open": nested(1000, closed=False),
        "nested-dashes": nested(100, b"\r\n--" * 60 * KIB),
        "parts": many,
        "empty-multiparts": multipart(
            *([b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c--"] * 2000)
        ),
        "dashes": multipart(b"\r\n" + b"--\n" * 60 * KIB),
        "carriage-returns": b"\r" * 60 * KIB,
        "line-feeds": b"\n" * 60 * KIB,
        "nulls": b"\0" * 60 * KIB,
        "nothing": b"",
        "marks": b"Content-Type: text/plain; charset=utf-8\r\n\r\na"
        + "\u0301\u0327".encode() * 60 * KIB,
        "equals": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 60 * KIB,
        "blanks": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b" " * 200 * KIB,
        "base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=!a" * 60 * KIB,
        "uuencode": b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\n" + b"M" * 60 * KIB,
        "html-depth": html("<div>" * 50 * KIB),
        "html-attributes": html("<a " + "".join(f"x{n}=1 " for n in range(50_000)) + ">seen"),
        "html-tables": html("<table><tr><td>x" * 60 + "y" * 1000),
        "html-number": html("&#" + "1" * 60 * KIB),
        "html-comments": html("<!--" * 50 * KIB),
        "html-returns": html("<p>" * 21_000 + "\r" * 60 * KIB),
        "html-style": html('<p style="margin-top: 1000000em">seen'),
    }
