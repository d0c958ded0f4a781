"""Messages as files: a tree of ``.eml`` by account and month, or a Maildir."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from archiver.index import Hit
from archiver.safe_names import safe_name
from archiver.verbs.export.below import Below

_CHUNK = 1 << 16
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


def place_of(hit: Hit) -> tuple[tuple[str, ...], str]:
    """The directory and the name of a message in a tree, the same each time."""
    account = safe_name(hit.accounts[0], "account")
    if hit.date is None or hit.date < 0:
        return (account, "undated"), f"{hit.digest}.eml"
    date = datetime.fromtimestamp(hit.date, UTC)
    name = f"{date:%Y%m%d-%H%M%S}-{hit.digest[:32]}.eml"
    return (account, f"{date:%Y}", f"{date:%m}"), name


class Files:
    """Files below a directory."""

    reads = True

    def __init__(self, destination: Path) -> None:
        self._below = Below(destination)

    def finish(self) -> None:
        """Makes their names durable."""
        self._below.sync()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What was written stays, and is passed over by the next export."""
        self._below.close()


class Tree(Files):
    """``DEST/account/year/month/date-digest.eml``, every octet as it was archived.

    A message that several accounts hold is there once, under the first of them.
    """

    def has(self, hit: Hit) -> bool:
        """Whether the file is there, which has its name only when it is whole."""
        return self._below.has(*place_of(hit))

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Writes the file, which bears the message's date."""
        with self._below.create(*place_of(hit), modified=hit.date) as file:
            shutil.copyfileobj(octets, file, _CHUNK)


class Maildir(Files):
    """A Maildir with all messages in ``cur``, seen.

    As mail programs on Unix want it, lines end with LF alone: of a message in which each line ends
    with CRLF, so that nothing is lost. Any other message is written octet by octet.
    """

    def __init__(self, destination: Path) -> None:
        super().__init__(destination)
        for name in ("tmp", "new", "cur"):
            self._below.make((name,))

    def has(self, hit: Hit) -> bool:
        """Whether the file is there, as this export has named it."""
        return self._below.has(("cur",), _maildir_name(hit))

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Writes the file."""
        with self._below.create(("cur",), _maildir_name(hit), modified=hit.date) as file:
            for chunk in unix_lines(octets):
                file.write(chunk)


def _maildir_name(hit: Hit) -> str:
    return f"{max(hit.date or 0, 0)}.{hit.digest}.archiver,W={hit.size}:2,S"


def unix_lines(octets: BinaryIO) -> Iterator[bytes]:
    """A message with LF for CRLF if no other CR or LF is in it, else as it is."""
    plain = _has_only_crlf(octets)
    octets.seek(0)
    held = b""
    while chunk := octets.read(_CHUNK):
        if not plain:
            yield chunk
            continue
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        yield chunk[: len(chunk) - len(held)].replace(b"\r\n", b"\n")
    if held:
        yield held


def _has_only_crlf(octets: BinaryIO) -> bool:
    octets.seek(0)
    held = b""
    while chunk := octets.read(_CHUNK):
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""
        if _BARE.search(chunk[: len(chunk) - len(held)]):
            return False
    return not held
