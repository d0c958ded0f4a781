"""A ledger, and a mailbox that is listed and landed without any server; no test of its own."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from archiver.format import MessageHash, raw_key
from archiver.ledger import Ledger, copies, landing, manifests
from archiver.ledger.accounts import LedgerAccount, account, open_account
from archiver.ledger.landing import Draft, Landed, Landing
from archiver.ledger.listing import Listing
from archiver.ledger.seen import Counts
from archiver.model import Copy, Fingerprint, Kind, Listed, Locator, Proof

NAME = "me@example.com"
STORE = "file:///archive"
NOW = 1_780_000_000.0
DAY = "2026-05-28"
_batches = itertools.count(1)


@dataclass(frozen=True)
class Mail:
    """A message in a mailbox: its UIDL, its octets, and what LIST says if that is not its size."""

    uidl: str | None
    octets: bytes
    size: int | None = None

    @property
    def listed_size(self) -> int:
        """What LIST says."""
        return len(self.octets) if self.size is None else self.size


def mail(uidl: str | None, word: str, *, size: int | None = None) -> Mail:
    """A message that its header identifies; equal words give equal octets."""
    octets = f"Message-ID: <{word}@example.com>\r\nSubject: {word}\r\n\r\n{word}\r\n".encode()
    return Mail(uidl, octets, size)


def fingerprint(octets: bytes) -> Fingerprint:
    """What identifies these octets."""
    hashed = MessageHash()
    hashed.update(octets)
    return hashed.result()


def header(octets: bytes) -> bytes:
    """What ``TOP n 0`` answers for a message."""
    return octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def draft(octets: int = 0) -> Draft:
    """A batch on its way into the ledger."""
    name = f"batch-{next(_batches)}"
    return Draft(name, DAY, f"me/{name}.seg" if octets else "", octets)


@contextmanager
def new_ledger(directory: Path) -> Iterator[Ledger]:
    """A ledger with one account."""
    with Ledger.open(directory / "ledger.db") as ledger:
        open_account(ledger, NAME, store_url=STORE, host="pop.example.com")
        yield ledger


def leave_open(path: Path) -> None:
    """Has a process change a ledger and be killed before it could close it."""
    program = (
        "import os, signal, sys; from pathlib import Path; from archiver.ledger import Ledger;"
        "from archiver.ledger.accounts import renew_writer;"
        "renew_writer(Ledger.open(Path(sys.argv[1]))); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL


def owner(ledger: Ledger) -> LedgerAccount:
    """The account, as the ledger knows it now."""
    return account(ledger, 1)


@dataclass
class Run:
    """One run over the account: a listing, and what its sessions retrieved."""

    ledger: Ledger
    tries: int = 5
    fetched: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    checked: int = 0
    batches: list[str] = field(default_factory=list)
    landings: list[Landing] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begins where the ledger stands."""
        self.listing = Listing(self.ledger, owner(self.ledger), tries=self.tries)

    def look(
        self,
        box: Sequence[Mail],
        *,
        top: bool = True,
        uidl: bool = True,
        uidls: Iterable[tuple[int | None, str]] | None = None,
        sizes: Iterable[tuple[int, int | None]] | None = None,
        retires: bool = False,
    ) -> list[Listed]:
        """Lists the mailbox as a session does, up to and without the first RETR."""
        listing = self.listing
        listing.begin()
        if uidl:
            named = [(n, m.uidl or "") for n, m in enumerate(box, 1)]
            listing.add_uidls(named if uidls is None else uidls)
        listed = [(n, m.listed_size) for n, m in enumerate(box, 1)]
        listing.add_sizes(listed if sizes is None else sizes)
        listing.complete(len(box), has_uidl=uidl)
        listing.classify(top=top)
        asked = list(listing.to_check())
        self.checked += len(asked)
        listing.identify(
            [(one, fingerprint(header(box[one.number - 1].octets))) for one in asked], NOW
        )
        listing.settle(NOW, retires=retires)
        return list(listing.to_fetch())

    def take(self, box: Sequence[Mail], wanted: Sequence[Listed]) -> None:
        """Retrieves these messages and lands them as one batch."""
        offset, landed = 0, []
        for one in wanted:
            octets = box[one.number - 1].octets
            landed.append(Landed(one, fingerprint(octets), offset, NOW))
            self.fetched.append(octets)
            self.numbers.append(one.number)
            offset += len(octets)
        if landed:
            made = draft(offset)
            self.landings.append(landing.land(self.listing, made, landed, NOW))
            self.batches.append(made.name)

    def visit(self, box: Sequence[Mail], *, top: bool = True, uidl: bool = True) -> Counts:
        """A whole session: everything that is wanted is retrieved."""
        self.take(box, self.look(box, top=top, uidl=uidl))
        self.link()
        return self.listing.counts()

    def link(self) -> None:
        """Gives links without a batch one of their own."""
        landing.land_links(self.ledger, owner(self.ledger), draft(), NOW)


def visit(
    ledger: Ledger, *box: Mail, top: bool = True, uidl: bool = True
) -> tuple[list[bytes], Counts]:
    """A run of one session; gives what was retrieved, and the counts."""
    run = Run(ledger)
    counts = run.visit(box, top=top, uidl=uidl)
    return run.fetched, counts


def store(ledger: Ledger, batch: str, proof: Proof | None = Proof.LISTED) -> None:
    """Records that every message of a batch was put, with this proof and no parts."""
    loaded = landing.load(ledger, batch)
    stored = [
        Copy(
            Kind.RAW,
            message.digest,
            Locator(raw_key(NAME, DAY, batch, message.digest), message.length, etag="e"),
            proof,
        )
        for message in loaded.messages
    ]
    parts = {message.digest: () for message in loaded.messages}
    copies.record_upload(ledger, owner(ledger), batch, copies=stored, parts=parts, now=NOW)
    landing.mark_uploaded(ledger, batch, NOW)


def archive_all(ledger: Ledger) -> None:
    """Takes every pending batch to ARCHIVED."""
    for name in landing.pending(ledger, owner(ledger), tries=99):
        store(ledger, name)
        batch = landing.load(ledger, name)
        manifests.seal(ledger, manifests.draft(ledger, owner(ledger), batch, NOW), NOW)


def stages(ledger: Ledger) -> dict[str | None, str]:
    """The stage of the newest row of each UIDL."""
    return dict(ledger.rows("SELECT uidl, stage FROM messages ORDER BY id"))
