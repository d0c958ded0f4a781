from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from stage_helpers import NAME, STORE, Time

from archiver.errors import MessageError
from archiver.ledger import Ledger
from archiver.ledger.accounts import open_account
from archiver.ledger.importing import Importing
from archiver.model import Origin
from archiver.sources import Letter, Trouble
from archiver.stages.bring import BringJob, bring
from archiver.stages.fetch_job import NoArchiving, Tally
from archiver.state import Spool


class Notes:
    """Keeps what was said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, account: str, text: str) -> None:
        """Keeps it."""
        self.notes.append(text)

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """Nothing."""

    def waiting(self, account: str, seconds: float) -> None:
        """Nothing."""


@dataclass
class Office:
    """An account into which mail is imported, whose spool nobody empties."""

    ledger: Ledger
    spool: Spool
    stopped: bool = False
    reporter: Notes = field(default_factory=Notes)

    def bring(self, *found: Letter | Trouble) -> tuple[bool, Importing]:
        """Imports these."""
        account = open_account(self.ledger, NAME, store_url=STORE, host="")
        importing = Importing(self.ledger, account)
        job = BringJob(
            importing,
            1000,
            self.spool,
            NoArchiving(),
            self.reporter,
            Time(),
            lambda: self.stopped,
            Tally(),
        )
        return bring(job, found), importing


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An empty one, with room for 2,000 octets."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield Office(ledger, Spool(tmp_path / "spool", 2000))


def letter(name: str, *pieces: bytes | Exception, size: int | None = None) -> Letter:
    """A message that comes in these pieces, or fails in the middle."""

    def give() -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    octets = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    return Letter(name, octets if size is None else size, Origin("file"), give)


def test_messages_that_break(office: Office) -> None:
    """What fails in the middle leaves nothing behind, and its neighbours are whole."""
    whole, importing = office.bring(
        letter("a", b"one ", b"whole"),
        letter("b", b"half", PermissionError(13, "Permission denied")),
        letter("c", b"half", FileNotFoundError(2, "gone")),
        letter("d", b"half", MessageError("it changed", hint="later")),
        Trouble("e", "no access"),
        letter("f", b"another"),
    )
    counts = importing.counts()
    assert whole
    assert (counts.fetched, counts.failed, counts.vanished, counts.listed) == (2, 3, 1, 6)
    assert office.reporter.notes == [
        "b: Permission denied",
        "d: it changed; later",
        "e: no access",
    ]
    (segment,) = office.spool.root.rglob("*.seg")
    assert segment.read_bytes() == b"one wholeanother"


def test_message_that_is_too_large(office: Office) -> None:
    """One beyond max_message is not taken, also where its size shows only as it comes."""
    large = letter("a", b"x" * 600, b"x" * 600)
    _, importing = office.bring(large, letter("b", b"x" * 600, b"x" * 600, size=10))
    assert (importing.counts().failed, importing.counts().fetched) == (2, 0)
    assert office.reporter.notes == [
        f"{name}: larger than max_message, 1000 octets" for name in "ab"
    ]
    assert not list(office.spool.root.rglob("*.seg"))


def test_spool_that_is_full(office: Office) -> None:
    """Where nobody empties the spool the import ends, with all that had room in the ledger."""
    whole, importing = office.bring(*(letter(str(n), b"%d" % n * 900) for n in range(4)))
    assert not whole
    assert importing.counts().fetched == 2
    assert "the spool is full" in office.reporter.notes[0]
    assert office.spool.used <= office.spool.limit


def test_run_that_is_asked_to_end(office: Office) -> None:
    """What came whole before is in the ledger, and nothing more is begun."""

    def stop() -> None:
        office.stopped = True

    stopping = Letter("b", 1, Origin("file"), partial(_then, stop, b"second"))
    whole, importing = office.bring(letter("a", b"first"), stopping, letter("c", b"third"))
    assert not whole
    assert importing.counts().fetched == 2


def _then(stop: Callable[[], None], octets: bytes) -> Iterator[bytes]:
    yield octets
    stop()
