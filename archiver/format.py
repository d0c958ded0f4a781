"""Store format 1: names of objects, lines of manifests, and what identifies a message.

Pure functions over octets and text. What is written here outlives every version of the program:
ARCHITECTURE.md describes it for whoever has the bucket and not us.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from archiver.errors import IntegrityError
from archiver.model import Fingerprint, Locator

FORMAT = 1
FORMAT_KEY = "format.json"
STATE_PREFIX = "state/"
MAIL_PREFIX = "mail/"
RAW_TYPE = "message/rfc822"
MANIFEST_TYPE = "application/gzip"

_END_OF_HEADER = b"\r\n\r\n"
_HEADER_PROBE = 1 << 20


def account_segment(account: str) -> str:
    """The account id as one path segment of a key (RFC 3986 section 2.1, ``@`` kept)."""
    encoded = quote(account.lower(), safe="@")
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" else encoded


def batch_prefix(account: str, day: str, batch: str) -> str:
    """The prefix under which all objects of a batch lie; ``day`` is ``yyyy-mm-dd``."""
    return f"mail/{account_segment(account)}/{day.replace('-', '/')}/{batch}/"


def raw_key(account: str, day: str, batch: str, digest: str) -> str:
    """The key of a message's raw octets."""
    return f"{batch_prefix(account, day, batch)}{digest}.eml"


def part_key(account: str, day: str, batch: str, digest: str) -> str:
    """The key of a part's decoded octets."""
    return f"{batch_prefix(account, day, batch)}parts/{digest}"


def manifest_key(account: str, writer: str, sequence: int) -> str:
    """The key of one link of a writer's chain for an account."""
    return f"manifests/{account_segment(account)}/{writer}/{sequence:012d}.jsonl.gz"


def format_document() -> bytes:
    """The octets of ``format.json``, written once per store."""
    document = {
        "format": FORMAT,
        "digest": "sha-256",
        "requires": [],
        "layout": {
            "mail": "mail/<account>/<yyyy>/<mm>/<dd>/<batch>/<digest>.eml",
            "parts": "mail/<account>/<yyyy>/<mm>/<dd>/<batch>/parts/<digest>",
            "manifests": "manifests/<account>/<writer>/<sequence>.jsonl.gz",
        },
        "about": (
            "A mail archive. Every .eml holds a message exactly as its server sent it and is named"
            " by the SHA-256 of its octets. The manifests, one chain per account and writer, name"
            " everything that was archived."
        ),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def check_format(octets: bytes) -> None:
    """Refuses a store that this version cannot read or write safely.

    Args:
        octets: what ``format.json`` of the store holds.

    Raises:
        IntegrityError: it is no format document, is of another format, or requires what we lack.
    """
    try:
        document = json.loads(octets)
        version, requires = document["format"], list(document["requires"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise IntegrityError(
            f"{FORMAT_KEY} in the store is not readable as a format document",
            hint="check the prefix: something other than an archive may lie there",
        ) from None
    if version != FORMAT or requires:
        wanted = f"format {version}" + (
            f" with {', '.join(map(str, requires))}" if requires else ""
        )
        raise IntegrityError(
            f"the store is of {wanted}; this version knows format {FORMAT}",
            hint="use the version of archiver that wrote it, or a newer one",
        )


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """The first line of a manifest; ``previous`` is None for a chain's first."""

    account: str
    writer: str
    sequence: int
    previous: str | None


def manifest_octets(head: ManifestHead, records: Iterable[Mapping[str, Any]]) -> bytes:
    """A manifest as it is stored: one JSON object a line, gzip without a time stamp.

    The same head and records give the same octets, so that a retry repeats them exactly.
    """
    first = {
        "format": FORMAT,
        "account": head.account,
        "writer": head.writer,
        "sequence": head.sequence,
        "previous": head.previous,
        "requires": [],
    }
    lines = b"".join(_line(record) for record in (first, *records))
    return gzip.compress(lines, compresslevel=6, mtime=0)


def read_manifest(octets: bytes) -> tuple[ManifestHead, list[dict[str, Any]]]:
    """The head and the records of a stored manifest.

    Raises:
        IntegrityError: it cannot be decoded, or requires what this version does not know.
    """
    try:
        first, *records = (json.loads(line) for line in gzip.decompress(octets).splitlines())
        head = ManifestHead(first["account"], first["writer"], first["sequence"], first["previous"])
        version, requires = first["format"], first["requires"]
        records = [dict(record) for record in records]
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, RecursionError):
        raise IntegrityError("a manifest in the store cannot be decoded") from None
    if version != FORMAT or requires:
        raise IntegrityError(
            f"manifest {head.sequence} of writer {head.writer} is of format {version}"
            f" and requires {requires}",
            hint="use the version of archiver that wrote it, or a newer one",
        )
    return head, records


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


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


class MessageHash:
    """The fingerprint of a message, fed with its octets in pieces of any size.

    The header digest covers the octets before the first empty line, so that ``TOP n 0`` of the
    same message gives the same one. A message is *identifiable* by it when its header has a
    Message-ID or a Received field: without them, different messages may share one header.
    """

    def __init__(self) -> None:
        self._all = hashlib.sha256()
        self._header = hashlib.sha256()
        # A message may begin with its empty line, so it counts as following a line end.
        self._tail = b"\r\n"
        self._hashed = 2
        self._in_header = True
        self._probe = bytearray(b"\r\n")
        self._size = 0

    def update(self, chunk: bytes) -> None:
        """Takes the next octets."""
        self._all.update(chunk)
        self._size += len(chunk)
        if self._in_header:
            self._update_header(chunk)

    def _update_header(self, chunk: bytes) -> None:
        joined = self._tail + chunk
        end = joined.find(_END_OF_HEADER)
        self._in_header = end < 0
        # The last octet waits when it may be the first of the empty line, which is not hashed.
        ready = end + 2 if end >= 0 else len(joined) - joined.endswith(b"\r\n\r")
        self._take(joined[self._hashed : ready])
        self._tail = joined[-3:]
        self._hashed = len(self._tail) - (len(joined) - ready)

    def _take(self, header: bytes) -> None:
        self._header.update(header)
        if len(self._probe) < _HEADER_PROBE:
            self._probe += header

    def result(self) -> Fingerprint:
        """The fingerprint of everything fed so far."""
        if self._in_header:
            self._take(self._tail[self._hashed :])
            self._hashed = len(self._tail)
        header = bytes(self._probe).lower()
        return Fingerprint(
            digest=self._all.hexdigest(),
            header_digest=self._header.hexdigest(),
            size=self._size,
            identifiable=b"\nmessage-id:" in header or b"\nreceived:" in header,
        )
