"""An account, and a worker that archives its batches in this process, or as told; no test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest

from archiver.archiving import Archivist, Chains, Steps
from archiver.format import batch_prefix, read_manifest
from archiver.ledger import Ledger
from archiver.ledger.accounts import account
from archiver.ledger.landing import land
from archiver.ledger.listing import Listing
from archiver.model import Listed
from archiver.stages.batching import BatchWriter
from archiver.stages.lease import take
from archiver.stages.relock import relock
from archiver.stages.upload import Uploaded, upload
from archiver.stages.verify import Verified, verify
from archiver.state import Spool
from archiver.stopping import Stop
from archiver.store import Store, payload_of, payload_of_slice
from archiver.store.memory import MemoryStore
from archiver.workers import (
    Archive,
    Archived,
    Claims,
    Leases,
    PutFile,
    PutManifest,
    Worker,
    WorkerDied,
)
from archiver.workers.tasks import Relock, TakeLease
from archiver.workers.worker import Task

NAME = "me"
NOW = 1_780_000_000.0
KINDS = ("archived", "linked")


class Time:
    """A clock that stands still."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return NOW

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Does not wait."""


class Quiet:
    """Hears notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, account: str, text: str) -> None:
        """A line worth a person's attention."""
        self.notes.append(text)

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None: ...

    def waiting(self, account: str, seconds: float) -> None: ...


class Here(Worker):
    """A worker without a process; it dies of messages in ``deadly`` as often as that says."""

    def __init__(self, store: Store) -> None:
        super().__init__(lambda: pytest.fail("no process is to be started"), Stop())
        self.store = store
        self.deadly: dict[str, int] = {}
        self.tasks: list[Task] = []

    def run(
        self,
        task: Any,
        *,
        claim: Callable[[str], bool] = lambda digest: True,
        entries: Callable[[Sequence[Any]], None] = lambda entries: None,
    ) -> Any:
        """Does the task as the process would."""
        self.tasks.append(task)
        if isinstance(task, PutManifest):
            self.store.put(task.key, payload_of(task.octets), content_type="x/y")
            return None
        if isinstance(task, PutFile):
            payload = payload_of_slice(task.path, 0, task.length, task.sha256)
            self.store.put(task.key, payload, content_type="x/y")
            return None
        if isinstance(task, Relock):
            return relock(task.copies, self.store)
        if isinstance(task, TakeLease):
            return take(self.store, task.account, task.lease, task.now)
        assert isinstance(task, Archive)
        for message in task.batch.messages:
            if self.deadly.get(message.digest, 0) > (message.digest in task.header_only):
                raise WorkerDied("it died")
        uploaded = Uploaded(copies=task.copies)
        if task.upload:
            uploaded = upload(
                task.batch,
                task.segment,
                self.store,
                claim=claim,
                read=lambda mail: None,
                header_only=task.header_only,
            )
        verified = Verified((), ())
        if task.verify:
            prefix = batch_prefix(NAME, task.batch.day, task.batch.id)
            verified = verify(prefix, uploaded.copies, self.store)
        return Archived(uploaded, verified)


def message(word: str, *parts: bytes) -> bytes:
    """A message with these attachments."""
    made = EmailMessage()
    made["Message-ID"] = f"<{word}@example.com>"
    made.set_content(word)
    for part in parts:
        made.add_attachment(part, "application", "pdf")
    return made.as_bytes().replace(b"\n", b"\r\n")


@dataclass
class Bench:
    """An account with a spool, a store in memory and means of archiving."""

    ledger: Ledger
    spool: Spool
    store: MemoryStore = field(default_factory=MemoryStore)
    quiet: Quiet = field(default_factory=Quiet)
    claims: Claims = field(default_factory=Claims)

    def __post_init__(self) -> None:
        self.worker = Here(self.store)
        self.leases = Leases(Time())
        self.count = 0

    def archivist(self, steps: Steps | None = None) -> Archivist:
        """Means of archiving, with these steps."""
        return Archivist(
            ledger=self.ledger,
            worker=self.worker,
            spool=self.spool,
            claims=self.claims,
            leases=self.leases,
            chain=Chains(),
            entries=lambda entries: None,
            reporter=self.quiet,
            clock=Time(),
            steps=steps or Steps(),
        )

    def land(self, *messages: bytes) -> str:
        """Messages that have just been fetched, as one batch."""
        listing = Listing(self.ledger, account(self.ledger, 1), tries=5)
        begun = self.count
        self.count += len(messages)
        numbers = range(1, len(messages) + 1)
        listing.begin()
        listing.add_uidls((n, f"u{begun + n}") for n in numbers)
        listing.add_sizes((n, 9) for n in numbers)
        listing.complete(len(messages), has_uidl=True)
        listing.classify(top=False)
        listing.settle(NOW)
        batch = BatchWriter(partial(land, listing), self.spool, NAME, Time())
        for number, octets in zip(numbers, messages, strict=True):
            batch.begin(Listed(number, f"u{begun + number}", 9))
            batch.write(octets)
            batch.finish(())
        name = batch.close()
        assert name is not None
        return name

    def stages(self) -> list[str]:
        """The stage of every message, in order."""
        return [row[0] for row in self.ledger.rows("SELECT stage FROM messages ORDER BY id")]

    def manifests(self) -> list[list[dict[str, Any]]]:
        """What every manifest in the store says that its batch brought."""
        keys = [stat.key for stat in self.store.list("manifests/")]
        found = [read_manifest(b"".join(self.store.read(key)))[1] for key in keys]
        return [[one for one in records if one["kind"] in KINDS] for records in found]

    def objects(self, prefix: str = "mail/") -> list[str]:
        """The keys in the store."""
        return [stat.key for stat in self.store.list(prefix)]
