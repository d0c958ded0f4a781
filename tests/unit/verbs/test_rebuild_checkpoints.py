"""Checkpoints in a rebuild: they save reading, and never change what comes of it."""

import gzip
import hashlib
from pathlib import Path

import pytest
from rebuild_helpers import NAME, Archive, Place, archived, places

from archiver.errors import UnknownFormat
from archiver.format import checkpoint_record, line_of
from archiver.store.directory import DirectoryStore

ONE, TWO, THREE = archived("one", "b1"), archived("two", "b2"), archived("three", "b3")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An archive without a manifest."""
    return Archive(tmp_path / "archive")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A state directory that is not there yet."""
    return Place(tmp_path / "state")


def passed_over(place: Place) -> int:
    """How many checkpoints were passed over."""
    return sum("passed over" in note for note in place.heard.notes)


def test_only_the_tail_is_read(archive: Archive, place: Place) -> None:
    """A checkpoint stands for the manifests before it, which may even be gone."""
    first = archive.manifest(ONE, TWO)
    key = archive.checkpoint(ONE, TWO)
    archive.manifest(THREE)
    archive.path(first).unlink()
    rebuilt = place.rebuild(archive)
    (done,) = rebuilt.accounts
    assert (rebuilt.is_whole, done.checkpoint, done.manifests) == (True, key, 2)
    assert place.uidls() == ["one", "three", "two"]
    assert done.head == archive.heads["w"].digest
    assert place.files() == ["ledger.db"]


def test_newest_of_several(archive: Archive, place: Place) -> None:
    """Of several checkpoints the one counts that leaves the least to read."""
    archive.manifest(ONE)
    archive.checkpoint(ONE)
    archive.manifest(TWO, writer="v")
    archive.manifest(THREE, writer="v")
    key = archive.checkpoint(ONE, TWO, THREE, writer="v")
    (done,) = place.rebuild(archive).accounts
    assert (done.checkpoint, done.manifests) == (key, 1)
    assert done.head == archive.heads["v"].digest
    heads = {row[1]: row[2] for row in place.dump()["heads"]}
    assert heads == {"w": 2, "v": 3}


def test_other_chains_behind_it(archive: Archive, place: Place) -> None:
    """What another writer said behind what the checkpoint covers is read as well."""
    archive.manifest(ONE, writer="v", at=50)
    archive.manifest(ONE, at=10)
    key = archive.checkpoint(ONE, at=60)
    archive.manifest(TWO, writer="v", at=55)
    archive.manifest(THREE, writer="x", at=5)
    (done,) = place.rebuild(archive).accounts
    assert (done.checkpoint, done.manifests) == (key, 3)
    assert place.uidls() == ["one", "three", "two"]


def test_unnamed(archive: Archive, place: Place) -> None:
    """A checkpoint that no manifest names may be anybody's, and is passed over with a note."""
    archive.manifest(ONE)
    key = archive.checkpoint(ONE)
    archive.manifest(TWO)
    archive.checkpoint(named=False)
    archive.manifest(THREE)
    (done,) = place.rebuild(archive).accounts
    assert done.checkpoint == key
    assert passed_over(place) == 1
    assert place.uidls() == ["one", "three", "two"]


def test_named_late(archive: Archive, place: Place) -> None:
    """A run that was killed before it named its checkpoint may have a later manifest name it."""
    archive.manifest(ONE)
    key = archive.checkpoint(ONE, named=False)
    digest = hashlib.sha256(archive.path(key).read_bytes()).hexdigest()
    archive.manifest(TWO)
    archive.manifest(checkpoint_record(1, digest, key))
    (done,) = place.rebuild(archive).accounts
    assert (done.checkpoint, done.manifests) == (key, 2)
    assert place.uidls() == ["one", "two"]


@pytest.mark.parametrize("damage", ["octets", "cut", "gone", "head", "other place", "noise"])
def test_damaged(archive: Archive, place: Place, damage: str) -> None:
    """A checkpoint that is damaged is passed over, and an older one, or the chain, is read."""
    archive.manifest(ONE)
    older = archive.checkpoint(ONE)
    archive.manifest(TWO)
    path = archive.path(archive.checkpoint(ONE, TWO))
    archive.manifest(THREE)
    octets = path.read_bytes()
    lines = gzip.decompress(octets).splitlines(keepends=True)
    changed = {
        "octets": gzip.compress(b"".join(lines[:-1])),
        "cut": octets[:-9],
        "gone": octets,
        "head": gzip.compress(line_of({"format": 1, "requires": []})),
        "other place": gzip.compress(lines[0].replace(b'"sequence":3', b'"sequence":2')),
        "noise": b"noise",
    }
    path.write_bytes(changed[damage])
    if damage == "gone":
        path.unlink()
    rebuilt = place.rebuild(archive)
    assert rebuilt.is_whole
    assert rebuilt.accounts[0].checkpoint == older
    assert passed_over(place) == (damage != "gone")
    assert place.uidls() == ["one", "three", "two"]


def test_impossible_records(archive: Archive, place: Place) -> None:
    """A checkpoint that is named and says what cannot be leaves nothing behind."""
    archive.manifest(ONE)
    strange = archived("strange", "b9")
    archive.checkpoint(strange, {"kind": "archived"})
    archive.manifest(TWO)
    rebuilt = place.rebuild(archive)
    assert (rebuilt.is_whole, rebuilt.accounts[0].checkpoint) == (True, None)
    assert passed_over(place) == 1
    assert place.uidls() == ["one", "two"]
    assert len(place.dump()["batches"]) == 2


def test_newer_format(archive: Archive, place: Place) -> None:
    """A checkpoint of a newer version is refused, not passed over."""
    archive.manifest(ONE)
    path = archive.path(archive.checkpoint(ONE))
    path.write_bytes(gzip.compress(line_of({"format": 2, "requires": []})))
    with pytest.raises(UnknownFormat):
        place.rebuild(archive)


def test_break_behind_it(archive: Archive, place: Place) -> None:
    """A tail that does not follow the checkpoint is a break."""
    archive.manifest(ONE)
    archive.checkpoint(ONE)
    lost = archive.manifest(TWO)
    archive.manifest(THREE)
    archive.path(lost).unlink()
    rebuilt = place.rebuild(archive, partial=True)
    assert places(rebuilt.accounts[0].breaks) == [("w", 3)]
    assert place.uidls() == ["one", "three"]
    assert DirectoryStore(archive.root).head(f"manifests/{NAME}/w/000000000003.jsonl.gz") is None
