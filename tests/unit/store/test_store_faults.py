import pytest

from archiver.errors import StoreError
from archiver.store import payload_of
from archiver.store.memory import MemoryStore
from infra.faulty_store import Fault, FaultyStore


def test_each_fault_does_what_it_says() -> None:
    """The named puts go wrong in their ways, and the others do not."""
    inner = MemoryStore()
    faults = {1: Fault.BEFORE, 2: Fault.AFTER, 3: Fault.LOST, 4: Fault.ROTTEN}
    failed = []
    with FaultyStore(inner, faults) as store:
        assert store.probe() == store.capabilities == inner.capabilities
        for number in range(1, 6):
            try:
                stat = store.put(str(number), payload_of(b"abc"), content_type="text/plain")
                assert stat.size == 3
            except StoreError:
                failed.append(number)
        assert failed == [1, 2]
        assert [stat.key for stat in store.list("")] == ["2", "4", "5"]
        assert store.head("3") is None
        assert b"".join(store.read("4")) == b"\x9ebc"
        assert b"".join(store.read("5", offset=1, length=1)) == b"b"


def test_state_goes_through() -> None:
    """What concerns no message is left alone."""
    store = FaultyStore(MemoryStore(), {})
    store.replace("state/a", b"x")
    assert store.head("state/a") is not None
    store.remove("state/a")
    assert store.head("state/a") is None
    with pytest.raises(ValueError, match="state/"):
        store.remove("a")
