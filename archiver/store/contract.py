"""What every store promises, whatever it is made of.

A store holds objects under keys, writes each of them once, and can say what it holds. The rest of
the program relies on three promises: an object is there as a whole or not at all; an object that
is there is never overwritten or removed outside ``state/``; and what ``put`` returned from
survives the loss of power, as far as the store's own word goes. One suite of tests
(``tests/contract/test_store.py``) holds every store to this file.

Keys are relative to the store's prefix, use ``/`` between segments, and never begin with it.
All methods may be called from several threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Self

from archiver.errors import StoreError
from archiver.format import STATE_PREFIX
from archiver.model import Payload

CHUNK = 1 << 20
"""The most octets that ``read`` hands out at once."""

_LONGEST_KEY = 1024  # octets of UTF-8, as in S3
_NO_SEGMENT = frozenset(("", ".", ".."))


class ObjectMissing(StoreError):
    """There is no object under the key that was to be read."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store was found to give; plain values, so that a caller can remember them as JSON.

    ``conditional``: it refuses to overwrite when asked to. ``md5_etag``: the ETag of an object is
    the MD5 of its octets. ``checksum``: it names the SHA-256 of an object when asked.
    ``exchange``: it overwrites only what it was told to expect, however many try at once.
    """

    conditional: bool
    md5_etag: bool
    checksum: bool
    exchange: bool = False


def remembered(found: Mapping[str, bool] | None) -> Capabilities | None:
    """What was found once and kept as JSON; None where not all of it is known: probe again.

    A version that came before or after this one may have asked for less, or for more.
    """
    names = [field.name for field in fields(Capabilities)]
    if found is None or not set(names) <= set(found):
        return None
    return Capabilities(**{name: found[name] for name in names})


@dataclass(frozen=True, slots=True)
class Stat:
    """What the store says about one object; the digests are its words, in lower-case hex.

    ``md5`` is None unless the store's ETag is a plain MD5; ``sha256`` is None unless the store
    named it in this very answer; ``size`` is octets. ``modified`` is when the store took it, by its
    own clock in seconds since the epoch; None where this answer does not say.
    """

    key: str
    size: int
    etag: str | None = None
    md5: str | None = None
    sha256: str | None = None
    version_id: str | None = None
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One of the versions that a store keeps of an object.

    ``version_id`` is None where the object needs none to be read. ``size`` is octets, 0 for a
    delete marker: the version that hides an object from whoever names none. ``modified`` is as in
    ``Stat``.
    """

    key: str
    version_id: str | None
    size: int
    etag: str | None
    is_latest: bool
    is_delete_marker: bool
    modified: float | None


class Store(ABC):
    """Where objects go.

    Attributes:
        url: names the store to people and in the ledger, such as ``s3://bucket/prefix`` or
            ``file:///absolute/path``; without a slash at its end, and without a secret.
        capabilities: what ``probe`` found, or what the opener remembered; None before either.

    Every method raises StoreError, with a hint, when the store cannot be reached or refuses, and
    when a key is none that an archive may use.
    """

    url: str
    capabilities: Capabilities | None

    @abstractmethod
    def probe(self) -> Capabilities:
        """Finds out what the store gives, with a small object of its own under ``state/``.

        The object is removed again. The answer is kept in ``capabilities``.
        """

    @abstractmethod
    def put(self, key: str, payload: Payload, *, content_type: str) -> Stat:
        """Stores octets under a key that nothing lies under yet.

        When the same octets are there already, that is success: a retry of a write whose answer
        was lost comes here. A store that was never probed is probed by the first call.

        Args:
            key: where to.
            payload: what, with its digests; they are checked before anything is stored.
            content_type: what a browser of the store is told that it is.

        Raises:
            KeyTaken: other octets lie there; they stay.
            MessageError: the octets at hand are not those that the payload's digests name.
        """

    @abstractmethod
    def replace(self, key: str, octets: bytes) -> Stat:
        """Stores octets under a key below ``state/``, whatever lies there.

        Raises:
            ValueError: the key is not below ``state/``.
        """

    @abstractmethod
    def exchange(self, key: str, octets: bytes, *, expected: str | None) -> Stat | None:
        """Stores octets under a key below ``state/`` if what lies there is what was expected.

        Of several that try at once, from here or from anywhere, one succeeds, where the store's
        capabilities say ``exchange``. Elsewhere the store looks first and then writes: two that do
        so at the same time may both believe that they succeeded.

        A store that was never probed is probed by the first call. A write whose answer was lost is
        tried again, so finding the very same octets there is success: let them name their writer.

        Args:
            key: where to.
            octets: what.
            expected: the ETag of what is to be replaced, as ``head`` or an exchange gave it; None
                if nothing may lie there.

        Returns:
            None where something else lies there than was expected; it stays.

        Raises:
            ValueError: the key is not below ``state/``.
        """

    @abstractmethod
    def remove(self, key: str) -> None:
        """Removes what lies under a key below ``state/``, if anything does.

        Raises:
            ValueError: the key is not below ``state/``.
        """

    def withdraw(self, written: Stat) -> bool:
        """Removes what ``replace`` wrote and, where the store keeps versions, that version.

        Returns:
            False where only the name could be removed, since a lock keeps the octets.

        Raises:
            ValueError: the key is not below ``state/``.
        """
        self.remove(written.key)
        return True

    def relock(self, key: str, version_id: str | None = None) -> bool:
        """Has the lock of an object last as long as that of one that is stored now.

        A store that locks nothing, by its nature or by its settings, does nothing.

        Args:
            key: of the object.
            version_id: which version of it; None for the present one.

        Returns:
            Whether it would have ended earlier.

        Raises:
            ObjectMissing: there is no such object.
        """
        return False

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Stat]:
        """All objects whose keys begin with ``prefix``, in the order of their keys' UTF-8 octets.

        Objects written or removed meanwhile may or may not be seen. A page at a time is held.
        """

    def versions(self, prefix: str) -> Iterator[Version]:
        """Every version of all objects whose keys begin with ``prefix``, delete markers as well.

        Keys come in the order of their UTF-8 octets, and the versions of each newest first, as far
        as the store's clock tells. Where a store keeps no versions they are the objects that are
        there.
        """
        for stat in self.list(prefix):
            yield Version(
                stat.key,
                None,
                stat.size,
                stat.etag,
                is_latest=True,
                is_delete_marker=False,
                modified=stat.modified,
            )

    @abstractmethod
    def head(self, key: str) -> Stat | None:
        """What the store says about one object, with its checksum if it has one; None if absent.

        What lies below ``state/`` has an ETag, whatever the store.
        """

    @abstractmethod
    def read(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str | None = None,
    ) -> Iterator[bytes]:
        """The octets of an object, from ``offset`` on, ``length`` of them or up to the end.

        Chunks hold at most 1 MiB; a range that reaches beyond the end gives what there is. The
        store is asked when the first chunk is. An object is never cut short without a word: if its
        end cannot be had, that is an error.

        Args:
            key: which object.
            offset: of the first octet.
            length: how many octets; None for all up to the end.
            version_id: which of its versions, as ``versions`` names it; None for what is there now.

        Raises:
            ObjectMissing: there is no such object, or no such version.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections; the store is not used afterwards."""

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the store."""
        self.close()


def check_key(key: str) -> None:
    """Refuses a key that could lead out of the store, or that some store cannot hold.

    Keys also come from manifests, which others may have written.

    Raises:
        StoreError: it is empty, absolute, too long, or has an empty, ``.`` or ``..`` segment.
    """
    usable = "\0" not in key and not _NO_SEGMENT.intersection(key.split("/"))
    if not usable or len(key.encode("utf-8", "surrogateescape")) > _LONGEST_KEY:
        raise StoreError(
            f"{key[:200]!r} cannot be the name of an object in an archive",
            hint="it may come from a manifest that this program did not write",
        )


def check_state_key(key: str) -> None:
    """Refuses a key outside ``state/``, the only place where anything is overwritten or removed.

    Raises:
        ValueError: the caller is about to break the one promise that matters most.
    """
    check_key(key)
    if not key.startswith(STATE_PREFIX):
        raise ValueError(f"{key!r} is not below {STATE_PREFIX}: it is written once and stays")


def check_range(offset: int, length: int | None) -> None:
    """Refuses a range that cannot be meant.

    Raises:
        ValueError: an end before the beginning, or a beginning before the object's.
    """
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(f"no octets lie at {offset} with length {length}")
