"""The formats of an export, by name and by the ending of what a person names."""

from enum import StrEnum
from pathlib import Path

from archiver.errors import LocalDiskError, UsageError
from archiver.verbs.export.attachments import Attachments
from archiver.verbs.export.mbox import Mbox
from archiver.verbs.export.tables import Csv, JsonLines, Parquet
from archiver.verbs.export.target import Target
from archiver.verbs.export.trees import Maildir, Tree
from archiver.verbs.export.zips import Zip


class Format(StrEnum):
    """How messages are laid out."""

    EML = "eml"
    MAILDIR = "maildir"
    MBOX = "mbox"
    ZIP = "zip"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ATTACHMENTS = "attachments"


FORMATS = tuple(str(one) for one in Format if one is not Format.ATTACHMENTS)
_BY_ENDING = {
    f".{one}": one for one in (Format.MBOX, Format.ZIP, Format.CSV, Format.JSONL, Format.PARQUET)
}


def format_of(destination: Path, named: str | None, *, attachments: bool) -> Format:
    """The format that a person means.

    Args:
        destination: where to; an ending such as ``.mbox`` names a format.
        named: the format by its name.
        attachments: whether attachments are wanted, which need none.

    Raises:
        UsageError: there is no such format, or one too many.
    """
    if attachments:
        if named is not None:
            raise UsageError("--attachments are files of their own", hint="leave --format out")
        return Format.ATTACHMENTS
    if named is None:
        return _BY_ENDING.get(destination.suffix.lower(), Format.EML)
    if named not in FORMATS:
        raise UsageError(f"--format {named}: expected one of {', '.join(FORMATS)}")
    return Format(named)


def open_target(form: Format, destination: Path, asked: str) -> Target:
    """What to export to.

    Args:
        form: how.
        destination: where.
        asked: the query as it was typed; an export of the same into the same place is gone on with.

    Raises:
        UsageError: it cannot be: a file is there already, or is no directory.
        LocalDiskError: the disk refuses.
    """
    try:
        match form:
            case Format.EML:
                return Tree(destination)
            case Format.MAILDIR:
                return Maildir(destination)
            case Format.ATTACHMENTS:
                return Attachments(destination)
            case Format.ZIP:
                return Zip(destination)
            case Format.PARQUET:
                return Parquet(destination)
        kinds = {Format.MBOX: Mbox, Format.CSV: Csv, Format.JSONL: JsonLines}
        return kinds[form](destination, f"{form} {' '.join(asked.split())}")
    except (FileExistsError, NotADirectoryError, FileNotFoundError, PermissionError) as error:
        raise UsageError(f"{destination} cannot be written: {error.strerror}") from None
    except OSError as error:
        raise LocalDiskError(f"{destination} cannot be written: {error.strerror}") from error
