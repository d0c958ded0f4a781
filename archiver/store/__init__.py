from archiver.store.contract import Capabilities, ObjectMissing, Stat, Store, Version, remembered
from archiver.store.opening import canonical_url, open_store
from archiver.store.payload import payload_of, payload_of_slice

__all__ = [
    "Capabilities",
    "ObjectMissing",
    "Stat",
    "Store",
    "Version",
    "canonical_url",
    "open_store",
    "payload_of",
    "payload_of_slice",
    "remembered",
]
