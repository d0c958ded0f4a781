"""Parts: the leaves of a message other than its text, decoded and handed on one after the other."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from archiver.mail.octets import CHUNK
from archiver.mail.structure import Leaf
from archiver.mail.transfer import decoder
from archiver.model import Part


class PartSink(Protocol):
    """Receives the decoded parts of a message, one after the other and never interleaved."""

    def begin(self) -> None:
        """A part begins."""

    def write(self, octets: bytes) -> None:
        """The next octets of the part that began last; never empty, at most about 128 KiB."""

    def end(self, part: Part) -> None:
        """The part is whole; this is what it was."""


def decoded(stream: BinaryIO, leaf: Leaf, defects: set[str]) -> Iterator[bytes]:
    """The content of a leaf in pieces, its transfer encoding undone.

    Args:
        stream: the message, seekable; it must not be moved while a piece is awaited.
        leaf: where it lies and how it is encoded.
        defects: takes what its encoding gets wrong.
    """
    encoding = decoder(leaf.entity.encoding, defects)
    stream.seek(leaf.start)
    left = leaf.end - leaf.start
    while left > 0 and (octets := stream.read(min(CHUNK, left))):
        left -= len(octets)
        if piece := encoding.feed(octets):
            yield piece
    if piece := encoding.close():
        yield piece


def read_part(stream: BinaryIO, leaf: Leaf, sink: PartSink | None, defects: set[str]) -> Part:
    """Decodes one leaf into the sink and says what it was."""
    entity = leaf.entity
    if entity.embedded and entity.encoding in ("base64", "quoted-printable"):
        # RFC 2046 section 5.2.1 forbids it; the message is what stands behind it all the same.
        defects.add("encoded-message")
    if sink is not None:
        sink.begin()
    digest = hashlib.sha256()
    size = 0
    for piece in decoded(stream, leaf, defects):
        digest.update(piece)
        size += len(piece)
        if sink is not None:
            sink.write(piece)
    part = Part(
        digest=digest.hexdigest(),
        size=size,
        type=entity.type,
        name=entity.name,
        disposition=entity.disposition,
        content_id=entity.content_id,
    )
    if sink is not None:
        sink.end(part)
    return part
