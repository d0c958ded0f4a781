"""A store that misbehaves where a test tells it to, around any store that does not.

Its faults are those that the pipeline must survive without losing a message: a write that fails
before or after it took place, a write that succeeds and is not there, and octets that rot.
"""

import threading
from collections.abc import Iterator, Mapping
from enum import StrEnum

from archiver.errors import StoreError
from archiver.model import Payload
from archiver.store.contract import Capabilities, Stat, Store
from archiver.store.payload import payload_of


class Fault(StrEnum):
    """What happens to one ``put``.

    ``BEFORE``: it fails and nothing is stored. ``AFTER``: it fails although it is stored.
    ``LOST``: it succeeds although nothing is stored. ``ROTTEN``: it succeeds, and other octets of
    the same length are stored.
    """

    BEFORE = "before"
    AFTER = "after"
    LOST = "lost"
    ROTTEN = "rotten"


class FaultyStore(Store):
    """The store ``inner``, except for the puts that ``faults`` names, counted from 1."""

    def __init__(self, inner: Store, faults: Mapping[int, Fault]) -> None:
        """Nothing has been put yet."""
        self.url = inner.url
        self.capabilities = inner.capabilities
        self.puts = 0
        self._inner = inner
        self._faults = dict(faults)
        self._counting = threading.Lock()

    def probe(self) -> Capabilities:
        """As the inner store."""
        self.capabilities = self._inner.probe()
        return self.capabilities

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """As the inner store, unless it is this put's turn to go wrong."""
        with self._counting:
            self.puts += 1
            number = self.puts
            fault = self._faults.get(number)
        if fault is Fault.LOST:
            return Stat(key, payload.length)
        if fault is Fault.ROTTEN:
            self._inner.put(key, _rotten(payload), content_type=content_type)
            return Stat(key, payload.length)
        if fault is not Fault.BEFORE:
            stat = self._inner.put(key, payload, content_type=content_type)
            if fault is None:
                return stat
        raise StoreError(f"put {number} was told to fail {fault} it took place")

    def replace(self, key: str, octets: bytes) -> Stat:
        """As the inner store."""
        return self._inner.replace(key, octets)

    def remove(self, key: str) -> None:
        """As the inner store."""
        self._inner.remove(key)

    def list(self, prefix: str) -> Iterator[Stat]:
        """As the inner store."""
        return self._inner.list(prefix)

    def head(self, key: str) -> Stat | None:
        """As the inner store."""
        return self._inner.head(key)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """As the inner store."""
        return self._inner.read(key, offset=offset, length=length)

    def close(self) -> None:
        """As the inner store."""
        self._inner.close()


def _rotten(payload: Payload) -> Payload:
    with payload.open() as stream:
        octets = stream.read()
    return payload_of(bytes(octet ^ 0xFF for octet in octets[:1]) + octets[1:])
