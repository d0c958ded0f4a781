"""Records as manifests and checkpoints write them; the readers are in ``record_reading.py``.

Those of events are written by the ledger's triggers, in SQL (``ledger/schema.py``).
"""

from typing import Any

from archiver.format.origin import POP3, origin_fields
from archiver.format.records import AccountSays, Archived, Linked, Moved
from archiver.format.values import time_text
from archiver.model import Locator


def archived_json(archived: Archived) -> dict[str, Any]:
    """A record as manifests write it."""
    return {
        "kind": "archived",
        "digest": archived.digest,
        "header_digest": archived.header_digest,
        "size": archived.size,
        "uidl": archived.uidl,
        "listed_size": archived.listed_size,
        "source": {
            "protocol": POP3 if archived.origin is None else archived.origin.protocol,
            "host": archived.host,
            "utf8": archived.utf8,
            "anomalies": list(archived.anomalies),
        },
        "raw": locator_json(archived.raw),
        "proof": archived.proof,
        "parts": [
            {
                "digest": part.digest,
                "size": part.locator.length,
                "locator": locator_json(part.locator),
                "proof": part.proof,
            }
            for part in archived.parts
        ],
        "fetched_at": time_text(archived.fetched_at),
        "archived_at": time_text(archived.archived_at),
        "batch": str(archived.batch),
        **({} if archived.origin is None else origin_fields(archived.origin)),
    }


def linked_json(linked: Linked) -> dict[str, Any]:
    """A record as manifests write it."""
    return {
        "kind": "linked",
        "uidl": linked.uidl,
        "listed_size": linked.listed_size,
        "digest": linked.digest,
        "batch": None if linked.batch is None else str(linked.batch),
        "archived_at": None if linked.archived_at is None else time_text(linked.archived_at),
    }


def checkpoint_record(sequence: int, digest: str, key: str) -> dict[str, Any]:
    """The record that names a checkpoint, as manifests write it."""
    return {"kind": "checkpoint", "sequence": sequence, "digest": digest, "key": key}


def account_json(says: AccountSays) -> dict[str, Any]:
    """A record as manifests write it."""
    return {
        "kind": "account",
        "host": says.host,
        "utf8": says.utf8,
        "distrusted": says.distrusted,
        "retires": says.retires,
    }


def moved_json(moved: Moved) -> dict[str, Any]:
    """A record as manifests write it."""
    return {
        "kind": "moved",
        "what": moved.what,
        "digest": moved.digest,
        "locator": locator_json(moved.locator),
        "proof": moved.proof,
        "at": None if moved.at is None else time_text(moved.at),
        "from": moved.old,
    }


def locator_json(locator: Locator) -> dict[str, Any]:
    """A locator as manifests and ``--json`` write it."""
    return {
        "key": locator.key,
        "offset": locator.offset,
        "length": locator.length,
        "codec": locator.codec,
        "enc": locator.enc,
        "etag": locator.etag,
        "version_id": locator.version_id,
    }
