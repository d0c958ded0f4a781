"""Copies of the ledger in a store: put, replaced, thinned out, and found again."""

import errno
import gzip
import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from archiver.errors import LocalDiskError, StoreError
from archiver.format import (
    Snapshot,
    WriterHead,
    describe_snapshot,
    description_key,
    snapshot_key,
)
from archiver.model import Payload
from archiver.store import Stat, Store, keep_snapshot, newest_snapshot
from archiver.store.directory import DirectoryStore
from archiver.store.memory import MemoryStore

DAY = date(2026, 7, 15)
KNOWN = frozenset({"m001", "m002"})


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store."""
    return MemoryStore() if request.param == "memory" else DirectoryStore(tmp_path / "store")


def made(file: Path, octets: bytes, day: date = DAY, **fields: object) -> Snapshot:
    """A copy on the local disk, and what it is."""
    file.write_bytes(octets)
    snapshot = Snapshot(
        writer="w1",
        day=day,
        made_at=f"{day}T10:00:00Z",
        program="0.1.0",
        migrations=("m001",),
        size=len(octets),
        sha256=hashlib.sha256(octets).hexdigest(),
        heads={"me": WriterHead("w1", 3, "ab" * 32)},
    )
    return replace(snapshot, **fields)  # type: ignore[arg-type]


def kept(
    store: Store, tmp_path: Path, octets: bytes, day: date = DAY, **fields: object
) -> Snapshot:
    """A copy in the store."""
    snapshot = made(tmp_path / "copy.db", octets, day, **fields)
    keep_snapshot(store, tmp_path / "copy.db", snapshot)
    return snapshot


def keys(store: Store) -> list[str]:
    """What is in the store."""
    return [stat.key for stat in store.list("")]


def found(store: Store, tmp_path: Path) -> tuple[Snapshot | None, bytes | None, list[str]]:
    """The newest copy, its octets, and what was said of others."""
    target, notes = tmp_path / "found.db", list[str]()
    target.unlink(missing_ok=True)
    snapshot = newest_snapshot(store, target, migrations=KNOWN, note=notes.append)
    return snapshot, target.read_bytes() if target.exists() else None, notes


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_put_and_found(store: Store, tmp_path: Path, size: int) -> None:
    """A copy comes back as it was, through two objects, and leaves nothing else anywhere."""
    octets = random.Random(size).randbytes(size)
    snapshot = kept(store, tmp_path, octets)
    assert keys(store) == [snapshot_key("w1", DAY), description_key("w1", DAY)]
    assert found(store, tmp_path) == (snapshot, octets, [])
    assert (tmp_path / "found.db").stat().st_mode & 0o777 == 0o600
    assert gzip.decompress(b"".join(store.read(snapshot_key("w1", DAY)))) == octets
    assert not list(tmp_path.glob("*.gz"))


def test_none(store: Store, tmp_path: Path) -> None:
    """A store without a copy gives none, and leaves no file."""
    assert found(store, tmp_path) == (None, None, [])


def test_a_retry_and_another_of_the_same_day(store: Store, tmp_path: Path) -> None:
    """The same copy may be put again, and a newer one of the day takes its place."""
    first = kept(store, tmp_path, b"first")
    assert kept(store, tmp_path, b"first") == first
    second = kept(store, tmp_path, b"second")
    assert len(keys(store)) == 2
    assert found(store, tmp_path) == (second, b"second", [])


def test_the_newest_of_all_writers(store: Store, tmp_path: Path) -> None:
    """The newest copy counts, whoever made it, and on one day the one that was made last."""
    kept(store, tmp_path, b"old", DAY - timedelta(1), writer="w9")
    newest = kept(store, tmp_path, b"evening", writer="w1", made_at=f"{DAY}T20:00:00Z")
    kept(store, tmp_path, b"morning", writer="w2", made_at=f"{DAY}T08:00:00Z")
    assert found(store, tmp_path) == (newest, b"evening", [])


def test_thinned_out(store: Store, tmp_path: Path) -> None:
    """Copies of a writer go with their descriptions when newer ones stand for them."""
    kept(store, tmp_path, b"another", DAY - timedelta(9), writer="w2")
    for ago in range(9, -1, -1):
        kept(store, tmp_path, b"x", DAY - timedelta(ago))
    left = [key for key in keys(store) if "/w1/" in key]
    assert len(left) == 14
    assert snapshot_key("w1", DAY - timedelta(7)) not in left
    assert snapshot_key("w2", DAY - timedelta(9)) in keys(store)


class Frail(MemoryStore):
    """A store in memory that refuses a kind of call."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = ""

    def _check(self, call: str) -> None:
        if call == self.refuses:
            raise StoreError(f"no {call} today")

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        self._check("put")
        return super().put(key, payload, content_type=content_type)

    def replace(self, key: str, octets: bytes) -> Stat:
        self._check("replace")
        return super().replace(key, octets)

    def remove(self, key: str) -> None:
        self._check("remove")
        super().remove(key)


@pytest.mark.parametrize("call", ["put", "replace", "remove"])
def test_cut_short(tmp_path: Path, call: str) -> None:
    """Wherever it is cut, what is found is whole, and the next attempt ends as if nothing was."""
    store = Frail()
    before = kept(store, tmp_path, b"yesterday", DAY - timedelta(1))
    if call == "remove":
        before = kept(store, tmp_path, b"earlier today")
    store.refuses = call
    with pytest.raises(StoreError, match="today"):
        kept(store, tmp_path, b"today")
    assert not list(tmp_path.glob("*.gz"))
    assert found(store, tmp_path)[0] == before
    store.refuses = ""
    today = kept(store, tmp_path, b"today")
    assert found(store, tmp_path) == (today, b"today", [])


def lose(store: Store, key: str) -> None:
    """Has the store lose an object."""
    store.remove(key)


def spoil(store: Store, key: str) -> None:
    """Has the store give other octets."""
    octets = b"".join(store.read(key))
    store.replace(key, octets[:-9] + b"\xff" + octets[-8:])


def shorten(store: Store, key: str) -> None:
    """Has the store give half of it."""
    octets = b"".join(store.read(key))
    store.replace(key, octets[: len(octets) // 2])


def exchange(store: Store, key: str) -> None:
    """Has the store give something else that is whole in itself."""
    store.replace(key, gzip.compress(b"something else"))


def inflate(store: Store, key: str) -> None:
    """Has the store give what becomes very large."""
    store.replace(key, gzip.compress(bytes(300_000_000), 9))


@pytest.mark.parametrize("damage", [lose, spoil, shorten, exchange, inflate])
def test_damaged(store: Store, tmp_path: Path, damage: Callable[[Store, str], None]) -> None:
    """A copy that is not what its description says is passed over for an older one."""
    older = kept(store, tmp_path, b"older", DAY - timedelta(1))
    kept(store, tmp_path, random.Random(1).randbytes(100_000))
    damage(store, snapshot_key("w1", DAY))
    snapshot, octets, (note,) = found(store, tmp_path)
    assert (snapshot, octets) == (older, b"older")
    assert snapshot_key("w1", DAY) in note
    assert "does not hold what its description says" in note


def test_not_described(store: Store, tmp_path: Path) -> None:
    """What no description is, or none that we know, is passed over, and said."""
    older = kept(store, tmp_path, b"older", DAY - timedelta(3))
    kept(store, tmp_path, b"not described", DAY - timedelta(2))
    store.remove(description_key("w1", DAY - timedelta(2)))
    newer = kept(store, tmp_path, b"newer", DAY - timedelta(1), migrations=("m001", "m999"))
    kept(store, tmp_path, b"nonsense")
    store.replace(description_key("w1", DAY), b"nonsense")
    later = describe_snapshot(newer).replace(b'"format": 1', b'"format": 2')
    store.replace(description_key("w2", DAY), later)
    store.replace("state/ledger/notes.txt", b"a person's")
    snapshot, octets, notes = found(store, tmp_path)
    assert (snapshot, octets) == (older, b"older")
    assert len(notes) == 3
    assert any("newer version" in note for note in notes)


def test_a_store_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    """A store that cannot be read now says nothing of what it holds."""

    class Unreadable(MemoryStore):
        def read(self, key: str, **_: object) -> object:  # type: ignore[override]
            raise StoreError("unreachable")

    store = Unreadable()
    kept(store, tmp_path, b"x")
    with pytest.raises(StoreError, match="unreachable"):
        found(store, tmp_path)
    assert not (tmp_path / "found.db").exists()


def test_no_room(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local disk that cannot take the file, or not durably, is said, and leaves none."""
    kept(store, tmp_path, b"x")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(LocalDiskError, match="No space left"):
            found(store, tmp_path)
    assert not (tmp_path / "found.db").exists()
    (tmp_path / "copy.db.gz").mkdir()
    with pytest.raises(LocalDiskError):
        kept(store, tmp_path, b"y")


def test_a_file_in_the_way(store: Store, tmp_path: Path) -> None:
    """A file that is there already is neither overwritten nor removed."""
    kept(store, tmp_path, b"x")
    target = tmp_path / "found.db"
    target.write_bytes(b"mine")
    with pytest.raises(LocalDiskError, match="exists"):
        newest_snapshot(store, target, migrations=KNOWN)
    assert target.read_bytes() == b"mine"
