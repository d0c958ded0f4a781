import json
from typing import Any

import pytest

from archiver.errors import AlreadyRunning, StoreError
from archiver.format import lease_key
from archiver.stages.lease import Lease, give_up, take
from archiver.store import Stat
from archiver.store.memory import MemoryStore
from infra.faulty_store import Fault, FaultyStore

NOW = 1_780_000_000.0
KEY = lease_key("me")
OURS = Lease("ours", "here", 1, NOW, NOW + 600)
THEIRS = {
    "holder": "theirs",
    "host": "there",
    "pid": 2,
    "since": "2026-05-28T20:00:00Z",
    "until": "2026-05-28T20:27:00Z",
}


def store_with(**changed: Any) -> MemoryStore:
    """A store with the lease of another writer, which has 20 s to go, with these changes."""
    store = MemoryStore()
    store.replace(KEY, json.dumps(THEIRS | changed).encode())
    return store


def holder(store: MemoryStore) -> str:
    """Whose the lease is now."""
    return str(json.loads(b"".join(store.read(KEY)))["holder"])


def test_the_key() -> None:
    """A lease lies where it may be overwritten, and belongs to one account."""
    assert lease_key("Me@Example.com") == "state/lease/me@example.com.json"
    assert lease_key("a/b") == "state/lease/a%2Fb.json"


def test_held_elsewhere() -> None:
    """Whoever finds a lease of another is told who has it, where, and until when."""
    store = store_with()
    with pytest.raises(AlreadyRunning) as caught:
        take(store, "me", OURS, NOW)
    assert caught.value.message == (
        "account me is in use by archiver on there, process 2, since 2026-05-28T20:00:00Z;"
        " its lease in the store runs until 2026-05-28T20:27:00Z"
    )
    assert "run again" in caught.value.hint
    assert holder(store) == "theirs"


@pytest.mark.parametrize(
    "changed",
    [
        {"until": "2026-05-28T20:26:40Z"},
        {"until": "2026-05-28T22:26:40+02:00"},
        {"holder": "ours", "until": "2027-01-01T00:00:00Z"},
        {"until": "2026-05-28T20:51:41Z"},
        {"until": "9999-12-31T23:59:59Z"},
        {"until": None},
        {"until": "soon"},
        {"until": "2026-05-28T20:27:00"},
        {"since": 5},
        {"holder": 7},
        {"pid": -1},
        {"host": "\ud800"},
    ],
)
def test_taken_over(changed: dict[str, Any]) -> None:
    """What ran out, is of our writer, or is no lease that can be believed keeps nobody out."""
    store = store_with(**changed)
    take(store, "me", OURS, NOW)
    assert holder(store) == "ours"


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 5000, b"{" + b" " * 9999]
)
def test_no_lease_at_all(octets: bytes) -> None:
    """Whatever else lies there is replaced."""
    store = MemoryStore()
    store.replace(KEY, octets)
    take(store, "me", OURS, NOW)
    assert holder(store) == "ours"


def test_clocks_that_differ() -> None:
    """A machine whose clock is a quarter of an hour ahead has its lease respected."""
    with pytest.raises(AlreadyRunning):
        take(store_with(until="2026-05-28T20:51:40Z"), "me", OURS, NOW)


def test_a_hostile_host() -> None:
    """What another wrote is shown on one line and moves no cursor."""
    with pytest.raises(AlreadyRunning) as caught:
        take(store_with(host="a\x1b[2J\nb" + "c" * 500), "me", OURS, NOW)
    assert "on a?[2J?bccc" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


def test_given_up_by_its_holder_alone() -> None:
    """A lease of another is left alone, and none is no error."""
    store = store_with()
    give_up(store, "me", OURS)
    assert holder(store) == "theirs"
    store = MemoryStore()
    give_up(store, "me", OURS)
    take(store, "me", OURS, NOW)
    give_up(store, "me", OURS)
    assert list(store.list("")) == []


class Contested(MemoryStore):
    """A store in which somebody is quicker than we are, ``times`` times."""

    def __init__(self, times: int, **theirs: Any) -> None:
        super().__init__()
        self.times, self.theirs = times, theirs

    def exchange(self, key: str, octets: bytes, *, expected: str | None) -> Stat | None:
        """As always, but too late."""
        if self.times:
            self.times -= 1
            self.replace(key, json.dumps(THEIRS | {"pid": self.times} | self.theirs).encode())
        return super().exchange(key, octets, expected=expected)


def test_somebody_is_quicker() -> None:
    """Whoever comes second looks again, and yields to a lease that runs."""
    with pytest.raises(AlreadyRunning, match="on there"):
        take(Contested(1), "me", OURS, NOW)
    store = Contested(2, until="2026-05-28T20:00:00Z")
    take(store, "me", OURS, NOW)
    assert holder(store) == "ours"
    with pytest.raises(StoreError, match="changes each time"):
        take(Contested(99, until="2026-05-28T20:00:00Z"), "me", OURS, NOW)


def test_gone_between_two_looks() -> None:
    """A lease that was given up while it was looked at is looked for again."""
    inner = store_with()
    store = FaultyStore(inner, {2: Fault.LOST})
    take(store, "me", OURS, NOW)
    assert holder(inner) == "ours"


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_a_store_that_fails(call: int, fault: Fault) -> None:
    """A store that fails meanwhile is an error like any other, and does not lock us out."""
    inner = store_with(until="2026-05-28T20:00:00Z")
    with pytest.raises(StoreError):
        take(FaultyStore(inner, {call: fault}), "me", OURS, NOW)
    take(inner, "me", OURS, NOW)
    assert holder(inner) == "ours"
