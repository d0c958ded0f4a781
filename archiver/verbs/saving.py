"""Writes octets to a file that a person named: all of them or none, over nothing that is there."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from archiver.errors import LocalDiskError, UsageError


def save(chunks: Iterable[bytes], path: Path, *, replace: bool = False) -> int:
    """Writes a file that only its owner may read, and gives it its name when it is whole.

    Args:
        chunks: the octets.
        path: where to.
        replace: whether a file that is there may be replaced.

    Returns:
        How many octets there are.

    Raises:
        UsageError: something is there, or it is no file, or the directory cannot be written.
        LocalDiskError: the disk is full or failing.
    """
    check_place(path, replace=replace)
    temporary: Path | None = None
    try:
        # NamedTemporaryFile makes it with mode 0600.
        with NamedTemporaryFile(dir=path.parent, prefix=".archiver-", delete=False) as file:
            temporary = Path(file.name)
            size = sum(map(file.write, chunks))
        _name(temporary, path, replace=replace)
    except FileExistsError:
        raise _taken(path) from None
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    except OSError as error:
        raise LocalDiskError(
            f"{path} cannot be written: {error.strerror}", hint="free space, then run again"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return size


def check_place(path: Path, *, replace: bool) -> None:
    """Says what stands in the way of a file before any work is done for it; see ``save``.

    Raises:
        UsageError: something is there that must not be replaced.
    """
    if path.is_symlink() or path.exists():
        if not replace:
            raise _taken(path)
        if not path.is_file():
            raise UsageError(
                f"{path} is no file", hint="name a file or a directory, or - for stdout"
            )


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} is there already", hint="name another file, or add --force")


def _name(temporary: Path, path: Path, *, replace: bool) -> None:
    if replace:
        temporary.replace(path)
        return
    try:
        # Unlike a rename, a link never takes the place of a file that has just appeared.
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no links.
        check_place(path, replace=False)
        temporary.rename(path)
