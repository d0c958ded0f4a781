"""Audits of objects: in all stores there are, with faults in listing and reading."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from audit_helpers import NAME, Archive

from archiver.errors import StoreError
from archiver.store import Version
from archiver.store.memory import MemoryStore
from archiver.verbs.audit import Wanted
from archiver.verbs.audit.contents import Contents
from infra.faulty_store import Fault, FaultyStore, reads

READ = Wanted(read=True, threads=2)


@pytest.fixture
def archive() -> Archive:
    """An archive of 30 messages."""
    made = Archive()
    made.link(*(made.message(b"message %02d" % n)[1] for n in range(30)))
    return made


def mail_reads(method: str, key: str) -> bool:
    """Only reading mail counts."""
    return reads(method, key) and key.startswith("mail/")


def test_everything_is_read(archive: Archive, tmp_path: Path) -> None:
    """Every object is read once, and each that holds other octets is named."""
    said = archive.audit(tmp_path / "x", READ)
    assert said.audited is not None
    assert (said.audited.objects.read, said.audited.objects.octets) == (30, 300)
    wrong = [key for key in sorted(archive.objects) if key.endswith(".eml")][::7]
    for key in wrong:
        archive.objects[key] = archive.objects[key].upper()
    said = archive.audit(tmp_path / "x", READ)
    assert sorted(said.kinds) == [("octets", key) for key in wrong]
    assert sorted(named.locator.key for named in said.named) == wrong


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault.LOST, "missing"), (Fault.AFTER, "unreadable"), (Fault.ROTTEN, "octets")],
)
def test_one_that_cannot_be_read(archive: Archive, tmp_path: Path, fault: Fault, kind: str) -> None:
    """An object that is listed and not given is named, and the others are read all the same."""
    faulty = FaultyStore(archive.store, {5: fault}, mail_reads)
    said = archive.audit(tmp_path / "x", READ, store=faulty)
    assert [found for found, _ in said.kinds] == [kind]
    assert len(faulty.calls) == 30


def test_a_store_that_fails(archive: Archive) -> None:
    """When nothing can be read any more it is the store that fails, and the audit ends."""
    keys = [key for key in archive.objects if key.endswith(".eml")]
    faulty = FaultyStore(archive.store, dict.fromkeys(range(4, 31), Fault.BEFORE), mail_reads)
    with Contents[str](faulty, 1) as contents, pytest.raises(StoreError):
        for key in keys:
            list(contents.put(key, key))
        list(contents.rest())


class Rewritten(MemoryStore):
    """A store whose every object was written again, so that ETags and versions are others."""

    def versions(self, prefix: str) -> Iterator[Version]:
        """With other ETags."""
        for one in super().versions(prefix):
            yield replace(one, version_id="v9", etag="e" * 32)


def test_other_etags_of_the_same_octets(tmp_path: Path) -> None:
    """What was copied to another bucket is read, and is no damage."""
    archive = Archive(Rewritten())
    archive.link(*(archive.message(b"message %02d" % n)[1] for n in range(3)))
    said = archive.audit(tmp_path / "x")
    (found,) = said.findings
    assert (found.kind, dict(found.facts)["objects"]) == ("rewritten", 3)
    assert "and so have 2 more" in found.what
    assert said.audited is not None
    assert (said.audited.objects.read, said.audited.damage) == (3, 0)


def test_versions_that_may_not_be_listed(tmp_path: Path) -> None:
    """Without the right to list versions the objects are looked at, and that is said."""
    archive = Archive()
    lost, record = archive.message(b"message")
    archive.link(record)
    del archive.objects[lost]
    faulty = FaultyStore(archive.store, {1: Fault.BEFORE}, lambda method, _: method == "versions")
    assert archive.audit(tmp_path / "x", store=faulty).kinds == [
        ("versions-unknown", "mail/"),
        ("missing", lost),
    ]


def test_left_over_and_foreign(archive: Archive, tmp_path: Path) -> None:
    """What no manifest names is told by batch, with its size; foreign names are only counted."""
    archive.message(b"left over", "y")
    archive.message(b"left over too", "y")
    archive.message(b"another", "z")
    Archive(archive.store, "other").message(b"of another one", "z")
    for n in range(3):
        archive.objects[f"mail/{n}"] = b""
        archive.objects[f"manifests/{n}"] = b""
    said = archive.audit(tmp_path / "x")
    prefix = f"mail/{NAME}/2026/05/28"
    assert said.kinds == [
        ("foreign", "manifests/0"),
        ("unnamed", f"{prefix}/y/"),
        ("unnamed", f"{prefix}/z/"),
        ("unnamed", "mail/other/2026/05/28/z/"),
        ("foreign", "mail/0"),
    ]
    assert "2 objects, 22 octets" in said.findings[1].what
    assert said.audited is not None
    assert (said.audited.objects.unnamed, said.audited.objects.foreign) == (4, 3)
