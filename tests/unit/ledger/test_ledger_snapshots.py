"""Copies of the ledger beside it: whole while others write, and no more often than they help."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ledger_helpers import NAME, NOW, STORE, Mail, Run, archive_all, mail, new_ledger, owner, visit

from archiver.errors import Interrupted, LedgerDamaged, LocalDiskError
from archiver.ledger import Ledger, copying, manifests
from archiver.ledger.accounts import open_account, renew_writer, writer
from archiver.ledger.schema import MIGRATION_NAMES
from archiver.ledger.snapshots import (
    chain_heads,
    check_present,
    describe,
    is_due,
    remember,
    take,
    thin_out,
)

DAY = 86_400
TODAY = datetime.fromtimestamp(NOW, UTC).date()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one archived message, and a directory for its copies."""
    (tmp_path / "snapshots").mkdir()
    with new_ledger(tmp_path) as made:
        archive(made, mail("u1", "one"))
        yield made


def archive(ledger: Ledger, *box: Mail) -> None:
    """Archives what a mailbox holds."""
    visit(ledger, *box)
    archive_all(ledger)


def taken(ledger: Ledger, now: float = NOW) -> Path:
    """A copy of the ledger."""
    return take(ledger.path, ledger.path.parent / "snapshots", now, stopping=lambda: False)


def test_a_copy(ledger: Ledger) -> None:
    """A copy is one file with all that was committed, for the owner's eyes, and is a ledger."""
    file = taken(ledger)
    assert file.name == f"ledger-{TODAY}.db"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    with Ledger.open(file) as copied:
        assert writer(copied) == writer(ledger)
        assert manifests.head(copied, owner(copied)) == manifests.head(ledger, owner(ledger))


def test_a_copy_while_others_write(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers go on while the ledger is copied, and the copy is as of the moment it began."""
    monkeypatch.setattr(copying, "_PAGES_AT_ONCE", 1)
    before = writer(ledger)
    steps = 0

    def look() -> bool:
        # Between any two pages another connection commits.
        nonlocal steps
        steps += 1
        with Ledger.open(ledger.path) as other:
            renew_writer(other)
        return False

    file = take(ledger.path, ledger.path.parent / "snapshots", NOW, stopping=look)
    assert steps > 10
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'writer'").fetchone() == (before,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert writer(ledger) != before


def test_asked_to_end(ledger: Ledger) -> None:
    """A copy that is given up leaves nothing, and yesterday's stays."""
    before = taken(ledger, NOW - DAY)
    with pytest.raises(Interrupted):
        take(ledger.path, before.parent, NOW, stopping=lambda: True)
    assert list(before.parent.iterdir()) == [before]


def test_asked_to_end_while_it_is_checked(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy is also given up while it is checked, which takes longer than copying."""
    monkeypatch.setattr(copying, "_STEPS_AT_ONCE", 1)
    answers = iter([False])
    with pytest.raises(Interrupted):
        take(
            ledger.path, ledger.path.parent / "snapshots", NOW, stopping=lambda: next(answers, True)
        )
    assert list((ledger.path.parent / "snapshots").iterdir()) == []


def test_damage_shows(ledger: Ledger, tmp_path: Path) -> None:
    """A damaged ledger does not take the place of a whole copy, and is checked when next opened."""
    before = taken(ledger)
    whole = before.read_bytes()
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as db, db:
        db.execute("DELETE FROM batches")
    with pytest.raises(LedgerDamaged, match="batches"):
        take(ledger.path, before.parent, NOW, stopping=lambda: False)
    assert list(before.parent.iterdir()) == [before]
    assert before.read_bytes() == whole
    with pytest.raises(LedgerDamaged):
        Ledger.open(tmp_path / "ledger.db")


def test_no_place(ledger: Ledger, tmp_path: Path) -> None:
    """A copy that cannot be written is the local disk's fault."""
    with pytest.raises(LocalDiskError):
        take(ledger.path, tmp_path / "nowhere", NOW, stopping=lambda: False)
    (tmp_path / "snapshots" / f"ledger-{TODAY}.db.part").mkdir()
    with pytest.raises(LocalDiskError):
        taken(ledger)


def test_described(ledger: Ledger) -> None:
    """A copy tells its octets, its migrations, and where the chains of one store stand."""
    open_account(ledger, "new@example.com", store_url=STORE, host="h")
    open_account(ledger, NAME, store_url="file:///other", host="h")
    file = taken(ledger)
    found = describe(file, 1, "w", NOW, "0.1.0")
    assert (found.writer, found.day, found.program) == ("w", TODAY, "0.1.0")
    assert found.size == file.stat().st_size
    assert set(found.migrations) == MIGRATION_NAMES
    head = found.heads[NAME]
    assert (head.writer, head.sequence) == (writer(ledger), 1)
    assert head.digest == manifests.head(ledger, owner(ledger))
    assert found.heads == chain_heads(ledger, 1)
    assert list(found.heads) == [NAME]
    assert describe(file, 2, "w", NOW, "0.1.0").heads == {}


def test_when_one_is_due(ledger: Ledger, tmp_path: Path) -> None:
    """One a day, and only where manifests were added since the last one."""
    assert is_due(ledger, 1, NOW)
    remember(ledger, 1, describe(taken(ledger), 1, "w", NOW, "0"))
    assert not is_due(ledger, 1, NOW + 60)
    assert not is_due(ledger, 1, NOW + DAY)
    archive(ledger, mail("u1", "one"), mail("u2", "two"))
    assert not is_due(ledger, 1, NOW + 60)
    assert is_due(ledger, 1, NOW + DAY)
    remember(ledger, 1, describe(taken(ledger, NOW + DAY), 1, "w", NOW + DAY, "0"))
    assert not is_due(ledger, 1, NOW + 9 * DAY)


def test_not_due_before_anything_is_archived(tmp_path: Path) -> None:
    """Where no manifest was written there is nothing that a copy would help with."""
    with new_ledger(tmp_path) as ledger:
        Run(ledger).visit([mail("u1", "one")])
        assert not is_due(ledger, 1, NOW)


def test_a_ledger_that_is_gone(ledger: Ledger) -> None:
    """Where copies show that there was a ledger none is begun anew, unless they go as well."""
    path, directory = ledger.path, ledger.path.parent / "snapshots"
    check_present(path, directory)
    file = taken(ledger)
    check_present(path, directory)
    for lost in (path.with_name("none.db"), path.with_name("empty.db")):
        if lost.name == "empty.db":
            lost.touch()
        with pytest.raises(LedgerDamaged, match="is gone") as caught:
            check_present(lost, directory)
        assert "archiver rebuild" in caught.value.hint
    file.unlink()
    check_present(path.with_name("none.db"), directory)


def test_thinned_out(tmp_path: Path) -> None:
    """Copies that newer ones stand for go; files with other names stay."""
    days = [TODAY - timedelta(ago) for ago in range(60)]
    for day in days:
        (tmp_path / f"ledger-{day}.db").touch()
    others = ["ledger-2026-13-01.db", "ledger.lock", "mine.db"]
    for name in others:
        (tmp_path / name).touch()
    thin_out(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert set(others) <= set(left)
    assert f"ledger-{days[6]}.db" in left
    assert f"ledger-{days[30]}.db" not in left
    assert len(left) < 7 + 4 + 2 + len(others)
    with pytest.raises(LocalDiskError):
        thin_out(tmp_path / "nowhere")
