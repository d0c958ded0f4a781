"""What a batch names again is locked again, where the settings ask for locks."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from archiving_helpers import NAME, Bench, message

from archiver.errors import StoreError
from archiver.ledger import Ledger
from archiver.ledger.accounts import open_account
from archiver.model import Copy, Kind, Locator
from archiver.stages.relock import relock
from archiver.state import Spool
from archiver.store import ObjectMissing
from archiver.store.memory import MemoryStore
from infra.faulty_store import Fault, FaultyStore


class Locking(MemoryStore):
    """A store that writes down what it is to lock again, and lacks what it is told to lack."""

    def __init__(self) -> None:
        super().__init__()
        self.locked: list[str] = []
        self.lacks = ""

    def relock(self, key: str, version_id: str | None = None) -> bool:
        """Notes it."""
        if self.lacks and self.lacks in key:
            raise ObjectMissing("not there")
        self.locked.append(key)
        return True


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An account whose messages are to be archived."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        open_account(ledger, NAME, store_url="memory://x", host="h")
        yield Bench(ledger, Spool(tmp_path / "spool", 1 << 20))


@pytest.fixture
def store(bench: Bench) -> Locking:
    """The bench's store."""
    made = Locking()
    bench.worker.store = bench.store = made
    return made


def sha(octets: bytes) -> str:
    """The digest of octets."""
    return hashlib.sha256(octets).hexdigest()


def archive(bench: Bench, *messages: bytes, locks: bool = True) -> None:
    """Fetches messages as one batch, and archives it."""
    replace(bench.archivist(), locks=locks).archive(bench.land(*messages))


def test_what_other_batches_put(bench: Bench, store: Locking) -> None:
    """A part that an earlier batch put is locked again, and so is a message with its parts."""
    one = message("one", b"part", b"own")
    archive(bench, one)
    assert store.locked == []
    archive(bench, message("two", b"part"), message("three", b"part", b"new"))
    assert [key.rpartition("/")[2] for key in store.locked] == [sha(b"part")]
    assert "/parts/" in store.locked[0]
    store.locked.clear()
    archive(bench, one)
    names = {sha(b"part"), sha(b"own"), f"{sha(one)}.eml"}
    assert {key.rpartition("/")[2] for key in store.locked} == names
    assert all(key in bench.objects() for key in store.locked)


def test_without_locks(bench: Bench, store: Locking) -> None:
    """Where the settings ask for no lock nothing is asked."""
    archive(bench, message("one", b"part"), locks=False)
    archive(bench, message("two", b"part"), locks=False)
    assert store.locked == []


def test_what_is_gone(bench: Bench, store: Locking) -> None:
    """An object that is not there any more is said so, and does not stop what is new."""
    archive(bench, message("one", b"part"))
    store.lacks = "/parts/"
    archive(bench, message("two", b"part"))
    assert bench.stages()[-1] == "archived"
    assert any("not in the store any more" in note for note in bench.quiet.notes)


def test_a_store_that_refuses(bench: Bench, store: Locking) -> None:
    """A lock that cannot be had leaves the batch in the spool, before any manifest."""
    archive(bench, message("one", b"part"))
    bench.worker.store = FaultyStore(store, {1: Fault.BEFORE}, lambda method, _: method == "relock")
    name = bench.land(message("two", b"part"))
    with pytest.raises(StoreError):
        replace(bench.archivist(), locks=True).archive(name)
    assert bench.stages()[-1] == "spooled"
    bench.worker.store = store
    replace(bench.archivist(), locks=True).archive(name)
    assert bench.stages()[-1] == "archived"


def test_all_at_once() -> None:
    """Of many copies exactly those that are missing are named."""
    store = Locking()
    store.lacks = "odd"
    copies = [
        Copy(Kind.PART, f"{n:064x}", Locator(f"mail/{'odd' if n % 2 else 'even'}/{n}", 1))
        for n in range(40)
    ]
    assert relock(copies, store) == tuple(copies[1::2])
    assert len(store.locked) == 20
    assert relock([], store) == ()
