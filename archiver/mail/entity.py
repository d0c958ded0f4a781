"""What the MIME header of a message or of one of its parts says about its body.

RFC 2045 says what a body is, RFC 2183 how it is meant to be shown. A Content-Type that cannot be
read means plain text (RFC 2045 section 5.2).
"""

import re
from dataclasses import dataclass

from archiver.mail.fields import Fields
from archiver.mail.identifiers import bracketed
from archiver.mail.parameters import Parameters

BOUNDARY_LIMIT = 1000

_TYPE = re.compile(r"[!#$&'*+.^_{|}~0-9a-z-]{1,127}/[!#$&'*+.^_{|}~0-9a-z-]{1,127}")
_TOKEN = re.compile(r"[^\s;(]{1,60}")


@dataclass(frozen=True, slots=True)
class Entity:
    """A body as its header describes it.

    ``type`` is ``type/subtype``, ``charset``, ``encoding`` and ``disposition`` are in lower case;
    ``boundary`` is that of a multipart with one that can be used, else None.
    """

    type: str
    charset: str | None = None
    encoding: str = ""
    name: str | None = None
    disposition: str | None = None
    content_id: str | None = None
    boundary: bytes | None = None

    @property
    def multipart(self) -> bool:
        """Whether it claims to hold other entities."""
        return self.type.startswith("multipart/")

    @property
    def embedded(self) -> bool:
        """Whether it is a message of its own, whose leaves belong to it."""
        return self.type in ("message/rfc822", "message/global")


def describe(fields: Fields, default_type: str, defects: set[str]) -> Entity:
    """Reads an entity's description from its header.

    Args:
        fields: with at least ``MIME_FIELDS`` wanted.
        default_type: what it is when there is no Content-Type (RFC 2046 section 5.1.5).
        defects: takes what the fields get wrong.
    """
    kind = Parameters(fields.first("content-type") or b"")
    shown = Parameters(fields.first("content-disposition") or b"")
    type_ = _media_type(kind.value, default_type, defects)
    return Entity(
        type=type_,
        charset=kind.token("charset"),
        encoding=_token(fields.first("content-transfer-encoding")),
        name=shown.text("filename", defects) or kind.text("name", defects),
        disposition=_token(shown.value.encode("latin-1")) or None,
        content_id=bracketed(fields.first("content-id")),
        boundary=_boundary(kind, defects) if type_.startswith("multipart/") else None,
    )


def _media_type(value: str, default_type: str, defects: set[str]) -> str:
    if not value:
        return default_type
    value = "".join(value.split())
    if _TYPE.fullmatch(value):
        return value
    defects.add("malformed-content-type")
    return "text/plain"


def _token(octets: bytes | None) -> str:
    match = _TOKEN.match((octets or b"").decode("latin-1").strip().lower())
    return match[0] if match else ""


def _boundary(kind: Parameters, defects: set[str]) -> bytes | None:
    # White space at its end is no part of a boundary (RFC 2046 section 5.1.1).
    boundary = (kind.octets("boundary") or b"").rstrip()
    if 0 < len(boundary) <= BOUNDARY_LIMIT:
        return boundary
    defects.add("multipart-without-boundary")
    return None
