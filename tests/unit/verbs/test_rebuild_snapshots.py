"""Copies of a lost ledger in the store: they save reading, and never change what comes of it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rebuild_helpers import NAME, NOW, Archive, Place, archived

from archiver.format import SNAPSHOTS_PREFIX
from archiver.ledger import Ledger
from archiver.ledger.accounts import open_account, writer
from archiver.ledger.snapshots import describe, take
from archiver.store.directory import DirectoryStore
from archiver.store.snapshots import keep_snapshot

ONE, TWO, THREE = archived("one", "b1"), archived("two", "b2"), archived("three", "b3")
DIGEST = ONE["digest"]
HELD = {"kind": "held", "uidl": "x", "digest": None, "listed_size": 3, "reason": "refused"}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Two manifests of one writer, of which one says that a message is held."""
    made = Archive(tmp_path / "archive")
    made.manifest(ONE, at=10)
    made.manifest(TWO, HELD, {"kind": "vanished", "uidl": "one", "digest": DIGEST}, at=20)
    return made


class Lost(Place):
    """The state directory that is going to be lost."""

    def keep(self, archive: Archive, change: Callable[[Ledger, int], Any] | None = None) -> None:
        """Puts a copy of its ledger, changed before, into the store."""
        with Ledger.open(self.paths.ledger) as ledger:
            store = DirectoryStore(archive.root)
            row = open_account(ledger, NAME, store_url=store.url, host="pop.example.com").row
            if change is not None:
                change(ledger, row)
            own = writer(ledger)
            number = ledger.value("SELECT id FROM stores WHERE url = ?", (store.url,))
        copied = self.paths.root.parent / "copied"
        copied.mkdir(exist_ok=True)
        file = take(self.paths.ledger, copied, NOW, stopping=lambda: False)
        keep_snapshot(store, file, describe(file, number, own, NOW, "1"))


@pytest.fixture
def lost(archive: Archive, tmp_path: Path) -> Lost:
    """A state directory that knows what the archive says so far."""
    made = Lost(tmp_path / "lost")
    made.rebuild(archive)
    return made


def both_ways(archive: Archive, root: Path) -> tuple[str | None, int, list[str]]:
    """Asserts that a rebuild gives the same with and without a copy; tells of the first."""
    first, second = Place(root / "with"), Place(root / "without")
    (done,) = first.rebuild(archive).accounts
    shutil.rmtree(archive.path(SNAPSHOTS_PREFIX))
    (again,) = second.rebuild(archive).accounts
    assert (again.snapshot, again.checkpoint) == (None, None)
    assert first.dump() == second.dump()
    assert (done.head, done.messages, done.host) == (again.head, again.messages, again.host)
    assert first.files() == second.files() == ["ledger.db"]
    with Ledger.open(first.paths.ledger) as ledger, Ledger.open(second.paths.ledger) as other:
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        assert [*ledger.rows(schema)] == [*other.rows(schema)]
        for table in ("messages", "batches", "copies", "parts", "events", "accounts", "stores"):
            count = f"SELECT count(*) FROM {table}"
            assert (table, ledger.value(count)) == (table, other.value(count))
    return done.snapshot, done.manifests, first.heard.notes


def test_only_what_came_later_is_read(archive: Archive, lost: Lost, tmp_path: Path) -> None:
    """What the copy lacks is in the manifests behind it, of every writer."""
    lost.keep(archive)
    archive.manifest(THREE, {"kind": "released", "uidl": "x", "digest": None}, at=30)
    archive.manifest(archived("four", "b4"), writer="v", at=5)
    archive.manifest({**HELD, "uidl": "y"}, writer="v", at=40)
    assert both_ways(archive, tmp_path)[:2] == ("2026-05-28T20:26:40Z", 3)


def test_nothing_came_later(archive: Archive, lost: Lost, tmp_path: Path) -> None:
    """A copy that knows everything is enough; what is held or given up stays so."""
    given_up = {**HELD, "kind": "released", "uidl": "y", "given_up": True}
    archive.manifest({**HELD, "uidl": "y"}, given_up, at=30)
    lost.rebuild(archive, replace=True)
    lost.keep(archive)
    assert both_ways(archive, tmp_path)[1] == 0
    waiting = [(row[1], row[4]) for row in Place(tmp_path / "with").dump()["held"]]
    assert waiting == [("x", "held"), ("y", "given_up")]


def more(ledger: Ledger, account: int) -> None:
    """Things that no manifest has told."""
    elsewhere = open_account(ledger, NAME, store_url="file:///elsewhere", host="h").row
    other = open_account(ledger, "you", store_url="file:///elsewhere", host="h").row
    with ledger.write() as db:
        for number, row in enumerate((account, elsewhere, other)):
            db.execute(
                "INSERT INTO batches (name, account_id, day, segment, octets, spooled_at)"
                " VALUES (?, ?, '2026-05-28', 's', 5, 1)",
                (f"waiting{number}", row),
            )
            digest = bytes([number]) * 32
            db.execute(
                "INSERT INTO messages (account_id, uidl, stage, listed_at, digest, header_digest,"
                " batch_id, offset, length, fetched_at)"
                " SELECT ?, 'spooled', 'spooled', 1, ?, ?, max(id), 0, 5, 1 FROM batches",
                (row, digest, digest),
            )
            db.execute("INSERT INTO parts VALUES (?, ?, 0, ?)", (row, digest, digest))
            db.execute(
                "INSERT INTO copies SELECT ?, 1, 'part', ?, max(id), 5, NULL, NULL, 'read', 1, 1"
                " FROM batches",
                (row, digest),
            )
            db.execute(
                "INSERT INTO messages (account_id, uidl, stage, listed_at)"
                " VALUES (?, 'listed', 'listed', 1)",
                (row,),
            )
            db.execute("UPDATE batches SET indexed_at = 5")


def test_what_was_not_told_is_left_out(archive: Archive, lost: Lost, tmp_path: Path) -> None:
    """What waited in the lost spool, what was only listed and other archives do not come back."""
    lost.keep(archive, more)
    archive.manifest(THREE, at=30)
    assert both_ways(archive, tmp_path)[:2] == ("2026-05-28T20:26:40Z", 1)
    with Ledger.open(Place(tmp_path / "with").paths.ledger) as ledger:
        assert not ledger.value("SELECT count(*) FROM batches WHERE indexed_at NOTNULL")
        assert not ledger.value("SELECT count(*) FROM batches WHERE archived_at IS NULL")


def an_event(ledger: Ledger, account: int) -> None:
    """Something that a manifest has still to tell."""
    with ledger.write() as db:
        db.execute("INSERT INTO events (account_id, record) VALUES (?, '{}')", (account,))


def a_draft(ledger: Ledger, account: int) -> None:
    """A manifest that was never proven to be in the store."""
    with ledger.write() as db:
        db.execute(
            "INSERT INTO manifests (account_id, store_id, writer, sequence, digest, octets,"
            " drafted_at) SELECT id, store_id, 'w', 3, x'00', x'00', 1 FROM accounts WHERE id = ?",
            (account,),
        )


def another_link(ledger: Ledger, account: int) -> None:
    """A link that the store does not have."""
    with ledger.write() as db:
        db.execute("UPDATE manifests SET digest = zeroblob(32)")


def a_missing_link(ledger: Ledger, account: int) -> None:
    """A link behind the end of the chain in the store."""
    with ledger.write() as db:
        db.execute("UPDATE manifests SET sequence = 9")


def no_link(ledger: Ledger, account: int) -> None:
    """No link at all."""
    with ledger.write() as db:
        db.execute("DELETE FROM manifests")


@pytest.mark.parametrize(
    "change",
    [an_event, a_draft, another_link, a_missing_link, no_link],
    ids=lambda change: change.__name__,
)
def test_copy_that_does_not_fit(
    archive: Archive, lost: Lost, tmp_path: Path, change: Callable[[Ledger, int], None]
) -> None:
    """A copy of the middle of a run, or of another history, is passed over with a note."""
    lost.keep(archive, change)
    archive.manifest(THREE, at=30)
    snapshot, manifests, notes = both_ways(archive, tmp_path)
    assert (snapshot, manifests) == (None, 3)
    assert any("does not fit the chains" in note for note in notes)


def test_damaged_copies(archive: Archive, lost: Lost, tmp_path: Path) -> None:
    """A copy that is damaged, or that another version made, is passed over with a note."""
    lost.keep(archive)
    (packed,) = archive.path(SNAPSHOTS_PREFIX).rglob("*.gz")
    octets = packed.read_bytes()
    packed.write_bytes(octets[:-20])
    snapshot, manifests, notes = both_ways(archive, tmp_path / "one")
    assert (snapshot, manifests) == (None, 2)
    assert any("does not hold what its description says" in note for note in notes)
    lost.keep(archive, lambda ledger, _: older(ledger))
    snapshot, manifests, notes = both_ways(archive, tmp_path / "two")
    assert (snapshot, manifests) == (None, 2)
    assert any("older version" in note for note in notes)


def older(ledger: Ledger) -> None:
    """A ledger that lacks the newest migration."""
    with ledger.write() as db:
        db.execute(
            "DELETE FROM _sqlite_migrations WHERE name = (SELECT max(name)"
            " FROM _sqlite_migrations WHERE migration_set = 'ledger')"
        )


def test_account_that_the_copy_lacks(archive: Archive, lost: Lost, tmp_path: Path) -> None:
    """An account that came later is read from its first manifest on."""
    lost.keep(archive)
    other = Archive(archive.root, account="you")
    other.manifest(archived("four", "b4", "you"))
    place = Place(tmp_path / "with")
    first, second = place.rebuild(archive).accounts
    assert (first.snapshot is not None, second.snapshot, second.manifests) == (True, None, 1)
    assert place.uidls() == ["four", "one", "two"]
