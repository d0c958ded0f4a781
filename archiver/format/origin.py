"""Where imported messages came from, as records of manifests and the ledger say it."""

import json
from collections.abc import Mapping
from typing import Any

from archiver.format.values import optional_text_in, text_in, texts_in, time_in, time_text
from archiver.model import Origin

POP3 = "pop3"
"""The protocol of messages that have no ``Origin``: a mail server listed them."""


def origin_fields(origin: Origin) -> dict[str, Any]:
    """The fields of an ``archived`` record that only an imported message has."""
    date = origin.internal_date
    return {
        "labels": list(origin.labels),
        "flags": list(origin.flags),
        "internal_date": None if date is None else time_text(date),
    }


def origin_in(record: Mapping[str, Any], source: Mapping[str, Any]) -> Origin | None:
    """The origin that an ``archived`` record with this ``source`` tells; None for POP3.

    Raises:
        ValueError: a field cannot be meant.
    """
    protocol = optional_text_in(source, "protocol") or POP3
    if protocol == POP3:
        return None
    return Origin(
        protocol,
        labels=texts_in(record, "labels"),
        flags=texts_in(record, "flags"),
        internal_date=time_in(record, "internal_date"),
    )


def origin_text(origin: Origin | None) -> str | None:
    """An origin as the ledger keeps it."""
    if origin is None:
        return None
    return json.dumps({"protocol": origin.protocol, **origin_fields(origin)})


def read_origin(text: str | None) -> Origin | None:
    """An origin that the ledger has kept."""
    if text is None:
        return None
    kept = json.loads(text)
    return Origin(
        text_in(kept, "protocol"),
        labels=texts_in(kept, "labels"),
        flags=texts_in(kept, "flags"),
        internal_date=time_in(kept, "internal_date"),
    )
