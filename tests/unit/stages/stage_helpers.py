"""What the tests of stages share: time, a listener, and an account that is fetched; no test."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

from archiver.config import AccountSettings, ServerUrl
from archiver.ledger import Ledger, landing, manifests
from archiver.ledger.accounts import LedgerAccount, account, open_account
from archiver.ledger.copies import record_upload
from archiver.ledger.listing import Listing
from archiver.ledger.seen import Counts
from archiver.mailbox import Mailbox
from archiver.model import Copy, Kind, Locator, Proof
from archiver.pop3 import Credentials, Security, Server
from archiver.stages.fetch import fetch
from archiver.stages.fetch_job import FetchJob, Tally
from archiver.state import Spool
from archiver.stopping import Stop
from infra.faulty_pop3 import FaultyPop3

NAME = "me"
STORE = "file:///archive"


def octets_of(word: str, size: int = 0) -> bytes:
    """A message that its header identifies, of at least so many octets."""
    text = f"Message-ID: <{word}@example.com>\r\n\r\n{word}\r\n"
    return text.encode() + b"x" * max(0, size - len(text) - 2) + b"\r\n"


def box(*words: str) -> list[tuple[str, bytes]]:
    """A mailbox of such messages, under UIDLs of their own."""
    return [(f"uidl-{word}", octets_of(word)) for word in words]


class Time:
    """A clock that stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch."""
        return 1_780_000_000.0 + self.elapsed

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        """Lets that time pass."""
        self.slept.append(seconds)
        self.elapsed += seconds


class AtSilence(Stop):
    """Asks the run to end when its server, which has heard so many lines, says nothing more."""

    def __init__(self, server: FaultyPop3, lines: int) -> None:
        super().__init__(grace=0)
        self._server = server
        self._lines = lines

    def slices(self, seconds: float = inf) -> Iterator[float]:
        """As always, until one has passed in vain."""
        for part in super().slices(seconds):
            silent = len(self._server.commands) >= self._lines
            yield part
            if silent:
                self.ask()


@dataclass
class Listener:
    """Hears what stages say."""

    notes: list[str] = field(default_factory=list)
    shown: list[tuple[str, int, int | None]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def note(self, account: str, text: str) -> None:
        """A line worth a person's attention."""
        self.notes.append(text)

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """So many messages have passed this stage."""
        self.shown.append((stage, done, total))

    def waiting(self, account: str, seconds: float) -> None:
        """Nothing happens for so long, or something does again."""
        self.waits.append(seconds)


@dataclass
class Desk:
    """An account with its ledger and spool, fetched from a server as often as a test likes.

    It stands for the rest of the pipeline too: ``archives`` says whether landed batches are
    archived when somebody waits for them, ``makes_room`` whether the spool is emptied when full;
    ``archived`` has the octets of every message that was.
    """

    server: FaultyPop3
    ledger: Ledger
    directory: Path
    settings: AccountSettings
    spool: Spool
    clock: Time = field(default_factory=Time)
    listener: Listener = field(default_factory=Listener)
    tally: Tally = field(default_factory=Tally)
    batches: list[str] = field(default_factory=list)
    archives: bool = True
    makes_room: bool = True
    waits: list[bool | None] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    stop: Stop = field(default_factory=Stop)
    archived: set[bytes] = field(default_factory=set)

    def run(self, *, limit: int | None = None) -> Counts:
        """One run of the stage; what it raises comes through, with ``counts`` set before."""
        listing = Listing(self.ledger, self.owner, tries=self.settings.tries)
        self.tally = Tally()
        job = FetchJob(
            settings=self.settings,
            mailbox=Mailbox(self.place, Credentials("user", "secret"), self.settings.auth),
            listing=listing,
            spool=self.spool,
            archiving=self,
            reporter=self.listener,
            clock=self.clock,
            stopping=self.stop.asked,
            stop=self.stop,
            limit=limit,
            tally=self.tally,
        )
        try:
            fetch(job)
        finally:
            self.counts = listing.counts()
        return self.counts

    @property
    def owner(self) -> LedgerAccount:
        """The account, as the ledger knows it now."""
        return account(self.ledger, 1)

    @property
    def place(self) -> Server:
        """Where the server listens."""
        return Server("127.0.0.1", self.server.port, Security.PLAIN)

    def set(self, **changes: Any) -> None:
        """Changes settings of the account."""
        self.settings = replace(self.settings, **changes)

    def landed(self, batch: str) -> None:
        """See ``stages.fetch_job.Archiving``."""
        self.batches.append(batch)

    def wait_archived(self, batches: Iterable[str], seconds: float) -> bool | None:
        """See ``stages.fetch_job.Archiving``."""
        if self.waits:
            return self.waits.pop(0)
        if self.archives:
            self.archive()
        return self.archives

    def wait_for_space(self, octets: int) -> bool:
        """See ``stages.fetch_job.Archiving``."""
        if self.makes_room:
            self.archive()
        return self.makes_room

    def archive(self) -> None:
        """Takes every pending batch to ARCHIVED, without any store."""
        for name in landing.pending(self.ledger, self.owner, tries=99):
            batch = landing.load(self.ledger, name)
            copies = [
                Copy(Kind.RAW, one.digest, Locator("k", one.length), Proof.LISTED)
                for one in batch.messages
            ]
            now = self.clock.now()
            record_upload(self.ledger, self.owner, name, copies=copies, parts={}, now=now)
            landing.mark_uploaded(self.ledger, name, now)
            manifest = manifests.draft(self.ledger, self.owner, batch, now)
            manifests.seal(self.ledger, manifest, now)
            if batch.messages:
                spooled = self.spool.path(batch.segment).read_bytes()
                self.archived |= {spooled[m.offset : m.offset + m.length] for m in batch.messages}
            self.spool.remove(batch.segment)

    def octets(self) -> list[bytes]:
        """Every message that was ever landed and is still in the spool, in order."""
        rows = self.ledger.rows(
            "SELECT b.segment, m.offset, m.length FROM messages m JOIN batches b"
            " ON b.id = m.batch_id WHERE m.offset NOTNULL AND b.archived_at IS NULL ORDER BY m.id"
        )
        return [
            self.spool.path(segment).read_bytes()[offset : offset + length]
            for segment, offset, length in rows
        ]

    def heard(self, verb: str) -> list[str]:
        """The commands of this name that the server heard so far."""
        return [line for line in self.server.commands if line.split()[0].upper() == verb]


@contextmanager
def desk(directory: Path, messages: Iterable[tuple[str, bytes]], **faults: Any) -> Iterator[Desk]:
    """A server with these messages and faults, and an account that was never fetched."""
    with (
        FaultyPop3(messages, **faults) as server,
        Ledger.open(directory / "ledger.db") as ledger,
    ):
        url = ServerUrl("127.0.0.1", server.port, "user", "plain")
        open_account(ledger, NAME, store_url=STORE, host=url.host)
        settings = AccountSettings(NAME, url, timeout=5.0)
        yield Desk(server, ledger, directory, settings, Spool(directory / "spool", 1 << 20))
