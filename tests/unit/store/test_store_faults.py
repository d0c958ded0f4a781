from collections.abc import Callable

import pytest

from archiver.errors import StoreError
from archiver.store import ObjectMissing, payload_of
from archiver.store.memory import MemoryStore
from infra.faulty_store import Fault, FaultyStore, puts, reads


def put(store: FaultyStore, key: str) -> None:
    """Puts three octets, which the store acknowledges."""
    stat = store.put(key, payload_of(b"abc"), content_type="text/plain")
    assert (stat.size, stat.md5) == (3, payload_of(b"abc").md5.hex())


def test_puts_go_wrong_in_their_ways() -> None:
    """The named puts fail or lie as they were told to, and the others do not."""
    inner = MemoryStore()
    faults = {1: Fault.BEFORE, 2: Fault.AFTER, 3: Fault.LOST, 4: Fault.ROTTEN}
    failed = []
    with FaultyStore(inner, faults) as store:
        assert store.probe() == store.capabilities == inner.capabilities
        for number in range(1, 6):
            try:
                put(store, str(number))
            except StoreError:
                failed.append(number)
        assert failed == [1, 2]
        assert [stat.key for stat in store.list("")] == ["2", "4", "5"]
        assert store.head("3") is None
        assert b"".join(store.read("4")) == b"\x9ebc"
        assert b"".join(store.read("5", offset=1, length=1)) == b"b"
        assert store.calls[:5] == [("put", str(number)) for number in range(1, 6)]
        assert store.calls[5:] == [("list", ""), ("head", "3"), ("read", "4"), ("read", "5")]


def faulty(fault: Fault) -> FaultyStore:
    """A store with one object below ``state/`` whose next call goes wrong."""
    inner = MemoryStore()
    inner.replace("state/a", b"abc")
    return FaultyStore(inner, {1: fault})


ETAG = payload_of(b"abc").md5.hex()
CALLS: dict[str, Callable[[FaultyStore], object]] = {
    "replace": lambda store: store.replace("state/a", b"new"),
    "exchange": lambda store: store.exchange("state/a", b"new", expected=ETAG),
    "relock": lambda store: store.relock("state/a"),
    "remove": lambda store: store.remove("state/a"),
    "list": lambda store: [stat.key for stat in store.list("state/")],
    "versions": lambda store: [version.key for version in store.versions("state/")],
    "head": lambda store: store.head("state/a"),
    "read": lambda store: b"".join(store.read("state/a")),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_every_call_can_fail(method: str, fault: Fault) -> None:
    """Any call fails once, before or after it took place, and is as always the next time."""
    store = faulty(fault)
    with pytest.raises(StoreError, match=f"{method} of state/.* {fault} it took place"):
        CALLS[method](store)
    done = {"replace": b"new", "exchange": b"new", "remove": b""} if fault is Fault.AFTER else {}
    found = b"".join(b"".join(store.read(stat.key)) for stat in store.list("state/"))
    assert found == done.get(method, b"abc")


def test_what_is_lost() -> None:
    """A write that is lost is acknowledged; what is looked for is not found, though it is there."""
    assert CALLS["list"](faulty(Fault.LOST)) == CALLS["versions"](faulty(Fault.LOST)) == []
    assert CALLS["head"](faulty(Fault.LOST)) is None
    for method in ("replace", "exchange", "relock", "remove"):
        store = faulty(Fault.LOST)
        CALLS[method](store)
        assert b"".join(store.read("state/a")) == b"abc"
    store = faulty(Fault.LOST)
    with pytest.raises(ObjectMissing):
        CALLS["read"](store)
    assert store.head("state/a") is not None


def test_what_is_rotten() -> None:
    """Octets rot when they are written or when they are read, and their number stays."""
    store = faulty(Fault.ROTTEN)
    assert b"".join(store.read("state/a")) == b"\x9ebc"
    assert b"".join(store.read("state/a")) == b"abc"
    store = faulty(Fault.ROTTEN)
    assert store.replace("state/a", b"new").size == 3
    assert b"".join(store.read("state/a")) == b"\x91ew"
    store = faulty(Fault.ROTTEN)
    assert store.exchange("state/a", b"new", expected=ETAG)
    assert b"".join(store.read("state/a")) == b"\x91ew"


def test_a_read_breaks_off_at_its_end() -> None:
    """A read that fails after it took place has given what it read."""
    chunks = faulty(Fault.AFTER).read("state/a")
    assert next(chunks) == b"abc"
    with pytest.raises(StoreError):
        next(chunks)


def test_calls_that_do_not_count() -> None:
    """Calls that were not chosen are as always, and are no part of the count."""
    store = FaultyStore(MemoryStore(), {2: Fault.BEFORE}, puts)
    store.replace("state/a", b"x")
    put(store, "a")
    assert store.head("a") is not None
    with pytest.raises(StoreError):
        put(store, "b")
    assert store.calls == [("put", "a"), ("put", "b")]
    assert reads("read", "a") and not reads("head", "a")


def test_state_is_guarded() -> None:
    """Nothing outside ``state/`` is removed by a faulty store either."""
    with pytest.raises(ValueError, match="state/"):
        FaultyStore(MemoryStore(), {}).remove("a")
