"""One suite for every store: what ``archiver/store/contract.py`` promises."""

import hashlib
import io
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archiver.config import StoreSettings
from archiver.errors import KeyTaken, MessageError, StoreError
from archiver.model import Payload
from archiver.store import (
    ObjectMissing,
    Stat,
    Store,
    open_store,
    payload_of,
    payload_of_slice,
)

TYPE = "application/octet-stream"


def put(store: Store, key: str, octets: bytes) -> Stat:
    """Puts octets as a payload."""
    return store.put(key, payload_of(octets), content_type=TYPE)


def read(store: Store, key: str, offset: int = 0, length: int | None = None) -> bytes:
    """All octets of a range at once."""
    return b"".join(store.read(key, offset=offset, length=length))


def keys(store: Store, prefix: str = "") -> list[str]:
    """The keys that are listed."""
    return [stat.key for stat in store.list(prefix)]


def test_what_was_put_is_read_again(store: Store) -> None:
    """The octets come back exactly, and the store says how many they are."""
    for octets in (b"", b"\0\r\n.\xff", b"x" * 5000, bytes(range(256)) * 9000):
        stat = put(store, f"mail/a@b/2024/01/02/batch/{len(octets)}.eml", octets)
        assert stat.size == len(octets)
        assert read(store, stat.key) == octets
        found = store.head(stat.key)
        assert found is not None
        assert (found.key, found.size) == (stat.key, len(octets))
        assert found.md5 in (None, hashlib.md5(octets).hexdigest())
        assert found.sha256 in (None, hashlib.sha256(octets).hexdigest())


def test_chunks_are_bounded(store: Store) -> None:
    """A large object is read in pieces of at most 1 MiB."""
    octets = bytes(2_500_000)
    put(store, "large", octets)
    sizes = [len(chunk) for chunk in store.read("large")]
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == len(octets)


def test_large_payload_is_streamed_from_a_slice(store: Store, tmp_path: Path) -> None:
    """A slice of a file arrives as it is, whatever lies around it."""
    octets = bytes(range(250)) * 12_000
    file = tmp_path / "segment"
    file.write_bytes(b"before" + octets + b"after")
    payload = payload_of_slice(file, 6, len(octets), hashlib.sha256(octets).hexdigest())
    store.put("large", payload, content_type=TYPE)
    assert read(store, "large") == octets


def test_same_octets_again_are_success(store: Store) -> None:
    """A write that was done before is done."""
    first = put(store, "a/b", b"same")
    again = put(store, "a/b", b"same")
    assert (again.key, again.size, again.etag) == (first.key, first.size, first.etag)
    assert keys(store) == ["a/b"]


def test_other_octets_are_refused(store: Store) -> None:
    """What lies under a key stays there, whatever one tries to write."""
    put(store, "a/b", b"first")
    for other in (b"other", b"longer than that", b""):
        with pytest.raises(KeyTaken):
            put(store, "a/b", other)
    assert read(store, "a/b") == b"first"


def test_octets_that_went_bad_are_not_stored(store: Store) -> None:
    """Octets that are not what their digest says are never written."""
    good = payload_of(b"good")
    bad = Payload(good.length, good.sha256, good.md5, lambda: io.BytesIO(b"bad!"))
    with pytest.raises(MessageError):
        store.put("a", bad, content_type=TYPE)
    assert keys(store) == []


def test_large_octets_that_went_bad_are_not_stored(store: Store) -> None:
    """The same holds for octets that are not held in memory."""
    good = payload_of(bytes(1_500_000))
    short = Payload(good.length, good.sha256, good.md5, lambda: io.BytesIO(bytes(1_400_000)))
    with pytest.raises(MessageError):
        store.put("a", short, content_type=TYPE)
    assert keys(store) == []


def test_one_of_many_writers_wins(store: Store) -> None:
    """Of several writers of one key one succeeds, and its octets are there whole."""
    store.probe()
    bodies = [bytes([number]) * 70_000 for number in range(8)]

    def attempt(body: bytes) -> bool:
        try:
            put(store, "state/raced", body)
        except KeyTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(attempt, bodies))
    assert sum(won) == 1
    assert read(store, "state/raced") == bodies[won.index(True)]


def test_listing_is_in_order_of_keys(store: Store) -> None:
    """Keys come in the order of their octets, directories or not, and only under the prefix."""
    written = ["a-b", "a/x-y", "a/x/y", "a.b/c", "b", "a/é", "a/z"]
    for key in written:
        put(store, key, key.encode())
    assert keys(store) == sorted(written, key=str.encode)
    assert keys(store, "a/") == ["a/x-y", "a/x/y", "a/z", "a/é"]
    assert keys(store, "a/x") == ["a/x-y", "a/x/y"]
    assert keys(store, "a/x/") == ["a/x/y"]
    assert keys(store, "nothing/here") == []
    assert {stat.size for stat in store.list("a/é")} == {len("a/é".encode())}


@pytest.mark.parametrize("settings", ["memory", "directory", "moto", "ceph"], indirect=True)
def test_listing_goes_beyond_a_page(store: Store) -> None:
    """More than the 1,000 keys of an S3 page are listed, each once and with its size."""
    payload = payload_of(b"12345")
    store.probe()
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: store.put(f"many/{number:04}", payload, content_type=TYPE),
                range(1005),
            )
        )
    found = list(store.list("many/"))
    assert [stat.key for stat in found] == [f"many/{number:04}" for number in range(1005)]
    assert {stat.size for stat in found} == {5}


def test_listing_gives_what_the_probe_promised(store: Store) -> None:
    """Where ETags are MD5, a listing proves octets; where checksums are kept, HEAD does."""
    gives = store.probe()
    put(store, "a", b"octets")
    (listed,) = store.list("a")
    found = store.head("a")
    assert found is not None
    assert listed.md5 == (hashlib.md5(b"octets").hexdigest() if gives.md5_etag else None)
    assert found.md5 == listed.md5
    assert found.sha256 == (hashlib.sha256(b"octets").hexdigest() if gives.checksum else None)


def test_ranges(store: Store) -> None:
    """A range gives what lies in it, and as much of it as there is."""
    put(store, "a", b"0123456789")
    assert read(store, "a", 3, 4) == b"3456"
    assert read(store, "a", 7) == b"789"
    assert read(store, "a", 0, 2) == b"01"
    assert read(store, "a", 8, 100) == b"89"
    assert read(store, "a", 10) == b""
    assert read(store, "a", 99, 1) == b""
    assert read(store, "a", 5, 0) == b""
    put(store, "empty", b"")
    assert read(store, "empty", 0, 10) == b""
    for offset, length in ((-1, None), (0, -1)):
        with pytest.raises(ValueError, match="octets"):
            read(store, "a", offset, length)


def test_what_is_not_there(store: Store) -> None:
    """An absent object is None to HEAD and an error to a reader; a part of a path is no object."""
    put(store, "a/b", b"x")
    for key in ("c", "a", "a/b/c"):
        assert store.head(key) is None
        with pytest.raises(ObjectMissing):
            read(store, key)


def test_state_is_replaced_and_removed(store: Store) -> None:
    """Below ``state/`` objects change and go, also when they are not there."""
    store.replace("state/lease", b"one")
    stat = store.replace("state/lease", b"three")
    assert stat.size == 5
    assert read(store, "state/lease") == b"three"
    store.remove("state/lease")
    store.remove("state/lease")
    store.remove("state/deeper/lease")
    assert store.head("state/lease") is None


def test_nothing_else_is_replaced_or_removed(store: Store) -> None:
    """Outside ``state/`` all of that is a mistake in the program."""
    for key in ("mail/a", "states/a", "manifests/state/a"):
        put(store, key, b"stays")
        with pytest.raises(ValueError, match="state/"):
            store.replace(key, b"new")
        with pytest.raises(ValueError, match="state/"):
            store.exchange(key, b"new", expected=None)
        with pytest.raises(ValueError, match="state/"):
            store.remove(key)
        assert read(store, key) == b"stays"


def test_state_is_exchanged(store: Store) -> None:
    """Octets take the place of those that were expected there, or of none, and of no others."""
    first = store.exchange("state/lease", b"one", expected=None)
    assert first is not None and first.etag is not None
    assert (first.key, first.size) == ("state/lease", 3)
    assert store.exchange("state/lease", b"other", expected=None) is None
    second = store.exchange("state/lease", b"second", expected=first.etag)
    assert second is not None and second.etag not in (None, first.etag)
    found = store.head("state/lease")
    assert found is not None and found.etag == second.etag
    assert store.exchange("state/lease", b"other", expected=first.etag) is None
    assert store.exchange("state/lease", b"other", expected=None) is None
    assert read(store, "state/lease") == b"second"
    store.remove("state/lease")
    assert store.exchange("state/lease", b"other", expected=second.etag) is None
    assert keys(store) == []


def test_what_was_replaced_is_exchanged(store: Store) -> None:
    """What was written without conditions has an ETag to expect as well."""
    stat = store.replace("state/lease", b"one")
    found = store.head("state/lease")
    assert found is not None and found.etag == stat.etag
    assert store.exchange("state/lease", b"two", expected=stat.etag) is not None
    assert read(store, "state/lease") == b"two"


def test_an_exchange_again_is_success(store: Store) -> None:
    """An exchange whose answer was lost and that is tried again finds its octets there."""
    first = store.exchange("state/lease", b"one", expected=None)
    again = store.exchange("state/lease", b"one", expected=None)
    assert first is not None and again is not None
    for _ in range(2):
        done = store.exchange("state/lease", b"two", expected=first.etag)
        assert done is not None and done.etag != first.etag


def test_one_of_many_exchanges_wins(store: Store) -> None:
    """Of several that expect the same one succeeds, where the store guards exchanges."""
    gives = store.probe()
    there = store.exchange("state/raced", b"before", expected=None) if gives.exchange else None

    def attempt(body: bytes) -> bool:
        expected = None if there is None else there.etag
        return store.exchange("state/raced", body, expected=expected) is not None

    bodies = [b"%d" % number for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(attempt, bodies))
    assert sum(won) == 1
    assert read(store, "state/raced") == bodies[won.index(True)]


def test_stores_say_whether_they_guard_exchanges(store: Store) -> None:
    """This Ceph heeds If-None-Match alone; a store that does not guard exchanges says so."""
    is_ceph = store.url.startswith("s3://bucket-")
    assert store.probe().exchange is not is_ceph


def test_versions_of_a_store_without_any(store: Store) -> None:
    """Where no versions are kept, they are the objects that are there, and need no id."""
    for key, octets in (("a/x", b"1"), ("a/b/c", b"22"), ("b", b"333")):
        put(store, key, octets)
    found = list(store.versions("a/"))
    assert [(one.key, one.size, one.version_id) for one in found] == [
        ("a/b/c", 2, None),
        ("a/x", 1, None),
    ]
    assert all(one.is_latest and not one.is_delete_marker for one in found)
    assert [one.etag for one in found] == [stat.etag for stat in store.list("a/")]
    assert len(list(store.versions(""))) == 3
    assert list(store.versions("c")) == []


def test_no_version_of_a_store_without_any(store: Store) -> None:
    """Where no versions are kept, an object cannot be read by the id of one."""
    put(store, "a", b"x")
    with pytest.raises(StoreError):
        list(store.read("a", version_id="0" * 32))


def test_when_an_object_was_stored(store: Store) -> None:
    """A store that says when it took an object says so in a listing, to HEAD, and of versions."""
    before = time.time()
    put(store, "a", b"x")
    (listed,), (version,), found = store.list("a"), store.versions("a"), store.head("a")
    assert found is not None
    if store.url.startswith("memory:"):
        assert listed.modified is version.modified is found.modified is None
    else:
        for modified in (listed.modified, version.modified, found.modified):
            # S3 may round to the second; nothing here is in another hour.
            assert modified is not None and abs(modified - before) < 3600


@pytest.mark.parametrize("settings", ["memory", "directory", "moto"], indirect=True)
def test_keys_that_lead_elsewhere_are_refused(store: Store) -> None:
    """No method follows a key out of the store, wherever the key was read."""
    strange = ["", "/etc/passwd", "a/../b", "..", "a//b", "a/", "a/./b", "a\0b", "state/../a"]
    for key in (*strange, "x" * 1025):
        with pytest.raises(StoreError):
            put(store, key, b"x")
        with pytest.raises(StoreError):
            store.head(key)
        with pytest.raises(StoreError):
            read(store, key)
        with pytest.raises(StoreError):
            store.replace(key, b"x")
        with pytest.raises(StoreError):
            store.exchange(key, b"x", expected=None)
        with pytest.raises(StoreError):
            store.remove(key)
    assert keys(store) == []


def test_probe_leaves_nothing(store: Store) -> None:
    """Finding out what a store gives changes nothing in it, and is remembered."""
    gives = store.probe()
    assert store.capabilities == gives
    assert keys(store) == []


def test_first_put_probes(settings: StoreSettings) -> None:
    """A store whose capabilities nobody remembered finds them out before it writes."""
    with open_store(settings) as store:
        put(store, "a", b"x")
        assert store.capabilities is not None
        assert store.capabilities.conditional
        assert keys(store) == ["a"]


def test_opened_again(settings: StoreSettings) -> None:
    """Settings travel to another process, and what one opening wrote the next one reads."""
    with open_store(settings) as store:
        put(store, "a", b"x")
    travelled = pickle.loads(pickle.dumps(settings))
    with open_store(travelled) as again:
        assert again.url == store.url
        assert read(again, "a") == b"x"
