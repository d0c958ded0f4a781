"""Chains of manifests as they lie in a store, whole, broken, and joined."""

import gzip
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from archiver.chains import Break, Chain, ChainReader, survey
from archiver.errors import IntegrityError, UnknownFormat
from archiver.format import (
    ChainHead,
    ManifestHead,
    checkpoint_key,
    line_of,
    manifest_key,
    manifest_octets,
)
from archiver.store import ObjectMissing, payload_of
from archiver.store.memory import MemoryStore

NAME = "me@example.com"


def put(store: MemoryStore, key: str, octets: bytes) -> None:
    """Stores octets."""
    store.put(key, payload_of(octets), content_type="x/y")


def write(
    store: MemoryStore,
    writer: str,
    times: dict[int, int | None],
    *,
    replaced: dict[int, bytes] | None = None,
    most: int = 2,
) -> list[ChainHead]:
    """A chain whose manifests were drafted at these times; some replaced by other octets."""
    made: list[ChainHead] = []
    previous = None
    for sequence, at in times.items():
        head = ManifestHead(NAME, writer, sequence, previous, at)
        records = [{"kind": "x", "of": f"{writer}{sequence}", "nth": n} for n in range(most)]
        octets = manifest_octets(head, records)
        previous = hashlib.sha256(octets).hexdigest()
        made.append(ChainHead(sequence, previous))
        put(store, manifest_key(NAME, writer, sequence), (replaced or {}).get(sequence, octets))
    return made


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


FIRST = ManifestHead(NAME, "w", 1, None)


class Reading:
    """Everything that the chains of a store say, and where they are broken."""

    def __init__(self, store: MemoryStore, after: dict[str, ChainHead] | None = None) -> None:
        self.breaks: list[Break] = []
        self.said: list[str] = []
        chains = [(chain, (after or {}).get(chain.writer)) for chain in survey(store).of(NAME)]
        with ChainReader(store, self.breaks.append) as reader:
            for link in reader.joined(chains):
                try:
                    self.said += sorted({record["of"] for record in link.manifest})
                except IntegrityError as error:
                    reader.damaged(link, error)
            self.heads = reader.heads

    def places(self) -> list[tuple[str, int]]:
        """Where the breaks are."""
        return [(each.writer, each.sequence) for each in self.breaks]


def test_survey(store: MemoryStore) -> None:
    """A listing shows accounts, chains, gaps and checkpoints, and what is foreign."""
    write(store, "w", {1: 0, 2: 0, 4: 0})
    write(store, "v", {1: 0})
    put(store, manifest_key("a/b", "w", 1), b"x")
    key = checkpoint_key(NAME, "w", 2, "ab" * 32)
    put(store, key, b"x")
    for n in range(12):
        put(store, f"manifests/{NAME}/w/{n}.txt", b"x")
    found = survey(store)
    assert found.accounts() == ["a/b", NAME]
    assert found.of(NAME) == [
        Chain(NAME, "v", [range(1, 2)]),
        Chain(NAME, "w", [range(1, 3), range(4, 5)], [key]),
    ]
    assert [chain.count() for chain in found.chains] == [1, 1, 3]
    assert (found.chains[2].count(after=2), found.chains[2].last) == (1, 4)
    assert (found.foreign, len(found.some_foreign)) == (12, 10)
    assert survey(store, "a/b").accounts() == ["a/b"]
    assert survey(MemoryStore()).accounts() == []


def test_whole_chain(store: MemoryStore) -> None:
    """A whole chain gives every record in order, and its head."""
    made = write(store, "w", dict.fromkeys(range(1, 30), 5))
    reading = Reading(store)
    assert reading.said == [f"w{n}" for n in range(1, 30)]
    assert not reading.breaks
    assert reading.heads == {"w": (5, made[-1])}


def test_tail(store: MemoryStore) -> None:
    """A chain can be read from behind a link on, which the next one must name."""
    made = write(store, "w", {1: 1, 2: 2, 3: 3, 4: 4})
    reading = Reading(store, {"w": made[1]})
    assert (reading.said, reading.breaks) == (["w3", "w4"], [])
    reading = Reading(store, {"w": ChainHead(2, "ab" * 32)})
    assert (reading.said, reading.places()) == (["w3", "w4"], [("w", 3)])
    assert "does not follow" in str(reading.breaks[0])


def test_joined_by_time(store: MemoryStore) -> None:
    """Chains are joined by time; a clock that goes back does not change a chain's own order."""
    write(store, "w", {1: 10, 2: 30, 3: 20, 4: None})
    write(store, "a", {1: None, 2: 25, 3: 30, 4: 40})
    assert Reading(store).said == ["a1", "w1", "a2", "a3", "w2", "w3", "w4", "a4"]


def test_gap(store: MemoryStore) -> None:
    """Manifests that are missing are one break, and reading goes on behind them."""
    write(store, "w", {2: 0, 3: 0, 6: 0})
    reading = Reading(store)
    assert reading.said == ["w2", "w3", "w6"]
    assert [each.what for each in reading.breaks] == [
        "manifest 1 of writer w is missing",
        "manifest 4 of writer w and 1 behind it are missing",
    ]


GOOD = manifest_octets(ManifestHead(NAME, "w", 2, None), [{"kind": "x", "of": "w2"}] * 500)


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"nonsense", "cannot be decoded"),
        (GOOD[:-5], "cut off"),
        (manifest_octets(ManifestHead(NAME, "w", 3, None), []), "in its place manifest 3"),
        (manifest_octets(ManifestHead("other", "w", 2, None), []), "of writer w of other"),
        (manifest_octets(ManifestHead(NAME, "v", 2, None), []), "of writer v of me"),
    ],
    ids=range(5),
)
def test_damaged(store: MemoryStore, octets: bytes, says: str) -> None:
    """A manifest that cannot be read is one break, at its start or at its end."""
    write(store, "w", {1: 0, 2: 0, 3: 0}, replaced={2: octets})
    reading = Reading(store)
    assert reading.said == ["w1", "w3"]
    assert {*reading.places()} == {("w", 2)}
    assert says in reading.breaks[-1].what
    assert str(reading.breaks[0]).startswith(f"{NAME}: manifest 2 of writer w ")


def test_replaced(store: MemoryStore) -> None:
    """A manifest that was replaced by another good one shows at the next, which names the old."""
    write(store, "w", {1: 0, 2: 0, 3: 0}, replaced={1: manifest_octets(FIRST, [])})
    reading = Reading(store)
    assert reading.places() == [("w", 2)]
    assert reading.said == ["w2", "w3"]


def test_newer_format(store: MemoryStore) -> None:
    """A manifest of a newer version is not passed over."""
    line = line_of({"format": 1, "requires": ["more"]})
    write(store, "w", {1: 0, 2: 0}, replaced={2: gzip.compress(line)})
    with pytest.raises(UnknownFormat, match="manifest 2 of writer w"):
        Reading(store)


def test_gone_meanwhile(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest that was listed and is not there any more is a break."""
    write(store, "w", {1: 0, 2: 0})
    read = store.read

    def missing(key: str, **range_: Any) -> Iterator[bytes]:
        if key.endswith("1.jsonl.gz"):
            raise ObjectMissing("gone")
        return read(key, **range_)

    monkeypatch.setattr(store, "read", missing)
    reading = Reading(store)
    assert (reading.said, reading.places()) == (["w2"], [("w", 1)])


def test_large_manifest(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest too large to be fetched ahead is read as it streams in."""
    monkeypatch.setattr("archiver.chains._MOST_HELD", 100)
    made = write(store, "w", {1: 0, 2: 0}, most=10_000)
    reading = Reading(store)
    assert (reading.said, reading.breaks) == (["w1", "w2"], [])
    assert reading.heads["w"][1] == made[-1]
