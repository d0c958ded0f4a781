"""Whether what lies under a key is what we were about to write there.

A write that was refused because the key is taken is either our own earlier attempt, whose answer
was lost, or somebody else's object. Only looking tells. The store's word is enough to say "the
same"; "different" is said only after reading, because an ETag may be something else than an MD5.
"""

import hashlib

from archiver.errors import KeyTaken
from archiver.model import Payload
from archiver.store.contract import ObjectMissing, Stat, Store


def look(store: Store, key: str, payload: Payload) -> Stat | None:
    """What lies under the key, if it is the payload.

    Returns:
        None where nothing lies there.

    Raises:
        KeyTaken: something else does.
    """
    stat = store.head(key)
    if stat is None:
        return None
    if stat.size == payload.length:
        if stat.sha256 == payload.sha256 or stat.md5 == payload.md5.hex():
            return stat
        try:
            if _digest(store, key) == payload.sha256:
                return stat
        except ObjectMissing:
            return None
    raise KeyTaken(
        f"{store.url}/{key} holds other octets than the ones to be written there",
        hint="nothing was overwritten; see who else writes to this prefix",
    )


def _digest(store: Store, key: str) -> str:
    hashed = hashlib.sha256()
    for chunk in store.read(key):
        hashed.update(chunk)
    return hashed.hexdigest()
