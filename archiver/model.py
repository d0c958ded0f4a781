"""Frozen records that cross borders between the layers, and the two protocols every layer may use.

Nothing here touches a socket, a disk, a clock or a database. Digests are SHA-256 in lower-case hex
throughout; sizes, lengths and offsets are octets; times are seconds since the epoch, UTC.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Protocol


class Stage(StrEnum):
    """How far a listed message has come; ``ledger/stages.py`` says which moves are allowed."""

    LISTED = "listed"
    SPOOLED = "spooled"
    ARCHIVED = "archived"
    LINKED = "linked"
    VANISHED = "vanished"
    DELETE_SENT = "delete_sent"
    GONE = "gone"


class Proof(StrEnum):
    """How a copy is known to be there.

    ``LISTED``: name, size and an MD5 ETag seen in a listing. ``CHECKSUM``: the store named our
    SHA-256. ``READ``: the octets were fetched again and hashed.
    """

    LISTED = "listed"
    CHECKSUM = "checksum"
    READ = "read"


class Kind(StrEnum):
    """What an object under ``mail/`` holds."""

    RAW = "raw"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Listed:
    """One message of a listing.

    ``number`` dies with the session; ``uidl`` is latin-1 text, or None where the server gave none;
    ``size`` is what LIST said, which is a hint and never a length to read by.
    """

    number: int
    uidl: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies a message's octets: see ``format.MessageHash``, which computes it."""

    digest: str
    header_digest: str
    size: int
    identifiable: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from that no mail server listed, as far as its source says.

    ``protocol`` is what that was: ``maildir``, ``mbox``, ``file`` or ``pst``; ``labels`` are the
    folders that it lay in; ``flags`` are written as IMAP does (RFC 9051 section 2.3.2);
    ``internal_date`` is when it was delivered.
    """

    protocol: str
    labels: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    internal_date: int | None = None


@dataclass(frozen=True, slots=True)
class SpooledMessage:
    """A message as a batch holds it: ``length`` octets at ``offset`` of the batch's segment.

    ``row`` is its row in the ledger. ``anomalies`` are what the wire showed against the RFC.
    ``origin`` is None for what a mail server listed.
    """

    row: int
    uidl: str | None
    listed_size: int | None
    digest: str
    header_digest: str
    offset: int
    length: int
    fetched_at: float
    anomalies: tuple[str, ...] = ()
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class LinkedMessage:
    """A listed message whose octets were archived before under another UIDL."""

    row: int
    uidl: str | None
    listed_size: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class Present:
    """A message that the server listed last, as the ledger knows it when deletion is planned.

    ``row`` is its row; ``size`` are the octets of its raw copy, of its listing before there is one;
    ``archived_at`` is when it became ARCHIVED, in seconds since the epoch, None if it did not;
    ``newer`` is how many listed messages are newer.
    """

    row: int
    uidl: str | None
    digest: str | None
    size: int
    stage: Stage
    troubled: bool
    archived_at: int | None
    newer: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages made durable together: the unit of work for a worker and one prefix in the store.

    ``day`` is ``yyyy-mm-dd`` in UTC, chosen when the batch was spooled and never computed again.
    """

    id: str
    account: str
    day: str
    segment: str
    messages: tuple[SpooledMessage, ...]
    linked: tuple[LinkedMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Locator:
    """Where octets lie in the store: ``length`` octets at ``offset`` of the object ``key``."""

    key: str
    length: int
    offset: int = 0
    codec: str = "identity"
    enc: str | None = None
    etag: str | None = None
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """One proven or unproven copy of a message or a part in a store."""

    kind: Kind
    digest: str
    locator: Locator
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """Octets on their way into the store, with everything the store is told about them up front.

    ``open`` gives a new seekable stream over exactly ``length`` octets each time it is called.
    """

    length: int
    sha256: str
    md5: bytes
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address field; either half may be empty, never None."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Part:
    """One part as the design defines it: decoded, with what its headers said."""

    digest: str
    size: int
    type: str
    name: str | None = None
    disposition: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """What a message says, read from its octets and the same on every reading.

    ``date`` is UTC in seconds, None where the header gives no usable one; ``date_header`` is what
    it said. ``authors`` are the mailboxes of From. ``defects`` are slugs such as
    ``base64-truncated``, each once, in alphabetical order.
    """

    digest: str
    header_digest: str
    size: int
    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    date: int | None = None
    date_header: str | None = None
    authors: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    list_id: str | None = None
    text: str = ""
    parts: tuple[Part, ...] = ()
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnreadMessage:
    """A message that the index may lack, and where its raw octets lie.

    ``segment`` is its file in the spool with ``offset`` in it; empty once it is only in the store,
    as ``key``.
    """

    account: str
    digest: str
    header_digest: str
    length: int
    fetched_at: float
    key: str
    segment: str
    offset: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What became of every message that an account's run saw; it must add up.

    ``listed = known + linked + fetched + failed + vanished + remaining``; ``held`` and ``given_up``
    are overlays: the former failed, the latter are known, and nothing is left to do about them.
    Field names are those of ``run --json``.
    """

    account: str
    listed: int = 0
    known: int = 0
    linked: int = 0
    fetched: int = 0
    archived: int = 0
    deleted: int = 0
    gone: int = 0
    held: int = 0
    failed: int = 0
    vanished: int = 0
    remaining: int = 0
    bytes_fetched: int = 0
    seconds: float = 0.0
    head: str | None = None
    given_up: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every listed message is accounted for exactly once."""
        accounted = self.known + self.linked + self.fetched
        return self.listed == accounted + self.failed + self.vanished + self.remaining


class Clock(Protocol):
    """Time as the pipeline sees it, so that tests can own it."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""

    def sleep(self, seconds: float) -> None:
        """Waits that long."""


class Reporter(Protocol):
    """Where stages say what happens; the command line decides how a person sees it."""

    def note(self, account: str, text: str) -> None:
        """A line worth a person's attention."""

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` messages have passed this stage; None where it is not known."""

    def waiting(self, account: str, seconds: float) -> None:
        """Nothing is going to happen for so long; 0 when the wait is over."""
