"""A copy of a writer's ledger in the store, and what is said of it beside it.

``state/ledger/<writer>/<yyyy-mm-dd>.db.gz`` is the SQLite file, ``<yyyy-mm-dd>.json`` describes it
and is written behind it: what nothing describes is not whole. The heads say where each chain stood,
so that a reader knows which manifests are still to be replayed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from archiver.errors import UnknownFormat
from archiver.format.document import FORMAT
from archiver.format.keys import STATE_PREFIX
from archiver.format.values import count_in, digest_in, object_in, text_in, texts_in

SNAPSHOTS_PREFIX = f"{STATE_PREFIX}ledger/"

_KEY = re.compile(
    rf"{SNAPSHOTS_PREFIX}(?P<writer>[^/]+)/(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
    r"(?P<kind>\.db\.gz|\.json)"
)


@dataclass(frozen=True, slots=True)
class WriterHead:
    """The newest proven manifest of an account, and the writer in whose chain it is."""

    writer: str
    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of a ledger as it is described.

    Attributes:
        writer: whose ledger it is.
        day: when it was made, in UTC.
        made_at: the same to the second (RFC 3339).
        program: the version of the program that made it.
        migrations: the names of those that the ledger had had, in alphabetical order.
        size: octets of the SQLite file.
        sha256: its digest.
        heads: where the chains stood, by account.
    """

    writer: str
    day: date
    made_at: str
    program: str
    migrations: tuple[str, ...]
    size: int
    sha256: str
    heads: Mapping[str, WriterHead]


def snapshot_prefix(writer: str) -> str:
    """The prefix under which the copies of a writer's ledger lie."""
    return f"{SNAPSHOTS_PREFIX}{writer}/"


def snapshot_key(writer: str, day: date) -> str:
    """The key of a copy."""
    return f"{snapshot_prefix(writer)}{day.isoformat()}.db.gz"


def description_key(writer: str, day: date) -> str:
    """The key of what describes a copy."""
    return f"{snapshot_prefix(writer)}{day.isoformat()}.json"


@dataclass(frozen=True, slots=True)
class SnapshotKey:
    """What a key below ``state/ledger/`` says; ``describes`` where it is no copy itself."""

    writer: str
    day: date
    describes: bool


def parse_snapshot_key(key: str) -> SnapshotKey | None:
    """What a key below ``state/ledger/`` says, None for one that is not of this format."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:
        return None
    return SnapshotKey(match["writer"], day, match["kind"] == ".json")


def describe_snapshot(snapshot: Snapshot) -> bytes:
    """The octets that describe a copy."""
    document = {
        "format": FORMAT,
        "made_at": snapshot.made_at,
        "program": snapshot.program,
        "migrations": list(snapshot.migrations),
        "size": snapshot.size,
        "sha256": snapshot.sha256,
        "heads": {
            account: {"writer": head.writer, "sequence": head.sequence, "digest": head.digest}
            for account, head in sorted(snapshot.heads.items())
        },
    }
    return (json.dumps(document, indent=2, ensure_ascii=True) + "\n").encode()


def read_description(key: SnapshotKey, octets: bytes) -> Snapshot:
    """The copy that these octets, found under this key, describe.

    Raises:
        ValueError: they describe none.
        UnknownFormat: they are of another format than this version knows.
    """
    try:
        document = json.loads(octets)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if document.get("format") != FORMAT:
        raise UnknownFormat(f"it is of format {document.get('format')!r}")
    heads = object_in(document, "heads")
    return Snapshot(
        writer=key.writer,
        day=key.day,
        made_at=text_in(document, "made_at"),
        program=text_in(document, "program"),
        migrations=texts_in(document, "migrations"),
        size=count_in(document, "size"),
        sha256=digest_in(document, "sha256"),
        heads={account: _head(object_in(heads, account)) for account in heads},
    )


def _head(record: Mapping[str, Any]) -> WriterHead:
    return WriterHead(
        text_in(record, "writer"), count_in(record, "sequence"), digest_in(record, "digest")
    )
