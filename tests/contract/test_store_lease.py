"""A lease in every kind of store: it keeps others out where exchanges are guarded, or is not."""

import json

import pytest

from archiver.errors import AlreadyRunning
from archiver.format import lease_key
from archiver.stages.lease import LIFE_SECONDS, Lease, give_up, take
from archiver.store import Store

NOW = 1_780_000_000.0
KEY = lease_key("me")


def lease(holder: str, now: float = NOW) -> Lease:
    """A lease that begins now."""
    return Lease(holder, f"{holder}.example.com", 42, now, now + LIFE_SECONDS)


def held(store: Store) -> list[str]:
    """What lies below ``state/``."""
    return [stat.key for stat in store.list("state/")]


def test_one_of_two_machines(store: Store) -> None:
    """The second machine is told who the first is, until that one gives up or its time is over."""
    if not store.probe().exchange:
        take(store, "me", lease("first"), NOW)
        take(store, "me", lease("second"), NOW)
        assert held(store) == []
        give_up(store, "me", lease("first"))
        return
    take(store, "me", lease("first"), NOW)
    with pytest.raises(AlreadyRunning, match="account me is in use by archiver on first"):
        take(store, "me", lease("second"), NOW + 1)
    take(store, "me", lease("first", NOW + 200), NOW + 200)
    with pytest.raises(AlreadyRunning):
        take(store, "me", lease("second"), NOW + LIFE_SECONDS + 1)
    give_up(store, "me", lease("second"))
    assert held(store) == [KEY]
    give_up(store, "me", lease("first"))
    assert held(store) == []
    take(store, "me", lease("second"), NOW)
    later = NOW + LIFE_SECONDS
    take(store, "me", lease("third", later), later)
    told = json.loads(b"".join(store.read(KEY)))
    assert told == {
        "holder": "third",
        "host": "third.example.com",
        "pid": 42,
        "since": "2026-05-28T20:36:40Z",
        "until": "2026-05-28T20:46:40Z",
    }
