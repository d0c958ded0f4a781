"""Where a server without a delivery agent of its own gets its mail: an mbox file, or a maildir.

Messages are put there as an agent on Debian would put them, and owned by who is to read them. Each
file is given a time in the past, a second after the one before: solid-pop3d puts a maildir in the
order of these, and popa3d makes everybody wait whose mbox was written to within this second.
"""

import itertools
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

_EPOCH = 1_700_000_000
_MAILDIR = ("", "tmp", "new", "cur")
_POSTMARK = b"From sender@example.org Sat Jan  1 00:00:00 2022\n"

Format = Literal["mbox", "maildir"]
"""How a mailbox lies on the disk."""


class Maildrop(Protocol):
    """One user's mail on the disk."""

    def add(self, messages: Iterable[bytes]) -> None:
        """Delivers messages, in this order."""

    def left(self) -> list[bytes]:
        """What is still there, in order of delivery."""


class Mbox:
    """An mbox file, made empty.

    Args:
        file: where it is to lie.
        owner: the user and group who may read it.
    """

    def __init__(self, file: Path, owner: int) -> None:
        """Makes the file."""
        self._file = file
        self._seconds = itertools.count(_EPOCH)
        file.touch(0o600)
        os.chown(file, owner, owner)

    def add(self, messages: Iterable[bytes]) -> None:
        """Delivers messages in this order, each ``in_mbox`` and with an empty line behind it."""
        with self._file.open("ab") as file:
            for message in messages:
                file.write(_POSTMARK + in_mbox(message) + b"\n")
        second = next(self._seconds)
        os.utime(self._file, (second, second))

    def left(self) -> list[bytes]:
        """The messages that the file holds, without what the format adds but for a final LF."""
        found = re.split(rb"(?m)^From .*\n", self._file.read_bytes())[1:]
        return [re.sub(rb"(?m)^>(>*From )", rb"\1", one.removesuffix(b"\n")) for one in found]


class Maildir:
    """A maildir, made empty.

    Args:
        folder: where it is to lie.
        owner: the user and group who may read it.
    """

    def __init__(self, folder: Path, owner: int) -> None:
        """Makes the folders."""
        self._folder = folder
        self._owner = owner
        self._seconds = itertools.count(_EPOCH)
        for name in _MAILDIR:
            (folder / name).mkdir()
            os.chown(folder / name, owner, owner)

    def add(self, messages: Iterable[bytes]) -> None:
        """Delivers messages in this order, each with exactly these octets on the disk."""
        for message in messages:
            second = next(self._seconds)
            unfinished = self._folder / "tmp" / f"{second}.1.localhost"
            unfinished.write_bytes(message)
            os.chown(unfinished, self._owner, self._owner)
            os.utime(unfinished, (second, second))
            unfinished.rename(self._folder / "new" / unfinished.name)

    def left(self) -> list[bytes]:
        """The octets of every file that is still there, in order of delivery."""
        files = [file for name in ("new", "cur") for file in (self._folder / name).iterdir()]
        return [file.read_bytes() for file in sorted(files, key=lambda file: file.name)]


def in_mbox(message: bytes) -> bytes:
    """A message as it lies in an mbox: ended by LF, and no line of it begins with ``From``.

    The quoting is that of mboxrd, which can be undone: a ``>`` more before any ``>*From``.
    """
    return re.sub(rb"(?m)^(>*From )", rb">\1", ended(message))


def ended(message: bytes) -> bytes:
    """The message with a final LF, which agents add, unless it is empty."""
    return message if not message or message.endswith(b"\n") else message + b"\n"


def crlf(stored: bytes) -> bytes:
    """Each LF as CRLF, whatever is before it."""
    return stored.replace(b"\n", b"\r\n")
