import hashlib
from pathlib import Path

import pytest

from archiver.errors import ArchiverError
from archiver.index import INDEX_VERSION, Entry, Index, Location, prepare
from archiver.indexing import Indexer, lacking, trust_marks
from archiver.ledger import Ledger
from archiver.ledger.accounts import account, open_account
from archiver.ledger.landing import Draft, Landed, land
from archiver.ledger.listing import Listing
from archiver.ledger.unread import mark_read, remember_index, unread_batches
from archiver.model import Fingerprint, Listed, Mail


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


def test_written_in_the_background(tmp_path: Path) -> None:
    """What is handed over is in the index when the indexer is closed."""
    indexer = Indexer(tmp_path / "index.db")
    indexer.close()
    assert not (tmp_path / "index.db").exists()
    for number in range(40):
        indexer.add([entry(number)])
    indexer.close()
    assert indexer.error is None
    index = Index.open(tmp_path / "index.db")
    assert len(index.indexed([digest_of(number) for number in range(50)])) == 40
    index.close()


def test_broken_index(tmp_path: Path) -> None:
    """An index that cannot be written keeps nobody waiting, and says why at the end."""
    path = tmp_path / "index.db"
    path.mkdir()
    indexer = Indexer(path)
    for number in range(60):
        indexer.add([entry(number)])
    indexer.close()
    assert isinstance(indexer.error, ArchiverError)


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
        trust_marks(ledger, [owner], path)
        mark_read(ledger, ["b"], 0)
        if change == "index is gone":
            path.unlink()
        if change == "other version":
            remember_index(ledger, str(INDEX_VERSION + 1))
        trust_marks(ledger, [owner], path)
        assert unread_batches(ledger, owner) == ([] if change == "none" else ["b"])
