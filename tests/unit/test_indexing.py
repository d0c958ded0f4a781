import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.errors import LocalDiskError
from archiver.extract import Kind, Why
from archiver.index import INDEX_VERSION, Entry, Index, Location, is_usable, prepare
from archiver.index.disposal import condemn
from archiver.indexing import Indexer, lacking, tell_unread, trust_marks
from archiver.ledger import Ledger
from archiver.ledger.accounts import account, open_account
from archiver.ledger.landing import Draft, Landed, land
from archiver.ledger.listing import Listing
from archiver.ledger.unread import mark_read, unread_batches
from archiver.model import Fingerprint, Listed, Mail, Part


def digest_of(number: int) -> str:
    """The digest of a made-up message."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def entry(number: int) -> tuple[Entry, Location]:
    """What the index is given of it."""
    digest = digest_of(number)
    return prepare(Mail(digest, digest, 5, text="word")), Location("me", f"mail/{number}", 0, 5)


def ledger_with(directory: Path, count: int) -> Ledger:
    """A ledger with one batch of so many messages."""
    ledger = Ledger.open(directory / "ledger.db")
    open_account(ledger, "me", store_url="memory://x", host="h")
    listing = Listing(ledger, account(ledger, 1), tries=5)
    listing.begin()
    listing.add_uidls((n, f"u{n}") for n in range(1, count + 1))
    listing.add_sizes((n, 5) for n in range(1, count + 1))
    listing.complete(count, has_uidl=True)
    listing.classify(top=True)
    listing.settle(0)
    landed = [
        Landed(Listed(n, f"u{n}", 5), Fingerprint(digest_of(n), digest_of(n), 5, True), n * 5, 0)
        for n in range(1, count + 1)
    ]
    land(listing, Draft("b", "2026-01-02", "me/b.seg", count * 5), landed, 0)
    return ledger


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, account: str, text: str) -> None:
        self.notes.append(f"{account}: {text}")

    def progress(self, account: str, stage: str, done: int, total: int | None) -> None:
        """Not looked at."""

    def waiting(self, account: str, seconds: float) -> None:
        """Not looked at."""


@pytest.fixture
def notes() -> Notes:
    """What the indexer says."""
    return Notes()


@pytest.fixture
def indexer(tmp_path: Path, notes: Notes) -> Indexer:
    """An indexer, of an index that is not there yet."""
    return Indexer(tmp_path / "index.db", tmp_path / "ledger.db", notes)


def test_written_in_the_background(tmp_path: Path, indexer: Indexer) -> None:
    """What is handed over is in the index when the indexer is closed."""
    indexer.close()
    assert not (tmp_path / "index.db").exists()
    for number in range(40):
        indexer.add([entry(number)])
    indexer.close()
    assert indexer.error is None
    assert held(tmp_path / "index.db", 50) == 40


def held(path: Path, count: int) -> int:
    """How many of the first so many messages an index holds."""
    index = Index.open(path)
    try:
        return len(index.indexed([digest_of(number) for number in range(count)]))
    finally:
        index.close()


def test_an_index_that_cannot_be_written(tmp_path: Path, indexer: Indexer) -> None:
    """An index that cannot be written keeps nobody waiting, and says why at the end."""
    (tmp_path / "index.db").mkdir()
    for number in range(60):
        indexer.add([entry(number)])
    indexer.close()
    assert isinstance(indexer.error, LocalDiskError)


def truncated(octets: bytes) -> bytes:
    """A file of which the end is lost."""
    return octets[: len(octets) // 2 + 100]


def garbage(octets: bytes) -> bytes:
    """A file whose first page holds something else."""
    return b"\x55" * 4096 + octets[4096:]


def malformed(octets: bytes) -> bytes:
    """A file in which every page but those of the schema is lost."""
    return octets[: 4096 * 7] + bytes(len(octets) - 4096 * 7)


def emptied(_octets: bytes) -> bytes:
    """A file of which nothing is left."""
    return b""


DAMAGES = [truncated, garbage, malformed]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_index_is_made_anew(
    tmp_path: Path, indexer: Indexer, notes: Notes, damage: Callable[[bytes], bytes]
) -> None:
    """A broken index gives way to a new one that takes what comes; the marks go with the old."""
    path = indexer.path
    with ledger_with(tmp_path, 1) as ledger:
        indexer.add([entry(number) for number in range(300)])
        indexer.close()
        trust_marks(ledger, path)
        mark_read(ledger, ["b"], 0)
        path.write_bytes(damage(path.read_bytes()))
        for number in range(300, 340):
            indexer.add([entry(number)])
        indexer.close()
        assert indexer.error is None
        assert notes.notes == ["index: it is damaged: it is made again from the raw messages"]
        assert unread_batches(ledger, account(ledger, 1)) == ["b"]
    assert held(path, 400) == 40
    assert is_usable(path)


@pytest.mark.parametrize("damage", [*DAMAGES, emptied])
def test_marks_of_a_broken_index(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Of an index in which damage was met nothing is believed, whatever it still says it holds."""
    path = tmp_path / "index.db"
    with ledger_with(tmp_path, 20) as ledger:
        with closing(Index.open(path)) as index:
            index.add(entry(number) for number in range(1, 21))
        trust_marks(ledger, path)
        mark_read(ledger, ["b"], 0)
        assert list(lacking(ledger, "b", path)) == []
        path.write_bytes(damage(path.read_bytes()))
        assert [len(piece) for piece in lacking(ledger, "b", path)] == [20]
        trust_marks(ledger, path)
        assert unread_batches(ledger, account(ledger, 1)) == ["b"]


def test_damage_that_a_search_met(tmp_path: Path, indexer: Indexer, notes: Notes) -> None:
    """An index that a reader condemned is made anew, though it opens and takes entries."""
    indexer.add([entry(number) for number in range(10)])
    indexer.close()
    condemn(indexer.path)
    with ledger_with(tmp_path, 5):
        indexer.add([entry(10)])
        indexer.close()
    assert held(indexer.path, 20) == 1
    assert len(notes.notes) == 1


def test_an_index_of_a_newer_version(
    tmp_path: Path, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that a newer version wrote is refused and stays."""
    indexer.add([entry(1)])
    indexer.close()
    monkeypatch.setattr("archiver.index.schema._KNOWN", frozenset())
    indexer.add([entry(2)])
    indexer.close()
    assert "newer version" in str(indexer.error)
    monkeypatch.undo()
    assert held(indexer.path, 5) == 1


def test_lacking(tmp_path: Path) -> None:
    """Only what the index does not hold is read, in pieces for a worker."""
    path = tmp_path / "index.db"
    with ledger_with(tmp_path, 250) as ledger:
        assert [len(piece) for piece in lacking(ledger, "b", path)] == [100, 100, 50]
        index = Index.open(path)
        index.add(entry(number) for number in range(1, 200))
        index.close()
        (piece,) = lacking(ledger, "b", path)
        assert [one.digest for one in piece] == [digest_of(n) for n in range(200, 251)]
        assert list(lacking(ledger, "no such batch", path)) == []


@pytest.mark.parametrize("change", ["none", "index is gone", "other version"])
def test_marks(tmp_path: Path, change: str) -> None:
    """Marks are believed only of the index and the version that they were made for."""
    path = tmp_path / "index.db"
    with ledger_with(tmp_path, 1) as ledger:
        owner = account(ledger, 1)
        Index.open(path).close()
        trust_marks(ledger, path)
        mark_read(ledger, ["b"], 0)
        if change == "index is gone":
            path.unlink()
        if change == "other version":
            with ledger.write() as db:
                db.execute("UPDATE meta SET value = ? WHERE key = 'index'", (INDEX_VERSION + 1,))
        trust_marks(ledger, path)
        assert unread_batches(ledger, owner) == ([] if change == "none" else ["b"])


@pytest.mark.parametrize("why", [Why.NEEDS_PDF, Why.BROKEN])
def test_a_reader_that_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: Why) -> None:
    """What was indexed without a reader of its attachments is due when there is one, and no more.

    Then it is not due again, unless the reader went and came back.
    """

    def readers(*kinds: Kind) -> None:
        monkeypatch.setattr("archiver.indexing.readers", lambda: frozenset(kinds))
        trust_marks(ledger, path)

    path = tmp_path / "index.db"
    part = Part("ab" * 32, 5, "application/pdf", "a.pdf")
    mail = Mail(digest_of(1), digest_of(1), 5, text="word", parts=(part,))
    place = Location("me", "mail/1", 0, 5)
    with ledger_with(tmp_path, 2) as ledger:
        readers()
        with closing(Index.open(path)) as index:
            index.add([(prepare(mail, unread={part.digest: why}), place), entry(2)])
        mark_read(ledger, ["b"], 0)
        readers()
        assert unread_batches(ledger, account(ledger, 1)) == []
        readers(Kind.PDF)
        due = [one.digest for piece in lacking(ledger, "b", path) for one in piece]
        assert due == ([mail.digest] if why is Why.NEEDS_PDF else [])
        assert unread_batches(ledger, account(ledger, 1)) == ["b"]
        with closing(Index.open(path)) as index:
            index.add([(prepare(mail, {part.digest: "walrus"}), place)])
        mark_read(ledger, ["b"], 0)
        readers(Kind.PDF)
        assert unread_batches(ledger, account(ledger, 1)) == []
        assert list(lacking(ledger, "b", path)) == []
        readers()
        assert unread_batches(ledger, account(ledger, 1)) == []
        readers(Kind.PDF)
        assert unread_batches(ledger, account(ledger, 1)) == ["b"]


def test_what_is_said_of_unread_attachments(indexer: Indexer, notes: Notes) -> None:
    """Whoever indexes is told once how many attachments were not read, and what to do about it."""
    one, place = entry(1)
    indexer.add([(replace(one, unread={"ab": Why.NEEDS_PDF, "cd": Why.NEEDS_PDF}), place)])
    indexer.close()
    tell_unread(indexer.unread, notes)
    (said,) = notes.notes
    assert said.startswith("index: the text of 2 attachments was not read: PDF needs pip install")
