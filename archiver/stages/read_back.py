"""Reading copies back: the proof that a message may leave the server.

A listing, and even HEAD, may show what GET does not give; so the octets themselves are fetched and
hashed before they leave the one place where they are known to be.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from archiver.errors import StoreError
from archiver.model import Copy, Proof
from archiver.store import ObjectMissing, Store

THREADS = 8


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Copies with the proof that they gave, and those that gave none, with the reason."""

    proven: tuple[Copy, ...]
    failed: tuple[tuple[Copy, str], ...]


def read_back(copies: Sequence[Copy], store: Store, *, checksum: bool) -> ReadBack:
    """Proves copies by their octets.

    Args:
        copies: which.
        store: where they lie.
        checksum: whether the store's own word, its SHA-256 of an object, is enough.

    Raises:
        StoreError: the store cannot be reached, or refuses.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        judged = list(pool.map(lambda copy: _prove(copy, store, checksum=checksum), copies))
    return ReadBack(
        tuple(replace(copy, proof=proof) for copy, proof, _ in judged if proof is not None),
        tuple((copy, reason) for copy, proof, reason in judged if proof is None),
    )


def _prove(copy: Copy, store: Store, *, checksum: bool) -> tuple[Copy, Proof | None, str]:
    locator = copy.locator
    if checksum:
        stat = store.head(locator.key)
        if stat is None:
            return copy, None, "is not in the store"
        if stat.sha256 == copy.digest and stat.size == locator.length:
            return copy, Proof.CHECKSUM, ""
    try:
        length, digest = _hash(store.read(locator.key))
    except ObjectMissing:
        return copy, None, "cannot be read from the store"
    except StoreError as error:
        # Where the store answers for this very object, the trouble is the object's alone.
        if store.head(locator.key) is None:
            return copy, None, "is not in the store"
        return copy, None, f"cannot be read from the store: {error.message}"
    if length != locator.length:
        return copy, None, f"has {length:,} octets in the store in place of {locator.length:,}"
    if digest != copy.digest:
        return copy, None, "has other octets in the store"
    return copy, Proof.READ, ""


def _hash(chunks: Iterable[bytes]) -> tuple[int, str]:
    length, hashed = 0, hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
        length += len(chunk)
    return length, hashed.hexdigest()
