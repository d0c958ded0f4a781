"""A store that misbehaves where a test tells it to, around any store that does not.

Its faults are those that the pipeline must survive without losing a message: a call that fails
before or after it took place, a write that is acknowledged and is not there, an object that is
listed and cannot be read, and octets that rot on either way.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from archiver.errors import StoreError
from archiver.model import Payload
from archiver.store.contract import Capabilities, ObjectMissing, Stat, Store, Version
from archiver.store.payload import payload_of


class Fault(StrEnum):
    """What happens to one call.

    ``BEFORE``: it fails, and nothing took place. ``AFTER``: it takes place and fails all the same,
    as when the answer is lost; a listing or an object is given and breaks off at its end. ``LOST``:
    a write is acknowledged and not done; what is looked for is not found. ``ROTTEN``: other octets
    of the same length are stored, or read; calls that carry no octets are as always.
    """

    BEFORE = "before"
    AFTER = "after"
    LOST = "lost"
    ROTTEN = "rotten"


Chosen = Callable[[str, str], bool]
"""Given a method's name and the key or prefix that it is called with: whether the call counts."""


def everything(method: str, key: str) -> bool:
    """Every call counts."""
    return True


def puts(method: str, key: str) -> bool:
    """Only what is archived counts: messages, parts, manifests and the format."""
    return method == "put"


def reads(method: str, key: str) -> bool:
    """Only reading back counts."""
    return method == "read"


class FaultyStore(Store):
    """The store ``inner``, except for the calls that the plan names.

    Args:
        inner: a store that works.
        plan: what happens to which call, counted from 1 over all of them.
        chosen: which calls are counted at all; the others are the inner store's.

    ``calls`` are the counted calls so far, each a method's name and its key: a test that runs once
    without faults learns from it how many calls there are to go wrong.
    """

    def __init__(
        self, inner: Store, plan: Mapping[int, Fault], chosen: Chosen = everything
    ) -> None:
        """Nothing has been asked yet."""
        self.url = inner.url
        self.capabilities = inner.capabilities
        self.calls: list[tuple[str, str]] = []
        self._inner = inner
        self._plan = dict(plan)
        self._chosen = chosen
        self._counting = threading.Lock()

    def probe(self) -> Capabilities:
        """As the inner store, always: what it gives is known when faults begin."""
        self.capabilities = self._inner.probe()
        return self.capabilities

    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("put", key)
        if fault is Fault.LOST:
            return self._acknowledged(key, payload)
        stored = _rotten_payload(payload) if fault is Fault.ROTTEN else payload
        stat = self._inner.put(key, stored, content_type=content_type)
        self._after(fault, "put", key)
        return self._acknowledged(key, payload) if fault is Fault.ROTTEN else stat

    def replace(self, key: str, octets: bytes) -> Stat:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("replace", key)
        if fault is Fault.LOST:
            return self._acknowledged(key, payload_of(octets))
        stat = self._inner.replace(key, _rotten(octets) if fault is Fault.ROTTEN else octets)
        self._after(fault, "replace", key)
        return self._acknowledged(key, payload_of(octets)) if fault is Fault.ROTTEN else stat

    def exchange(self, key: str, octets: bytes, *, expected: str | None) -> Stat | None:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("exchange", key)
        if fault is Fault.LOST:
            return self._acknowledged(key, payload_of(octets))
        stored = _rotten(octets) if fault is Fault.ROTTEN else octets
        stat = self._inner.exchange(key, stored, expected=expected)
        self._after(fault, "exchange", key)
        return stat

    def remove(self, key: str) -> None:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("remove", key)
        if fault is not Fault.LOST:
            self._inner.remove(key)
            self._after(fault, "remove", key)

    def relock(self, key: str, version_id: str | None = None) -> bool:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("relock", key)
        if fault is Fault.LOST:
            return True
        done = self._inner.relock(key, version_id)
        self._after(fault, "relock", key)
        return done

    def list(self, prefix: str) -> Iterator[Stat]:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("list", prefix)
        if fault is not Fault.LOST:
            yield from self._inner.list(prefix)
            self._after(fault, "list", prefix)

    def versions(self, prefix: str) -> Iterator[Version]:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("versions", prefix)
        if fault is not Fault.LOST:
            yield from self._inner.versions(prefix)
            self._after(fault, "versions", prefix)

    def head(self, key: str) -> Stat | None:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("head", key)
        stat = None if fault is Fault.LOST else self._inner.head(key)
        self._after(fault, "head", key)
        return stat

    def read(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str | None = None,
    ) -> Iterator[bytes]:
        """As the inner store, unless it is this call's turn to go wrong."""
        fault = self._next("read", key)
        if fault is Fault.LOST:
            raise ObjectMissing(f"{key} was told not to be found")
        inner = self._inner.read(key, offset=offset, length=length, version_id=version_id)
        for chunk in inner:
            yield _rotten(chunk) if fault is Fault.ROTTEN else chunk
        self._after(fault, "read", key)

    def close(self) -> None:
        """As the inner store."""
        self._inner.close()

    def _next(self, method: str, key: str) -> Fault | None:
        """Counts a call; raises where it is to fail before anything takes place."""
        if not self._chosen(method, key):
            return None
        with self._counting:
            self.calls.append((method, key))
            fault = self._plan.get(len(self.calls))
        if fault is Fault.BEFORE:
            raise StoreError(f"{method} of {key} was told to fail before it took place")
        return fault

    def _after(self, fault: Fault | None, method: str, key: str) -> None:
        if fault is Fault.AFTER:
            raise StoreError(f"{method} of {key} was told to fail after it took place")

    def _acknowledged(self, key: str, payload: Payload) -> Stat:
        """What a store that took the payload would say."""
        md5 = payload.md5.hex() if self.capabilities and self.capabilities.md5_etag else None
        return Stat(key, payload.length, etag=md5, md5=md5)


def _rotten_payload(payload: Payload) -> Payload:
    with payload.open() as stream:
        return payload_of(_rotten(stream.read()))


def _rotten(octets: bytes) -> bytes:
    return bytes(octet ^ 0xFF for octet in octets[:1]) + octets[1:]
