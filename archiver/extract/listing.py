"""The names in a zip, from its directory alone: nothing in it is unpacked."""

import zipfile
from typing import BinaryIO

from archiver.extract.gathering import Broken, Gathered


def read_listing(file: BinaryIO, into: Gathered) -> None:
    """Gathers the names of what a zip holds.

    Raises:
        Broken: it is no zip.
        Enough: there are more than is wanted.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                into.add(f"{name}\n")
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise Broken("no zip that can be read") from error
