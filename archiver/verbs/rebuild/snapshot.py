"""A copy of a lost ledger in the store, to begin with: it saves reading and applying manifests.

It counts for an account only if it was taken at the end of a run and every chain still has, with
the same octets, the link up to which the copy knows it. What is wrong with it is never more than a
note: the manifests say the same.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from archiver.errors import ArchiverError
from archiver.format import ChainHead, manifest_key
from archiver.ledger import Ledger
from archiver.ledger.schema import MIGRATION_NAMES
from archiver.store import ObjectMissing, Store, newest_snapshot


def fetch(store: Store, target: Path, note: Callable[[str], None]) -> str | None:
    """Fetches the newest copy that this version can use.

    Args:
        store: the store.
        target: where the ledger is to be.
        note: hears which copies are passed over.

    Returns:
        When it was taken, None where there is none.

    Raises:
        StoreError: the store cannot be reached.
        LocalDiskError: it cannot be written.
    """
    found = newest_snapshot(store, target, migrations=MIGRATION_NAMES, note=note)
    if found is None:
        return None
    if set(found.migrations) != MIGRATION_NAMES:
        # Its manifests may tell what an older ledger has no place for.
        note(f"the copy of the ledger of {found.made_at} was made by an older version of archiver")
        target.unlink()
        return None
    try:
        Ledger.open(target).close()
    except ArchiverError as error:
        note(f"the copy of the ledger of {found.made_at} cannot be used: {error.message}")
        return None
    return found.made_at


def is_in_chains(store: Store, account: str, heads: Mapping[str, tuple[int, ChainHead]]) -> bool:
    """Whether the chains of an account still have these links."""
    return all(
        _digest(store, manifest_key(account, writer, head.sequence)) == head.digest
        for writer, (_, head) in heads.items()
    )


def _digest(store: Store, key: str) -> str | None:
    hashed = hashlib.sha256()
    try:
        for chunk in store.read(key):
            hashed.update(chunk)
    except ObjectMissing:
        return None
    return hashed.hexdigest()
