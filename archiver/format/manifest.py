"""Manifests and checkpoints, written and read: a head, and records a line each (``records.py``).

A manifest is a link of a chain. A checkpoint is none: it restates, as records, what was live behind
a link, so that a reader may begin there; the manifest that follows names it with its digest.
"""

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archiver.errors import IntegrityError, UnknownFormat
from archiver.format.document import FORMAT
from archiver.format.stored import StoredLines, decoded, line_of
from archiver.format.values import (
    count_in,
    digest_in,
    object_in,
    optional_digest_in,
    text_in,
    time_in,
    time_text,
)

MANIFEST_TYPE = "application/gzip"


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """The first line of a manifest.

    ``previous`` is the digest of the chain's manifest before, None for the first. ``at`` is when it
    was drafted, in seconds since the epoch; None where it does not say.
    """

    account: str
    writer: str
    sequence: int
    previous: str | None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A link of a chain: its place, and the digest of its stored octets."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class CheckpointHead:
    """The first line of a checkpoint, written behind manifest ``sequence`` of a writer's chain.

    ``covers`` names by its writer each chain that the checkpoint stands for, and up to which link.
    """

    account: str
    writer: str
    sequence: int
    covers: Mapping[str, ChainHead] = field(default_factory=dict)
    at: int | None = None


Sign = Callable[[bytes], Mapping[str, Any]]
"""Makes of all lines of a manifest the record that ends it, their signature."""

Hear = Callable[[bytes], None]
"""Is given the lines of a stored object one by one, for whoever checks what was signed."""


def manifest_octets(
    head: ManifestHead, records: Iterable[Mapping[str, Any]], sign: Sign | None = None
) -> bytes:
    """A manifest as it is stored: one JSON object a line, gzip without a time stamp.

    The same head and records give the same octets, so that a retry repeats them exactly.

    Args:
        head: its first line.
        records: the lines behind it.
        sign: makes the last line; None for a manifest without a signature.
    """
    first = {
        "format": FORMAT,
        "account": head.account,
        "writer": head.writer,
        "sequence": head.sequence,
        "previous": head.previous,
        "at": None if head.at is None else time_text(head.at),
        "requires": [],
    }
    lines = b"".join(line_of(record) for record in (first, *records))
    if sign is not None:
        lines += line_of(sign(lines))
    return gzip.compress(lines, compresslevel=6, mtime=0)


def checkpoint_line(head: CheckpointHead) -> bytes:
    """The first line of a checkpoint; records follow, as in a manifest, and all of it is gzip."""
    covers = {
        writer: {"sequence": link.sequence, "digest": link.digest}
        for writer, link in sorted(head.covers.items())
    }
    return line_of(
        {
            "kind": "checkpoint",
            "format": FORMAT,
            "account": head.account,
            "writer": head.writer,
            "sequence": head.sequence,
            "covers": covers,
            "at": None if head.at is None else time_text(head.at),
            "requires": [],
        }
    )


class _Stored:
    """What manifests and checkpoints have in common; iterating gives the records, once.

    Args:
        chunks: the stored octets, as they come.
        name: what to call it where it cannot be read.
        hear: is given each line, without its end, before it is decoded.

    Raises:
        UnknownFormat: it is of a newer format, or requires what this version does not know.
        IntegrityError: it is damaged. Iterating may raise that as well, up to its end: only then
            is it known to be whole.
    """

    def __init__(self, chunks: Iterable[bytes], name: str, hear: Hear | None = None) -> None:
        self._stored = StoredLines(chunks, name)
        self._name = name
        self._lines = iter(self._stored) if hear is None else _heard(self._stored, hear)
        self._first = _first(self._lines, name)

    @property
    def digest(self) -> str:
        """The SHA-256 of the stored octets; empty before the last record was taken."""
        return self._stored.digest

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The records, with every field that they have; unknown kinds are among them."""
        for line in self._lines:
            record = decoded(line, self._name)
            if not isinstance(record.get("kind"), str):
                raise IntegrityError(f"{self._name} cannot be decoded: a record has no kind")
            yield record


class StoredManifest(_Stored):
    """A manifest as it streams in."""

    def __init__(
        self, chunks: Iterable[bytes], name: str = "a manifest", hear: Hear | None = None
    ) -> None:
        super().__init__(chunks, name, hear)
        first = self._first
        try:
            self.head = ManifestHead(
                account=text_in(first, "account"),
                writer=text_in(first, "writer"),
                sequence=count_in(first, "sequence"),
                previous=optional_digest_in(first, "previous"),
                at=time_in(first, "at"),
            )
        except ValueError as error:
            raise _headless(name, error) from None


class StoredCheckpoint(_Stored):
    """A checkpoint as it streams in."""

    def __init__(self, chunks: Iterable[bytes], name: str = "a checkpoint") -> None:
        super().__init__(chunks, name)
        first = self._first
        try:
            covers = object_in(first, "covers")
            self.head = CheckpointHead(
                account=text_in(first, "account"),
                writer=text_in(first, "writer"),
                sequence=count_in(first, "sequence"),
                covers={writer: _link(object_in(covers, writer)) for writer in covers},
                at=time_in(first, "at"),
            )
        except ValueError as error:
            raise _headless(name, error) from None


def _heard(lines: Iterable[bytes], hear: Hear) -> Iterator[bytes]:
    for line in lines:
        hear(line)
        yield line


def _link(link: Mapping[str, Any]) -> ChainHead:
    return ChainHead(count_in(link, "sequence"), digest_in(link, "digest"))


def _headless(name: str, error: ValueError) -> IntegrityError:
    return IntegrityError(f"{name} cannot be decoded: in its first line, {error}")


def read_manifest(
    octets: bytes, name: str = "a manifest"
) -> tuple[ManifestHead, list[dict[str, Any]]]:
    """The head and all records of a stored manifest, for whoever has both in memory anyway.

    Raises:
        UnknownFormat: it is of a newer format, or requires what this version does not know.
        IntegrityError: it is damaged.
    """
    manifest = StoredManifest([octets], name)
    return manifest.head, list(manifest)


def _first(lines: Iterator[bytes], name: str) -> dict[str, Any]:
    line = next(lines, None)
    if line is None:
        raise IntegrityError(f"{name} cannot be decoded: it is empty")
    first = decoded(line, name)
    version, requires = first.get("format"), first.get("requires")
    if isinstance(version, int) and (version > FORMAT or requires):
        raise UnknownFormat(
            f"{name} is of format {version} and requires {requires}",
            hint="use the version of archiver that wrote it, or a newer one",
        )
    if version != FORMAT or requires != []:
        raise IntegrityError(f"{name} cannot be decoded: its first line names no format")
    return first
