"""Verify: shows that what was put can be found again, before a manifest may name it.

One listing of a batch's prefix proves all of it where ETags are MD5: an object's ETag was held
against our own MD5 when it was put, and the listing must repeat it. Elsewhere the store is asked
for each object's SHA-256, and where it has none the octets are fetched again and hashed.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from archiver.model import Copy, Proof
from archiver.store import ObjectMissing, Stat, Store


@dataclass(frozen=True, slots=True)
class Verified:
    """``proven`` are the copies that are there, with their proofs; ``missing`` the others."""

    proven: tuple[Copy, ...]
    missing: tuple[Copy, ...]


def verify(prefix: str, copies: Sequence[Copy], store: Store) -> Verified:
    """Proves the copies that lie under one prefix.

    Args:
        prefix: the batch's prefix.
        copies: what was put there.
        store: where.

    Raises:
        StoreError: the store refuses or cannot be reached.
    """
    unseen = {copy.locator.key: copy for copy in copies}
    proven: list[Copy] = []
    missing: list[Copy] = []
    for copy, stat in _seen(prefix, unseen, store):
        proof = _proof(copy, stat, store)
        if proof is None:
            missing.append(copy)
        else:
            proven.append(replace(copy, proof=proof))
    return Verified(tuple(proven), (*missing, *unseen.values()))


def _seen(prefix: str, unseen: dict[str, Copy], store: Store) -> Iterator[tuple[Copy, Stat]]:
    if not unseen:
        return
    for stat in store.list(prefix):
        copy = unseen.pop(stat.key, None)
        if copy is not None:
            yield copy, stat


def _proof(copy: Copy, stat: Stat, store: Store) -> Proof | None:
    locator = copy.locator
    if stat.size != locator.length:
        return None
    if stat.md5 is not None and stat.etag == locator.etag:
        return Proof.LISTED
    if store.capabilities is not None and store.capabilities.checksum:
        head = store.head(locator.key)
        if head is not None and head.sha256 is not None:
            return Proof.CHECKSUM if head.sha256 == copy.digest else None
    return Proof.READ if _hash(locator.key, store) == copy.digest else None


def _hash(key: str, store: Store) -> str | None:
    hashed = hashlib.sha256()
    try:
        for chunk in store.read(key):
            hashed.update(chunk)
    except ObjectMissing:
        return None
    return hashed.hexdigest()
