"""What goes through a worker's pipe: tasks one way, questions and results the other."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archiver.config import StoreSettings
from archiver.errors import ArchiverError
from archiver.format import Snapshot
from archiver.model import Batch, Copy, UnreadMessage

if TYPE_CHECKING:
    # The main process sends tasks without ever importing a parser or a store.
    from archiver.index import Entry, Location
    from archiver.stages.lease import Lease
    from archiver.stages.upload import Uploaded
    from archiver.stages.verify import Verified
    from archiver.store import Capabilities


@dataclass(frozen=True, slots=True)
class Prepare:
    """Open the store; probe it where nothing is remembered, and see that it is of our format."""

    settings: StoreSettings
    capabilities: "Capabilities | None"
    check: bool


@dataclass(frozen=True, slots=True)
class Archive:
    """Upload a batch and verify it, or one of the two, and read it for the index on the way.

    ``copies`` are those to verify where nothing is uploaded; messages in ``header_only`` broke a
    worker before.
    """

    batch: Batch
    segment: Path
    upload: bool
    verify: bool
    index: bool
    copies: tuple[Copy, ...] = ()
    header_only: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PutManifest:
    """Store a manifest's exact octets and prove them."""

    key: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class ProveAgain:
    """Read copies back, or ask for their SHA-256 where ``checksum`` is enough."""

    copies: tuple[Copy, ...]
    checksum: bool


@dataclass(frozen=True, slots=True)
class PutFile:
    """Store a checkpoint that lies in a file of ``length`` octets, and prove it."""

    key: str
    path: Path
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read messages for the index; ``spool`` is the spool's directory."""

    spool: Path
    unread: tuple[UnreadMessage, ...]


@dataclass(frozen=True, slots=True)
class Relock:
    """Have the locks of copies last as long as those of new ones; see ``stages.relock``."""

    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class KeepSnapshot:
    """Put a copy of the ledger below ``state/`` of the store, and let go of older ones."""

    file: Path
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Hazards:
    """Ask the store what it might do by itself with the mail in it; see ``store.hazards``."""


@dataclass(frozen=True, slots=True)
class TakeLease:
    """Take the lease of an account, or take it anew; see ``stages.lease``."""

    account: str
    lease: "Lease"
    now: float


@dataclass(frozen=True, slots=True)
class GiveUpLease:
    """Take the lease of an account away."""

    account: str
    lease: "Lease"


@dataclass(frozen=True, slots=True)
class Archived:
    """The end of ``Archive``: what was put, what of it is proven, what failed and why."""

    uploaded: "Uploaded"
    verified: "Verified"


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker asks whether its task is the one to put this part."""

    digest: str


@dataclass(frozen=True, slots=True)
class Entries:
    """A worker hands over what the index should hold."""

    entries: "tuple[tuple[Entry, Location], ...]"


@dataclass(frozen=True, slots=True)
class Done:
    """The task is done."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The task failed: as tasks may (``error``), or with a bug (``trace``)."""

    error: ArchiverError | None
    trace: str = ""


def halves(task: Archive) -> tuple[Archive, Archive]:
    """The same task for either half of its messages, of which it has at least two."""
    messages = task.batch.messages
    middle = len(messages) // 2
    first = replace(task.batch, messages=messages[:middle])
    second = replace(task.batch, messages=messages[middle:])
    return replace(task, batch=first), replace(task, batch=second)
