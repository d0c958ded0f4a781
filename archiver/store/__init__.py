from archiver.store.contract import Capabilities, ObjectMissing, Stat, Store, Version, remembered
from archiver.store.hazards import Hazard, hazards
from archiver.store.opening import canonical_url, open_store
from archiver.store.payload import open_slice, payload_of, payload_of_slice
from archiver.store.snapshots import keep_snapshot, newest_snapshot

__all__ = [
    "Capabilities",
    "Hazard",
    "ObjectMissing",
    "Stat",
    "Store",
    "Version",
    "canonical_url",
    "hazards",
    "keep_snapshot",
    "newest_snapshot",
    "open_slice",
    "open_store",
    "payload_of",
    "payload_of_slice",
    "remembered",
]
