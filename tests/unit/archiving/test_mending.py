"""Mending damaged objects, with a worker that does its tasks in this process."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from archiving_helpers import NAME, NOW, Bench, message

from archiver.errors import Interrupted, LoginRefused, StoreError
from archiver.format import FORMAT_KEY, format_document, part_key, raw_key, read_manifest
from archiver.ledger import Ledger, copies, events, landing, manifests, moving
from archiver.ledger.accounts import account, open_account, renew_writer
from archiver.ledger.naming import Named, Names
from archiver.ledger.unread import message_of, messages_of
from archiver.mending import Mended, Mending
from archiver.model import Kind, Locator
from archiver.stages.fetch_job import FetchJob
from archiver.stages.recovery import Recovery
from archiver.state import Spool
from archiver.store import Store, payload_of
from archiver.verbs.audit import Finding, Wanted, audit
from infra.faulty_store import Fault, FaultyStore, puts

ONE = message("one", b"part")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An account with two messages, one of which has a part."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        open_account(ledger, NAME, store_url="memory://x", host="h")
        made = Bench(ledger, Spool(tmp_path / "spool", 1 << 20))
        made.archivist().archive(made.land(ONE, message("two")))
        yield made


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Names]:
    """What manifests name; nothing yet."""
    with Names(tmp_path / "names.db") as made:
        yield made


def sha(octets: bytes) -> str:
    """The digest of octets."""
    return hashlib.sha256(octets).hexdigest()


def damaged(bench: Bench, names: Names, kind: Kind, octets: bytes) -> str:
    """Has an object's octets turn out to be others; its key."""
    copy = copies.find(bench.ledger, account(bench.ledger, 1), kind, sha(octets))
    assert copy is not None
    return damaged_at(bench, names, kind, octets, copy.locator.key)


def damaged_at(
    bench: Bench, names: Names, kind: Kind, octets: bytes, key: str, *, whole: bool = False
) -> str:
    """The same, of an object under this key; ``whole`` names it and leaves it as it is."""
    named = Named(NAME, kind, sha(octets), Locator(key, len(octets)))
    with names.whole():
        names.add(kind, named.digest, named.locator)
    if not whole:
        names.damage(named, None)
        bench.store._objects[key] = b"damaged"
    return key


class Mail:
    """A mailbox that nobody gets into."""

    def __call__(self) -> FetchJob:
        """No."""
        raise LoginRefused("the password is wrong")


def mend(
    bench: Bench,
    names: Names,
    tmp_path: Path,
    *,
    stopping: bool = False,
    store: Store | None = None,
) -> list[Mended]:
    """Mends, and gives what became of each object."""
    said: list[Mended] = []
    Mending(
        owner=account(bench.ledger, 1),
        store=store or bench.store,
        names=names,
        directory=tmp_path,
        archivist=bench.archivist(),
        visit=Mail(),
        index=False,
        stopping=lambda: stopping,
        tell=said.append,
    ).mend()
    return said


def moves(bench: Bench) -> list[tuple[str, str]]:
    """Which keys the manifests say were given up for which."""
    keys = [stat.key for stat in bench.store.list("manifests/") if "checkpoint" not in stat.key]
    records = [one for key in keys for one in read_manifest(bench.store._objects[key])[1]]
    return [(one["from"], one["locator"]["key"]) for one in records if one["kind"] == "moved"]


def test_a_part_is_made_anew(bench: Bench, names: Names, tmp_path: Path) -> None:
    """A part is decoded again from its message and lies elsewhere; the damaged one stays."""
    key = damaged(bench, names, Kind.PART, b"part")
    (said,) = mend(bench, names, tmp_path)
    assert (said.key, said.done) == (key, True)
    assert said.new is not None
    assert bench.store._objects[said.new] == b"part"
    assert bench.store._objects[key] == b"damaged"
    assert moves(bench) == [(key, said.new)]
    owner = account(bench.ledger, 1)
    copy = copies.find(bench.ledger, owner, Kind.PART, sha(b"part"), proven=True)
    assert copy is not None
    assert (copy.locator.key, copy.proof) == (said.new, "read")
    assert landing.pending(bench.ledger, owner, tries=5) == []
    assert not [path for path in tmp_path.iterdir() if path.is_file() and len(path.name) == 16]


def test_octets_of_another_object(bench: Bench, names: Names, tmp_path: Path) -> None:
    """Octets that lie in the store for another account as well are taken from there."""
    octets = message("two")
    key = damaged(bench, names, Kind.RAW, octets)
    other = raw_key("other", "2026-05-28", "b", sha(octets))
    bench.store.put(other, payload_of(octets), content_type="x/y")
    with names.whole():
        names.add(Kind.RAW, sha(octets), Locator(other, len(octets)))
    (said,) = mend(bench, names, tmp_path)
    assert said.done
    assert other in said.how
    found = message_of(bench.ledger, account(bench.ledger, 1), sha(octets))
    assert found is not None
    assert said.new == found.key != key
    batch = bench.ledger.value("SELECT name FROM batches ORDER BY id LIMIT 1")
    assert {one.key for one in messages_of(bench.ledger, batch)} >= {said.new}


def test_the_copy_of_another_machine(bench: Bench, names: Names, tmp_path: Path) -> None:
    """Where another machine's copy is damaged and ours is not, ours takes its place."""
    octets = message("two")
    ours = copies.find(bench.ledger, account(bench.ledger, 1), Kind.RAW, sha(octets))
    assert ours is not None
    theirs = raw_key(NAME, "2026-05-27", "b", sha(octets))
    damaged_at(bench, names, Kind.RAW, octets, theirs)
    (said,) = mend(bench, names, tmp_path)
    assert (said.key, said.done, said.new) == (theirs, True, ours.locator.key)
    assert moves(bench) == [(theirs, ours.locator.key)]


def test_both_copies_are_damaged(bench: Bench, names: Names, tmp_path: Path) -> None:
    """Where two machines have a copy each and both are damaged, one sound copy stands for both."""
    ours = damaged(bench, names, Kind.PART, b"part")
    theirs = part_key(NAME, "2026-05-27", "b", sha(b"part"))
    damaged_at(bench, names, Kind.PART, b"part", theirs)
    said = mend(bench, names, tmp_path)
    assert {each.key for each in said if each.done} == {ours, theirs}
    assert len({each.new for each in said}) == 1
    assert sorted(old for old, _ in moves(bench)) == sorted((ours, theirs))


def test_nothing_to_be_had(bench: Bench, names: Names, tmp_path: Path) -> None:
    """What can be had nowhere, and what this ledger does not know, is told with the reason."""
    one = damaged(bench, names, Kind.RAW, ONE)
    part = damaged(bench, names, Kind.PART, b"part")
    strange = raw_key(NAME, "2026-05-27", "b", sha(b"strange"))
    damaged_at(bench, names, Kind.RAW, b"strange", strange)
    said = {each.key: each for each in mend(bench, names, tmp_path)}
    assert not any(each.done for each in said.values())
    assert "password is wrong" in said[one].how
    assert "nothing holds" in said[part].how
    assert "does not know it" in said[strange].how
    assert moves(bench) == []


def test_cut_off_before_the_manifest(bench: Bench, names: Names, tmp_path: Path) -> None:
    """A repair that is cut off before its manifest is finished by the next run."""
    key = damaged(bench, names, Kind.PART, b"part")

    def manifest(method: str, name: str) -> bool:
        return puts(method, name) and name.startswith("manifests/")

    bench.worker.store = FaultyStore(bench.store, {1: Fault.BEFORE}, manifest)
    with pytest.raises(StoreError):
        mend(bench, names, tmp_path)
    owner = account(bench.ledger, 1)
    (batch,) = landing.pending(bench.ledger, owner, tries=5)
    bench.archivist().archive(batch)
    assert [old for old, _ in moves(bench)] == [key]
    assert landing.pending(bench.ledger, owner, tries=5) == []
    assert events.waiting(bench.ledger, owner) == 0


def test_more_to_tell_than_a_manifest_takes(
    bench: Bench, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of what was moved is archived only by the manifest that names the last of it."""
    monkeypatch.setattr(events, "MOST_IN_A_MANIFEST", 2)
    owner = account(bench.ledger, 1)
    with bench.ledger.write() as db:
        for _ in range(4):
            events.add(db, owner, '{"kind": "more"}')
    damaged(bench, names, Kind.PART, b"part")
    (said,) = mend(bench, names, tmp_path)
    assert said.done
    assert events.waiting(bench.ledger, owner) == 0
    assert len(moves(bench)) == 1


def test_stopped(bench: Bench, names: Names, tmp_path: Path) -> None:
    """A repair that is asked to end begins nothing more."""
    damaged(bench, names, Kind.PART, b"part")
    with pytest.raises(Interrupted):
        mend(bench, names, tmp_path, stopping=True)
    assert moves(bench) == []


def test_octets_in_the_spool(bench: Bench, names: Names, tmp_path: Path) -> None:
    """A message that waits for another store is taken from the spool, if it is what it should."""
    open_account(bench.ledger, NAME, store_url="memory://other", host="h")
    name = bench.land(message("three"))
    owner = account(bench.ledger, 1)
    ((segment, offset, length),) = moving.spooled(bench.ledger, owner, sha(message("three")))
    assert landing.load(bench.ledger, name).segment == segment
    recovery = Recovery(bench.store, names, tmp_path)
    path = bench.spool.path(segment)
    found = recovery.in_segment(path, offset, length, sha(message("three")))
    assert found is not None
    assert found.path.read_bytes() == message("three")
    assert recovery.in_segment(path, offset, length - 1, sha(message("three"))) is None
    assert recovery.in_segment(tmp_path / "gone", 0, 1, sha(b"x")) is None


def test_restated_by_a_new_writer(bench: Bench) -> None:
    """What the ledger knows can be said again by a writer that has said nothing yet."""
    owner = account(bench.ledger, 1)
    before = manifests.proven_ends(bench.ledger, owner)
    fresh = renew_writer(bench.ledger)
    covered = bench.archivist().restate(owner)
    assert covered == {**before, fresh: 1}
    assert [stat.key for stat in bench.store.list("manifests/") if "checkpoint" in stat.key]


def audited(bench: Bench, place: Path) -> tuple[Names, int]:
    """What an audit of the store finds: names, the damaged ones remembered, and how many."""
    made = Names(place)

    def tell(finding: Finding, named: Named | None) -> None:
        if named is not None:
            made.damage(named, None)

    class Nobody:
        def progress(self, *_: object) -> None:
            """Nobody looks."""

    wanted = Wanted(read=True, threads=1)
    found = audit(bench.store, None, made, wanted, tell=tell, watch=Nobody(), now=NOW)
    return made, found.damage


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_cut_at_every_write(bench: Bench, tmp_path: Path, fault: Fault, step: int) -> None:
    """Wherever a repair is cut off, the next run and another repair end as if it never was."""
    bench.store.put(FORMAT_KEY, payload_of(format_document()), content_type="x/y")
    twice = message("three", b"other", b"more")
    bench.archivist().archive(bench.land(twice))
    lost = [key for key in bench.objects() if "/parts/" in key]
    for key in lost:
        bench.store._objects[key] = b"damaged"
    before = dict(bench.store._objects)
    names, damage = audited(bench, tmp_path / "first")
    assert damage == len(lost) == 3

    # Objects are put by the repair itself, and the manifest, which is the fourth, by the worker.
    bench.worker.store = faulty = FaultyStore(bench.store, {step: fault}, puts)
    with pytest.raises(StoreError):
        mend(bench, names, tmp_path, store=faulty)
    bench.worker.store = bench.store
    for batch in landing.pending(bench.ledger, account(bench.ledger, 1), tries=5):
        bench.archivist().archive(batch)
    names.close()
    names, _ = audited(bench, tmp_path / "second")
    assert all(each.done for each in mend(bench, names, tmp_path))
    names.close()
    names, damage = audited(bench, tmp_path / "third")
    names.close()
    assert damage == 0
    assert before.items() <= bench.store._objects.items()
    assert events.waiting(bench.ledger, account(bench.ledger, 1)) == 0
