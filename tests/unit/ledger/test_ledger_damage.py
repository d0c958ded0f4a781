"""A ledger that was left open, or came to harm: what the next one that opens it does."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ledger_helpers import Run, archive_all, leave_open, mail, new_ledger, owner

from archiver.errors import AlreadyRunning, LedgerDamaged
from archiver.ledger import Ledger, database
from archiver.ledger.accounts import begin_run, writer
from archiver.ledger.check import check
from archiver.ledger.presence import Presence

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of some archived messages, closed as it should be."""
    with new_ledger(tmp_path) as ledger:
        Run(ledger).visit([mail(f"u{n}", f"w{n}") for n in range(200)])
        archive_all(ledger)
    return tmp_path / "ledger.db"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The ledgers that are checked from now on."""
    found: list[Path] = []
    real = check

    def look(path: Path) -> None:
        found.append(path)
        real(path)

    monkeypatch.setattr(database, "check", look)
    return found


def damage(path: Path, number: int) -> None:
    """Has a disk lose what it held of one page."""
    octets = bytearray(path.read_bytes())
    octets[PAGE * number : PAGE * (number + 1)] = bytes(PAGE)
    path.write_bytes(octets)


def damage_table(path: Path, name: str) -> None:
    """Has a disk lose the page at which a table begins."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,))
        (root,) = found.fetchone()
    damage(path, root - 1)


def pages_of(octets: bytes) -> list[bytes]:
    """A database, page by page."""
    return [octets[start : start + PAGE] for start in range(0, len(octets), PAGE)]


def lost_writes(path: Path) -> Iterator[bytes]:
    """A ledger as a disk leaves it that loses one of the pages of a change, for each of them."""
    before = pages_of(path.read_bytes())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE messages SET header_digest = randomblob(32), uidl = uidl || 'x'")
    after = pages_of(path.read_bytes())
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        # The first page counts changes, and says nothing of what is in them.
        if number and old != new:
            yield b"".join([*after[:number], old, *after[number + 1 :]])


def test_closed_as_it_should_be(path: Path, checked: list[Path]) -> None:
    """A ledger that was closed is not read through."""
    for _ in range(2):
        Ledger.open(path).close()
    assert checked == []


def test_left_open(path: Path, checked: list[Path]) -> None:
    """After a kill the first one to open the ledger checks it, once, and finds what was done."""
    leave_open(path)
    with Ledger.open(path) as ledger, Ledger.open(path) as second:
        assert checked == [path]
        assert writer(ledger) == writer(second)
    Ledger.open(path).close()
    assert checked == [path]


def test_others_have_it_open(path: Path, checked: list[Path]) -> None:
    """A killed process beside others harms nothing that these would not see."""
    with Ledger.open(path):
        leave_open(path)
        Ledger.open(path).close()
    assert checked == []


def test_damage_after_a_kill(path: Path) -> None:
    """Damage is told with what, where and what to do, each time, and the files stay as they are."""
    leave_open(path)
    damage(path, 7)
    log = path.with_name("ledger.db-wal")
    before = (path.read_bytes(), log.read_bytes())
    for _ in range(2):
        with pytest.raises(LedgerDamaged, match="Page 8") as caught:
            Ledger.open(path)
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message
        assert "archiver rebuild" in caught.value.hint
        assert (path.read_bytes(), log.read_bytes()) == before


def test_lost_writes(path: Path) -> None:
    """Pages that are each whole, but of different ages, are damage."""
    found = 0
    for octets in list(lost_writes(path)):
        path.write_bytes(octets)
        path.with_name("ledger.db-wal").touch()
        with pytest.raises(LedgerDamaged):
            Ledger.open(path)
        found += 1
    assert found > 5


def test_lost_rows(path: Path) -> None:
    """A message whose batch is not there is damage, though each page is as it was written."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM batches")
    path.with_name("ledger.db-wal").touch()
    with pytest.raises(LedgerDamaged, match="belongs to a row of batches that is not there"):
        Ledger.open(path)


def test_damage_met_at_work(path: Path, checked: list[Path]) -> None:
    """Damage that shows in reading is told, and checked for before the ledger is used again."""
    intact = path.read_bytes()
    damage_table(path, "messages")
    with Ledger.open(path) as ledger, pytest.raises(LedgerDamaged, match="malformed"):
        list(ledger.rows("SELECT * FROM messages ORDER BY id"))
    assert checked == []
    with pytest.raises(LedgerDamaged):
        Ledger.open(path)
    path.write_bytes(intact)
    for _ in range(2):
        Ledger.open(path).close()
    assert checked == [path, path]


def test_damage_met_in_writing(path: Path) -> None:
    """Damage that shows in writing is told."""
    with Ledger.open(path) as ledger:
        name = owner(ledger)
    damage_table(path, "runs")
    with Ledger.open(path) as ledger, pytest.raises(LedgerDamaged, match="malformed"):
        begin_run(ledger, name, "run", 0)


def test_waiting_for_a_check(path: Path) -> None:
    """Whoever comes while the first one checks the ledger opens it afterwards."""
    first = Presence.enter(path)
    opened = threading.Event()

    def work() -> None:
        with Ledger.open(path):
            opened.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert first.first
    assert not opened.wait(0.1)
    first.admit()
    thread.join()
    assert opened.is_set()
    first.leave()


def test_in_use_for_too_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never ends its transaction is told as one that is running."""
    monkeypatch.setattr(database, "_BUSY_MILLISECONDS", 10)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, Ledger.open(path) as ledger:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AlreadyRunning, match="in use"):
            begin_run(ledger, owner(ledger), "run", 0)
