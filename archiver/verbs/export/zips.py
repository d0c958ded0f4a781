"""A ZIP file with the tree of ``trees.Tree`` in it."""

import os
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from archiver.durable import sync_directory
from archiver.index import Hit
from archiver.verbs.export.growing import refuse_existing
from archiver.verbs.export.trees import place_of

_NEW = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 16
# What a ZIP file can say begins with 1980 and ends with 2107 (APPNOTE 4.4.6).
_FIRST, _LAST = 315_532_800, 4_354_819_198


class Zip:
    """A ZIP file, compressed; its directory stands at the end, so that one cut short begins anew.

    Args:
        destination: the file.

    Raises:
        UsageError: it exists already.
        OSError: it cannot be written.
    """

    reads = True

    def __init__(self, destination: Path) -> None:
        refuse_existing(destination)
        self._destination = destination
        self._partial = destination.with_name(f"{destination.name}.partial")
        self._file = os.fdopen(os.open(self._partial, _NEW, 0o600), "r+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)

    def has(self, hit: Hit) -> bool:
        """It always begins anew."""
        return False

    def take(self, hit: Hit, octets: BinaryIO) -> None:
        """Writes a message, with its date."""
        directory, name = place_of(hit)
        seconds = min(max(hit.date or 0, _FIRST), _LAST)
        date = datetime.fromtimestamp(seconds, UTC)
        info = zipfile.ZipInfo("/".join((*directory, name)), date.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            shutil.copyfileobj(octets, file, _CHUNK)

    def finish(self) -> None:
        """Writes the directory, and gives the file its name."""
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.rename(self._destination)
        sync_directory(self._destination.absolute().parent)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What is not whole goes."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
