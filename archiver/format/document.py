"""``format.json``: what a store says of itself, and whether this version may read and write it."""

import json

from archiver.errors import IntegrityError, UnknownFormat

FORMAT = 1
FORMAT_KEY = "format.json"


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
            "checkpoints": "manifests/<account>/<writer>/<sequence>-<digest>.checkpoint.jsonl.gz",
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
        UnknownFormat: it is of another format, or requires what this version lacks.
        IntegrityError: it is no format document.
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
        raise UnknownFormat(
            f"the store is of {wanted}; this version knows format {FORMAT}",
            hint="use the version of archiver that wrote it, or a newer one",
        )
