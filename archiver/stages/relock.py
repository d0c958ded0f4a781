"""Locking again what is named again: parts and messages that are in the store already."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from archiver.model import Copy
from archiver.store import ObjectMissing, Store

_THREADS = 8


def relock(copies: Sequence[Copy], store: Store) -> tuple[Copy, ...]:
    """Has the locks of objects last as long as those of new ones.

    Returns:
        The copies that are not in the store.

    Raises:
        StoreError: the store cannot be reached, or refuses.
    """

    def is_there(copy: Copy) -> bool:
        try:
            store.relock(copy.locator.key, copy.locator.version_id)
        except ObjectMissing:
            return False
        return True

    with ThreadPoolExecutor(_THREADS) as pool:
        there = list(pool.map(is_there, copies))
    return tuple(copy for copy, found in zip(copies, there, strict=True) if not found)
