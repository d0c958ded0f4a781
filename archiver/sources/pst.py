"""Outlook's .pst files, through ``readpst`` of libpst where it is installed.

What it writes is not what was sent: Outlook keeps no message as it came. It makes up the boundaries
of multiparts at random, which are numbered here instead, so that a message has the same digest
whenever it is imported. It unpacks into a directory of its own, of which nothing is left in the
end, and is held to limits.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from archiver.errors import LocalDiskError, UsageError
from archiver.sources.letter import Letter, Trouble, whole_lines

_MAGIC = b"!BDN"
_BOUNDARY = re.compile(rb"(--boundary-LibPST-iamunique-)(-?\d+)(_-_-)")
_ROOM = 2
"""How many times its size an unpacked file may need: attachments are written in base64."""
_LIMITED = ["sh", "-c", 'ulimit -c 0; ulimit -v 2097152; exec "$@"', "sh"]
"""No core dump, and 2 GiB of memory, for what a damaged file makes of it."""


def is_pst(beginning: bytes) -> bool:
    """Whether a file that begins so is one of Outlook's."""
    return beginning.startswith(_MAGIC)


def reader() -> str:
    """The program that reads them.

    Raises:
        UsageError: it is not installed.
    """
    program = shutil.which("readpst")
    if program is None:
        raise UsageError(
            "an Outlook file takes readpst to read, which is not installed",
            hint="install pst-utils (Debian, Ubuntu) or libpst (Fedora, Homebrew), then try again",
        )
    return program


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A directory with the mail of a file as a tree of .eml files, for as long as it is open.

    Raises:
        UsageError: ``readpst`` is not installed, or cannot read the file.
        LocalDiskError: there is no room for it.
    """
    program = reader()
    with TemporaryDirectory(prefix="archiver-pst-") as made:
        free, needed = shutil.disk_usage(made).free, _ROOM * path.stat().st_size
        if free < needed:
            raise LocalDiskError(
                f"{made} has no room for the mail in {path}: {needed:,} octets may be needed",
                hint="free space there, or let TMPDIR name another directory",
            )
        _unpack(program, path, Path(made))
        yield Path(made)


def _unpack(program: str, path: Path, into: Path) -> None:
    # Mail only (-t e), each in a file of its own (-e), by one process that says nothing.
    command = [
        *_LIMITED,
        program,
        "-q",
        "-j",
        "0",
        "-t",
        "e",
        "-e",
        "-o",
        str(into),
        "--",
        str(path),
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"it ended with {done.returncode}"
        raise UsageError(
            f"readpst cannot read it: {reason}",
            hint="nothing of it was imported",
        )


def as_from(found: Letter | Trouble, path: Path, unpacked: Path) -> Letter | Trouble:
    """What was unpacked, under the name of the file that it is from."""
    name = f"{path}: {Path(found.name).relative_to(unpacked)}"
    if isinstance(found, Trouble):
        return replace(found, name=name)
    origin = replace(found.origin, protocol="pst")
    return replace(found, name=name, origin=origin, pieces=partial(_numbered, found.pieces))


def _numbered(pieces: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    """The octets of a message, with numbers where readpst put random ones."""
    numbers: dict[bytes, int] = {}

    def number(found: "re.Match[bytes]") -> bytes:
        return b"%s%d%s" % (found[1], numbers.setdefault(found[2], len(numbers)), found[3])

    for text, _ in whole_lines(pieces()):
        yield _BOUNDARY.sub(number, text)
