from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from stage_helpers import NAME, STORE, Time, octets_of

from archiver.ledger import Ledger, landing
from archiver.ledger.accounts import account, open_account
from archiver.ledger.landing import land
from archiver.ledger.listing import Listing
from archiver.model import Listed
from archiver.stages.batching import BatchWriter
from archiver.state import Spool

COUNT = 600


class Bench:
    """A writer, and everything that it needs."""

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clock = Time()
        self.spool = Spool(directory / "spool", 1 << 30)
        self.listing = Listing(ledger, account(ledger, 1), tries=5)
        self.listing.begin()
        self.listing.add_uidls((n, f"u{n}") for n in range(1, COUNT))
        self.listing.add_sizes((n, 100) for n in range(1, COUNT))
        self.listing.complete(COUNT - 1, has_uidl=True)
        self.listing.classify(top=True)
        self.listing.settle(self.clock.now())
        self.writer = BatchWriter(partial(land, self.listing), self.spool, NAME, self.clock)

    def take(self, number: int, octets: bytes) -> Listed:
        """A message arrives whole."""
        listed = Listed(number, f"u{number}", 100)
        self.writer.begin(listed)
        self.writer.write(octets)
        assert self.writer.finish(()) == len(octets)
        return listed

    def due(self) -> bool:
        """Whether the batch should be closed now."""
        return self.writer.is_due

    def files(self) -> list[Path]:
        """The segments on disk."""
        return [path for path in self.spool.root.rglob("*") if path.is_file()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A writer for an account with new messages."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        open_account(ledger, NAME, store_url=STORE, host="h")
        made = Bench(tmp_path, ledger)
        yield made
        made.writer.discard()


def test_due_by_count(bench: Bench) -> None:
    """A batch is due at 500 messages."""
    assert not bench.due()
    for number in range(1, 501):
        assert not bench.due()
        bench.take(number, b"%d" % number)
    assert bench.due()
    assert bench.writer.close() is not None
    assert not bench.due()


def test_due_by_octets(bench: Bench) -> None:
    """A batch is due at 32 MiB."""
    bench.take(1, b"x" * ((32 << 20) - 1))
    assert not bench.due()
    bench.take(2, b"y")
    assert bench.due()


def test_due_by_age(bench: Bench) -> None:
    """A batch is due 2 seconds after its first message began."""
    bench.take(1, b"x")
    bench.clock.elapsed += 1.9
    assert not bench.due()
    bench.clock.elapsed += 0.1
    assert bench.due()
    bench.writer.close()
    bench.take(2, b"y")
    assert not bench.due()


def test_closing_lands(bench: Bench) -> None:
    """A closed batch holds the complete messages at their places, and not the one that arrived."""
    bench.take(1, b"first")
    bench.take(2, b"second")
    bench.writer.begin(Listed(3, "u3", 100))
    bench.writer.write(b"half of")
    assert bench.writer.message_octets == 7
    name = bench.writer.close()
    assert name is not None
    batch = landing.load(bench.ledger, name)
    assert [(one.uidl, one.offset, one.length) for one in batch.messages] == [
        ("u1", 0, 5),
        ("u2", 5, 6),
    ]
    assert bench.spool.path(batch.segment).read_bytes() == b"firstsecond"
    assert bench.writer.is_empty


@pytest.mark.parametrize("begun", [False, True])
def test_nothing_to_close(bench: Bench, begun: bool) -> None:
    """A batch without a complete message leaves nothing behind."""
    if begun:
        bench.writer.begin(Listed(1, "u1", 100))
        bench.writer.write(b"half")
    assert bench.writer.close() is None
    assert bench.files() == []


def test_nothing_new(bench: Bench) -> None:
    """A batch that brought only known octets under their own UIDL leaves no segment behind."""
    bench.take(1, octets_of("a"))
    first = bench.writer.close()
    bench.take(1, octets_of("a"))
    assert bench.writer.close() is None
    assert len(bench.files()) == 1
    assert bench.spool.used == len(octets_of("a"))
    assert first is not None


def test_abandoned(bench: Bench) -> None:
    """A message that is taken back leaves the ones before it whole."""
    bench.take(1, b"first")
    bench.writer.begin(Listed(2, "u2", 100))
    bench.writer.write(b"too much")
    assert bench.writer.abandon() == Listed(2, "u2", 100)
    bench.take(3, b"third")
    name = bench.writer.close()
    assert name is not None
    batch = landing.load(bench.ledger, name)
    assert bench.spool.path(batch.segment).read_bytes() == b"firstthird"


def test_disowned(bench: Bench) -> None:
    """The newest complete message can be taken back, as long as no answer followed it."""
    first, second = bench.take(1, b"first"), bench.take(2, b"second")
    assert bench.writer.disown(first) == 0
    assert bench.writer.disown(second) == 1
    assert bench.writer.disown(second) == 0
    bench.writer.begin(Listed(3, "u3", 100))
    assert bench.writer.disown(first) == 0
    name = bench.writer.close()
    assert name is not None
    assert [one.uidl for one in landing.load(bench.ledger, name).messages] == ["u1"]


def test_discarded(bench: Bench) -> None:
    """What is given up leaves neither segment nor row."""
    bench.take(1, b"first")
    bench.writer.discard()
    bench.writer.discard()
    assert bench.files() == []
    assert bench.writer.is_empty
    assert bench.ledger.value("SELECT count(*) FROM batches") == 0
