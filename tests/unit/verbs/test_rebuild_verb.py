"""A ledger from manifests alone: whole and broken ones, with and without one that is there."""

import gzip
from pathlib import Path

import pytest
from rebuild_helpers import NAME, Archive, Place, archived, places

from archiver.chains import survey
from archiver.errors import (
    AlreadyRunning,
    IntegrityError,
    Interrupted,
    NothingMatched,
    UnknownFormat,
    UsageError,
)
from archiver.format import FORMAT_KEY, line_of
from archiver.ledger import Ledger, landing
from archiver.ledger.accounts import open_account, writer
from archiver.state import AccountLock
from archiver.stopping import Stop
from archiver.store.directory import DirectoryStore


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Three messages in two manifests of one writer."""
    made = Archive(tmp_path / "archive")
    made.manifest(archived("one", "b1"), archived("two", "b1"), at=10)
    made.manifest(archived("three", "b2"), at=20)
    return made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A state directory that is not there yet."""
    return Place(tmp_path / "state")


def test_from_nothing(archive: Archive, place: Place) -> None:
    """A ledger is made where none was, by a writer of its own."""
    rebuilt = place.rebuild(archive)
    (done,) = rebuilt.accounts
    assert (rebuilt.installed, rebuilt.is_whole, rebuilt.aside) == (True, True, None)
    assert (done.account, done.messages, done.manifests) == (NAME, 3, 2)
    assert (done.head, done.host) == (archive.heads["w"].digest, "pop.example.com")
    assert place.uidls() == ["one", "three", "two"]
    assert place.files() == ["ledger.db"]
    with Ledger.open(place.paths.ledger) as ledger:
        assert writer(ledger) != "w"
        assert ledger.row("SELECT verb, exit_code FROM runs") == ("rebuild", 0)


def test_several_accounts_and_foreign_names(archive: Archive, place: Place) -> None:
    """Every account of the store comes back; what is none of ours is told and passed over."""
    other = Archive(archive.root, account="you")
    other.manifest(archived("four", "b3", "you"))
    archive.write("manifests/readme.txt", b"x")
    assert [done.account for done in place.rebuild(archive).accounts] == [NAME, "you"]
    assert place.uidls() == ["four", "one", "three", "two"]
    assert any("readme.txt first" in note for note in place.heard.notes)


def test_nothing_there(archive: Archive, place: Place, tmp_path: Path) -> None:
    """A store without manifests, or without those of an account, is said to be."""
    with pytest.raises(NothingMatched, match="no manifests in"):
        place.rebuild(Archive(tmp_path / "empty"))
    with pytest.raises(NothingMatched, match="of you") as caught:
        place.rebuild(archive, "You")
    assert NAME in caught.value.hint
    assert place.files() == []


def test_newer_formats(archive: Archive, place: Place) -> None:
    """What a newer version wrote is refused, be it the store or one manifest."""
    archive.write(FORMAT_KEY, b'{"format": 2, "requires": []}')
    with pytest.raises(UnknownFormat):
        place.rebuild(archive)
    archive.path(FORMAT_KEY).unlink()
    archive.write(
        f"manifests/{NAME}/w/000000000003.jsonl.gz",
        gzip.compress(line_of({"format": 1, "requires": ["packs"]})),
    )
    with pytest.raises(UnknownFormat, match="packs"):
        place.rebuild(archive, partial=True)
    assert any(FORMAT_KEY in note for note in place.heard.notes)
    assert place.files() == []


def test_broken_chain(archive: Archive, place: Place) -> None:
    """Breaks are all told, and nothing is changed unless a person wants what there is."""
    archive.manifest(archived("four", "b3"))
    lost = archive.manifest(archived("five", "b4"))
    archive.manifest({"kind": "archived"}, archived("six", "b4"))
    archive.manifest(archived("seven", "b5"))
    archive.path(lost).unlink()
    archive.write(f"manifests/{NAME}/w/000000000001.jsonl.gz", b"damaged")
    rebuilt = place.rebuild(archive)
    assert (rebuilt.installed, rebuilt.is_whole) == (False, False)
    assert places(rebuilt.accounts[0].breaks) == [("w", 1), ("w", 4), ("w", 5)]
    assert place.files() == []
    rebuilt = place.rebuild(archive, partial=True)
    assert (rebuilt.installed, rebuilt.is_whole) == (True, False)
    assert place.uidls() == ["four", "seven", "three"]
    with Ledger.open(place.paths.ledger) as ledger:
        assert ledger.row("SELECT exit_code FROM runs") == (7,)


def test_links_to_nothing_are_breaks(archive: Archive, place: Place) -> None:
    """A link whose octets no manifest names is dropped, and the ledger is not whole."""
    archive.manifest({"kind": "linked", "uidl": "x", "listed_size": 3, "digest": "ab" * 32})
    rebuilt = place.rebuild(archive)
    assert (rebuilt.installed, rebuilt.accounts[0].dropped) == (False, 1)


def test_ledger_is_there(archive: Archive, place: Place) -> None:
    """A ledger is not replaced unless that is asked for, and is moved aside then."""
    place.rebuild(archive)
    before = place.paths.ledger.read_bytes()
    with pytest.raises(UsageError, match="a ledger already"):
        place.rebuild(archive)
    archive.manifest(archived("four", "b3"))
    rebuilt = place.rebuild(archive, replace=True)
    assert rebuilt.aside is not None
    assert (rebuilt.aside.ledger, rebuilt.aside.segments) == (True, 0)
    assert (rebuilt.aside.path / "ledger.db").read_bytes() == before
    assert place.uidls() == ["four", "one", "three", "two"]
    again = place.rebuild(archive, replace=True)
    assert again.aside is not None
    assert again.aside.path != rebuilt.aside.path


def test_damaged_ledger_with_its_log(archive: Archive, place: Place) -> None:
    """A ledger that is no more than noise is moved aside with its log, which would harm another."""
    place.paths.create()
    place.paths.ledger.write_bytes(b"noise" * 1000)
    place.paths.ledger.with_name("ledger.db-wal").write_bytes(b"more noise")
    rebuilt = place.rebuild(archive, replace=True)
    assert rebuilt.aside is not None
    kept = f"{rebuilt.aside.path.name}/ledger.db"
    assert place.files() == ["ledger.db", kept, f"{kept}-wal"]
    assert len(place.uidls()) == 3


def test_spool_is_kept(archive: Archive, place: Place) -> None:
    """Segments of messages that were not archived are moved aside: a run would remove them."""
    place.paths.create()
    for name in ("me/b9.seg", "kept/me/b8.seg"):
        path = place.paths.spool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    rebuilt = place.rebuild(archive)
    aside = rebuilt.aside
    assert aside is not None
    assert (aside.ledger, aside.segments, aside.octets) == (False, 2, 10)
    assert (aside.path / "spool/kept/me/b8.seg").read_bytes() == b"12345"
    assert [name for name in place.files() if name.startswith("spool")] == []


def test_one_account_of_several(archive: Archive, place: Place) -> None:
    """What the ledger knows of accounts that are not named stays, with their segments."""
    place.paths.create()
    kept = place.paths.spool / "you/b9.seg"
    kept.parent.mkdir()
    kept.write_bytes(b"12345")
    with Ledger.open(place.paths.ledger) as ledger:
        url = DirectoryStore(archive.root).url
        for name, store in (("you", "file:///elsewhere"), (NAME, url)):
            row = open_account(ledger, name, store_url=store, host="h").row
            with ledger.write() as db:
                db.execute(
                    "INSERT INTO batches (name, account_id, day, segment, octets, spooled_at)"
                    " VALUES (?, ?, 'd', ?, 5, 1)",
                    (f"b-{name}", row, f"{name}/b9.seg"),
                )
                db.execute(
                    "INSERT INTO messages (account_id, uidl, stage, listed_at) VALUES (?, 'x',"
                    " 'listed', 1)",
                    (row,),
                )
    rebuilt = place.rebuild(archive, NAME.upper(), replace=True)
    assert rebuilt.aside is not None
    assert (rebuilt.aside.ledger, rebuilt.aside.segments) == (True, 0)
    assert kept.exists()
    assert place.uidls() == ["one", "three", "two"]
    with Ledger.open(place.paths.ledger) as ledger:
        assert landing.all_segments(ledger) == {"you/b9.seg"}
        assert ledger.value("SELECT count(*) FROM messages WHERE uidl = 'x'") == 1
        assert ledger.value("SELECT count(*) FROM accounts") == 2


def test_somebody_is_at_work(archive: Archive, place: Place) -> None:
    """Nothing is done while another archiver has the ledger or the account."""
    place.rebuild(archive)
    before = place.files()
    with (
        Ledger.open(place.paths.ledger),
        pytest.raises(AlreadyRunning, match="in use"),
    ):
        place.rebuild(archive, replace=True)
    with (
        AccountLock(place.paths.locks, NAME, "run"),
        pytest.raises(AlreadyRunning, match="archiver run"),
    ):
        place.rebuild(archive, replace=True)
    assert place.files() == before


def test_interrupted(archive: Archive, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild that was asked to end, or was killed, leaves nothing that the next one minds."""
    with monkeypatch.context() as patched:
        patched.setattr(place.heard, "progress", lambda *_: place.stop.ask())
        with pytest.raises(Interrupted):
            place.rebuild(archive)
    assert place.files() == []
    with pytest.raises(Interrupted):
        place.rebuild(archive)
    place.stop = Stop()
    for name in ("", "-wal", "-shm", "-journal"):
        (place.paths.root / f"ledger.db.rebuilding{name}").write_bytes(b"half a ledger" * 1000)
    place.rebuild(archive)
    assert place.files() == ["ledger.db"]
    assert len(place.uidls()) == 3


def test_order_of_finding_chains(tmp_path: Path) -> None:
    """Chains of several writers give one ledger, however their names are ordered."""
    dumps = []
    for number, names in enumerate((("a", "z"), ("z", "a"))):
        first, second = names
        made = Archive(tmp_path / f"archive{number}")
        made.manifest(archived("one", "b1"), writer=first, at=10)
        made.manifest(archived("two", "b2"), writer=second, at=20)
        made.manifest(archived("one", "b3"), writer=second, at=30)
        digest = archived("one", "b1")["digest"]
        made.manifest({"kind": "vanished", "uidl": "one", "digest": digest}, writer=first, at=40)
        place = Place(tmp_path / f"state{number}")
        (done,) = place.rebuild(made).accounts
        assert done.head == made.heads[first].digest
        dumps.append(place.dump()["messages"])
    assert dumps[0] == dumps[1]
    assert [(row[1], row[5], row[6]) for row in dumps[0]] == [
        ("one", "vanished", "b1"),
        ("two", "archived", "b2"),
    ]


def test_damage_in_the_ledger_that_was_built(
    archive: Archive, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger is looked at as a whole before it takes the place."""

    def damaged(path: Path) -> None:
        assert path.name == "ledger.db.rebuilding"
        raise IntegrityError("rot")

    monkeypatch.setattr("archiver.verbs.rebuild.making.check", damaged)
    with pytest.raises(IntegrityError):
        place.rebuild(archive)
    assert place.files() == []
    assert survey(DirectoryStore(archive.root)).accounts() == [NAME]


@pytest.mark.parametrize(
    "step",
    [
        "archiver.verbs.rebuild.installing._duplicate",
        "archiver.verbs.rebuild.installing.sync_directory",
        "archiver.verbs.rebuild.installing.sync_file",
        "archiver.verbs.rebuild.installing.Presence.trust",
        "archiver.verbs.rebuild.making.check",
    ],
)
def test_killed_while_it_takes_the_place(
    archive: Archive, place: Place, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever it is cut, there is a ledger at any time, and nothing that was there is lost."""
    place.rebuild(archive)
    segment = place.paths.spool / "me/b9.seg"
    segment.parent.mkdir()
    segment.write_bytes(b"12345")
    old = place.paths.ledger.read_bytes()
    archive.manifest(archived("four", "b3"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(step, killed)
        with pytest.raises(KeyboardInterrupt):
            place.rebuild(archive, replace=True)
    assert len(place.uidls()) in (3, 4)
    place.rebuild(archive, replace=True)
    assert len(place.uidls()) == 4
    octets = [(place.paths.root / name).read_bytes() for name in place.files()]
    assert old in octets
    assert b"12345" in octets
