"""The records of manifests and checkpoints, a JSON object a line, told apart by ``kind``.

``archived`` and ``linked`` say what a batch brought; the others what happened afterwards, in the
order in which it did. A message is named by its ``uidl`` (null where the server gives none) and its
``digest`` together. What a record does not say, an older writer did not know: fields are only ever
added. Fields that are unknown are passed over, and so are records of unknown kinds, among them
``signature``, which ends a signed manifest and concerns nobody who reads what is archived.

None of them holds a header field of a message: a chain cannot forget.
"""

from dataclasses import dataclass

from archiver.model import Kind, Locator, Origin, Proof


@dataclass(frozen=True, slots=True)
class BatchName:
    """A batch, written as ``<yyyy-mm-dd>/<name>``."""

    day: str
    name: str

    def __str__(self) -> str:
        return f"{self.day}/{self.name}"


@dataclass(frozen=True, slots=True)
class ArchivedPart:
    """A part of an archived message; ``proof`` is None where an older writer did not say."""

    digest: str
    locator: Locator
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class Archived:
    """``archived``: a message is in the store, and how it came there.

    ``batch`` is the one that it was spooled in, under which its raw octets lie unless they were
    moved; messages of a batch are named in their order. ``host``, ``utf8`` and ``anomalies`` stand
    in ``source``, with the protocol of ``origin``, whose other fields only an imported message has.
    """

    uidl: str | None
    digest: str
    header_digest: str
    size: int
    listed_size: int | None
    host: str | None
    utf8: bool | None
    anomalies: tuple[str, ...]
    raw: Locator
    proof: Proof
    parts: tuple[ArchivedPart, ...]
    fetched_at: int
    archived_at: int
    batch: BatchName
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """``linked``: octets that were archived before are listed under this UIDL as well."""

    uidl: str | None
    digest: str
    listed_size: int | None
    batch: BatchName | None
    archived_at: int | None


@dataclass(frozen=True, slots=True)
class AccountSays:
    """``account``: what is known of the account itself, whenever that changed.

    ``distrusted`` is why its UIDLs prove nothing, or None; ``retires`` says that QUIT hides what
    was retrieved.
    """

    host: str
    utf8: bool | None
    distrusted: str | None
    retires: bool


@dataclass(frozen=True, slots=True)
class ListedAgain:
    """``listed``: the server lists the message, after it had not, or at another size."""

    uidl: str | None
    digest: str
    listed_size: int | None


@dataclass(frozen=True, slots=True)
class Vanished:
    """``vanished``: the message left the server without our DELE."""

    uidl: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """``deleted``: DELE and QUIT were sent for it at ``at``.

    ``said`` is what the server answered to QUIT, None where no answer came.
    """

    uidl: str | None
    digest: str
    said: str | None
    at: int | None


@dataclass(frozen=True, slots=True)
class Gone:
    """``gone``: a listing showed, at ``at``, that our DELE was carried out."""

    uidl: str | None
    digest: str
    at: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """``held``: the message failed so often that it waits for a person.

    ``digest`` is None where it was never fetched.
    """

    uidl: str | None
    digest: str | None
    listed_size: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Released:
    """``released``: it waits no longer.

    With ``given_up`` a person left it on the server for good: it is not fetched any more.
    """

    uidl: str | None
    digest: str | None
    listed_size: int | None = None
    reason: str | None = None
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """``moved``: a copy was found damaged, and a sound one lies elsewhere from then on.

    ``old`` is the key of the damaged one, which stays as it is; it stands in ``from``.
    """

    what: Kind
    digest: str
    locator: Locator
    proof: Proof | None
    at: int | None
    old: str | None = None


@dataclass(frozen=True, slots=True)
class CheckpointAt:
    """``checkpoint``: there is one, behind manifest ``sequence`` of this writer's chain.

    ``digest`` is that of its stored octets.
    """

    sequence: int
    digest: str
    key: str


@dataclass(frozen=True, slots=True)
class SharedHeader:
    """``shared_header``: several messages were seen to have this header; it identifies none."""

    header_digest: str


Record = (
    Archived
    | Linked
    | AccountSays
    | ListedAgain
    | Vanished
    | Deleted
    | Gone
    | Held
    | Released
    | Moved
    | CheckpointAt
    | SharedHeader
)
