from archiver.store.contract import Capabilities, ObjectMissing, Stat, Store
from archiver.store.opening import canonical_url, open_store
from archiver.store.payload import payload_of, payload_of_slice

__all__ = [
    "Capabilities",
    "ObjectMissing",
    "Stat",
    "Store",
    "canonical_url",
    "open_store",
    "payload_of",
    "payload_of_slice",
]
