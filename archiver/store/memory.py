"""A store in memory: the contract with nothing around it, for tests.

Stores of one name in one process share their objects, as two openings of one bucket would.
"""

import hashlib
import itertools
import secrets
import threading
from bisect import bisect_left
from collections.abc import Iterator

from archiver.format import STATE_PREFIX
from archiver.model import Payload
from archiver.store.contract import (
    CHUNK,
    Capabilities,
    ObjectMissing,
    Stat,
    Store,
    check_key,
    check_range,
    check_state_key,
)
from archiver.store.payload import checked_body
from archiver.store.presence import look

_EVERYTHING = Capabilities(conditional=True, md5_etag=True, checksum=True, exchange=True)
_shared: dict[str, dict[str, bytes]] = {}
_exchanging = threading.Lock()


class MemoryStore(Store):
    """Objects in a dictionary.

    Args:
        name: stores of one name share their objects; without one, this store is alone.
    """

    def __init__(self, name: str = "", capabilities: Capabilities | None = None) -> None:
        """Holds nothing unless another store of that name does."""
        self.url = f"memory://{name or secrets.token_hex(8)}"
        self.capabilities = capabilities or _EVERYTHING
        self._objects = _shared.setdefault(name, {}) if name else {}

    def probe(self) -> Capabilities:
        """See the contract."""
        key = f"{STATE_PREFIX}probe-{secrets.token_hex(8)}"
        self.replace(key, b"probe")
        self.remove(key)
        self.capabilities = _EVERYTHING
        return self.capabilities

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """See the contract."""
        check_key(key)
        octets = checked_body(payload)
        if octets is None:
            with payload.open() as stream:
                octets = stream.read()
        # setdefault alone is atomic, which is all the guard there has to be.
        if self._objects.setdefault(key, octets) is octets:
            return _stat(key, octets)
        return look(self, key, payload) or self.put(key, payload, content_type=content_type)

    def replace(self, key: str, octets: bytes) -> Stat:
        """See the contract."""
        check_state_key(key)
        self._objects[key] = octets
        return _stat(key, octets)

    def exchange(self, key: str, octets: bytes, *, expected: str | None) -> Stat | None:
        """See the contract."""
        check_state_key(key)
        with _exchanging:
            there = self.head(key)
            if (there and there.etag) != expected and self._objects.get(key) != octets:
                return None
            return self.replace(key, octets)

    def remove(self, key: str) -> None:
        """See the contract."""
        check_state_key(key)
        self._objects.pop(key, None)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See the contract."""
        keys = sorted(self._objects, key=_order)
        first = bisect_left(keys, _order(prefix), key=_order)
        found = itertools.takewhile(lambda key: key.startswith(prefix), keys[first:])
        for key in found:
            octets = self._objects.get(key)
            if octets is not None:
                stat = _stat(key, octets)
                yield Stat(key, stat.size, stat.etag, stat.md5)

    def head(self, key: str) -> Stat | None:
        """See the contract."""
        check_key(key)
        octets = self._objects.get(key)
        return None if octets is None else _stat(key, octets)

    def read(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str | None = None,
    ) -> Iterator[bytes]:
        """See the contract."""
        check_key(key)
        check_range(offset, length)
        octets = self._objects.get(key) if version_id is None else None
        if octets is None:
            raise ObjectMissing(f"there is no {self.url}/{key}")
        end = len(octets) if length is None else min(offset + length, len(octets))
        for start in range(offset, end, CHUNK):
            yield octets[start : min(start + CHUNK, end)]

    def close(self) -> None:
        """See the contract."""


def _order(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _stat(key: str, octets: bytes) -> Stat:
    md5 = hashlib.md5(octets, usedforsecurity=False).hexdigest()
    return Stat(key, len(octets), etag=md5, md5=md5, sha256=hashlib.sha256(octets).hexdigest())
