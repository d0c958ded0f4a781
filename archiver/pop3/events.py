"""What the server's octets mean, in the order they arrive.

``Started``, ``Chunk``, ``Finished`` and ``Refused`` are what callers of a session see while
messages come in; ``Reply``, ``Challenge`` and ``Lines`` stay between protocol and session.
"""

from dataclasses import dataclass, field

from archiver.model import Listed


@dataclass(frozen=True, slots=True)
class Started:
    """The server granted this message; its octets follow. ``text`` are its words behind +OK."""

    listed: Listed
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next octets of the message that started last, dot-unstuffed, never empty."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """This message is complete, or its DELE was granted.

    ``anomalies`` are slugs of what the wire showed against the RFC, such as ``unstuffed-dot``;
    ``text`` are the server's words to DELE.
    """

    listed: Listed
    anomalies: tuple[str, ...] = ()
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The server answered -ERR for this message; the ones behind it still come.

    ``code`` is the extended response code without brackets (RFC 2449 section 8) or nothing;
    ``text`` is all the server said after -ERR.
    """

    listed: Listed
    code: str
    text: str


Event = Started | Chunk | Finished | Refused
"""What a caller sees while messages come in."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status line that names no message: greeting, sign-in, the head of a listing."""

    ok: bool
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """``+ `` and base64: a SASL mechanism asks for our next response (RFC 5034 section 4)."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Lines:
    """Some lines of a listing without their line ends; ``last`` on the one that ends it."""

    lines: tuple[bytes, ...]
    last: bool


WireEvent = Event | Reply | Challenge | Lines
"""All that the protocol can say."""
